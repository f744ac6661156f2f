//! Refusals in Cohere's shape, and its complaints about a credential.

use bytes::Bytes;
use http::StatusCode;
use memchr::memmem;
use serde_json::{Value, json};

use crate::{meter::StreamForm, refusal::Refusal};

/// The SDKs sort by status; the body has one text.
pub(super) fn value(refusal: &Refusal<'_>) -> Value {
    json!({
        "id": refusal.request_id,
        "message": refusal.reason.message(),
        "aipassport": refusal.passport(),
    })
}

/// The last event of a stream: of events in the second version, of lines in the first.
pub(super) fn event(refusal: &Refusal<'_>, form: StreamForm) -> Bytes {
    let (message, passport) = (refusal.reason.message(), refusal.passport());
    if form == StreamForm::Events {
        let event = json!({
            "type": "message-end",
            "delta": {"error": message, "finish_reason": "ERROR"},
            "aipassport": passport,
        });
        return format!("event: message-end\ndata: {event}\n\n").into();
    }
    let line = json!({
        "is_finished": true,
        "event_type": "stream-end",
        "finish_reason": "ERROR",
        "response": {"text": "", "finish_reason": "ERROR"},
        "message": message,
        "aipassport": passport,
    });
    format!("{line}\n").into()
}

/// A 401, 402 or 403 can only be about the provider credential and its account, for the provider
/// knows of no other; so can a limit on how much a trial may do.
pub(super) fn is_about_credential(status: StatusCode, body: &[u8]) -> bool {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::PAYMENT_REQUIRED | StatusCode::FORBIDDEN => true,
        StatusCode::TOO_MANY_REQUESTS => {
            // Waiting does not lift it.
            memmem::find(body, b"Trial key").is_some() && memmem::find(body, b"/ month").is_some()
        }
        _ => false,
    }
}
