//! A provider credential that a user brings.

use aipassport_domain::{
    audit::{Happened, KeyCheck},
    ids::{CredentialId, ProviderId, UserId},
    secret::Secret,
};
use aipassport_providers::adapter;
use aipassport_store::{KeyChecked, ProviderCredential};

use super::{Making, Refused};
use crate::{config::Upstreams, gateway::Gateway, vault::Place};

const LONGEST_KEY: usize = 4096;
const LONGEST_BASE_URL: usize = 500;

pub struct NewCredential {
    pub provider: String,
    pub key: Secret,
    /// Another address than the provider's public one. Whether it may be reached is decided when it
    /// is, on the connected socket.
    pub base_url: Option<String>,
}

/// The credential, sealed for the row it will be.
pub fn new_credential(
    making: Making<'_>,
    user_id: &UserId,
    entered: NewCredential,
) -> Result<(ProviderCredential, Happened), Refused> {
    let NewCredential {
        provider,
        key,
        base_url,
    } = entered;
    if adapter::by_id(&provider).is_none() {
        let known: Vec<&str> = adapter::all().iter().map(|adapter| adapter.id()).collect();
        return Err(Refused::field(
            "provider",
            format!("there is no provider {provider:?}: {}", known.join(", ")),
        ));
    }
    let is_plain = key.expose().bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain || key.expose().is_empty() || key.expose().len() > LONGEST_KEY {
        return Err(Refused::field(
            "key",
            "a key is one line of plain characters, without spaces",
        ));
    }
    let base_url = base_url
        .filter(|url| !url.is_empty())
        .map(|url| plain_base_url(&url))
        .transpose()?;

    let id = CredentialId::new(making.random.id(making.now));
    let sealed = making
        .vault
        .seal(Place::of_credential(&id), &key, making.random.as_ref())
        .map_err(|error| Refused::field("key", error.to_string()))?;
    let credential = ProviderCredential {
        id,
        tenant_id: making.tenant_id.clone(),
        user_id: user_id.clone(),
        provider: ProviderId::new(provider),
        base_url,
        sealed,
        last_four: key.last_four(),
        created_at: making.now,
        last_used_at: None,
        refused_at: None,
        checked: None,
    };
    let added = Happened::CredentialAdded {
        credential_id: credential.id.clone(),
        provider: credential.provider.clone(),
        last_four: credential.last_four.clone(),
    };
    Ok((credential, added))
}

/// The provider was shown a key, and does not accept it.
#[derive(Debug, thiserror::Error)]
#[error("{provider} does not accept this key, so it was not saved")]
pub struct NotAccepted {
    provider: &'static str,
}

impl From<NotAccepted> for Refused {
    fn from(error: NotAccepted) -> Self {
        Self::field("key", error.to_string())
    }
}

/// The credential, with what its provider says of it. One that is refused is only kept where the user
/// wants it all the same; one that could not be checked is.
pub async fn checked(
    making: Making<'_>,
    gateway: &Gateway,
    upstreams: &Upstreams,
    credential: ProviderCredential,
    is_kept_anyway: bool,
) -> Result<ProviderCredential, NotAccepted> {
    let result = gateway.check_key(upstreams, making.vault, &credential).await;
    let is_refused = result == KeyCheck::Refused;
    if is_refused && !is_kept_anyway {
        let adapter = adapter::by_id(credential.provider.as_str());
        return Err(NotAccepted {
            provider: adapter.map_or("the provider", |adapter| adapter.name()),
        });
    }
    let at = making.now;
    Ok(ProviderCredential {
        checked: Some(KeyChecked { at, result }),
        refused_at: is_refused.then_some(at),
        ..credential
    })
}

/// An address without user, query or fragment.
fn plain_base_url(text: &str) -> Result<String, Refused> {
    let wrong = || {
        Refused::field(
            "base_url",
            format!("{text:?} is not a base URL: write http(s)://HOST[:PORT][/PATH]"),
        )
    };
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    let has_more = url.query().is_some() || url.fragment().is_some();
    if !matches!(url.scheme(), "http" | "https")
        || url.host_str().is_none()
        || has_user
        || has_more
        || text.len() > LONGEST_BASE_URL
    {
        return Err(wrong());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_no_user_query_or_fragment() {
        assert_eq!(
            plain_base_url("http://127.0.0.1:9/openai/").unwrap(),
            "http://127.0.0.1:9/openai"
        );
        for wrong in [
            "127.0.0.1",
            "ftp://x",
            "http://u@x",
            "http://u:p@x",
            "http://x?y",
            "http://x#y",
            "file:///etc",
        ] {
            assert!(plain_base_url(wrong).is_err(), "{wrong}");
        }
    }
}
