//! Strings as they stand in JSON, and what they say.

use std::borrow::Cow;

/// A string without its quotes, already checked.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    raw: &'a str,
    has_escapes: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(raw: &'a str, has_escapes: bool) -> Self {
        Self { raw, has_escapes }
    }

    pub(crate) fn raw(self) -> &'a str {
        self.raw
    }

    pub(crate) fn decode(self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.raw);
        }
        let mut decoded = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some((plain, escaped)) = rest.split_once('\\') {
            decoded.push_str(plain);
            let (character, length) = unescape(escaped);
            decoded.push(character);
            rest = escaped.get(length..).unwrap_or_default();
        }
        decoded.push_str(rest);
        Cow::Owned(decoded)
    }
}

/// The character that an escape stands for, and the length of the escape after its backslash.
fn unescape(escape: &str) -> (char, usize) {
    let character = match escape.as_bytes().first() {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unescape_units(escape),
        Some(byte) => char::from(*byte),
        None => char::REPLACEMENT_CHARACTER,
    };
    (character, 1)
}

fn unescape_units(escape: &str) -> (char, usize) {
    let unit = |from: usize| u16::from_str_radix(escape.get(from..from + 4)?, 16).ok();
    let first = unit(1).unwrap_or_default();
    let is_pair = escape.get(5..7) == Some("\\u");
    let second = if is_pair { unit(7) } else { None };

    let units = [first, second.unwrap_or_default()];
    let mut characters = char::decode_utf16(units);
    match characters.next() {
        Some(Ok(character)) => (character, if character.len_utf16() == 2 { 11 } else { 5 }),
        _ => (char::REPLACEMENT_CHARACTER, 5),
    }
}
