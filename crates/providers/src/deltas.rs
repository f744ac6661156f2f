//! The short way through a stream: most events carry a few characters and nothing else of note.
//!
//! What is searched for are names with their quotes. Inside a string every quote is escaped, so
//! that nothing a model says can look like a name.

use std::{ops::Range, sync::LazyLock};

use memchr::memmem::Finder;

use crate::{json::Reader, meter::Metered};

// Made once: to make one costs as much as to search an event with it.
static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"delta\":"));
static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
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
    let Some(start) = USAGE.find(data) else {
        return Usage::Missing;
    };
    let colon = start + USAGE.needle().len();
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
    for start in DELTA.find_iter(data) {
        let value = data.get(start + DELTA.needle().len()..).unwrap_or_default();
        let counted = Reader::lenient(value).and_then(|mut reader| reader.count_text(&mut bytes));
        if counted.is_err() {
            return false;
        }
        deltas += 1;
    }
    seen.output_bytes += bytes;
    deltas > 0
}
