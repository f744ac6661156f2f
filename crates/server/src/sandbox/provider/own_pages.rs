//! What the sandbox says about itself, under `/sandbox`.

use std::sync::Arc;

use http::{Method, Response, StatusCode, header, request};
use serde::Serialize;
use serde_json::json;

use super::{Parts, faults::static_value, stream::ReplyBody, switches};

/// Where redirects lead. Whoever arrives here has followed one.
pub(super) const TRAP: &str = "/sandbox/trap";

const ABOUT: &str = "AIPassport's sandbox provider: a local stand-in for AI providers' APIs.

  /openai/v1/…              base URL for OpenAI's SDKs: http://HOST/openai/v1
  /anthropic/v1/…           base URL for Anthropic's SDKs: http://HOST/anthropic
  /gemini/v1beta/…          base URL for Google's SDKs: http://HOST/gemini
  /mistral/v1/…             base URL for Mistral's SDKs: http://HOST/mistral
  /cohere/v2/…              base URL for Cohere's SDKs: http://HOST/cohere
  /ollama/…                 base URL for Ollama's SDKs: http://HOST/ollama; its OpenAI face: /ollama/v1
  /vllm/v1/…                base URL for OpenAI's SDKs, as `vllm serve` answers: http://HOST/vllm/v1
  /custom/v1/…              the same of a server that nobody knows
  GET  /sandbox/switches    what a request can ask to be done differently
  GET  /sandbox/bill        what was used and what it costs; ?since=N for the rows after that one
  GET  /sandbox/seen        how often each path was requested
  GET  /sandbox/requests    the last requests whole, if any are kept
  GET  /sandbox/open        how many answers are being generated
  POST /sandbox/reset       forgets bill, counts and requests
";

/// The page, if the path is one of the sandbox's own.
pub(super) fn answer(parts: &Arc<Parts>, head: &request::Parts) -> Option<Response<ReplyBody>> {
    let page = match (&head.method, head.uri.path()) {
        (_, TRAP) => {
            parts.books.count_request(&head.method, TRAP);
            json(&json!({"trapped": true}))
        }
        (&Method::GET, "/") => text(ABOUT),
        (&Method::GET, "/sandbox/switches") => text(switches::HELP),
        (&Method::GET, "/sandbox/bill") => json(&parts.books.bill(since(head.uri.query()))),
        (&Method::GET, "/sandbox/seen") => json(&parts.books.seen()),
        (&Method::GET, "/sandbox/requests") => json(&parts.books.requests()),
        (&Method::GET, "/sandbox/open") => json(&json!({"open": parts.books.open_calls()})),
        (&Method::POST, "/sandbox/reset") => {
            parts.books.reset();
            json(&json!({"reset": true}))
        }
        (_, path) if path == "/" || path.starts_with("/sandbox/") => not_found(),
        _ => return None,
    };
    Some(page)
}

pub(super) fn not_found() -> Response<ReplyBody> {
    let mut response = text("There is nothing here. GET / says what there is.\n");
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn since(query: Option<&str>) -> u64 {
    query
        .and_then(|query| query.strip_prefix("since="))
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

fn json(value: &impl Serialize) -> Response<ReplyBody> {
    let body = serde_json::to_string(value).unwrap_or_else(|error| json!({"error": error.to_string()}).to_string());
    with_type(body, "application/json")
}

fn text(body: &'static str) -> Response<ReplyBody> {
    with_type(body.to_owned(), "text/plain; charset=utf-8")
}

fn with_type(body: String, content_type: &'static str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, static_value(content_type));
    response
}
