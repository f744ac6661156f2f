//! The wire formats of AI providers, as pure functions: nothing here sends, waits or stores.
//!
//! Begin with [`adapter::ProviderAdapter`]: what the gateway asks of a provider, in the order in
//! which it asks. Each provider has a folder (`openai`, `anthropic`); what they share is how JSON
//! is read ([`json`]), how a stream of events is read ([`events`]), how an answer is metered
//! ([`meter`]) and what it costs ([`prices`]).

pub mod adapter;
pub mod meter;
pub mod prices;
pub mod refusal;
pub mod request;
