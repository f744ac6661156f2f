//! Keeps the usage of a stream from a client that did not ask for it.

use crate::{
    events::{self, Piece},
    meter::UsageMember,
};

/// Hides it in one stream.
#[derive(Default)]
pub(crate) struct Hiding {
    /// The event before was hidden when the last byte that had arrived of it was a carriage return:
    /// a line feed that comes next belongs to it.
    hides_line_feed: bool,
}

impl Hiding {
    /// Writes the event as the client sees it.
    pub(crate) fn show(&mut self, piece: Piece<'_>, usage: Option<UsageMember>, shown: &mut Vec<u8>) {
        let (Piece::Event(event) | Piece::Unread(event)) = piece;
        if std::mem::take(&mut self.hides_line_feed) && event == b"\n" {
            return;
        }
        match usage {
            Some(usage) if usage.stands_alone => self.hides_line_feed = event.ends_with(b"\r"),
            Some(usage) => match events::without(event, usage.range) {
                Some((before, after)) => {
                    shown.extend_from_slice(before);
                    shown.extend_from_slice(after);
                }
                None => shown.extend_from_slice(event),
            },
            None => shown.extend_from_slice(event),
        }
    }
}
