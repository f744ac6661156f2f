//! Changes inputs in the places where JSON can be changed and is still JSON. Bytes that change at random
//! get no further than its first reader.

use std::ops::Range;

use libfuzzer_sys::fuzzer_mutate;

/// Of so many changes one is left to chance alone.
const LEFT_TO_CHANCE: usize = 12;

const VALUES: [&str; 16] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "7",
    "1.5",
    "1e400",
    "18446744073709551616",
    r#""""#,
    "\"\\u0000\\ud83d\"",
    "[]",
    "{}",
    "[[]]",
    r#"[{"type":"text","text":"x"}]"#,
];

const DICTIONARY: &str = include_str!("../dictionary");

/// Changes the first `size` bytes of `data`, and says how many there are then. The first `head` stay.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32, head: usize) -> usize {
    let mut chance = Chance(u64::from(seed) | 1 << 32);
    if chance.below(LEFT_TO_CHANCE) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut text = data[..size].to_vec();
    for _ in 0..=chance.below(2) {
        text = changed(&text, head, &mut chance).unwrap_or(text);
    }
    let size = text.len().min(max_size);
    data[..size].copy_from_slice(&text[..size]);
    size
}

fn changed(text: &[u8], head: usize, chance: &mut Chance) -> Option<Vec<u8>> {
    let values = values(text, head);
    let value = chance.of(&values)?.clone();
    let (range, new) = match chance.below(6) {
        0 => (value, chance.of(&VALUES)?.as_bytes().to_vec()),
        1 => (value, text[chance.of(&values)?.clone()].to_vec()),
        2 => (value, word(chance)?),
        // Away with it, and with the name and the comma that it has.
        3 => (with_name_and_comma(text, &value), Vec::new()),
        4 => {
            let again = with_name_and_comma(text, &value);
            (again.start..again.start, text[again].to_vec())
        }
        _ => {
            let inside = values
                .iter()
                .filter(|value| text[value.start] == b'{')
                .collect::<Vec<_>>();
            let place = chance.of(&inside)?.start + 1;
            let comma: &[u8] = if text.get(place) == Some(&b'}') { b"" } else { b"," };
            let member = [&word(chance)?, &b":"[..], chance.of(&VALUES)?.as_bytes(), comma].concat();
            (place..place, member)
        }
    };
    Some([&text[..range.start], &new, &text[range.end..]].concat())
}

/// One of the dictionary's, in quotes.
fn word(chance: &mut Chance) -> Option<Vec<u8>> {
    let words: Vec<&str> = DICTIONARY
        .lines()
        .filter_map(|line| line.strip_prefix("\"\\x22")?.split("\\x22").next())
        .collect();
    Some(format!("\"{}\"", chance.of(&words)?).into_bytes())
}

/// Where the values and names stand, if this is JSON, or has JSON in it.
fn values(text: &[u8], head: usize) -> Vec<Range<usize>> {
    let (mut values, mut open) = (Vec::new(), Vec::new());
    let mut at = head;
    while let Some(&byte) = text.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                while let Some(&byte) = text.get(at).filter(|byte| **byte != b'"') {
                    at += if byte == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(text.len());
                values.push(start..at);
            }
            b'{' | b'[' => open.push(start),
            b'}' | b']' => values.extend(open.pop().map(|start| start..at)),
            b'0'..=b'9' | b'-' | b't' | b'f' | b'n' => {
                while text
                    .get(at)
                    .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
                {
                    at += 1;
                }
                values.push(start..at);
            }
            _ => {}
        }
    }
    values
}

fn with_name_and_comma(text: &[u8], value: &Range<usize>) -> Range<usize> {
    let mut range = value.clone();
    let before = text[..range.start].trim_ascii_end();
    if let Some(name) = before.strip_suffix(b"\":") {
        range.start = name.iter().rposition(|byte| *byte == b'"').unwrap_or(range.start);
    }
    let after = &text[range.end..];
    let comma = after.len() - after.trim_ascii_start().len();
    if after.get(comma) == Some(&b',') {
        range.end += comma + 1;
    }
    range
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % end
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        (!all.is_empty()).then(|| &all[self.below(all.len())])
    }
}
