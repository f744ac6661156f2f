//! The ends of outgoing connections, from URLs that are read strictly.

use http::HeaderValue;
use url::{Host, Url};

/// One end of outgoing connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) is_tls: bool,
    /// A name or an address; an IPv6 address in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The operator allowed this very host and port, so it may be inside the operator's network.
    pub(crate) is_allowed: bool,
}

/// Reads a URL without user, password or fragment that is spelt the usual way.
///
/// What a parser would put right (another spelling of an address, dot segments, backslashes, a
/// default port) is refused: what was allowed and shown is to the letter where we go.
pub(crate) fn plain_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_as_typed = url.as_str().trim_end_matches('/') == text.trim_end_matches('/');
    let has_more = !url.username().is_empty() || url.password().is_some() || url.fragment().is_some();
    (is_as_typed && !has_more).then_some(url)
}

impl Origin {
    /// The origin of an http or https URL; `allowed` are the operator's, as `HOST:PORT`.
    pub(crate) fn of(url: &Url, allowed: &[String]) -> Option<Self> {
        let is_tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let (host, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
        let is_allowed = allowed.contains(&format!("{host}:{port}"));
        Some(Self {
            is_tls,
            host,
            port,
            is_allowed,
        })
    }

    /// What `Host` says: the port only where it is not the scheme's own.
    pub(crate) fn host_header(&self) -> Option<HeaderValue> {
        let text = match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        };
        HeaderValue::try_from(text).ok()
    }

    /// The host without brackets, as names and addresses are looked up.
    pub(super) fn plain_host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }
}

/// Whether a URL names this very machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
