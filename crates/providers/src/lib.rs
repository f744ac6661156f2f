//! The wire formats of AI providers, as pure functions: nothing here sends, waits or stores.
//!
//! Begin with [`adapter::ProviderAdapter`]: what the gateway asks of a provider, in the order in
//! which it asks. Each provider has a folder (`openai`, `anthropic`, …). What they share: how a body
//! is read once (`json`, `draft`, [`multipart`]) and sent on with few bytes changed ([`request`]),
//! the most a call can cost (`ceiling`, `flat`, [`prices`]), how a stream is cut into events (`events`) and metered
//! ([`meter`]), and why the gateway answers by itself ([`refusal`]).

pub mod adapter;
mod anthropic;
mod ceiling;
mod cohere;
mod deltas;
pub mod discovery;
mod draft;
mod events;
mod flat;
mod gemini;
mod headers;
mod hiding;
mod json;
pub mod meter;
mod mistral;
pub mod multipart;
mod ollama;
mod openai;
mod openai_compatible;
pub mod prices;
pub mod refusal;
pub mod request;
pub mod sound;
pub mod translate;
