//! Gemini's contents, as they are written from what a client asks and understood for it: chats, and
//! the pictures and the speech that its models make.

mod answer;
mod images;
mod media;
mod request;
mod speech;
mod turns;

pub(super) use self::{
    answer::Contents,
    images::{read_images, write_images},
    media::Made,
    request::write,
    speech::{read_speech, write_speech},
};
use super::raw::invalid;
use crate::request::ReadError;

/// Where requests for `model` go. The name stands in the path, so it must be nothing but a name.
pub(super) fn path(model: &str, method: &str) -> Result<String, ReadError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if model.bytes().all(is_plain) {
        Ok(format!("/v1beta/models/{model}:{method}"))
    } else {
        Err(invalid("model", "must be the id of a model"))
    }
}
