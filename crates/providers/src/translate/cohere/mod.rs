//! Cohere's second version of chat, as it is written from what a client asks and understood for it.

mod answer;
mod request;
mod turns;

pub(super) use self::{answer::Chat, request::write};
