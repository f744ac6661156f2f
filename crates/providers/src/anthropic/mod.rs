//! Anthropic: messages, counting tokens, and models.
//!
//! How requests are read is in `messages.rs`, how answers are metered in `usage.rs`, and how
//! refusals look in `error.rs`.

mod content;
mod error;
mod messages;
mod tools;
mod usage;

use aipassport_domain::{authorization_details::Capability, money::Money};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::InvalidHeaderValue};
use serde_json::json;

pub(crate) use self::usage::Messages;
use crate::{
    adapter::{KeyQuestion, Operation, ProviderAdapter, Route, RouteKind, Unread, is_model_id, listed_model},
    ceiling::fees,
    headers,
    meter::StreamForm,
    refusal::Refusal,
    request::{ReadError, ReadRequest},
};

const ID: &str = "anthropic";

/// What the provider writes before the client's own input, generously: a preamble of the model,
/// the frame of each message, and how to answer in a given format.
const HIDDEN_TOKENS: u64 = 1_024;
/// How to use tools at all, and each tool that the provider itself describes.
const HIDDEN_TOKENS_FOR_TOOLS: u64 = 1_024;
const HIDDEN_TOKENS_PER_KNOWN_TOOL: u64 = 4_096;

/// The most tokens of one image: the provider makes larger ones smaller.
const TOKENS_PER_IMAGE: u64 = 8_192;
/// The provider's own tools run the model at most this often before the turn is handed back.
const SERVER_TOOL_ROUNDS: u64 = 11;
/// 10 dollars for 1,000 searches (price list of November 2026).
const SEARCH_FEE: Money = Money::from_cents(1);
/// What the beta of the same name opts into.
const LONG_CONTEXT: u64 = 1_000_000;

/// What the provider bills for searching, beside the tokens.
pub(crate) fn search_fees(searches: u64) -> Money {
    fees(searches, SEARCH_FEE)
}

pub(crate) struct Anthropic;

impl ProviderAdapter for Anthropic {
    fn id(&self) -> &'static str {
        ID
    }

    fn name(&self) -> &'static str {
        "Anthropic"
    }

    fn default_base_url(&self) -> &'static str {
        "https://api.anthropic.com"
    }

    fn route(&self, method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
        let kind = match (method, path) {
            (&Method::POST, "/v1/messages") => RouteKind::Call(Capability::Chat, Operation::Messages),
            (&Method::POST, "/v1/messages/count_tokens") => RouteKind::CountTokens,
            (&Method::GET, "/v1/models") => RouteKind::ListModels,
            (&Method::GET, path) => {
                let id = path.strip_prefix("/v1/models/").and_then(listed_model)?;
                RouteKind::GetModel(id)
            }
            _ => return None,
        };
        // The SDKs' beta methods send it; it means nothing more than their path.
        let upstream_path = match query.filter(|query| !query.is_empty()) {
            None => path.to_owned(),
            Some("beta=true") => format!("{path}?beta=true"),
            Some(query) if kind == RouteKind::ListModels && is_paging(query) => path.to_owned(),
            Some(_) => return None,
        };
        Some(Route {
            kind,
            upstream_path,
            model: None,
        })
    }

    fn read(&self, request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
        let has_long_context = has_long_context(request.headers);
        messages::read(request, has_long_context)
    }

    fn request_headers(&self, client: &HeaderMap) -> HeaderMap {
        headers::only(client, |name| {
            headers::is_plain_request_header(name) || matches!(name, "anthropic-version" | "anthropic-beta")
        })
    }

    fn set_credential(&self, headers: &mut HeaderMap, secret: &str) -> Result<(), InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(secret)?;
        value.set_sensitive(true);
        headers.insert("x-api-key", value);
        Ok(())
    }

    fn response_headers(&self, upstream: &HeaderMap) -> HeaderMap {
        headers::only(upstream, headers::is_plain_response_header)
    }

    fn request_id_header(&self) -> HeaderName {
        HeaderName::from_static("request-id")
    }

    fn is_credential_error(&self, status: StatusCode, body: &[u8]) -> bool {
        error::is_about_credential(status, body)
    }

    fn key_check(&self) -> KeyQuestion {
        KeyQuestion {
            path: "/v1/models",
            headers: &[("anthropic-version", "2023-06-01")],
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> (StatusCode, Bytes) {
        (refusal.reason.status(), headers::json(&error::value(refusal)))
    }

    fn stream_refusal(&self, refusal: &Refusal<'_>, _form: StreamForm, _has_begun: bool) -> Bytes {
        format!("event: error\ndata: {}\n\n", error::value(refusal)).into()
    }

    fn model_list(&self, models: &[&str]) -> Bytes {
        let data: Vec<_> = models.iter().map(|id| model(id)).collect();
        headers::json(&json!({
            "data": data,
            "has_more": false,
            "first_id": models.first(),
            "last_id": models.last(),
        }))
    }

    fn model(&self, id: &str) -> Bytes {
        headers::json(&model(id))
    }
}

/// When a model was made is not ours to know; the SDKs only want a time.
fn model(id: &str) -> serde_json::Value {
    json!({"type": "model", "id": id, "display_name": id, "created_at": "1970-01-01T00:00:00Z"})
}

/// Everything is on one page, so where to begin and how much to show changes nothing.
fn is_paging(query: &str) -> bool {
    query.split('&').all(|parameter| {
        parameter.split_once('=').is_some_and(|(name, value)| match name {
            "limit" | "after_id" | "before_id" => is_model_id(value),
            "beta" => value == "true",
            _ => false,
        })
    })
}

fn has_long_context(headers: &HeaderMap) -> bool {
    headers
        .get_all("anthropic-beta")
        .iter()
        .any(|betas| memchr::memmem::find(betas.as_bytes(), b"context-1m").is_some())
}
