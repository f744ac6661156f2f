//! Google's Gemini: generating content in one piece and as a stream, embeddings, counting tokens, and
//! models.
//!
//! How requests are read is in `generate.rs` and `embed.rs`, in which spellings in `names.rs`; how
//! answers are metered in `usage.rs`, and how refusals look in `error.rs`.

mod content;
mod embed;
mod error;
mod generate;
mod names;
mod tools;
mod usage;

use aipassport_domain::authorization_details::Capability;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::InvalidHeaderValue};
use serde_json::{Value, json};

pub(crate) use self::usage::{EmbedContent, GenerateContent, GenerateMedia, StreamGenerateContent};
use crate::{
    adapter::{KeyQuestion, Operation, ProviderAdapter, Route, RouteKind, Unread, is_model_id, listed_model},
    draft::Draft,
    headers,
    json::Reader,
    meter::StreamForm,
    refusal::Refusal,
    request::{ReadError, ReadRequest},
};

const ID: &str = "gemini";
const VERSIONS: [&str; 2] = ["/v1beta/models", "/v1/models"];

/// What the provider writes before the client's own input, generously: a preamble of the model, the
/// frame of each turn, and how to answer in a given format.
const HIDDEN_TOKENS: u64 = 1_024;
/// How to use tools at all, and each tool that the provider itself describes.
const HIDDEN_TOKENS_FOR_TOOLS: u64 = 1_024;
const HIDDEN_TOKENS_PER_KNOWN_TOOL: u64 = 4_096;

/// Far above the most tokens of one image: it is scaled to 3,072 pixels a side and cut into tiles of
/// 258 tokens each, or counted as 2,240 at the highest resolution of the newest models.
const TOKENS_PER_IMAGE: u64 = 16_384;

/// Whether a prompt that is answered with the help of searches costs one fee for all of them.
fn pays_one_fee_for_searching(model: &str) -> bool {
    model.starts_with("gemini-2.")
}

pub(crate) struct Gemini;

impl ProviderAdapter for Gemini {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self) -> &'static str {
        "Google Gemini"
    }

    fn default_base_url(&self) -> &'static str {
        "https://generativelanguage.googleapis.com"
    }

    fn route(&self, method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
        let rest = VERSIONS.iter().find_map(|version| path.strip_prefix(version))?;
        let query = query.filter(|query| !query.is_empty());
        match *method {
            Method::GET => route_to_models(path, rest, query),
            Method::POST => route_to_call(path, rest, query),
            _ => None,
        }
    }

    fn read(&self, request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
        match request.route.kind {
            RouteKind::Call(_, Operation::EmbedContent) => embed::read(request),
            RouteKind::Call(_, operation) => generate::read(request, operation),
            _ => generate::read(request, Operation::GenerateContent),
        }
    }

    fn request_headers(&self, client: &HeaderMap) -> HeaderMap {
        headers::only(client, |name| {
            headers::is_plain_request_header(name) || matches!(name, "x-goog-api-client" | "x-server-timeout")
        })
    }

    fn set_credential(&self, headers: &mut HeaderMap, secret: &str) -> Result<(), InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(secret)?;
        value.set_sensitive(true);
        headers.insert("x-goog-api-key", value);
        Ok(())
    }

    fn response_headers(&self, upstream: &HeaderMap) -> HeaderMap {
        headers::only(upstream, |name| {
            headers::is_plain_response_header(name) || name == "x-gemini-service-tier"
        })
    }

    /// Google's SDKs look for none; this is where its other APIs put theirs.
    fn request_id_header(&self) -> HeaderName {
        HeaderName::from_static("x-goog-request-id")
    }

    fn is_credential_error(&self, status: StatusCode, body: &[u8]) -> bool {
        error::is_about_credential(status, body)
    }

    fn key_check(&self) -> KeyQuestion {
        KeyQuestion {
            path: "/v1beta/models",
            headers: &[],
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> (StatusCode, Bytes) {
        (refusal.reason.status(), error::text(refusal).into())
    }

    fn stream_refusal(&self, refusal: &Refusal<'_>, form: StreamForm, has_begun: bool) -> Bytes {
        let error = error::text(refusal);
        let last = match (form, has_begun) {
            (StreamForm::Items, true) => format!("\n,\r\n{error}\n]\n"),
            (StreamForm::Items, false) => format!("[{error}\n]\n"),
            _ => format!("data: {error}\r\n\r\n"),
        };
        last.into()
    }

    fn model_list(&self, models: &[&str]) -> Bytes {
        let models: Vec<_> = models.iter().map(|id| model(id)).collect();
        headers::json(&json!({"models": models}))
    }

    fn model(&self, id: &str) -> Bytes {
        headers::json(&model(id))
    }
}

fn model(id: &str) -> Value {
    json!({"name": format!("models/{id}"), "displayName": id})
}

/// `rest` is what follows on the word `models`.
fn route_to_models(path: &str, rest: &str, query: Option<&str>) -> Option<Route> {
    let kind = match rest.strip_prefix('/') {
        None if rest.is_empty() && query.is_none_or(is_paging) => RouteKind::ListModels,
        // A colon stands between a model and what is asked of it.
        Some(id) if query.is_none() => RouteKind::GetModel(listed_model(id).filter(|id| !id.contains(':'))?),
        _ => return None,
    };
    Some(Route {
        kind,
        upstream_path: path.to_owned(),
        model: None,
    })
}

fn route_to_call(path: &str, rest: &str, query: Option<&str>) -> Option<Route> {
    let (model, method) = rest.strip_prefix('/')?.split_once(':')?;
    let is_stream = method == "streamGenerateContent";
    let kind = match method {
        "generateContent" => RouteKind::Call(Capability::Chat, Operation::GenerateContent),
        "streamGenerateContent" => RouteKind::Call(Capability::Chat, Operation::StreamGenerateContent),
        "embedContent" | "batchEmbedContents" => RouteKind::Call(Capability::Embeddings, Operation::EmbedContent),
        "countTokens" => RouteKind::CountTokens,
        _ => return None,
    };
    let upstream_path = match query {
        None => path.to_owned(),
        Some("alt=sse") if is_stream => format!("{path}?alt=sse"),
        Some("alt=json") => format!("{path}?alt=json"),
        Some(_) => return None,
    };
    is_model_id(model).then(|| Route {
        kind,
        upstream_path,
        model: Some(model.to_owned()),
    })
}

/// Everything is on one page, so where to begin and how much to show changes nothing.
fn is_paging(query: &str) -> bool {
    query.split('&').all(|parameter| {
        let known = parameter.split_once('=');
        known.is_some_and(|(name, value)| matches!(name, "pageSize" | "pageToken") && is_model_id(value))
    })
}

/// Security invariant: the model that is checked is the one in the path, which Google dispatches on;
/// one that the body names beside it must be the same.
fn check_model(reader: &mut Reader<'_>, draft: &Draft) -> Result<bool, ReadError> {
    let Some(named) = reader.text_or_null("model")? else {
        return Ok(false);
    };
    let id = named.strip_prefix("models/").unwrap_or(&named);
    if draft.model.as_deref() == Some(id) {
        return Ok(true);
    }
    Err(ReadError::Invalid {
        member: "model",
        problem: "must be the model of the path",
    })
}
