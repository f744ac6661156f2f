//! Ollama's own API: chat, generation and embeddings, and what is known of its models. Its other
//! face, at `/ollama/v1`, is OpenAI's format, in [`crate::openai_compatible`].
//!
//! What changes the host (pull, push, create, copy, delete, blobs) or tells of its other users
//! (`/api/ps`) is no route. How requests are read is in `generation.rs`, `embeddings.rs` and
//! `options.rs`, what is told of a model in `show.rs`, how answers are metered in `usage.rs`, and how refusals look in `error.rs`.

mod embeddings;
mod error;
mod generation;
mod options;
mod show;
mod usage;

use aipassport_domain::authorization_details::Capability;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;

pub(crate) use self::{
    show::Shown,
    usage::{Embeddings, Generation},
};
use crate::{
    adapter::{KeyQuestion, Operation, ProviderAdapter, Route, RouteKind, Unread},
    headers,
    meter::StreamForm,
    refusal::Refusal,
    request::{ReadError, ReadRequest},
};

pub(crate) const ID: &str = "ollama";
pub(crate) const NAME: &str = "Ollama";
pub(crate) const BASE_URL: &str = "http://127.0.0.1:11434";

/// Which Ollama this speaks like, for clients that look; the host's own is nobody's affair.
const VERSION: &str = r#"{"version":"0.12.0"}"#;
/// When a model was made is not ours to know; the SDKs only want a time.
const MODIFIED_AT: &str = "1970-01-01T00:00:00Z";

pub(crate) struct Ollama;

impl ProviderAdapter for Ollama {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn default_base_url(&self) -> &'static str {
        BASE_URL
    }

    fn is_self_hosted(&self) -> bool {
        true
    }

    fn route(&self, method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
        if query.is_some_and(|query| !query.is_empty()) {
            return None;
        }
        let kind = match (method, path) {
            (&Method::POST, "/api/chat") => RouteKind::Call(Capability::Chat, Operation::OllamaChat),
            (&Method::POST, "/api/generate") => RouteKind::Call(Capability::Chat, Operation::OllamaGenerate),
            (&Method::POST, "/api/embed" | "/api/embeddings") => {
                RouteKind::Call(Capability::Embeddings, Operation::OllamaEmbed)
            }
            (&Method::POST, "/api/show") => RouteKind::CountTokens,
            (&Method::GET, "/api/tags") => RouteKind::ListModels,
            (&Method::GET, "/api/version") => RouteKind::Constant(VERSION),
            _ => return None,
        };
        Some(Route::unchanged(kind, path))
    }

    fn read(&self, request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
        match request.route.kind {
            RouteKind::CountTokens => show::read(request),
            RouteKind::Call(_, Operation::OllamaGenerate) => generation::read_generate(request),
            RouteKind::Call(_, Operation::OllamaEmbed) => embeddings::read(request),
            _ => generation::read_chat(request),
        }
    }

    fn is_credential_error(&self, status: StatusCode, _body: &[u8]) -> bool {
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }

    fn key_check(&self) -> KeyQuestion {
        KeyQuestion {
            path: "/api/tags",
            headers: &[],
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> (StatusCode, Bytes) {
        (refusal.reason.status(), headers::json(&error::value(refusal)))
    }

    fn stream_refusal(&self, refusal: &Refusal<'_>, _form: StreamForm, _has_begun: bool) -> Bytes {
        format!("{}\n", error::value(refusal)).into()
    }

    fn model_list(&self, models: &[&str]) -> Bytes {
        let models: Vec<_> = models.iter().map(|id| model(id)).collect();
        headers::json(&json!({"models": models}))
    }

    fn model(&self, id: &str) -> Bytes {
        headers::json(&model(id))
    }
}

fn model(id: &str) -> serde_json::Value {
    json!({
        "name": id,
        "model": id,
        "modified_at": MODIFIED_AT,
        "size": 0,
        "digest": "",
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": "",
            "families": [],
            "parameter_size": "",
            "quantization_level": "",
        },
    })
}
