//! Google's Gemini API, as published in November 2026: generating content, in one piece, as events
//! and as the items of an array; embeddings, counting tokens and models.

mod embed;
mod generate;
mod media;
mod refusal;

use http::{Method, StatusCode};
use serde_json::Value;

use super::{
    catalogue::Catalogue,
    protocol::{Protocol, Received, Refusal, Task},
};

pub(super) struct Gemini;

impl Protocol for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn read(&self, received: &Received<'_>, catalogue: &Catalogue) -> Result<Task, Refusal> {
        let not_found = || Refusal::NotFound {
            method: received.method.clone(),
            path: received.path.to_owned(),
        };
        let path = ["/v1beta/models", "/v1/models"]
            .iter()
            .find_map(|prefix| received.path.strip_prefix(prefix))
            .ok_or_else(not_found)?;
        let models = catalogue.ids(self.name());

        if received.method == Method::GET {
            return match path.strip_prefix('/') {
                None => Ok(Task::Reply(list(&models))),
                Some(id) if models.contains(&id) => Ok(Task::Reply(model(id))),
                Some(id) => Err(Refusal::UnknownModel(id.to_owned())),
            };
        }
        let method = path.strip_prefix('/').and_then(|path| path.split_once(':'));
        let (id, method) = method
            .filter(|_| received.method == Method::POST)
            .ok_or_else(not_found)?;
        if !models.contains(&id) {
            return Err(Refusal::UnknownModel(id.to_owned()));
        }
        match method {
            "generateContent" => generate::read(id, received.body, None),
            "streamGenerateContent" => generate::read(id, received.body, Some(stream(received.query)?)),
            "embedContent" => embed::read(id, received.body),
            "batchEmbedContents" => embed::read_batch(id, received.body),
            "countTokens" => generate::count(received.body),
            _ => Err(not_found()),
        }
    }

    fn refusal(&self, refusal: &Refusal, _request_id: &str) -> String {
        refusal::body(refusal, self.status(refusal))
    }

    fn status(&self, refusal: &Refusal) -> StatusCode {
        match refusal {
            // A bad key is an invalid argument, and none at all is a caller without rights.
            Refusal::WrongKey { .. } => StatusCode::BAD_REQUEST,
            Refusal::NoKey => StatusCode::FORBIDDEN,
            other => other.status(),
        }
    }

    fn request_id_header(&self) -> &'static str {
        "x-sandbox-request-id"
    }

    fn account_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("x-goog-project-number", "123456789012"),
            ("server-timing", "gfet4t7; dur=120"),
        ]
    }
}

/// Whether a stream is one of server-sent events; else it is a JSON array.
fn stream(query: Option<&str>) -> Result<generate::Form, Refusal> {
    match query {
        Some("alt=sse") => Ok(generate::Form::Events),
        None | Some("alt=json") => Ok(generate::Form::Array),
        Some(_) => Err(Refusal::invalid("Invalid value at 'alt'.", None)),
    }
}

fn list(ids: &[&str]) -> String {
    let all: Vec<String> = ids.iter().map(|id| model(id)).collect();
    format!(r#"{{"models":[{}]}}"#, all.join(","))
}

fn model(id: &str) -> String {
    let methods = if id.contains("embedding") {
        r#"["embedContent","countTextTokens","countTokens","asyncBatchEmbedContent"]"#
    } else {
        r#"["generateContent","countTokens","createCachedContent","batchGenerateContent"]"#
    };
    format!(
        r#"{{"name":{},"version":"001","displayName":{},"inputTokenLimit":1048576,"outputTokenLimit":65536,"supportedGenerationMethods":{methods}}}"#,
        Value::from(format!("models/{id}")),
        Value::from(id)
    )
}
