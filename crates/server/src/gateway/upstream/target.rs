//! Where calls with one provider credential go, from a base URL that was read strictly.

use http::HeaderValue;

use crate::outbound::{Origin, plain_url};

/// An origin, and what its requests are addressed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct Target {
    pub(super) origin: Origin,
    pub(super) host_header: HeaderValue,
    /// What the provider's own paths are put behind: empty, or `/one/or/more/segments`.
    pub(super) path_prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::gateway) enum TargetError {
    #[error("not a plain http or https URL of a host, spelt the usual way")]
    Odd,
    #[error("the operator has not allowed this host and port")]
    NotAllowed,
}

impl Target {
    /// Reads `base_url`, which is `public_url` (the provider's own) or needs its host and port among
    /// those that the operator allowed.
    pub(in crate::gateway) fn read(base_url: &str, public_url: &str, allowed: &[String]) -> Result<Self, TargetError> {
        let url = plain_url(base_url).filter(|url| url.query().is_none());
        let url = url.ok_or(TargetError::Odd)?;
        let origin = Origin::of(&url, allowed).ok_or(TargetError::Odd)?;
        if !origin.is_allowed && (base_url != public_url || !origin.is_tls) {
            return Err(TargetError::NotAllowed);
        }
        Ok(Self {
            host_header: origin.host_header().ok_or(TargetError::Odd)?,
            path_prefix: url.path().trim_end_matches('/').to_owned(),
            origin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "https://api.provider.example";

    fn read(base_url: &str) -> Result<Target, TargetError> {
        let allowed = ["127.0.0.1:8080".to_owned(), "models.example:443".to_owned()];
        Target::read(base_url, PUBLIC, &allowed)
    }

    #[test]
    fn the_providers_own_address_needs_no_leave() {
        let target = read(PUBLIC).unwrap();

        assert_eq!((target.origin.port, target.origin.is_allowed), (443, false));
        assert_eq!(target.host_header, "api.provider.example");
    }

    #[test]
    fn an_allowed_host_may_have_a_path_and_plain_http() {
        let target = read("http://127.0.0.1:8080/openai/").unwrap();

        assert!(target.origin.is_allowed && !target.origin.is_tls);
        assert_eq!(target.path_prefix, "/openai");
        assert_eq!(target.host_header, "127.0.0.1:8080");
    }

    #[test]
    fn threat_83_an_address_is_allowed_to_the_letter_or_not_at_all() {
        for refused in [
            "https://other.example",
            "http://api.provider.example",
            "https://api.provider.example/v2",
            "http://127.0.0.1:8081",
            "https://127.0.0.1",
            "https://models.example:8443",
            "https://models.example.",
        ] {
            assert_eq!(read(refused), Err(TargetError::NotAllowed), "{refused}");
        }
        for odd in [
            "http://2130706433:8080",
            "http://0x7f.1:8080",
            "http://0177.0.0.1:8080",
            "http://127.1:8080",
            "HTTP://127.0.0.1:8080",
        ] {
            assert_eq!(read(odd), Err(TargetError::Odd), "{odd}");
        }
    }

    #[test]
    fn threat_86_an_odd_url_is_refused() {
        for odd in [
            "",
            "models.example",
            "file:///etc/passwd",
            "ftp://models.example",
            "https://user@models.example",
            "https://user:secret@models.example",
            "https://models.example/?key=1",
            "https://models.example/#part",
            "https://models.example/a/../b",
            "https://models.example/a/%2e%2e/b",
            "https://models.example\\@other.example",
            "https:\\\\models.example",
            "https://models.example:443",
            "https://models.example/a b",
            " https://models.example",
            "https://MODELS.example",
        ] {
            assert_eq!(read(odd), Err(TargetError::Odd), "{odd}");
        }
    }
}
