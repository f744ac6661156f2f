//! A provider credential that a user brings.

use aipassport_domain::{
    audit::{Happened, KeyCheck},
    ids::{CredentialId, ProviderId, UserId},
    secret::Secret,
};
use aipassport_providers::adapter::{self, ProviderAdapter};
use aipassport_store::{KeyChecked, ProviderCredential};

use super::{Making, Refused};
use crate::{config::Upstreams, gateway::Gateway, vault::Place};

const LONGEST_KEY: usize = 4096;
const LONGEST_BASE_URL: usize = 500;

pub struct NewCredential {
    pub provider: String,
    /// Empty where a host of the user's own asks for none.
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
    let adapter = known_provider(&provider)?;
    let is_plain = key.expose().bytes().all(|byte| byte.is_ascii_graphic());
    let is_missing = key.expose().is_empty() && !adapter.is_self_hosted();
    if !is_plain || is_missing || key.expose().len() > LONGEST_KEY {
        return Err(Refused::field(
            "key",
            "a key is one line of plain characters, without spaces",
        ));
    }
    let base_url = base_url
        .filter(|url| !url.is_empty())
        .map(|url| plain_base_url(&url))
        .transpose()?
        .map(|url| match adapter.default_base_url() {
            "" => url,
            // The version is in our paths already.
            _ => url.strip_suffix("/v1").map_or_else(|| url.clone(), str::to_owned),
        });
    if base_url.is_none() && adapter.default_base_url().is_empty() {
        return Err(Refused::field(
            "base_url",
            "this provider has no address but yours: write its base URL, as its SDKs take it",
        ));
    }

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

/// The provider with this id, be it one that a user brings.
pub(super) fn known_provider(id: &str) -> Result<&'static dyn ProviderAdapter, Refused> {
    adapter::by_id(id).ok_or_else(|| {
        let known: Vec<&str> = adapter::all().iter().map(|adapter| adapter.id()).collect();
        let known = known.join(", ");
        Refused::field(
            "provider",
            format!("there is no provider {id:?}: {known}, or custom/NAME (a-z, 0-9 and -, at most 32) for another"),
        )
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
    use std::sync::Arc;

    use aipassport_domain::ids::TenantId;

    use super::*;
    use crate::{
        random::{Random, SeededRandom},
        vault::KeyEncryptionKey,
    };

    /// What is stored of a credential, or the field that is wrong.
    fn entered(provider: &str, key: &str, base_url: Option<&str>) -> Result<Option<String>, &'static str> {
        let random: Arc<dyn Random> = Arc::new(SeededRandom::from_seed(1));
        let (tenant_id, key_encryption_key) = (TenantId::first(), KeyEncryptionKey::from_bytes([7; 32]));
        let wrapped = key_encryption_key
            .wrap_new_data_key(&tenant_id, random.as_ref())
            .unwrap();
        let making = Making {
            vault: &key_encryption_key.open_vault(&tenant_id, &wrapped).unwrap(),
            random: &random,
            tenant_id: &tenant_id,
            now: aipassport_domain::fixtures::NOW,
        };
        let new = NewCredential {
            provider: provider.to_owned(),
            key: Secret::new(key),
            base_url: base_url.map(str::to_owned),
        };
        let made = new_credential(making, &UserId::new("user"), new);
        made.map(|(credential, _)| credential.base_url)
            .map_err(|refused| refused.field)
    }

    #[test]
    fn a_host_of_ones_own_may_ask_for_no_key() {
        assert_eq!(entered("openai", "", None), Err("key"));
        assert_eq!(entered("ollama", "", None), Ok(None));
        assert!(entered("custom/lab", "", Some("http://10.0.0.1/v1")).is_ok());
    }

    #[test]
    fn a_base_url_is_as_sdks_take_it() {
        let vllm = |url| entered("vllm", "", Some(url)).unwrap().unwrap();

        assert_eq!(vllm("http://10.0.0.1:8000/v1/"), "http://10.0.0.1:8000");
        assert_eq!(vllm("http://10.0.0.1:8000"), "http://10.0.0.1:8000");
        let custom = entered("custom/lab", "k", Some("https://models.example/api/v4/"));
        assert_eq!(custom, Ok(Some("https://models.example/api/v4".to_owned())));
        assert_eq!(entered("custom/lab", "k", None), Err("base_url"));
        assert_eq!(
            entered("custom/Lab", "k", Some("https://models.example")),
            Err("provider")
        );
        assert_eq!(entered("custom", "k", Some("https://models.example")), Err("provider"));
    }

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
