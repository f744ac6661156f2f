//! Strangers' text among our own lines, in logs and in a terminal: it stays on its line, in its
//! order, and moves no cursor (`security.md` 174).

use std::{borrow::Cow, fmt::Write};

/// `text` with everything that could begin a line, hide or reorder text written as `\u….`.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_treacherous) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_treacherous(character) {
            // As JSON has it, so that a line of JSON still says the same.
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(plain, "\\u{unit:04x}");
            }
        } else {
            plain.push(character);
        }
    }
    Cow::Owned(plain)
}

/// Controls, line and paragraph separators, directions, and what has no width.
fn is_treacherous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_174_text_neither_leaves_its_line_nor_turns_around() {
        assert_eq!(escaped("Notes – 日本語 🎉"), "Notes – 日本語 🎉");
        assert_eq!(
            escaped("a\r\nb\u{1b}[31m\u{9b}1m\u{202e}\u{2028}\u{e0041}\0"),
            "a\\u000d\\u000ab\\u001b[31m\\u009b1m\\u202e\\u2028\\udb40\\udc41\\u0000"
        );
    }
}
