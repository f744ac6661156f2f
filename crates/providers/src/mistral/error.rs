//! Refusals in Mistral's shape, and its complaints about a credential.

use aipassport_domain::{ledger::LimitRule, policy::Denial};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    refusal::{Reason, Refusal},
    request::ReadError,
};

/// The body of a refusal, and the data of the event that ends a stream.
pub(super) fn value(refusal: &Refusal<'_>) -> Value {
    let param = match refusal.reason {
        Reason::Unreadable(ReadError::Invalid { member, .. } | ReadError::NotSupported { member, .. }) => Some(*member),
        Reason::Denied(Denial::ModelNotGranted(_) | Denial::PriceUnknown(_)) => Some("model"),
        _ => None,
    };
    json!({
        "object": "error",
        "message": refusal.reason.message(),
        "type": kind(&refusal.reason),
        "param": param,
        "code": refusal.reason.rule(),
        "raw_status_code": refusal.reason.status().as_u16(),
        "aipassport": refusal.passport(),
    })
}

fn kind(reason: &Reason<'_>) -> &'static str {
    match reason {
        Reason::Denied(Denial::Limit(reached)) => match reached.rule {
            LimitRule::Budget | LimitRule::Requests => "insufficient_quota",
            LimitRule::Rate | LimitRule::Concurrency => "rate_limited",
        },
        Reason::Denied(Denial::ModelNotGranted(_)) | Reason::NoSuchModel(_) => "invalid_model",
        Reason::NotFound => "not_found",
        Reason::Unavailable => "unreachable_backend",
        reason if reason.status() == StatusCode::UNAUTHORIZED => "unauthorized",
        reason if reason.status() == StatusCode::FORBIDDEN => "forbidden",
        reason if reason.status().is_server_error() => "internal_server_error",
        _ => "invalid_request_error",
    }
}

/// A 401, 402 or 403 can only be about the provider credential and its account, for the provider
/// knows of no other. (Guardrails answer 403, too, but none is forwarded.)
pub(super) fn is_about_credential(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::PAYMENT_REQUIRED | StatusCode::FORBIDDEN
    )
}
