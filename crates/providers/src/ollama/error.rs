//! Refusals in Ollama's shape: a text.

use serde_json::{Value, json};

use crate::refusal::Refusal;

/// The body of a refusal, and the line that ends a stream.
pub(super) fn value(refusal: &Refusal<'_>) -> Value {
    json!({
        "error": refusal.reason.message(),
        "code": refusal.reason.rule(),
        "aipassport": refusal.passport(),
    })
}
