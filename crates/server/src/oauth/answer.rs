//! How answers are sent: uncached, and, to a client's redirect URI, with `iss` (RFC 9207).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::{OAuthError, error::description};
use crate::dead_end::DeadEnd;

/// An answer that no cache keeps and no referrer tells (RFC 6749, section 5.1).
pub(super) fn no_store(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Sends the browser on; 303, so that it asks for the next page with GET whatever came before.
pub(super) fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => no_store((StatusCode::SEE_OTHER, [(header::LOCATION, location)])),
        Err(_) => DeadEnd::broken().into_response(),
    }
}

/// Where the answer to an authorization request goes. The redirect URI has been compared with those
/// that the client registered: nothing else may ever be redirected to.
pub(super) struct RedirectTo<'a> {
    pub(super) redirect_uri: &'a str,
    pub(super) state: Option<&'a str>,
    pub(super) issuer: &'a str,
}

impl RedirectTo<'_> {
    pub(super) fn code(&self, code: &str) -> Response {
        self.send(&[("code", code)])
    }

    pub(super) fn error(&self, error: &OAuthError) -> Response {
        error.log();
        self.refuse(error.code(), &error.to_string())
    }

    /// An error that only the authorization endpoint knows.
    pub(super) fn refuse(&self, code: &str, text: &str) -> Response {
        self.send(&[("error", code), ("error_description", &description(text))])
    }

    fn send(&self, answer: &[(&str, &str)]) -> Response {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(answer);
        query.extend_pairs(self.state.map(|state| ("state", state)));
        query.append_pair("iss", self.issuer);

        let separator = if self.redirect_uri.contains('?') { '&' } else { '?' };
        redirect(&format!("{}{separator}{}", self.redirect_uri, query.finish()))
    }
}
