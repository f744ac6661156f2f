//! Static files, embedded. Their address has a digest of them all, so that browsers keep them for
//! good and never show a page with another version's style.

use std::sync::LazyLock;

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{StatusCode, header};

pub(super) const ROUTE: &str = "/static/{digest}/{name}";

/// (name, content type, content).
const FILES: [(&str, &str, &str); 4] = [
    ("app.css", "text/css; charset=utf-8", include_str!("static/app.css")),
    (
        "app.js",
        "text/javascript; charset=utf-8",
        include_str!("static/app.js"),
    ),
    ("guilloche.svg", "image/svg+xml", include_str!("static/guilloche.svg")),
    ("icon.svg", "image/svg+xml", include_str!("static/icon.svg")),
];

static DIGEST: LazyLock<String> = LazyLock::new(|| {
    let mut context = Context::new(&SHA256);
    for (_, _, content) in FILES {
        context.update(content.as_bytes());
    }
    let digest = BASE64_URL_SAFE_NO_PAD.encode(context.finish().as_ref());
    digest.chars().take(16).collect()
});

pub(super) fn address(name: &str) -> String {
    format!("/static/{}/{name}", *DIGEST)
}

pub(super) async fn serve(Path((digest, name)): Path<(String, String)>) -> Response {
    let file = FILES.iter().find(|(known, _, _)| *known == name);
    let Some((_, content_type, content)) = file.filter(|_| digest == *DIGEST) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, *content_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // An SVG opened by itself runs nothing.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
    ];
    (headers, *content).into_response()
}
