//! Mistral's API, as published in November 2026: chat and fill-in-the-middle completions,
//! embeddings, text recognition and models.
//!
//! It is stricter than the API it resembles: a member that it does not know is a 422, `stream_options`
//! first of all, for a stream reports its usage unasked.

mod completions;
mod embeddings;
mod ocr;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    catalogue::Catalogue,
    protocol::{Protocol, Received, Refusal, Task},
};

/// When everything here was made, in seconds: the sandbox has no clock.
const CREATED: i64 = 1_763_769_600;

pub(super) struct Mistral;

impl Protocol for Mistral {
    fn name(&self) -> &'static str {
        "mistral"
    }

    fn read(&self, received: &Received<'_>, catalogue: &Catalogue) -> Result<Task, Refusal> {
        match (received.method, received.path) {
            (&Method::POST, "/v1/chat/completions") => completions::read_chat(received.body),
            (&Method::POST, "/v1/fim/completions") => completions::read_fim(received.body),
            (&Method::POST, "/v1/embeddings") => embeddings::read(received.body),
            (&Method::POST, "/v1/ocr") => ocr::read(received.body),
            (&Method::GET, "/v1/models") => {
                let all: Vec<Value> = catalogue.ids(self.name()).into_iter().map(model).collect();
                Ok(Task::Reply(json!({"object": "list", "data": all}).to_string()))
            }
            (&Method::GET, path) => match path.strip_prefix("/v1/models/") {
                Some(id) if catalogue.model(self.name(), id).is_some() => Ok(Task::Reply(model(id).to_string())),
                Some(id) => Err(Refusal::UnknownModel(id.to_owned())),
                None => Err(not_found(received)),
            },
            _ => Err(not_found(received)),
        }
    }

    fn refusal(&self, refusal: &Refusal, _request_id: &str) -> String {
        body(refusal).to_string()
    }

    fn status(&self, refusal: &Refusal) -> StatusCode {
        match refusal {
            Refusal::UnknownMember(_) | Refusal::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::UnknownModel(_) => StatusCode::BAD_REQUEST,
            other => other.status(),
        }
    }

    fn request_id_header(&self) -> &'static str {
        "mistral-correlation-id"
    }

    fn account_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("x-kong-request-id", "019a0000-sandbox"),
            ("x-kong-upstream-latency", "12"),
            ("x-ratelimit-limit-tokens-minute", "500000"),
            ("x-ratelimit-remaining-tokens-minute", "499000"),
            ("x-ratelimit-tokens-query-cost", "22"),
        ]
    }
}

fn model(id: &str) -> Value {
    json!({
        "id": id, "object": "model", "created": CREATED, "owned_by": "mistralai", "name": id, "description": "",
        "capabilities": {"completion_chat": true, "function_calling": true, "vision": true},
        "max_context_length": 131_072, "aliases": [], "type": "base",
    })
}

fn not_found(received: &Received<'_>) -> Refusal {
    Refusal::NotFound {
        method: received.method.clone(),
        path: received.path.to_owned(),
    }
}

/// Two shapes: the web framework's `detail`, and the error of what runs the models.
fn body(refusal: &Refusal) -> Value {
    let detail = |kind: &str, name: Option<&str>, message: &str| {
        let place: Vec<&str> = std::iter::once("body").chain(name).collect();
        json!({"detail": [{"type": kind, "loc": place, "msg": message}]})
    };
    match refusal {
        Refusal::NoKey => json!({"detail": "Unauthorized"}),
        // The masked form is another provider's custom; only a key that is to be echoed is shown.
        Refusal::WrongKey { shown } if shown.contains('*') => json!({"detail": "Unauthorized"}),
        Refusal::WrongKey { shown } => json!({"detail": format!("Unauthorized: {shown}")}),
        Refusal::NotFound { .. } => json!({"detail": "Not Found"}),
        Refusal::UnknownMember(name) => detail("extra_forbidden", Some(name), "Extra inputs are not permitted"),
        Refusal::Invalid { message, parameter } => detail("value_error", *parameter, message),
        Refusal::UnknownModel(id) => error(400, "invalid_model", Some("1500"), &format!("Invalid model: {id}")),
        Refusal::TooLarge => error(413, "invalid_request_error", None, "Request too large."),
        Refusal::Switched { status, message } => {
            let (usual, kind, code) = switched(*status);
            error(status.as_u16(), kind, code, message.as_deref().unwrap_or(usual))
        }
    }
}

fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Value {
    json!({
        "object": "error", "message": message, "type": kind, "param": null, "code": code, "raw_status_code": status,
    })
}

fn switched(status: StatusCode) -> (&'static str, &'static str, Option<&'static str>) {
    match status.as_u16() {
        401 => ("Unauthorized", "unauthorized", None),
        403 => ("You are not allowed to use this model.", "forbidden", None),
        429 => ("Rate limit exceeded", "rate_limited", Some("1300")),
        503 => ("Service unavailable.", "unreachable_backend", Some("1100")),
        500.. => ("Internal server error", "internal_server_error", Some("1000")),
        _ => (
            "The request was refused by a switch.",
            "invalid_request_error",
            Some("3000"),
        ),
    }
}

/// Counts as they are reported; `prompt_tokens` includes what came from the cache.
fn usage(answer: &super::answer::Answer) -> String {
    let usage = &answer.usage;
    let input = usage.total_input_tokens();
    format!(
        r#"{{"prompt_tokens":{},"total_tokens":{},"completion_tokens":{},"prompt_tokens_details":{{"cached_tokens":{}}}}}"#,
        answer.reported(input),
        answer.reported(input + usage.output_tokens),
        answer.reported(usage.output_tokens),
        answer.reported(usage.cached_input_tokens),
    )
}
