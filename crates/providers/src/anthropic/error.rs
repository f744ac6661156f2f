//! Refusals in Anthropic's shape, and its complaints about a credential.

use aipassport_domain::{ledger::LimitRule, policy::Denial};
use http::StatusCode;
use memchr::memmem;
use serde_json::{Value, json};

use crate::refusal::{Reason, Refusal};

/// The body of a refusal, and the data of the event that ends a stream.
pub(super) fn value(refusal: &Refusal<'_>) -> Value {
    json!({
        "type": "error",
        "error": {"type": kind(&refusal.reason), "message": refusal.reason.message()},
        "request_id": refusal.request_id,
        "aipassport": refusal.passport(),
    })
}

fn kind(reason: &Reason<'_>) -> &'static str {
    match reason {
        Reason::Denied(Denial::Limit(reached)) => match reached.rule {
            LimitRule::Budget | LimitRule::Requests => "billing_error",
            LimitRule::Rate | LimitRule::Concurrency => "rate_limit_error",
        },
        Reason::NotFound | Reason::NoSuchObject | Reason::NoSuchModel(_) => "not_found_error",
        Reason::TooLarge => "request_too_large",
        Reason::UpstreamTimedOut => "timeout_error",
        Reason::Unavailable => "overloaded_error",
        reason if reason.status() == StatusCode::UNAUTHORIZED => "authentication_error",
        reason if reason.status() == StatusCode::FORBIDDEN => "permission_error",
        reason if reason.status().is_server_error() => "api_error",
        _ => "invalid_request_error",
    }
}

/// A 401 or 403 can only be about the provider credential, for the provider knows of no other; and
/// so is an account that has no money left.
pub(super) fn is_about_credential(status: StatusCode, body: &[u8]) -> bool {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PAYMENT_REQUIRED => true,
        StatusCode::BAD_REQUEST => memmem::find(body, b"credit balance is too low").is_some(),
        _ => false,
    }
}
