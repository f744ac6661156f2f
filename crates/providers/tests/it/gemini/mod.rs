//! Google's Gemini: what passes, what it costs at most, and how refusals look.

mod answers;
mod ceilings;
mod media;
mod requests;
mod routes;

use aipassport_domain::ids::ProviderId;
use aipassport_providers::{
    adapter::{self, ProviderAdapter, Route, Unread},
    request::{ReadError, ReadRequest},
};
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::support::PRICES;

const FLASH: &str = "/v1beta/models/gemini-2.5-flash:generateContent";
const STREAM: &str = "/v1beta/models/gemini-2.5-flash:streamGenerateContent";
const COUNT: &str = "/v1beta/models/gemini-2.5-flash:countTokens";
const EMBED: &str = "/v1beta/models/gemini-embedding-2:embedContent";
const BATCH: &str = "/v1beta/models/gemini-embedding-2:batchEmbedContents";

fn gemini() -> &'static dyn ProviderAdapter {
    adapter::by_id("gemini").unwrap()
}

fn post(path: &str, query: Option<&str>) -> Option<Route> {
    gemini().route(&Method::POST, path, query)
}

fn read_text(path: &str, body: &str) -> Result<ReadRequest, ReadError> {
    gemini().read(&Unread {
        provider: &ProviderId::new("gemini"),
        route: &post(path, None).expect(path),
        headers: &HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        prices: &PRICES,
    })
}

fn read(path: &str, body: &Value) -> Result<ReadRequest, ReadError> {
    read_text(path, &body.to_string())
}

/// A request with these further members.
fn with(path: &str, more: &Value) -> Result<ReadRequest, ReadError> {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read(path, &body)
}

fn with_part(part: &Value) -> Result<ReadRequest, ReadError> {
    read(
        FLASH,
        &json!({"contents": [{"parts": [{"text": "What is it?"}, part]}]}),
    )
}
