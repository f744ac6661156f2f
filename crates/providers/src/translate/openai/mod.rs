//! OpenAI's formats, from the side of a client: its requests are read, and its answers written.

mod chat;
mod completion;
mod messages;
mod response;
mod response_events;
mod responses;
mod tools;

use bytes::Bytes;
use serde::Serialize;

pub(crate) use self::{
    chat::{read as read_chat, wants_usage},
    completion::{Completion, ErrorBody},
    response::Response,
    responses::{Echo, read as read_response},
};

/// What these types hold can always be written.
pub(crate) fn json_bytes(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// An event is one line: what a client laid out over several, and gets back as it wrote it, is put on
/// one. In JSON a line ends between its tokens alone.
fn write_event(value: &impl Serialize, events: &mut Vec<u8>) {
    events.extend_from_slice(b"data: ");
    let one_line = |byte: u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte };
    events.extend(json_bytes(value).into_iter().map(one_line));
    events.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn an_event_is_one_line_however_its_json_is_laid_out() {
        let laid_out: Box<RawValue> = serde_json::from_str("[\r\n  \"two\\nlines\"\n]").unwrap();
        let mut events = Vec::new();

        write_event(&laid_out, &mut events);

        assert_eq!(String::from_utf8(events).unwrap(), "data: [    \"two\\nlines\" ]\n\n");
    }
}
