//! Cohere's API, as published in November 2026: chat, embed and rerank in both their versions,
//! tokenize, and models.

mod chat_v1;
mod chat_v2;
mod embed;
mod rerank;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use self::embed::Version;
use super::{
    answer::Answer,
    catalogue::Catalogue,
    protocol::{Protocol, Received, Refusal, Task},
};

/// What the provider reads and writes beside what it bills: its preamble, and the ends of turns.
const UNBILLED_INPUT_TOKENS: u64 = 66;
const UNBILLED_OUTPUT_TOKENS: u64 = 2;

pub(super) struct Cohere;

impl Protocol for Cohere {
    fn name(&self) -> &'static str {
        "cohere"
    }

    fn read(&self, received: &Received<'_>, catalogue: &Catalogue) -> Result<Task, Refusal> {
        match (received.method, received.path) {
            (&Method::POST, "/v2/chat") => chat_v2::read(received.body),
            (&Method::POST, "/v1/chat") => chat_v1::read(received.body),
            (&Method::POST, "/v2/embed") => embed::read(received.body, Version::Two),
            (&Method::POST, "/v1/embed") => embed::read(received.body, Version::One),
            (&Method::POST, "/v2/rerank" | "/v1/rerank") => rerank::read(received.body),
            (&Method::POST, "/v1/tokenize") => tokenize(received.body),
            (&Method::GET, "/v1/models") => {
                let all: Vec<Value> = catalogue.ids(self.name()).into_iter().map(model).collect();
                Ok(Task::Reply(json!({"models": all}).to_string()))
            }
            (&Method::GET, path) => match path.strip_prefix("/v1/models/") {
                Some(id) if catalogue.model(self.name(), id).is_some() => Ok(Task::Reply(model(id).to_string())),
                Some(id) => Err(Refusal::UnknownModel(id.to_owned())),
                None => Err(not_found(received)),
            },
            _ => Err(not_found(received)),
        }
    }

    fn refusal(&self, refusal: &Refusal, request_id: &str) -> String {
        json!({"id": request_id, "message": message(refusal)}).to_string()
    }

    fn status(&self, refusal: &Refusal) -> StatusCode {
        match refusal {
            Refusal::UnknownMember(_) => StatusCode::UNPROCESSABLE_ENTITY,
            other => other.status(),
        }
    }

    fn request_id_header(&self) -> &'static str {
        "x-debug-trace-id"
    }

    fn account_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("x-endpoint-monthly-call-limit", "1000"),
            ("x-trial-endpoint-call-limit", "40"),
            ("x-trial-endpoint-call-remaining", "39"),
            ("num_chars", "2635"),
            ("num_tokens", "650"),
        ]
    }
}

/// A word is a token.
fn tokenize(body: &[u8]) -> Result<Task, Refusal> {
    #[derive(Deserialize)]
    struct Request {
        text: String,
    }

    let request: Request = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let words: Vec<&str> = request.text.split_whitespace().collect();
    let tokens: Vec<usize> = words.iter().map(|word| word.len()).collect();
    let reply = json!({"tokens": tokens, "token_strings": words, "meta": {"api_version": {"version": "1"}}});
    Ok(Task::Reply(reply.to_string()))
}

fn model(id: &str) -> Value {
    json!({
        "name": id, "endpoints": ["chat", "generate", "summarize"], "finetuned": false, "context_length": 128_000,
        "tokenizer_url": format!("https://storage.googleapis.com/cohere-public/tokenizers/{id}.json"),
        "default_endpoints": [], "is_deprecated": false, "features": ["tools", "strict_tools"],
    })
}

fn not_found(received: &Received<'_>) -> Refusal {
    Refusal::NotFound {
        method: received.method.clone(),
        path: received.path.to_owned(),
    }
}

fn message(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NoKey => "no api key supplied".to_owned(),
        // The masked form is another provider's custom; only a key that is to be echoed is shown.
        Refusal::WrongKey { shown } if shown.contains('*') => "invalid api token".to_owned(),
        Refusal::WrongKey { shown } => format!("invalid api token: {shown}"),
        Refusal::UnknownModel(id) => format!(
            "model '{id}' not found, make sure the correct model ID was used and that you have access to the model."
        ),
        Refusal::NotFound { path, .. } => format!("no route matched with those values: {path}"),
        Refusal::TooLarge => "request body too large".to_owned(),
        Refusal::UnknownMember(name) => format!("unknown field: parameter '{name}' is not a valid field"),
        Refusal::Invalid { message, .. } => format!("invalid request: {message}"),
        Refusal::Switched { status, message } => message.clone().unwrap_or_else(|| switched(*status).to_owned()),
    }
}

fn switched(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "invalid api token",
        402 => "billing limit reached, please add or update your payment method",
        403 => "you do not have access to this resource",
        429 => "Please wait and try again later",
        498 => "blocked by safety policy",
        500.. => "internal server error",
        _ => "The request was refused by a switch.",
    }
}

/// What is billed, and beside it what was processed, which is more.
fn counts(answer: &Answer) -> String {
    let usage = &answer.usage;
    let input = usage.total_input_tokens();
    format!(
        r#""billed_units":{{"input_tokens":{},"output_tokens":{}}},"tokens":{{"input_tokens":{},"output_tokens":{}}},"cached_tokens":{}"#,
        answer.reported(input),
        answer.reported(usage.output_tokens),
        answer.reported(input + UNBILLED_INPUT_TOKENS),
        answer.reported(usage.output_tokens + UNBILLED_OUTPUT_TOKENS),
        answer.reported(usage.cached_input_tokens),
    )
}
