//! Refusals in Google's shape (`google.rpc.Status`), and its complaints about a credential.

use http::StatusCode;
use memchr::memmem;
use serde_json::{Value, json};

use crate::refusal::{Reason, Refusal};

/// The body of a refusal, and what ends a stream. Google's SDKs know an error in a stream by its
/// first member.
pub(super) fn text(refusal: &Refusal<'_>) -> String {
    format!(r#"{{"error":{},"aipassport":{}}}"#, error(refusal), refusal.passport())
}

fn error(refusal: &Refusal<'_>) -> Value {
    let status = refusal.reason.status();
    let mut details = vec![json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason(&refusal.reason),
        "domain": "aipassport",
        "metadata": {"rule": refusal.reason.rule(), "request_id": refusal.request_id},
    })];
    if let Some(seconds) = refusal.retry_after_seconds {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{seconds}s"),
        }));
    }
    json!({
        "code": status.as_u16(),
        "message": refusal.reason.message(),
        "status": name(status),
        "details": details,
    })
}

fn reason(reason: &Reason<'_>) -> String {
    match reason.status() {
        StatusCode::UNAUTHORIZED => "API_KEY_INVALID".to_owned(),
        StatusCode::TOO_MANY_REQUESTS => "RATE_LIMIT_EXCEEDED".to_owned(),
        _ => reason.rule().to_ascii_uppercase(),
    }
}

/// The name of the status, as in `google.rpc.Code`.
fn name(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
        // Money that is used up is a quota that is.
        StatusCode::PAYMENT_REQUIRED | StatusCode::TOO_MANY_REQUESTS => "RESOURCE_EXHAUSTED",
        StatusCode::FORBIDDEN => "PERMISSION_DENIED",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => "DEADLINE_EXCEEDED",
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => "UNAVAILABLE",
        status if status.is_server_error() => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// A 401 or 403 can only be about the provider credential, for the provider knows of no other. A bad
/// key is an invalid argument here, and an account that may not be served fails a precondition. What
/// is searched for has its quotes: inside of a string they would be escaped.
pub(super) fn is_about_credential(status: StatusCode, body: &[u8]) -> bool {
    let has_word = |word: &str| memmem::find(body, word.as_bytes()).is_some();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PAYMENT_REQUIRED => true,
        StatusCode::BAD_REQUEST => [
            r#""API_KEY_INVALID""#,
            r#""API_KEY_EXPIRED""#,
            r#""FAILED_PRECONDITION""#,
        ]
        .into_iter()
        .any(has_word),
        _ => false,
    }
}
