//! Anthropic's messages, as they are written from what a client asks and understood for it.

mod answer;
mod generation;
mod request;
mod turns;

pub(super) use self::{answer::Messages, request::write};
