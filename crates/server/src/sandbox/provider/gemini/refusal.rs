//! Errors as Google words them: a code, a status and details (`google.rpc.Status`).

use http::StatusCode;
use serde_json::{Value, json};

use crate::sandbox::provider::protocol::Refusal;

pub(super) fn body(refusal: &Refusal, code: StatusCode) -> String {
    let message = message(refusal);
    let mut error = json!({"code": code.as_u16(), "message": message, "status": status(code)});
    let details = details(refusal, code, &message);
    if let (Some(members), false) = (error.as_object_mut(), details.is_empty()) {
        members.insert("details".to_owned(), details.into());
    }
    format!(r#"{{"error":{error}}}"#)
}

fn message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NoKey => "Method doesn't allow unregistered callers (callers without established identity). Please \
                           use API Key or other form of API consumer identity to call this API."
            .to_owned(),
        // The masked form is another provider's custom; only a key that is to be echoed is shown.
        Refusal::WrongKey { shown } if shown.contains('*') => {
            "API key not valid. Please pass a valid API key.".to_owned()
        }
        Refusal::WrongKey { shown } => format!("API key not valid: {shown}. Please pass a valid API key."),
        Refusal::UnknownModel(id) => format!(
            "models/{id} is not found for API version v1beta, or is not supported for generateContent. Call \
             ListModels to see the list of available models and their supported methods."
        ),
        Refusal::NotFound { .. } => "Requested entity was not found.".to_owned(),
        Refusal::TooLarge => "Request payload size exceeds the limit: 20971520 bytes.".to_owned(),
        Refusal::UnknownMember(name) => {
            format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field.")
        }
        Refusal::Invalid { message, .. } => message.clone(),
        Refusal::Switched { status, message } => message.clone().unwrap_or_else(|| usual_message(*status).to_owned()),
    }
}

fn usual_message(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "Request had invalid authentication credentials.",
        403 => "Your project has been denied access. Please contact support.",
        429 => "You exceeded your current quota, please check your plan and billing details.",
        503 => "The model is overloaded. Please try again later.",
        504 => "The request timed out. Please try again.",
        500.. => "An internal error has occurred. Please retry.",
        _ => "The request was refused by a switch.",
    }
}

/// The name of the code, as in `google.rpc.Code`.
pub(super) fn status(code: StatusCode) -> &'static str {
    match code.as_u16() {
        400 | 413 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "FAILED_PRECONDITION",
    }
}

fn details(refusal: &Refusal, code: StatusCode, message: &str) -> Vec<Value> {
    match refusal {
        Refusal::WrongKey { .. } => vec![
            json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            }),
            json!({
                "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                "locale": "en-US",
                "message": message,
            }),
        ],
        _ if code == StatusCode::TOO_MANY_REQUESTS => vec![
            json!({
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{
                    "quotaMetric": "generativelanguage.googleapis.com/generate_content_paid_tier_requests",
                    "quotaId": "GenerateRequestsPerMinutePerProjectPerModel",
                }],
            }),
            json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}),
        ],
        _ => Vec::new(),
    }
}
