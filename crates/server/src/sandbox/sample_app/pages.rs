//! The one page there is, and its two static files.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::{Provider, SampleAppOptions, refusal::Refusal, visitors::Visitor};

const CSS: &str = include_str!("static/jotter.css");
const JAVASCRIPT: &str = include_str!("static/jotter.js");

/// Nothing but what this origin serves, nothing inline, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

pub(super) const SAFETY_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Not `no-referrer`: browsers would then hide the origin of this app's own forms.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// What was found out for the page.
#[derive(Default)]
pub(super) struct Found {
    pub(super) left: Vec<String>,
    pub(super) answer: Option<String>,
    pub(super) refusal: Option<Refusal>,
}

#[derive(Template)]
#[template(path = "jotter.html", config = "src/sandbox/sample_app/askama.toml")]
struct Page<'a> {
    note: &'a str,
    notice: Option<String>,
    is_connected: bool,
    provider: &'static str,
    is_openai: bool,
    model: &'a str,
    broker_url: &'a str,
    left: Vec<String>,
    answer: Option<String>,
    refusal: Option<Refusal>,
}

pub(super) fn page(options: &SampleAppOptions, visitor: &mut Visitor, found: Found) -> Response {
    let page = Page {
        note: &visitor.note,
        notice: visitor.notice.take(),
        is_connected: visitor.passport.is_some(),
        provider: options.provider.name(),
        is_openai: options.provider == Provider::OpenAi,
        model: &options.model,
        broker_url: &options.broker_url,
        left: found.left,
        answer: found.answer,
        refusal: found.refusal,
    };
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "the sample app's page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

pub(super) async fn css() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], CSS).into_response()
}

pub(super) async fn javascript() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], JAVASCRIPT).into_response()
}
