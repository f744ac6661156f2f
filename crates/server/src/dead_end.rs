//! A page that says what went wrong, where there is no client to tell and nobody may be redirected.
//!
//! Its words are ours alone: nothing of the request is repeated on it (`security.md` 47).

use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::web;

#[derive(Debug)]
pub struct DeadEnd {
    pub status: StatusCode,
    pub title: &'static str,
    /// What it means, and what to do.
    pub text: &'static str,
}

impl DeadEnd {
    /// The store is away, or a fault of ours; the cause is in our logs.
    pub fn broken() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "This did not work",
            text: "AIPassport cannot do this right now. Nothing has changed. Try again in a moment.",
        }
    }
}

impl IntoResponse for DeadEnd {
    fn into_response(self) -> Response {
        let Self { status, title, text } = self;
        let stylesheet = web::stylesheet();
        let page = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\">\
             <title>{title} · AIPassport</title><link rel=\"stylesheet\" href=\"{stylesheet}\"></head>\
             <body><main class=\"narrow\"><div class=\"card visa\"><h1>{title}</h1><p>{text}</p></div></main></body></html>"
        );
        let mut response = (status, Html(page)).into_response();
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CACHE_CONTROL, "no-store"),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
                 form-action 'none'",
            ),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
