//! The errors of RFC 6749, section 5.2, and of the RFCs that add to them.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::answer::no_store;
use crate::strangers::TooMany;

/// An error response of the authorization server. Descriptions help developers, and say nothing
/// about what exists: which client, code or token was wrong, and how, is for our audit events.
#[derive(Debug, thiserror::Error)]
pub(super) enum OAuthError {
    #[error("{0}")]
    InvalidRequest(String),
    #[error("client authentication failed")]
    InvalidClient,
    #[error("too many wrong client secrets came from there: wait")]
    TooManySecrets(TooMany),
    #[error("{0}")]
    InvalidGrant(&'static str),
    #[error("this client may not do that")]
    UnauthorizedClient,
    #[error("grant_type is authorization_code or refresh_token")]
    UnsupportedGrantType,
    #[error("the only scope is ai")]
    InvalidScope,
    #[error("resource is {0}, or one provider's path on it")]
    InvalidTarget(String),
    #[error("{0}")]
    InvalidAuthorizationDetails(String),
    /// The cause is for our logs only; the client learns nothing from it.
    #[error("internal error")]
    ServerError(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl OAuthError {
    pub(super) fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::ServerError(Box::new(cause))
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            // RFC 6749 has no word for it here; this one says that trying again is worth it.
            Self::TooManySecrets(_) => "temporarily_unavailable",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::InvalidAuthorizationDetails(_) => "invalid_authorization_details",
            Self::ServerError(_) => "server_error",
        }
    }

    /// Logs the cause of an error that is ours; to be called once, where the answer is made.
    pub(super) fn log(&self) {
        if let Self::ServerError(cause) = self {
            tracing::error!(%cause, "the authorization server failed");
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        self.log();
        let status = match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::TooManySecrets(_) => StatusCode::TOO_MANY_REQUESTS,
            // A store that is away comes back.
            Self::ServerError(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let body = json!({"error": self.code(), "error_description": description(&self.to_string())});
        let mut response = no_store((status, Json(body)));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"AIPassport\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Self::TooManySecrets(too_many) = self {
            let seconds = HeaderValue::from(too_many.retry_after_seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// What RFC 6749, section 5.2 allows in a description: printable ASCII without `"` and `\`; and no
/// markup, in case somebody shows it on a page.
pub(super) fn description(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars()
        .take(LONGEST)
        .map(|character| match character {
            '"' | '`' => '\'',
            '\\' | '<' | '>' | '&' => '?',
            ' '..='~' => character,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_63_a_description_is_plain_ascii_without_markup() {
        assert_eq!(
            description("a \"b\" <script>\u{202e}\u{0}\n\\é&"),
            "a 'b' ?script???????"
        );
        assert_eq!(description(&"x".repeat(1000)).len(), 200);
    }
}
