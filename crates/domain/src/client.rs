//! Clients: the software that asks for access.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ClientId, TenantId},
    secret::SecretHash,
    time::Timestamp,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: ClientId,
    pub tenant_id: TenantId,
    pub name: String,
    /// The app's own address; shown at consent, larger than the name.
    pub address: String,
    pub redirect_uris: Vec<String>,
    pub authentication: ClientAuthentication,
    /// How the client came to be known; pages show it as a badge.
    pub registration: Registration,
    pub created_at: Timestamp,
    pub disabled_at: Option<Timestamp>,
}

/// How a client proves who it is at the token, introspection and revocation endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// A public client: PKCE alone.
    None,
    /// `client_secret_basic` or `client_secret_post` (RFC 6749, section 2.3.1).
    Secret(SecretHash),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// By the operator or a user, by hand.
    Registered,
    /// It only named itself (the 0.2 surface, dynamic registration).
    Unverified,
    /// A tool that cannot ask: its user made it an app key. It has no address and redirects nowhere.
    Tool,
}

const LONGEST_NAME: usize = 100;
const LONGEST_ADDRESS: usize = 500;

impl Client {
    /// Checks what somebody registered: a name that can be shown, and a web address.
    pub fn check(&self) -> Result<(), &'static str> {
        let length = self.name.chars().count();
        if self.name.trim().is_empty() || length > LONGEST_NAME || self.name.chars().any(char::is_control) {
            return Err("a name has 1 to 100 characters, none of them control characters");
        }
        if self.registration == Registration::Tool {
            return Ok(());
        }
        let is_web = self.address.starts_with("https://") || self.address.starts_with("http://");
        if !is_web || self.address.len() > LONGEST_ADDRESS || !self.address.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err("an address begins with https:// or http:// and has at most 500 plain characters");
        }
        Ok(())
    }

    /// Whether `asked` is exactly a registered redirect URI; the port of a loopback IP address is
    /// free (RFC 8252, section 7.3). Nothing is normalised: what differs by a byte differs.
    pub fn redirects_to(&self, asked: &str) -> bool {
        self.redirect_uris
            .iter()
            .any(|registered| registered == asked || same_but_loopback_port(registered, asked))
    }

    /// Whether every redirect URI stays on the user's own machine, so that no address can vouch
    /// for the client.
    pub fn is_loopback_only(&self) -> bool {
        !self.redirect_uris.is_empty()
            && self
                .redirect_uris
                .iter()
                .all(|uri| split_loopback(uri).is_some() || uri.starts_with("http://localhost"))
    }
}

fn same_but_loopback_port(registered: &str, asked: &str) -> bool {
    match (split_loopback(registered), split_loopback(asked)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    }
}

/// The host and what follows the port, for `http://127.0.0.1` and `http://[::1]` only.
fn split_loopback(uri: &str) -> Option<(&str, &str)> {
    ["http://127.0.0.1", "http://[::1]"].into_iter().find_map(|host| {
        let rest = uri.strip_prefix(host)?;
        let after_port = match rest.strip_prefix(':') {
            Some(port_and_path) => {
                let digits = port_and_path.bytes().take_while(u8::is_ascii_digit).count();
                let port = port_and_path.get(..digits)?;
                port.parse::<u16>().ok().filter(|_| !port.starts_with('0'))?;
                port_and_path.get(digits..)?
            }
            None => rest,
        };
        (after_port.is_empty() || after_port.starts_with('/') || after_port.starts_with('?'))
            .then_some((host, after_port))
    })
}

/// Checks a redirect URI at registration: absolute, `https`, or `http` on loopback, without user
/// information or fragment.
pub fn check_redirect_uri(uri: &str) -> Result<(), &'static str> {
    let plain = uri
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'"' && byte != b'<' && byte != b'>');
    if !plain || uri.len() > 2000 {
        return Err("a redirect URI is at most 2000 plain ASCII characters");
    }
    if uri.contains('#') {
        return Err("a redirect URI has no fragment");
    }
    let (scheme, rest) = uri.split_once("://").ok_or("a redirect URI is absolute: https://…")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(is_host) {
        return Err("a redirect URI names a host, and no user");
    }
    let is_localhost = authority == "localhost" || authority.starts_with("localhost:");
    match scheme {
        "https" => Ok(()),
        "http" if split_loopback(uri).is_some() || is_localhost => Ok(()),
        _ => Err("a redirect URI is https, or http on 127.0.0.1, [::1] or localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn client(uri: &str) -> Client {
        Client {
            redirect_uris: vec![uri.to_owned()],
            ..fixtures::client()
        }
    }

    /// `security.md` 45: only the very same URI.
    #[test]
    fn threat_45_a_redirect_uri_matches_to_the_byte() {
        let client = client("https://notes.example/callback");

        assert!(client.redirects_to("https://notes.example/callback"));
        for other in [
            "https://notes.example/callback/",
            "https://notes.example/other",
            "https://notes.example/callback?x=1",
            "https://notes.example/callback#x",
            "https://u@notes.example/callback",
            "https://notes.example/%2e%2e/callback",
            "https:\\\\notes.example\\callback",
            "https://Notes.example/callback",
            "https://nоtes.example/callback",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://notes.example/callback",
            "",
        ] {
            assert!(!client.redirects_to(other), "{other}");
        }
    }

    /// `security.md` 46: a loopback address may use any port, and nothing may pass for one.
    #[test]
    fn threat_46_only_the_port_of_a_loopback_address_is_free() {
        let client = client("http://127.0.0.1/callback");

        for same in ["http://127.0.0.1/callback", "http://127.0.0.1:49152/callback"] {
            assert!(client.redirects_to(same), "{same}");
        }
        for other in [
            "http://localhost/callback",
            "http://[::1]/callback",
            "http://127.0.0.1.evil/callback",
            "http://0x7f.1/callback",
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1:99999/callback",
            "http://127.0.0.1:80@evil/callback",
            "http://127.0.0.1:/callback",
            "https://127.0.0.1/callback",
            "http://127.0.0.1:80/other",
        ] {
            assert!(!client.redirects_to(other), "{other}");
        }
    }

    #[test]
    fn a_redirect_uri_is_https_or_loopback() {
        for good in [
            "https://a.example/cb",
            "http://127.0.0.1:3000/cb",
            "http://[::1]/cb",
            "http://localhost:3000/cb",
        ] {
            assert_eq!(check_redirect_uri(good), Ok(()), "{good}");
        }
        for bad in [
            "http://a.example/cb",
            "javascript:alert(1)",
            "a.example",
            "https://a@b.example/",
            "https://a.example/#x",
            "https:///x",
            "myapp://cb",
            "http://localhost.evil/",
            "https://a.example;sandbox/",
            "https://a.example,b.example/",
        ] {
            assert!(check_redirect_uri(bad).is_err(), "{bad}");
        }
    }
}
