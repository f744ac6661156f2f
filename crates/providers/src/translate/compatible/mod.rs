//! Chat completions, as they are written for and understood from providers that have nothing newer:
//! Mistral, and servers of a user's own.

mod answer;
mod messages;
mod request;

pub(super) use self::{answer::Completions, request::write};
