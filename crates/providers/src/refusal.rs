//! Why the gateway answers by itself instead of forwarding, and with which status.

use aipassport_domain::policy::Denial;
use http::StatusCode;

use crate::request::ReadError;

/// An answer of the gateway's own, to be put into a provider's error shape.
#[derive(Clone, Debug)]
pub struct Refusal<'a> {
    pub reason: Reason<'a>,
    /// The `aipassport-request-id` of the answer.
    pub request_id: &'a str,
    /// Where the user can raise the limit that was reached.
    pub raise_url: Option<&'a str>,
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

impl Reason<'_> {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) | Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::Denied(denial) => status_of(denial),
            Self::NotFound | Self::NoSuchModel(_) => StatusCode::NOT_FOUND,
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
