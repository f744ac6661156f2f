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
    /// An address of a user's that alerts are posted to.
    WebhookId;
    /// An authorization request, from asking to redeeming.
    AuthorizationRequestId;
    /// One call to a provider; also `aipassport-request-id`, and the id of its reservation.
    CallId;
    AuditEventId;
    /// A browser session, by the keyed hash of its cookie.
    BrowserSessionId;
    /// A provider's registry id, as in `authorization_details[].provider` and the drop-in path:
    /// `openai`, or `custom/NAME` for one that a user brings.
    ProviderId;
    /// A signing key: the RFC 7638 thumbprint, as published in `kid`.
    KeyId;
    /// All refresh tokens that descend from one authorization code.
    TokenFamilyId;
}

impl ProviderId {
    /// What stands before the name of a provider that a user brings.
    const CUSTOM: &str = "custom/";
    const LONGEST_NAME: usize = 32;
    const LONGEST: usize = 64;

    /// Whether `text` can be a provider's id.
    pub fn is_well_formed(text: &str) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        let is_registered = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(is_plain);
        is_registered || Self::custom_name(text).is_some()
    }

    /// The name in `custom/NAME`.
    pub fn custom_name(text: &str) -> Option<&str> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        text.strip_prefix(Self::CUSTOM)
            .filter(|name| (1..=Self::LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_plain))
    }
}

impl TenantId {
    /// The only tenant there is until tenants can be made.
    pub fn first() -> Self {
        Self::new("default")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_registered_or_has_a_plain_name_that_a_user_gave_it() {
        let longest = "custom/".to_owned() + &"x".repeat(32);
        for id in ["openai", "vllm", "my_own", "custom/lab", "custom/2-x", &longest] {
            assert!(ProviderId::is_well_formed(id), "{id}");
        }
        let too_long = longest.clone() + "x";
        for id in [
            "",
            "OpenAI",
            "open ai",
            "openai/",
            "other/lab",
            "custom/",
            "custom/Lab",
            "custom/a_b",
            "custom/a/b",
            "custom/..",
            "custom/%6c",
            &too_long,
        ] {
            assert!(!ProviderId::is_well_formed(id), "{id}");
        }
        assert_eq!(ProviderId::custom_name("custom/lab"), Some("lab"));
        assert_eq!(ProviderId::custom_name("openai"), None);
    }
}
