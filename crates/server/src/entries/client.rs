//! An app that somebody registers.

use aipassport_domain::{
    audit::Happened,
    client::{Client, ClientAuthentication, Registration, check_redirect_uri},
    ids::ClientId,
    secret::Secret,
};
use serde::Deserialize;

use super::{Making, Refused};

/// What secret scanners know a client secret by.
const SECRET_PREFIX: &str = "aip_cs_";
const MOST_REDIRECT_URIS: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    pub name: String,
    /// The app's own address; the origin of its first redirect URI where none is given.
    #[serde(default)]
    pub address: Option<String>,
    pub redirect_uris: Vec<String>,
    /// Whether it can keep a secret, and gets one.
    #[serde(default)]
    pub is_confidential: bool,
}

/// The client, and its secret, shown once.
pub fn new_client(making: Making<'_>, entered: NewClient) -> Result<(Client, Option<Secret>, Happened), Refused> {
    let NewClient {
        name,
        address,
        redirect_uris,
        is_confidential,
    } = entered;
    if redirect_uris.is_empty() || redirect_uris.len() > MOST_REDIRECT_URIS {
        return Err(Refused::field(
            "redirect_uris",
            format!("give 1 to {MOST_REDIRECT_URIS} redirect URIs"),
        ));
    }
    for uri in &redirect_uris {
        check_redirect_uri(uri).map_err(|reason| Refused::field("redirect_uris", format!("{uri:?}: {reason}")))?;
    }
    let secret = is_confidential.then(|| making.random.secret(SECRET_PREFIX));
    let authentication = secret.as_ref().map_or(ClientAuthentication::None, |secret| {
        ClientAuthentication::Secret(making.vault.hash(secret.expose()))
    });
    let client = Client {
        id: ClientId::new(making.random.id(making.now)),
        tenant_id: making.tenant_id.clone(),
        name: name.trim().to_owned(),
        address: address
            .filter(|address| !address.is_empty())
            .or_else(|| origin(redirect_uris.first()?))
            .unwrap_or_default(),
        redirect_uris,
        authentication,
        registration: Registration::Registered,
        created_at: making.now,
        disabled_at: None,
    };
    client.check().map_err(|reason| Refused::field("name", reason))?;
    let added = Happened::ClientAdded {
        client_id: client.id.clone(),
        name: client.name.clone(),
    };
    Ok((client, secret, added))
}

fn origin(uri: &str) -> Option<String> {
    Some(url::Url::parse(uri).ok()?.origin().ascii_serialization())
}
