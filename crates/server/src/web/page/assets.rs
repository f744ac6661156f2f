//! Static files, embedded. Their address has a digest of them all, so that browsers keep them for
//! good and never show a page with another version's style.

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};

pub(in crate::web) const ROUTE: &str = "/static/{digest}/{name}";

/// (name, content type, content).
const FILES: [(&str, &str, &str); 4] = [
    ("app.css", "text/css; charset=utf-8", include_str!("../static/app.css")),
    (
        "app.js",
        "text/javascript; charset=utf-8",
        include_str!("../static/app.js"),
    ),
    (
        "guilloche.svg",
        "image/svg+xml",
        include_str!("../static/guilloche.svg"),
    ),
    ("icon.svg", "image/svg+xml", include_str!("../static/icon.svg")),
];

/// Of every file's content (FNV-1a): it names a version, and protects nothing.
#[expect(clippy::indexing_slicing, reason = "worked out while compiling")]
const DIGEST: u64 = {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let mut file = 0;
    while file < FILES.len() {
        let content = FILES[file].2.as_bytes();
        let mut place = 0;
        while place < content.len() {
            digest = (digest ^ content[place] as u64).wrapping_mul(0x0100_0000_01b3);
            place += 1;
        }
        file += 1;
    }
    digest
};

pub(in crate::web) fn address(name: &str) -> String {
    format!("/static/{DIGEST:016x}/{name}")
}

pub(in crate::web) async fn serve(Path((digest, name)): Path<(String, String)>) -> Response {
    let file = FILES.iter().find(|(known, _, _)| *known == name);
    let Some((_, content_type, content)) = file.filter(|_| digest == format!("{DIGEST:016x}")) else {
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
