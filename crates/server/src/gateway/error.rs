//! Why a request is refused, and how that is said: in the provider's own error shape on its paths,
//! so that SDKs raise their own classes, and in plain JSON elsewhere.

use aipassport_domain::{
    audit::CallOutcome,
    ids::{ClientId, GrantId, ProviderId},
    ledger::{Level, LimitReached, LimitRule},
    policy::Denial,
    time::Timestamp,
};
use aipassport_providers::{
    adapter::{self, ProviderAdapter},
    meter::StreamForm,
    refusal::{Reason, Refusal},
    request::ReadError,
};
use aipassport_store::StoreError;
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::{headers, live::Ending, read::BodyError, upstream::UpstreamError};
use crate::{app::App, limits_view::raise_path, vault::VaultError};

#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    #[error("a request needs an access token")]
    NoToken,
    #[error("{0}")]
    Unauthenticated(&'static str),
    #[error("{0}")]
    Malformed(&'static str),
    #[error("there is nothing here")]
    NotFound,
    #[error("there is no model {0}, or the grant does not cover it")]
    NoSuchModel(String),
    /// A bare model id on `/v1` that several providers of the grant know.
    #[error("{model} is offered by several providers; say which: {choices}")]
    AmbiguousModel { model: String, choices: String },
    #[error("there is no such object, or it is not this grant's")]
    NoSuchObject,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error("the user has not added a key for this provider")]
    NoCredential,
    #[error("upstream: {0}")]
    Upstream(#[from] UpstreamError),
    /// The call was under way.
    #[error("ended early: {0:?}")]
    Ended(Ending),
    /// The grant has changed since it was looked at; nothing was sent.
    #[error("decided on an older version of the grant")]
    Stale,
    #[error("unavailable")]
    Unavailable,
    #[error("internal error")]
    Internal,
}

/// On whose path a request came, and so in whose shape it is refused.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// A provider's own.
    Provider(&'static dyn ProviderAdapter),
    /// `/v1`: OpenAI's shape, on nobody's path.
    Face,
    Plain,
}

impl Shape {
    pub(super) fn adapter(self) -> Option<&'static dyn ProviderAdapter> {
        match self {
            Self::Provider(adapter) => Some(adapter),
            Self::Face => Some(adapter::face()),
            Self::Plain => None,
        }
    }
}

/// Who and what an error answers.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) shape: Shape,
    /// Whose metadata a challenge points to; `None` for those of all providers.
    pub(super) provider: Option<&'a ProviderId>,
    pub(super) request_id: &'a str,
    /// Whose call it was; names the page on which its user can mend what refused it.
    pub(super) of: Option<(&'a GrantId, &'a ClientId)>,
    pub(super) now: Timestamp,
}

impl GatewayError {
    /// How a call ended that this befell after its reservation.
    pub(super) fn outcome(&self) -> CallOutcome {
        match self {
            Self::Ended(ending) => ending.outcome(),
            Self::Upstream(UpstreamError::TimedOut) => CallOutcome::TimedOut,
            // An upload that did not come to its end.
            Self::Unreadable(_) | Self::Body(_) => CallOutcome::NotSent,
            _ => CallOutcome::UpstreamFailed,
        }
    }

