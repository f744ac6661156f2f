//! The adapters as the gateway sees them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a value that does not fit is a failed test"
)]

mod ceilings;
mod cohere;
mod features;
mod gemini;
mod golden;
mod headers;
mod key_checks;
mod media;
mod meters;
mod mistral;
mod refusals;
mod requests;
mod routes;
mod support;
mod translations;
