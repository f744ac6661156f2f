//! Where a webhook's messages go.

use aipassport_store::Webhook;
use http::HeaderValue;
use url::{Position, Url};

use crate::outbound::{Origin, is_loopback, plain_url};

/// An origin, and what its one request is addressed with.
pub(super) struct Address {
    pub(super) origin: Origin,
    pub(super) host_header: HeaderValue,
    /// With the query.
    pub(super) path: String,
}

impl Address {
    /// Reads a webhook's URL; `allowed` are the operator's, as `HOST:PORT`.
    ///
    /// Security invariant: plain HTTP is spoken with this machine alone, and only where the operator
    /// allowed it; anybody between us and another could read what a user spends.
    pub(super) fn read(url: &str, allowed: &[String]) -> Option<Self> {
        let url = plain_url(url)?;
        let origin = Origin::of(&url, allowed)?;
        let may_be_read = origin.is_allowed && is_loopback(&url);
        if !origin.is_tls && !may_be_read {
            return None;
        }
        Some(Self {
            host_header: origin.host_header()?,
            path: url[Position::BeforePath..Position::AfterQuery].to_owned(),
            origin,
        })
    }
}

/// Whether `url` can be a webhook's; whether it may be reached is decided when it is.
pub fn is_well_formed(url: &str) -> bool {
    plain_url(url).is_some_and(|url| match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(&url),
        _ => false,
    })
}

/// What a webhook is called where its whole address would tell too much.
pub fn host_of(webhook: &Webhook) -> String {
    let url = Url::parse(&webhook.url).ok();
    let host = url.as_ref().and_then(Url::host_str);
    host.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_path_and_query() {
        let address = Address::read("https://hooks.example:8443/in/1?to=ana", &[]).unwrap();

        assert!(address.origin.is_tls && !address.origin.is_allowed);
        assert_eq!(address.path, "/in/1?to=ana");
        assert_eq!(address.host_header, "hooks.example:8443");
        assert_eq!(Address::read("https://hooks.example", &[]).unwrap().path, "/");
    }

    #[test]
    fn plain_http_is_for_this_machine_where_the_operator_allowed_it() {
        let allowed = ["127.0.0.1:9000".to_owned(), "inside.example:80".to_owned()];

        assert!(Address::read("http://127.0.0.1:9000/in", &allowed).is_some());
        for refused in [
            "http://127.0.0.1:9001/in",
            "http://inside.example/in",
            "http://hooks.example/in",
        ] {
            assert!(Address::read(refused, &allowed).is_none(), "{refused}");
        }
        assert!(is_well_formed("http://localhost:9000") && !is_well_formed("http://hooks.example"));
    }

    #[test]
    fn threat_86_an_odd_address_of_a_webhook_is_refused() {
        for odd in [
            "",
            "hooks.example",
            "ftp://hooks.example",
            "file:///etc/passwd",
            "https://user@hooks.example",
            "https://user:secret@hooks.example",
            "https://hooks.example/#part",
            "https://hooks.example/a/../b",
            "https://hooks.example\\@other.example",
            "https://hooks.example:443/in",
            "https://hooks.example/a b",
            "https://HOOKS.example",
            "https://0x7f.1/in",
            "https://2130706433/in",
        ] {
            assert!(!is_well_formed(odd) && Address::read(odd, &[]).is_none(), "{odd}");
        }
    }
}
