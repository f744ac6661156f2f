//! The short way through a stream: most events carry a few characters and nothing else of note.
//!
//! What is searched for are names with their quotes. Inside a string every quote is escaped, so
//! that nothing a model says can look like a name.

use std::ops::Range;

use memchr::memmem;

use crate::{json::Reader, meter::Metered};

const DELTA: &[u8] = b"\"delta\":";
const USAGE: &[u8] = b"\"usage\"";
const NULL: &[u8] = b":null";

/// What follows the first `"usage"` of an event.
pub(crate) enum Usage {
    Missing,
    /// A colon and null: where name and value stand.
    Null(Range<usize>),
    /// Anything else: worth reading the event.
    Worth,
}

pub(crate) fn usage(data: &[u8]) -> Usage {
    let Some(start) = memmem::find(data, USAGE) else {
        return Usage::Missing;
    };
    let colon = start + USAGE.len();
    let rest = data.get(colon..).unwrap_or_default();
    if rest.starts_with(NULL) {
        Usage::Null(start..colon + NULL.len())
    } else {
        Usage::Worth
    }
}

/// Counts the text of every delta of an event. False, with nothing counted, where there is none or
/// it cannot be read.
pub(crate) fn count(data: &[u8], seen: &mut Metered) -> bool {
    let mut bytes = 0;
    let mut deltas = 0_usize;
    for start in memmem::find_iter(data, DELTA) {
        let value = data.get(start + DELTA.len()..).unwrap_or_default();
        let counted = Reader::lenient(value).and_then(|mut reader| reader.count_text(&mut bytes));
        if counted.is_err() {
            return false;
        }
        deltas += 1;
    }
    seen.output_bytes += bytes;
    deltas > 0
}
