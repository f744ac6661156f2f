//! Refusals in OpenAI's shape, and its complaints about a credential.

use aipassport_domain::{ledger::LimitRule, policy::Denial};
use bytes::Bytes;
use http::StatusCode;
use memchr::memmem;
use serde_json::{Value, json};

use crate::{
    headers,
    refusal::{Reason, Refusal},
    request::ReadError,
};

pub(crate) fn body(refusal: &Refusal<'_>) -> Bytes {
    headers::json(&json!({"error": error(refusal), "aipassport": refusal.passport()}))
}

/// Both formats of stream know this event: chat completions by its `error`, responses by its type.
pub(crate) fn event(refusal: &Refusal<'_>) -> Bytes {
    let error = error(refusal);
    let event = json!({
        "type": "error",
        "code": error.get("code"),
        "message": error.get("message"),
        "param": error.get("param"),
        "error": error,
        "aipassport": refusal.passport(),
    });
    format!("data: {event}\n\n").into()
}

fn error(refusal: &Refusal<'_>) -> Value {
    let (kind, code) = kind_and_code(&refusal.reason);
    let message = refusal.reason.message();
    let message = if refusal.reason.status() == StatusCode::UNAUTHORIZED {
        // SDKs and wrappers sort by this text.
        format!("Incorrect API key provided: {message}.")
    } else {
        message.into_owned()
    };
    let param = match &refusal.reason {
        Reason::Unreadable(ReadError::Invalid { member, .. } | ReadError::NotSupported { member, .. }) => Some(*member),
        Reason::Unreadable(ReadError::NotCarried { member, .. }) => Some(member.as_ref()),
        Reason::Denied(Denial::ModelNotGranted(_) | Denial::PriceUnknown(_)) => Some("model"),
        _ => None,
    };
    json!({"message": message, "type": kind, "param": param, "code": code})
}

fn kind_and_code(reason: &Reason<'_>) -> (&'static str, &'static str) {
    const INVALID: &str = "invalid_request_error";
    match reason {
        Reason::Denied(Denial::Limit(reached)) => match reached.rule {
            LimitRule::Budget | LimitRule::Requests => ("insufficient_quota", "insufficient_quota"),
            LimitRule::Rate | LimitRule::Concurrency => ("requests", "rate_limit_exceeded"),
        },
        Reason::Denied(Denial::ModelNotGranted(_)) | Reason::NoSuchModel(_) => (INVALID, "model_not_found"),
        Reason::NotFound => (INVALID, "unknown_url"),
        Reason::Unreadable(ReadError::NotSupported { .. } | ReadError::NotCarried { .. }) => {
            (INVALID, "unsupported_value")
        }
        Reason::Malformed(_) | Reason::Unreadable(_) => (INVALID, "invalid_request"),
        reason if reason.status() == StatusCode::UNAUTHORIZED => (INVALID, "invalid_api_key"),
        reason if reason.status().is_server_error() => ("server_error", reason.rule()),
        reason => (INVALID, reason.rule()),
    }
}

/// A 401 or 403 can only be about the provider credential, for the provider knows of no other; a
/// 429 about its account's own money is no rate limit that waiting would lift.
pub(crate) fn is_about_credential(status: StatusCode, body: &[u8]) -> bool {
    let has_word = |word: &str| memmem::find(body, word.as_bytes()).is_some();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => true,
        StatusCode::TOO_MANY_REQUESTS => {
            has_word("\"insufficient_quota\"") || has_word("\"billing_hard_limit_reached\"")
        }
        _ => false,
    }
}