    /// The word for the rule that refused the call; `None` where none did.
    pub(super) fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Upstream(_) | Self::Ended(_) | Self::Stale | Self::Unavailable | Self::Internal => None,
            _ => Some(self.reason("").rule()),
        }
    }

    pub(super) fn respond(&self, app: &App, asked: Asked<'_>) -> Response {
        self.log(asked.request_id);
        let raise_url = self.raise_url(app, asked);
        let text = self.to_string();
        let refusal = Refusal {
            reason: self.reason(&text),
            request_id: asked.request_id,
            raise_url: raise_url.as_deref(),
            retry_after_seconds: self.retry_after(asked.now),
        };
        let adapter = asked.shape.adapter();
        let (status, body) = match adapter {
            Some(adapter) => adapter.refusal(&refusal),
            None => refusal.plain(),
        };

        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let head = response.headers_mut();
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            head.insert(header::WWW_AUTHENTICATE, self.challenge(app, asked.provider));
        }
        if let Some(seconds) = refusal.retry_after_seconds {
            head.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers::finish(head, asked.request_id, adapter);
        response
    }

    /// The last event of a stream that this ends.
    pub(super) fn last_event(&self, app: &App, asked: Asked<'_>, form: StreamForm, has_begun: bool) -> Bytes {
        self.log(asked.request_id);
        let Some(adapter) = asked.shape.adapter() else {
            return Bytes::new();
        };
        let raise_url = self.raise_url(app, asked);
        let text = self.to_string();
        let refusal = Refusal {
            reason: self.reason(&text),
            request_id: asked.request_id,
            raise_url: raise_url.as_deref(),
            retry_after_seconds: self.retry_after(asked.now),
        };
        adapter.stream_refusal(&refusal, form, has_begun)
    }

    /// Where the user can raise the limit that was reached, or change what else was in the way.
    fn raise_url(&self, app: &App, asked: Asked<'_>) -> Option<String> {
        let (grant_id, client_id) = asked.of?;
        let level = self.limit().map_or(Level::Grant, |reached| reached.state.level);
        let path = raise_path(level, grant_id, client_id)?;
        Some(format!("{}{path}", app.config.public_url))
    }

    /// The limit that refused the call, if one did.
    pub(super) fn limit(&self) -> Option<&LimitReached> {
        match self {
            Self::Denied(Denial::Limit(reached)) | Self::Ended(Ending::Denied(Denial::Limit(reached))) => Some(reached),
            _ => None,
        }
    }

    fn reason<'a>(&'a self, text: &'a str) -> Reason<'a> {
        match self {
            Self::NoToken | Self::Unauthenticated(_) => Reason::Unauthenticated(text),
            Self::Malformed(text) => Reason::Malformed(text),
            Self::NotFound => Reason::NotFound,
            Self::NoSuchModel(model) => Reason::NoSuchModel(model),
            Self::NoSuchObject => Reason::NoSuchObject,
            Self::Body(BodyError::TooLarge) => Reason::TooLarge,
            Self::Body(BodyError::UnsupportedMediaType) => Reason::UnsupportedMediaType,
            Self::Body(BodyError::TimedOut) => Reason::BodyTimedOut,
            Self::AmbiguousModel { .. } | Self::Body(BodyError::Broken) => Reason::Malformed(text),
            Self::Unreadable(error) => Reason::Unreadable(error),
            Self::Denied(denial) | Self::Ended(Ending::Denied(denial)) => Reason::Denied(denial),
            Self::NoCredential | Self::Ended(Ending::CredentialRemoved) => Reason::NoCredential,
            Self::Upstream(UpstreamError::TimedOut) | Self::Ended(Ending::TimedOut) => Reason::UpstreamTimedOut,
            Self::Upstream(UpstreamError::RefusedCredential) => Reason::UpstreamRefusedCredential,
            Self::Upstream(_) => Reason::UpstreamFailed,
            Self::Stale | Self::Unavailable | Self::Body(BodyError::NoRoom) | Self::Ended(Ending::Unavailable) => {
                Reason::Unavailable
            }
            Self::Internal => Reason::Internal,
        }
    }

    /// Causes are for us; who asked gets none.
    fn log(&self, request_id: &str) {
        match self {
            Self::Upstream(error) => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::warn!(call.id = request_id, %error, cause, "upstream failed");
            }
            Self::Unavailable | Self::Internal => tracing::error!(call.id = request_id, error = %self, "refused"),
            _ => {}
        }
    }

    /// RFC 6750, section 3, and RFC 9728, section 5.1. `Bearer` comes first: some clients read no
    /// other challenge.
    fn challenge(&self, app: &App, provider: Option<&ProviderId>) -> HeaderValue {
        let error = match self {
            // A request without a credential is told of no error (RFC 6750, section 3.1).
            Self::NoToken => "",
            _ => r#"error="invalid_token", "#,
        };
        let (url, path) = (&app.config.public_url, provider.map_or("", ProviderId::as_str));
        let slash = if path.is_empty() { "" } else { "/" };
        let challenge = format!(
            r#"Bearer realm="aipassport", {error}resource_metadata="{url}/.well-known/oauth-protected-resource{slash}{path}""#
        );
        HeaderValue::try_from(challenge).unwrap_or(HeaderValue::from_static("Bearer"))
    }

    /// Whole seconds, rounded up, so that who waits them is not refused again for the same reason.
    fn retry_after(&self, now: Timestamp) -> Option<u64> {
        match self {
            Self::Denied(Denial::Limit(limit)) if matches!(limit.rule, LimitRule::Rate | LimitRule::Concurrency) => {
                Some(wait(limit, now))
            }
            Self::Stale | Self::Unavailable | Self::Body(BodyError::NoRoom) => Some(1),
            _ => None,
        }
    }
}

fn wait(limit: &LimitReached, now: Timestamp) -> u64 {
    match limit.retry_at {
        Some(retry_at) if limit.rule == LimitRule::Rate => {
            let millis = retry_at.millis().saturating_sub(now.millis());
            u64::try_from(millis).unwrap_or_default().div_ceil(1000).max(1)
        }
        _ => 1,
    }
}

impl From<StoreError> for GatewayError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        Self::Unavailable
    }
}

impl From<VaultError> for GatewayError {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "a provider credential does not open");
        Self::Internal
    }
}
