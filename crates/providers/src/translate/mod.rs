//! OpenAI's formats over providers that speak another: the translations behind `/v1`.
//!
//! Begin with [`FaceOperation::to_provider`]: what a client asks in OpenAI's words, in the provider's. From there on the
//! call is like any other, and the provider's adapter reads what was written here: the model that
//! is checked is the model that is dispatched. The answer goes back through an [`Answer`], after
//! it was metered.
//!
//! Both ways lead over a middle that belongs to neither side: `asked.rs` and `told.rs`. Each
//! client's format and each provider's has a folder. What cannot be carried is `loss.rs`.
//!
//! Everything here is a pure function of its arguments and fails on no bytes: what cannot be
//! understood is refused, or tells nothing.

mod address;
mod answer;
mod anthropic;
mod asked;
mod chat;
mod chat_parts;
mod cohere;
mod compatible;
mod embeddings;
mod face;
mod gemini;
mod loss;
mod mistral;
mod openai;
mod own_chat;
mod raw;
mod told;

use bytes::Bytes;

pub use self::{
    address::Address,
    answer::{Answer, AnswerPlan},
    face::{FaceOperation, Way},
    loss::Lost,
    own_chat::own_chat,
};

/// A request in the provider's words.
#[derive(Debug)]
pub struct Translated {
    pub body: Bytes,
    /// The path that it goes to, on the provider's own side.
    pub path: String,
    pub lost: Lost,
    /// How to put the answer into the client's words.
    pub plan: AnswerPlan,
}

/// What an answer is marked with: neither clock nor randomness is known here.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Names the answer; the gateway's name for the call.
    pub id: String,
    /// Seconds of Unix time.
    pub created: i64,
}
