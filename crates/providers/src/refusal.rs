//! Why the gateway answers by itself instead of forwarding, and with which status.

use std::borrow::Cow;

use aipassport_domain::policy::Denial;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{headers, request::ReadError};

/// An answer of the gateway's own, to be put into a provider's error shape.
#[derive(Clone, Debug)]
pub struct Refusal<'a> {
    pub reason: Reason<'a>,
    /// The `aipassport-request-id` of the answer.
    pub request_id: &'a str,
    /// Where the user can raise the limit that was reached.
    pub raise_url: Option<&'a str>,
    /// After how many seconds it is worth asking again; as in the answer's `Retry-After`.
    pub retry_after_seconds: Option<u64>,
}

#[derive(Clone, Debug)]
pub enum Reason<'a> {
    /// No credential, or one that is bad, expired or revoked; the text says which.
    Unauthenticated(&'a str),
    /// More than one credential, a model in the query: malformed outside the body.
    Malformed(&'a str),
    Unreadable(&'a ReadError),
    Denied(&'a Denial),
    /// Not on any capability's list of path templates.
    NotFound,
    /// Something kept at the provider that is not there, or not this grant's.
    NoSuchObject,
    /// A model that the grant does not cover, asked for by its id.
    NoSuchModel(&'a str),
    TooLarge,
    UnsupportedMediaType,
    /// The body did not arrive in time.
    BodyTimedOut,
    /// The user has no provider credential here; only the user can mend that.
    NoCredential,
    UpstreamFailed,
    UpstreamTimedOut,
    /// The provider refused the provider credential; only the user can mend that.
    UpstreamRefusedCredential,
    /// The store is away, the broker is draining, or its state is stale.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Refusal<'_> {
    /// In no provider's shape, for paths that are nobody's but ours.
    pub fn plain(&self) -> (StatusCode, Bytes) {
        let body = json!({
            "error": self.reason.message(),
            "code": self.reason.rule(),
            "aipassport": self.passport(),
        });
        (self.reason.status(), headers::json(&body))
    }

    /// The object `aipassport` that every refusal carries, whatever the provider's shape. Of a limit
    /// that other apps share it tells which one, and no amounts: those say what the others do.
    pub(crate) fn passport(&self) -> Value {
        let limit = match &self.reason {
            Reason::Denied(Denial::Limit(reached)) => Some(reached),
            _ => None,
        };
        let state = limit.map(|reached| &reached.state);
        let own = state.filter(|state| state.level.is_of_one_app());
        json!({
            "rule": self.reason.rule(),
            "level": state.map(|state| state.level),
            "limit": own.map(|state| state.limit),
            "used": own.map(|state| state.used),
            "reserved": own.map(|state| state.reserved),
            "resets_at": state.and_then(|state| state.resets_at),
            "retryable": limit.map_or_else(|| self.reason.is_passing(), |reached| reached.retryable),
            "raise_url": self.raise_url,
        })
    }
}

impl Reason<'_> {
    /// The word for the `rule` member: a limit, a part of the grant, or what else stands in the way.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "credential",
            Self::Malformed(_) | Self::Unreadable(_) => "request",
            Self::Denied(denial) => denial.rule(),
            Self::NotFound => "path",
            Self::NoSuchObject => "object",
            Self::NoSuchModel(_) => "model",
            Self::TooLarge => "size",
            Self::UnsupportedMediaType => "media_type",
            Self::UpstreamFailed | Self::UpstreamTimedOut => "upstream",
            Self::BodyTimedOut => "body",
            Self::UpstreamRefusedCredential | Self::NoCredential => "provider_credential",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::BodyTimedOut | Self::UpstreamFailed | Self::UpstreamTimedOut | Self::Unavailable
        )
    }

    /// What people read.
    pub(crate) fn message(&self) -> Cow<'_, str> {
        match self {
            Self::Unauthenticated(problem) | Self::Malformed(problem) => Cow::Borrowed(problem),
            Self::Unreadable(error) => error.to_string().into(),
            Self::Denied(denial) => denial.to_string().into(),
            Self::NotFound => "there is nothing at this address, or it is not open to apps".into(),
            Self::NoSuchObject => "what the request names does not exist, or is not this grant's".into(),
            Self::NoSuchModel(id) => format!("the model {id} does not exist, or the grant does not cover it").into(),
            Self::TooLarge => "the request is too large".into(),
            Self::UnsupportedMediaType => {
                "the body must be of the type that this path takes, in UTF-8 and without content encoding".into()
            }
            Self::UpstreamFailed => "the provider failed to answer".into(),
            Self::UpstreamTimedOut => "the provider did not answer in time".into(),
            Self::UpstreamRefusedCredential => {
                "the provider does not accept the credential it is called with; its owner has been told".into()
            }
            Self::NoCredential => "the user has no credential for this provider".into(),
            Self::BodyTimedOut => "the body did not arrive in time".into(),
            Self::Internal => "something went wrong in this broker".into(),
            Self::Unavailable => "this broker cannot take calls right now".into(),
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) | Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::Denied(denial) => status_of(denial),
            Self::NotFound | Self::NoSuchObject | Self::NoSuchModel(_) => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::NoCredential => StatusCode::FORBIDDEN,
            Self::UpstreamFailed | Self::UpstreamRefusedCredential => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn status_of(denial: &Denial) -> StatusCode {
    use aipassport_domain::ledger::LimitRule::{Budget, Concurrency, Rate, Requests};

    match denial {
        Denial::GrantRevoked | Denial::GrantExpired => StatusCode::UNAUTHORIZED,
        Denial::GrantPaused
        | Denial::PriceRisen
        | Denial::GrantNotYetValid
        | Denial::ProviderNotGranted(_)
        | Denial::ModelNotGranted(_)
        | Denial::CapabilityNotGranted(_)
        | Denial::FeatureNotGranted(_)
        | Denial::PriceUnknown(_)
        | Denial::CostUnbounded(_) => StatusCode::FORBIDDEN,
        Denial::Limit(limit) => match limit.rule {
            Budget | Requests => StatusCode::PAYMENT_REQUIRED,
            Rate | Concurrency => StatusCode::TOO_MANY_REQUESTS,
        },
    }
}
