//! OpenAI: chat completions, responses, embeddings, images, audio and models.
//!
//! How requests are read is in the file of each (`chat.rs`, `responses.rs`, …), how answers are
//! metered in `usage.rs` and `media_usage.rs`, and how refusals look in `error.rs`.

pub(crate) mod chat;
pub(crate) mod content;
mod embeddings;
pub(crate) mod error;
mod image_tokens;
mod images;
mod media_usage;
mod responses;
mod speech;
mod stored;
pub(crate) mod tools;
mod transcriptions;
mod usage;

use aipassport_domain::authorization_details::Capability;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use self::chat::Dialect;
pub(crate) use self::{
    media_usage::{Embeddings, Images, Speech, Transcriptions},
    usage::{ChatCompletions, Responses},
};
use crate::{
    adapter::{Operation, ProviderAdapter, Route, RouteKind, Unread, listed_model},
    draft::{Draft, Shape},
    headers,
    json::Reader,
    meter::StreamForm,
    multipart::{Form, FormRules},
    prices::ServiceTier,
    refusal::Refusal,
    request::{ObjectKind, ReadError, ReadRequest, StoredObject},
};

const ID: &str = "openai";

/// What the provider writes before the client's own input, generously: a preamble of the model,
/// the frame of each message, and, where there are tools, how to use them.
const HIDDEN_TOKENS: u64 = 512;
const HIDDEN_TOKENS_FOR_TOOLS: u64 = 1_024;

/// The most tokens of one image at its highest detail, whatever its size.
const TOKENS_PER_IMAGE: u64 = 25_000;
/// The model that counts a tile as 5,667 tokens: eight of them, and 2,833.
const DEAR_IMAGES: &str = "gpt-4o-mini";
const TOKENS_PER_DEAR_IMAGE: u64 = 50_000;

/// An account can be set to a dearer tier; the price we hold for is that of the standard one.
const DEFAULT_TIER: &str = r#""service_tier":"default""#;

/// OpenAI's own chat completions.
const CHAT: Dialect = Dialect {
    hidden_tokens: HIDDEN_TOKENS,
    takes_stream_options: true,
    has_service_tiers: true,
    other: |_, reader, _| reader.skip().map(|_| ()),
    finish: |_| {},
    shape: |draft| shape(draft, "max_completion_tokens"),
};

fn shape(draft: &Draft, cap_member: &'static str) -> Shape {
    let has_dear_images = draft.model.as_ref().is_some_and(|model| model.starts_with(DEAR_IMAGES));
    Shape {
        cap_member,
        heeds_no_other_cap: false,
        tokens_per_image: if has_dear_images {
            TOKENS_PER_DEAR_IMAGE
        } else {
            TOKENS_PER_IMAGE
        },
        has_regional_surcharge: false,
    }
}

fn read_tier(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<(), ReadError> {
    reader.peek();
    let start = reader.position();
    match reader.text_or_null("service_tier")?.as_deref() {
        Some("default") => {}
        None | Some("auto") => draft.body.replace(start..reader.position(), r#""default""#),
        Some("flex") => draft.tier = Some(ServiceTier::Flex),
        Some("priority" | "fast") => draft.tier = Some(ServiceTier::Priority),
        Some(_) => {
            return Err(ReadError::NotSupported {
                member: "service_tier",
                reason: "the price of this tier is not known",
            });
        }
    }
    Ok(())
}

pub(crate) struct OpenAi;

impl ProviderAdapter for OpenAi {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self) -> &'static str {
        "OpenAI"
    }

    fn default_base_url(&self) -> &'static str {
        "https://api.openai.com"
    }

    fn route(&self, method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
        if let Some(route) = stored::route(method, path, query) {
            return Some(route);
        }
        if query.is_some_and(|query| !query.is_empty()) {
            return None;
        }
        let kind = match (method, path) {
            (&Method::POST, "/v1/chat/completions") => RouteKind::Call(Capability::Chat, Operation::ChatCompletions),
            (&Method::POST, "/v1/responses") => RouteKind::Call(Capability::Chat, Operation::Responses),
            (&Method::POST, "/v1/embeddings") => RouteKind::Call(Capability::Embeddings, Operation::Embeddings),
            (&Method::POST, "/v1/images/generations" | "/v1/images/edits") => {
                RouteKind::Call(Capability::Images, Operation::Images)
            }
            (&Method::POST, "/v1/audio/speech") => RouteKind::Call(Capability::Audio, Operation::Speech),
            (&Method::POST, "/v1/audio/transcriptions" | "/v1/audio/translations") => {
                RouteKind::Call(Capability::Audio, Operation::Transcription)
            }
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
            RouteKind::Call(_, Operation::Responses) => responses::read(request),
            RouteKind::Call(_, Operation::Embeddings) => embeddings::read(request),
            RouteKind::Call(_, Operation::Images) => images::read(request),
            RouteKind::Call(_, Operation::Speech) => speech::read(request),
            _ => chat::read(request, &CHAT),
        }
    }

    fn form_rules(&self, route: &Route) -> Option<&'static FormRules> {
        match route.kind {
            RouteKind::Call(_, Operation::Images) if route.upstream_path.ends_with("/edits") => Some(&images::EDIT),
            RouteKind::Call(_, Operation::Transcription) => Some(&transcriptions::RULES),
            _ => None,
        }
    }

    fn read_form(&self, request: &Unread<'_>, form: &Form, most_bytes: u64) -> Result<ReadRequest, ReadError> {
        match request.route.kind {
            RouteKind::Call(_, Operation::Transcription) => transcriptions::read(request, form, most_bytes),
            _ => images::read_edit(request, form),
        }
    }

    fn kept_object(&self, answer: &[u8]) -> Option<StoredObject> {
        let id = stored::id_in(answer)?;
        let kind = ObjectKind::Response;
        Some(StoredObject { kind, id })
    }

    fn request_headers(&self, client: &HeaderMap) -> HeaderMap {
        headers::only(client, |name| {
            headers::is_plain_request_header(name) || name == "openai-beta"
        })
    }

    fn response_headers(&self, upstream: &HeaderMap) -> HeaderMap {
        headers::only(upstream, |name| {
            headers::is_plain_response_header(name) || matches!(name, "openai-version" | "openai-processing-ms")
        })
    }

    fn is_credential_error(&self, status: StatusCode, body: &[u8]) -> bool {
        error::is_about_credential(status, body)
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> (StatusCode, Bytes) {
        (refusal.reason.status(), error::body(refusal))
    }

    fn stream_refusal(&self, refusal: &Refusal<'_>, _form: StreamForm, _has_begun: bool) -> Bytes {
        error::event(refusal)
    }

    fn model_list(&self, models: &[&str]) -> Bytes {
        let data: Vec<_> = models.iter().map(|id| model(id)).collect();
        headers::json(&serde_json::json!({"object": "list", "data": data}))
    }

    fn model(&self, id: &str) -> Bytes {
        headers::json(&model(id))
    }
}

/// When a model was made is not ours to know; the SDKs only want a number.
fn model(id: &str) -> serde_json::Value {
    serde_json::json!({"id": id, "object": "model", "created": 0, "owned_by": ID})
}
