//! Mistral: chat and fill-in-the-middle completions, embeddings, text recognition and models.
//!
//! The formats are close to OpenAI's, and stricter: Mistral answers 422 to what it does not know,
//! and a stream of its reports its usage unasked. How requests are read is in `completions.rs`,
//! `embeddings.rs` and `ocr.rs`, how answers are metered in `usage.rs`, and how refusals look in
//! `error.rs`.

mod completions;
mod content;
mod embeddings;
mod error;
mod ocr;
mod usage;

use aipassport_domain::authorization_details::Capability;
use bytes::Bytes;
use http::{HeaderName, Method, StatusCode};
use serde_json::{Value, json};

pub(crate) use self::usage::Ocr;
use crate::{
    adapter::{Operation, ProviderAdapter, Route, RouteKind, Unread, listed_model},
    draft::Shape,
    headers,
    meter::StreamForm,
    refusal::Refusal,
    request::{ReadError, ReadRequest},
};

const ID: &str = "mistral";

/// What the provider writes before the client's own input, generously: the safety prompt, the prompt
/// of a reasoning model, the frame of each message, and, where there are tools, how to use them.
const HIDDEN_TOKENS: u64 = 1_024;
const HIDDEN_TOKENS_FOR_TOOLS: u64 = 1_024;

const SHAPE: Shape = Shape {
    cap_member: "max_tokens",
    heeds_no_other_cap: false,
    // An image is cut down to 1,540 pixels either way; a token stands for 14 by 14 of them or more,
    // and each row has one more.
    tokens_per_image: 110 * 111,
    has_regional_surcharge: false,
};

pub(crate) struct Mistral;

impl ProviderAdapter for Mistral {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self) -> &'static str {
        "Mistral"
    }

    fn default_base_url(&self) -> &'static str {
        "https://api.mistral.ai"
    }

    fn route(&self, method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
        if query.is_some_and(|query| !query.is_empty()) {
            return None;
        }
        let kind = match (method, path) {
            (&Method::POST, "/v1/chat/completions") => RouteKind::Call(Capability::Chat, Operation::ChatCompletions),
            (&Method::POST, "/v1/fim/completions") => RouteKind::Call(Capability::Code, Operation::FimCompletions),
            (&Method::POST, "/v1/embeddings") => RouteKind::Call(Capability::Embeddings, Operation::Embeddings),
            (&Method::POST, "/v1/ocr") => RouteKind::Call(Capability::Chat, Operation::Ocr),
            (&Method::GET, "/v1/models") => RouteKind::ListModels,
            (&Method::GET, path) => {
                let id = path.strip_prefix("/v1/models/").and_then(listed_model)?;
                RouteKind::GetModel(id)
            }
            _ => return None,
        };
        Some(Route::unchanged(kind, path))
    }

    fn read(&self, request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
        match request.route.kind {
            RouteKind::Call(_, Operation::FimCompletions) => completions::read_fim(request),
            RouteKind::Call(_, Operation::Embeddings) => embeddings::read(request),
            RouteKind::Call(_, Operation::Ocr) => ocr::read(request),
            _ => completions::read_chat(request),
        }
    }

    fn request_id_header(&self) -> HeaderName {
        HeaderName::from_static("mistral-correlation-id")
    }

    fn is_credential_error(&self, status: StatusCode, _body: &[u8]) -> bool {
        error::is_about_credential(status)
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> (StatusCode, Bytes) {
        (refusal.reason.status(), headers::json(&error::value(refusal)))
    }

    fn stream_refusal(&self, refusal: &Refusal<'_>, _form: StreamForm, _has_begun: bool) -> Bytes {
        format!("data: {}\n\n", error::value(refusal)).into()
    }

    fn model_list(&self, models: &[&str]) -> Bytes {
        let data: Vec<_> = models.iter().map(|id| model(id)).collect();
        headers::json(&json!({"object": "list", "data": data}))
    }

    fn model(&self, id: &str) -> Bytes {
        headers::json(&model(id))
    }
}

/// The SDKs want `type` and `capabilities`; what a model can do is not told here, but by its grant.
fn model(id: &str) -> Value {
    json!({
        "id": id, "object": "model", "created": 0, "owned_by": "mistralai", "type": "base", "capabilities": {},
    })
}
