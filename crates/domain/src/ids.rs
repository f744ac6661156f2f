//! Identifiers: opaque strings, one type for each kind of thing so that they cannot be mixed up.
//!
//! A call hands its identifiers on dozens of times, so a clone is the same string, not a copy of it.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into().into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    )+};
}

identifiers! {
    /// The organisation or household that users belong to; everything is keyed by it first.
    TenantId;
    UserId;
    ClientId;
    GrantId;
    /// A provider credential: the user's secret at a provider.
    CredentialId;
    /// A credential that a user made by hand for a tool.
    AppKeyId;
    /// An authorization request, from asking to redeeming.
    AuthorizationRequestId;
    /// One call to a provider; also `aipassport-request-id`, and the id of its reservation.
    CallId;
    AuditEventId;
    /// A browser session, by the keyed hash of its cookie.
    BrowserSessionId;
    /// A provider's registry id, as in `authorization_details[].provider` and the drop-in path.
    ProviderId;
    /// A signing key: the RFC 7638 thumbprint, as published in `kid`.
    KeyId;
    /// All refresh tokens that descend from one authorization code.
    TokenFamilyId;
}

impl TenantId {
    /// The only tenant there is until tenants can be made.
    pub fn first() -> Self {
        Self::new("default")
    }
}
