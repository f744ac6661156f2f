//! What 0.2's surface answers when it refuses: always JSON, `{"error", "code", "details"?}`.

use std::collections::BTreeMap;

use aipassport_domain::{consent::ConsentError, grant::GrantStatus};
use aipassport_store::StoreError;
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::{caller::CallerError, client_secret::NotAuthentic, signing::SigningError, strangers::TooMany};

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("Validation failed")]
    Invalid(Details),
    #[error("The body is one JSON object")]
    NotJson,
    #[error("The body is application/json")]
    NotJsonType,
    /// Unknown, or somebody else's: the answer does not tell.
    #[error("Grant not found")]
    NotFound,
    #[error("Grant is {}", .0.as_str())]
    Status(GrantStatus),
    #[error("The scope is wider than what the app asked for")]
    TooWide,
    #[error(transparent)]
    Consent(#[from] ConsentError),
    #[error("This allows more than before: sign in again first")]
    SignInAgain,
    #[error("Only registered apps may ask here: send client_id, and the client's secret by HTTP Basic")]
    NotRegistered,
    #[error("Too many apps that nobody knows asked from there: wait, or have the app registered")]
    TooMany(TooMany),
    #[error("Unknown client, or wrong secret")]
    NotAuthentic,
    #[error("Too many wrong secrets came from there: wait")]
    TooManySecrets(TooMany),
    #[error("{}", .0.told())]
    Caller(#[from] CallerError),
    #[error("This cannot be done right now")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What is wrong with which member of the body, as 0.2 said it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    pub(super) form_errors: Vec<String>,
    pub(super) field_errors: BTreeMap<&'static str, Vec<String>>,
}

impl Details {
    pub(super) fn is_empty(&self) -> bool {
        self.form_errors.is_empty() && self.field_errors.is_empty()
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            // An id that no text column can hold is nobody's.
            StoreError::Unstorable => Self::NotFound,
            error => Self::Broken(Box::new(error)),
        }
    }
}

impl From<NotAuthentic> for Error {
    fn from(error: NotAuthentic) -> Self {
        match error {
            NotAuthentic::Wrong => Self::NotAuthentic,
            NotAuthentic::TooMany(too_many) => Self::TooManySecrets(too_many),
            NotAuthentic::Store(error) => error.into(),
        }
    }
}

impl From<SigningError> for Error {
    fn from(error: SigningError) -> Self {
        Self::Broken(Box::new(error))
    }
}

impl From<TooMany> for Error {
    fn from(too_many: TooMany) -> Self {
        Self::TooMany(too_many)
    }
}

impl Error {
    fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "validation_failed"),
            Self::NotJson => (StatusCode::BAD_REQUEST, "malformed_body"),
            Self::NotJsonType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::Status(GrantStatus::Pending) => (StatusCode::BAD_REQUEST, "grant_pending"),
            Self::Status(GrantStatus::Approved) => (StatusCode::BAD_REQUEST, "grant_approved"),
            Self::Status(GrantStatus::Denied) => (StatusCode::BAD_REQUEST, "grant_denied"),
            Self::Status(GrantStatus::Revoked) => (StatusCode::BAD_REQUEST, "grant_revoked"),
            Self::Status(GrantStatus::Expired) => (StatusCode::BAD_REQUEST, "grant_expired"),
            Self::Status(GrantStatus::Exhausted) => (StatusCode::BAD_REQUEST, "grant_exhausted"),
            Self::Status(GrantStatus::Paused) => (StatusCode::BAD_REQUEST, "grant_paused"),
            Self::TooWide => (StatusCode::BAD_REQUEST, "scope_too_wide"),
            Self::SignInAgain => (StatusCode::FORBIDDEN, "sign_in_again"),
            Self::Consent(_) => (StatusCode::BAD_REQUEST, "nothing_to_grant"),
            Self::NotRegistered => (StatusCode::FORBIDDEN, "registration_required"),
            Self::TooMany(_) | Self::TooManySecrets(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Self::NotAuthentic => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::Caller(CallerError::NobodySignedIn) => (StatusCode::UNAUTHORIZED, "not_signed_in"),
            Self::Caller(CallerError::Forged) => (StatusCode::FORBIDDEN, "forged_request"),
            Self::Caller(CallerError::Store(_)) | Self::Broken(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Broken(cause) = &self {
            tracing::error!(%cause, "the 0.2 surface failed");
        } else if let Self::Caller(CallerError::Store(cause)) = &self {
            tracing::error!(%cause, "the caller cannot be read");
        }
        let (status, code) = self.code();
        let mut body = json!({"error": self.to_string(), "code": code});
        if let (Self::Invalid(details), Some(body)) = (&self, body.as_object_mut()) {
            body.insert("details".to_owned(), json!(details));
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Self::TooMany(too_many) | Self::TooManySecrets(too_many) = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(too_many.retry_after_seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            let challenge = match self {
                Self::NotAuthentic => "Basic realm=\"AIPassport\"",
                _ => "Bearer realm=\"AIPassport\"",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
