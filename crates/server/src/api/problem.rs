//! What `/api` answers when it does not do what it was asked (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use aipassport_store::StoreError;

use crate::{caller::CallerError, entries::Refused};

#[derive(Debug)]
pub(super) enum Problem {
    NobodySignedIn,
    Forged,
    /// This allows more than before, and the browser's user signed in a while ago.
    SignInAgain,
    /// Unknown, or somebody else's: which of the two is nobody's business.
    NotFound,
    Invalid {
        field: &'static str,
        text: String,
    },
    /// Says when there is room again.
    TooMany(&'static str),
    Unavailable,
}

impl Problem {
    fn parts(&self) -> (StatusCode, &'static str, String) {
        match self {
            Self::NobodySignedIn => {
                let text = "Sign in, or send a bearer made with: aipassport user token NAME";
                (StatusCode::UNAUTHORIZED, "nobody_signed_in", text.to_owned())
            }
            Self::Forged => {
                let text = "The request did not come from a page of this broker.";
                (StatusCode::FORBIDDEN, "forged", text.to_owned())
            }
            Self::SignInAgain => {
                let text = "This allows more than before: sign in again first.";
                (StatusCode::FORBIDDEN, "sign_in_again", text.to_owned())
            }
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "not_found",
                "There is nothing of yours here.".to_owned(),
            ),
            Self::Invalid { field, text } => (StatusCode::BAD_REQUEST, "invalid", format!("{field}: {text}")),
            Self::TooMany(text) => (StatusCode::TOO_MANY_REQUESTS, "too_many", (*text).to_owned()),
            Self::Unavailable => {
                let text = "The store is away. Nothing has changed; try again in a moment.";
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", text.to_owned())
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, detail) = self.parts();
        let title = status.canonical_reason().unwrap_or_default();
        let body = serde_json::json!({ "title": title, "status": status.as_u16(), "detail": detail, "code": code });
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<CallerError> for Problem {
    fn from(error: CallerError) -> Self {
        match error {
            CallerError::NobodySignedIn => Self::NobodySignedIn,
            CallerError::Forged => Self::Forged,
            CallerError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => {
                tracing::error!(%cause, "the store is unavailable");
                Self::Unavailable
            }
            StoreError::Taken => Self::Invalid {
                field: "id",
                text: "already taken".to_owned(),
            },
            StoreError::Unstorable => Self::Invalid {
                field: "text",
                text: "must not contain a NUL character".to_owned(),
            },
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::Invalid {
            field: refused.field,
            text: refused.text,
        }
    }
}
