//! A push parser for server-sent events: finds where each event ends, and leaves the bytes alone.
//!
//! Begin with [`EventSplitter::feed`]. Nothing waits for more than the end of an event, so that a
//! stream that has to be ended early is always cut between two of them.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// A longer event passes by unread, in pieces.
const LONGEST_EVENT: usize = 8 * 1024 * 1024;

/// Cuts a stream into whole events, wherever the network has cut it.
#[derive(Debug, Default)]
pub(crate) struct EventSplitter {
    /// The beginning of an event that is still to end.
    kept: BytesMut,
    scan: Scan,
    /// Inside an event that is too long to be kept.
    is_overlong: bool,
}

/// How far the search for the end of an event has come.
#[derive(Clone, Copy, Debug)]
struct Scan {
    /// `None` where the line began in bytes that are gone.
    line_start: Option<usize>,
    searched: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// One event with the empty line that ends it.
    Event(&'a [u8]),
    /// A part of an event too long to be read.
    Unread(&'a [u8]),
}

impl EventSplitter {
    /// Takes the next bytes and returns those that are settled: whole events, in order. Each was
    /// shown to `see` before.
    pub(crate) fn feed(&mut self, mut chunk: Bytes, see: impl FnMut(Piece<'_>)) -> Bytes {
        if self.kept.is_empty() {
            let settled = self.split(&chunk, see);
            self.kept.extend_from_slice(&chunk.split_off(settled));
            return chunk;
        }
        let mut buffer = std::mem::take(&mut self.kept);
        buffer.extend_from_slice(&chunk);
        let settled = self.split(&buffer, see);
        let events = buffer.split_to(settled).freeze();
        self.kept = buffer;
        events
    }

    /// What is left when the stream ends without the empty line.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.scan = Scan::default();
        std::mem::take(&mut self.kept).freeze()
    }

    fn split(&mut self, buffer: &[u8], mut see: impl FnMut(Piece<'_>)) -> usize {
        let mut settled = 0;
        loop {
            let rest = buffer.get(settled..).unwrap_or_default();
            let Some(length) = self.scan.event_end(rest) else { break };
            let event = rest.get(..length).unwrap_or_default();
            see(if std::mem::take(&mut self.is_overlong) {
                Piece::Unread(event)
            } else {
                Piece::Event(event)
            });
            self.scan = Scan::default();
            settled += length;
        }

        let rest = buffer.get(settled..).unwrap_or_default();
        if self.is_overlong || rest.len() > LONGEST_EVENT {
            self.is_overlong = true;
            // The last byte may be the first half of a line end.
            let gone = self.scan.searched.saturating_sub(1);
            see(Piece::Unread(rest.get(..gone).unwrap_or_default()));
            self.scan = Scan {
                line_start: self.scan.line_start.and_then(|start| start.checked_sub(gone)),
                searched: self.scan.searched - gone,
            };
            settled += gone;
        }
        settled
    }
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            line_start: Some(0),
            searched: 0,
        }
    }
}

impl Scan {
    /// One past the empty line that ends the first event in `buffer`, if it is all there.
    fn event_end(&mut self, buffer: &[u8]) -> Option<usize> {
        loop {
            let unsearched = buffer.get(self.searched..)?;
            let Some(length) = memchr2(b'\n', b'\r', unsearched) else {
                self.searched = buffer.len();
                return None;
            };
            let line_end = self.searched + length;
            let is_empty = self.line_start == Some(line_end);
            let next = match (buffer.get(line_end), buffer.get(line_end + 1)) {
                (Some(b'\r'), Some(b'\n')) => line_end + 2,
                // Whether this is half of a line end only the next byte tells. After an empty line
                // it does not matter: a line feed would only add another empty line.
                (Some(b'\r'), None) if !is_empty => {
                    self.searched = line_end;
                    return None;
                }
                _ => line_end + 1,
            };
            if is_empty {
                return Some(next);
            }
            self.line_start = Some(next);
            self.searched = next;
        }
    }
}

/// The data of one event: its `data` lines, joined. `None` where it has none.
pub(crate) fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut rest = event.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(event);
    let mut joined: Option<Cow<'_, [u8]>> = None;
    while !rest.is_empty() {
        let length = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(length);
        rest = after.get(1..).unwrap_or_default();
        let Some(value) = data_line(line) else { continue };
        joined = Some(match joined {
            None => Cow::Borrowed(value),
            Some(before) => {
                let mut before = before.into_owned();
                before.push(b'\n');
                before.extend_from_slice(value);
                Cow::Owned(before)
            }
        });
    }
    joined
}

fn data_line(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// What stands before and after `range` of the event's data, if the data is on one line.
pub(crate) fn without(event: &[u8], range: std::ops::Range<usize>) -> Option<(&[u8], &[u8])> {
    let Some(Cow::Borrowed(data)) = data(event) else {
        return None;
    };
    // The data is a part of the event, so that the distance of the two is its place.
    let start = (data.as_ptr() as usize).checked_sub(event.as_ptr() as usize)?;
    let before = event.get(..start + range.start)?;
    let after = event.get(start + range.end..)?;
    Some((before, after))
}
