//! Anthropic's API, as published in November 2026: messages, counting tokens and models.

mod messages;

use http::{Method, StatusCode};
use serde_json::Value;

use super::{
    catalogue::Catalogue,
    protocol::{Protocol, Received, Refusal, Task},
};

pub(super) struct Anthropic;

impl Protocol for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn read(&self, received: &Received<'_>, catalogue: &Catalogue) -> Result<Task, Refusal> {
        if !received.headers.contains_key("anthropic-version") {
            return Err(Refusal::invalid("anthropic-version: header is required", None));
        }
        match (received.method, received.path) {
            (&Method::POST, "/v1/messages") => messages::read(received.body),
            (&Method::POST, "/v1/messages/count_tokens") => messages::count(received.body, &catalogue.ids(self.name())),
            (&Method::GET, "/v1/models") => {
                let models = catalogue.ids(self.name());
                let all: Vec<String> = models.iter().map(|id| model(id)).collect();
                Ok(Task::Reply(format!(
                    r#"{{"data":[{}],"has_more":false,"first_id":{},"last_id":{}}}"#,
                    all.join(","),
                    Value::from(models.first().copied()),
                    Value::from(models.last().copied())
                )))
            }
            (&Method::GET, path) => match path.strip_prefix("/v1/models/") {
                Some(id) if catalogue.model(self.name(), id).is_some() => Ok(Task::Reply(model(id))),
                Some(id) => Err(Refusal::UnknownModel(id.to_owned())),
                None => Err(not_found(received)),
            },
            _ => Err(not_found(received)),
        }
    }

    fn refusal(&self, refusal: &Refusal, request_id: &str) -> String {
        let (kind, message) = describe(refusal);
        let message = Value::from(message);
        format!(r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}},"request_id":"{request_id}"}}"#)
    }

    fn request_id_header(&self) -> &'static str {
        "request-id"
    }

    fn account_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("anthropic-organization-id", "0b5f7a4e-sandbox"),
            ("anthropic-ratelimit-requests-limit", "4000"),
            ("anthropic-ratelimit-requests-remaining", "3999"),
        ]
    }
}

fn model(id: &str) -> String {
    format!(
        r#"{{"type":"model","id":{0},"display_name":{0},"created_at":"2025-11-22T00:00:00Z"}}"#,
        Value::from(id)
    )
}

fn not_found(received: &Received<'_>) -> Refusal {
    Refusal::NotFound {
        method: received.method.clone(),
        path: received.path.to_owned(),
    }
}

fn describe(refusal: &Refusal) -> (&'static str, String) {
    match refusal {
        Refusal::NoKey => ("authentication_error", "x-api-key header is required".to_owned()),
        // The masked form is another provider's custom; only a key that is to be echoed is shown.
        Refusal::WrongKey { shown } if shown.contains('*') => ("authentication_error", "invalid x-api-key".to_owned()),
        Refusal::WrongKey { shown } => ("authentication_error", format!("invalid x-api-key: {shown}")),
        Refusal::UnknownModel(id) => ("not_found_error", format!("model: {id}")),
        Refusal::NotFound { .. } => ("not_found_error", "Not Found".to_owned()),
        Refusal::TooLarge => (
            "request_too_large",
            "Request exceeds the maximum allowed number of bytes.".to_owned(),
        ),
        Refusal::UnknownMember(name) => (
            "invalid_request_error",
            format!("{name}: Extra inputs are not permitted"),
        ),
        Refusal::Invalid { message, .. } => ("invalid_request_error", message.clone()),
        Refusal::Switched { status, message } => {
            let (kind, usual) = switched(*status);
            (kind, message.clone().unwrap_or_else(|| usual.to_owned()))
        }
    }
}

fn switched(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "Your credit balance is too low."),
        403 => (
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        404 => ("not_found_error", "Not Found"),
        429 => (
            "rate_limit_error",
            "This request would exceed your organization's rate limit.",
        ),
        504 => ("timeout_error", "Request timed out."),
        529 => ("overloaded_error", "Overloaded"),
        500.. => ("api_error", "Internal server error"),
        _ => ("invalid_request_error", "The request was refused by a switch."),
    }
}
