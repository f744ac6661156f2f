//! Where an event ends, in each form that a stream can have.

use memchr::{memchr, memchr2, memchr3};

/// How events stand one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamForm {
    /// Server-sent events (WHATWG HTML, section 9.2): an empty line ends each.
    Events,
    /// One JSON value on each line.
    Lines,
    /// The items of one JSON array, as they are written.
    Items,
}

/// How far the search for the end of an event has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan {
    searched: usize,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Events {
        /// `None` where the line began in bytes that are gone.
        line_start: Option<usize>,
    },
    Lines,
    Items {
        depth: u32,
        in_string: bool,
    },
}

impl Scan {
    pub(super) fn new(form: StreamForm) -> Self {
        Self {
            searched: 0,
            state: match form {
                StreamForm::Events => State::Events { line_start: Some(0) },
                StreamForm::Lines => State::Lines,
                StreamForm::Items => State::Items {
                    depth: 0,
                    in_string: false,
                },
            },
        }
    }

    /// One past the end of the first event in `buffer`, if it is all there.
    pub(super) fn event_end(&mut self, buffer: &[u8]) -> Option<usize> {
        match &mut self.state {
            State::Events { line_start } => empty_line(buffer, &mut self.searched, line_start),
            State::Lines => {
                let unsearched = buffer.get(self.searched..)?;
                let end = memchr(b'\n', unsearched).map(|length| self.searched + length + 1);
                self.searched = buffer.len();
                end
            }
            State::Items { depth, in_string } => item_end(buffer, &mut self.searched, depth, in_string),
        }
    }

    /// Lets go of what has been searched, and returns how much that is.
    pub(super) fn forget_searched(&mut self) -> usize {
        let mut gone = self.searched;
        if let State::Events { line_start } = &mut self.state {
            // The last byte may be the first half of a line end.
            gone = gone.saturating_sub(1);
            *line_start = line_start.and_then(|start| start.checked_sub(gone));
        }
        self.searched -= gone;
        gone
    }
}

/// One past the empty line that ends an event.
fn empty_line(buffer: &[u8], searched: &mut usize, line_start: &mut Option<usize>) -> Option<usize> {
    loop {
        let unsearched = buffer.get(*searched..)?;
        let Some(length) = memchr2(b'\n', b'\r', unsearched) else {
            *searched = buffer.len();
            return None;
        };
        let line_end = *searched + length;
        let is_empty = *line_start == Some(line_end);
        let next = match (buffer.get(line_end), buffer.get(line_end + 1)) {
            (Some(b'\r'), Some(b'\n')) => line_end + 2,
            // Whether this is half of a line end only the next byte tells. After an empty line
            // it does not matter: a line feed would only add another empty line.
            (Some(b'\r'), None) if !is_empty => {
                *searched = line_end;
                return None;
            }
            _ => line_end + 1,
        };
        if is_empty {
            return Some(next);
        }
        *line_start = Some(next);
        *searched = next;
    }
}

/// One past the brace that closes an item. What stands between items belongs to the next one; the
/// bracket that closes the array is not followed by any, and so is what is left at the end.
fn item_end(buffer: &[u8], searched: &mut usize, depth: &mut u32, in_string: &mut bool) -> Option<usize> {
    while let Some(unsearched) = buffer.get(*searched..).filter(|rest| !rest.is_empty()) {
        if *in_string {
            let Some(length) = memchr2(b'"', b'\\', unsearched) else {
                break;
            };
            let at = *searched + length;
            if buffer.get(at) == Some(&b'"') {
                *in_string = false;
                *searched = at + 1;
            } else if at + 1 < buffer.len() {
                *searched = at + 2;
            } else {
                // What is escaped only the next byte tells.
                *searched = at;
                return None;
            }
            continue;
        }
        let Some(length) = memchr3(b'"', b'{', b'}', unsearched) else {
            break;
        };
        let at = *searched + length;
        *searched = at + 1;
        match buffer.get(at) {
            Some(b'"') => *in_string = true,
            Some(b'{') => *depth += 1,
            _ => {
                *depth = depth.saturating_sub(1);
                if *depth == 0 {
                    return Some(*searched);
                }
            }
        }
    }
    *searched = buffer.len();
    None
}
