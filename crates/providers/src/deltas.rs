//! The short way through a stream: most events carry a few characters and nothing else of note.
//!
//! What is searched for are names with their quotes. Inside a string every quote is escaped, so
//! that nothing a model says can look like a name.

use std::ops::Range;

use memchr::memchr_iter;

use crate::{json::Reader, meter::Metered};

const DELTA: Name = Name {
    text: b"\"delta\":",
    letter: b'd',
    before: 1,
};
const USAGE: Name = Name {
    text: b"\"usage\"",
    letter: b'g',
    before: 4,
};
const NULL: &[u8] = b":null";

/// A name that is looked for by a letter of it that is rare in events, so many bytes after its start:
/// to make a searcher for the whole would cost more than to search one event.
struct Name {
    text: &'static [u8],
    letter: u8,
    before: usize,
}

impl Name {
    /// Where it stands, and what follows it there.
    fn places_in<'a>(&self, data: &'a [u8]) -> impl Iterator<Item = (usize, &'a [u8])> {
        memchr_iter(self.letter, data).filter_map(|letter| {
            let start = letter.checked_sub(self.before)?;
            Some((start, data.get(start..)?.strip_prefix(self.text)?))
        })
    }
}

/// What follows the first `"usage"` of an event.
pub(crate) enum Usage {
    Missing,
    /// A colon and null: where name and value stand.
    Null(Range<usize>),
    /// Anything else: worth reading the event.
    Worth,
}

pub(crate) fn usage(data: &[u8]) -> Usage {
    match USAGE.places_in(data).next() {
        None => Usage::Missing,
        Some((start, value)) if value.starts_with(NULL) => Usage::Null(start..start + USAGE.text.len() + NULL.len()),
        Some(_) => Usage::Worth,
    }
}

/// Counts the text of every delta of an event. False, with nothing counted, where there is none or
/// it cannot be read.
pub(crate) fn count(data: &[u8], seen: &mut Metered) -> bool {
    let mut bytes = 0;
    let mut deltas = 0_usize;
    for (_, value) in DELTA.places_in(data) {
        let counted = Reader::lenient(value).and_then(|mut reader| reader.count_text(&mut bytes));
        if counted.is_err() {
            return false;
        }
        deltas += 1;
    }
    seen.output_bytes += bytes;
    deltas > 0
}
