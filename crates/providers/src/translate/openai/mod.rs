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

fn write_event(value: &impl Serialize, events: &mut Vec<u8>) {
    events.extend_from_slice(b"data: ");
    events.extend_from_slice(&json_bytes(value));
    events.extend_from_slice(b"\n\n");
}
