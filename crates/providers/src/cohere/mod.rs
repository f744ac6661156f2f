//! Cohere: chat, embed and rerank in both their versions, tokenize, and models.
//!
//! How requests are read is in `chat.rs`, `embed.rs` and `rerank.rs`, how answers are metered in
//! `usage.rs`, and how refusals look in `error.rs`.

mod chat;
mod content;
mod embed;
mod error;
mod rerank;
mod usage;

use aipassport_domain::authorization_details::Capability;
use bytes::Bytes;
use http::{HeaderName, Method, StatusCode};
use serde_json::{Value, json};

pub(crate) use self::usage::{Billed, Chat, ChatV1};
use crate::{
    adapter::{Operation, ProviderAdapter, Route, RouteKind, Unread, is_model_id, listed_model},
    draft::{Draft, Shape},
    headers,
    json::Reader,
    meter::StreamForm,
    refusal::Refusal,
    request::{ReadError, ReadRequest},
};

const ID: &str = "cohere";

/// What the provider writes before the client's own input, generously; its own preamble is not
/// billed, but how to ground an answer and how to use tools may be.
const HIDDEN_TOKENS: u64 = 2_048;
const HIDDEN_TOKENS_FOR_TOOLS: u64 = 1_024;

/// An image is cut down to 3,868,706 pixels, and a token stands for more than 155 of them.
const TOKENS_PER_IMAGE: u64 = 25_000;

const SHAPE: Shape = Shape {
    cap_member: "max_tokens",
    heeds_no_other_cap: false,
    tokens_per_image: TOKENS_PER_IMAGE,
    has_regional_surcharge: false,
};

pub(crate) struct Cohere;

impl ProviderAdapter for Cohere {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self) -> &'static str {
        "Cohere"
    }

    fn default_base_url(&self) -> &'static str {
        "https://api.cohere.com"
    }

    fn route(&self, method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
        let kind = match (method, path) {
            (&Method::POST, "/v2/chat") => RouteKind::Call(Capability::Chat, Operation::CohereChat),
            (&Method::POST, "/v1/chat") => RouteKind::Call(Capability::Chat, Operation::CohereChatV1),
            (&Method::POST, "/v2/embed" | "/v1/embed") => RouteKind::Call(Capability::Embeddings, Operation::Embed),
            (&Method::POST, "/v2/rerank" | "/v1/rerank") => RouteKind::Call(Capability::Embeddings, Operation::Rerank),
            (&Method::POST, "/v1/tokenize" | "/v1/detokenize") => RouteKind::CountTokens,
            (&Method::GET, "/v1/models") => RouteKind::ListModels,
            (&Method::GET, path) => {
                let id = path.strip_prefix("/v1/models/").and_then(listed_model)?;
                RouteKind::GetModel(id)
            }
            _ => return None,
        };
        let is_open = match query {
            None | Some("") => true,
            Some(query) => kind == RouteKind::ListModels && is_choosing(query),
        };
        is_open.then(|| Route::unchanged(kind, path))
    }

    fn read(&self, request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
        match request.route.kind {
            RouteKind::Call(_, Operation::CohereChatV1) => chat::read_v1(request),
            RouteKind::Call(_, Operation::Embed) => embed::read(request),
            RouteKind::Call(_, Operation::Rerank) => rerank::read(request),
            RouteKind::CountTokens => read_free(request),
            _ => chat::read(request),
        }
    }

    fn request_id_header(&self) -> HeaderName {
        HeaderName::from_static("x-debug-trace-id")
    }

    fn is_credential_error(&self, status: StatusCode, body: &[u8]) -> bool {
        error::is_about_credential(status, body)
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> (StatusCode, Bytes) {
        (refusal.reason.status(), headers::json(&error::value(refusal)))
    }

    fn stream_refusal(&self, refusal: &Refusal<'_>, form: StreamForm, _has_begun: bool) -> Bytes {
        error::event(refusal, form)
    }

    fn model_list(&self, models: &[&str]) -> Bytes {
        let models: Vec<_> = models.iter().map(|id| model(id)).collect();
        headers::json(&json!({"models": models}))
    }

    fn model(&self, id: &str) -> Bytes {
        headers::json(&model(id))
    }
}

/// What a model can do is not told here, but by its grant.
fn model(id: &str) -> Value {
    json!({"name": id, "endpoints": [], "default_endpoints": [], "finetuned": false, "is_deprecated": false})
}

/// Everything that the grant covers is on one page, whatever part of it is asked for.
fn is_choosing(query: &str) -> bool {
    let mut seen = Vec::new();
    query.split('&').all(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else {
            return false;
        };
        let is_known = matches!(name, "page_size" | "page_token" | "endpoint" | "default_only");
        let is_first = !seen.contains(&name);
        seen.push(name);
        is_known && is_first && is_model_id(value)
    })
}

/// Cutting a text into tokens, and putting it together again.
fn read_free(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::CohereChat, &mut reader);
    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;
    draft.into_free()
}
