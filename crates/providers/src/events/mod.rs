//! A push parser for streams of JSON: finds where each event ends, and leaves the bytes alone.
//!
//! Begin with [`Splitter::feed`]. Nothing waits for more than the end of an event, so that a stream
//! that has to be ended early is always cut between two of them. How the end is found is in
//! `scan.rs`.

mod scan;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use self::scan::Scan;
pub use self::scan::StreamForm;

/// A longer event passes by unread, in pieces.
const LONGEST_EVENT: usize = 8 * 1024 * 1024;

/// Cuts a stream into whole events, wherever the network has cut it.
#[derive(Debug)]
pub(crate) struct Splitter {
    form: StreamForm,
    /// The beginning of an event that is still to end.
    kept: BytesMut,
    scan: Scan,
    /// Inside an event that is too long to be kept.
    is_overlong: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// One event with what ends it, and with what parts it from the one before.
    Event(&'a [u8]),
    /// A part of an event too long to be read.
    Unread(&'a [u8]),
}

impl Splitter {
    pub(crate) fn new(form: StreamForm) -> Self {
        Self {
            form,
            kept: BytesMut::new(),
            scan: Scan::new(form),
            is_overlong: false,
        }
    }

    pub(crate) fn form(&self) -> StreamForm {
        self.form
    }

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

    /// What is left when the stream ends without the end of an event.
    pub(crate) fn rest(&mut self) -> Bytes {
        self.scan = Scan::new(self.form);
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
            self.scan = Scan::new(self.form);
            settled += length;
        }

        let rest = buffer.get(settled..).unwrap_or_default();
        if self.is_overlong || rest.len() > LONGEST_EVENT {
            self.is_overlong = true;
            let gone = self.scan.forget_searched();
            see(Piece::Unread(rest.get(..gone).unwrap_or_default()));
            settled += gone;
        }
        settled
    }
}

impl StreamForm {
    /// The data of one event.
    pub(crate) fn data(self, event: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Events => data(event),
            Self::Lines | Self::Items => {
                let start = event.iter().position(|byte| !b"[, \t\r\n".contains(byte))?;
                event
                    .get(start..)
                    .filter(|data| data.first() == Some(&b'{'))
                    .map(Cow::Borrowed)
            }
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
