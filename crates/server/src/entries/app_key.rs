//! An app key: what a user makes by hand for a tool that only takes a base URL and a key.

use aipassport_domain::{
    audit::Happened,
    authorization_details::{AiAccess, Capability, Choice, ModelPattern},
    client::{Client, ClientAuthentication, Registration},
    consent::{self, Approved, Defaults},
    ids::{AppKeyId, ClientId, GrantId, UserId},
    secret::Secret,
};
use aipassport_providers::{adapter, prices::PriceBook};
use aipassport_store::NewAppKey;

use super::{Making, Refused};
use crate::price_guard;

/// What secret scanners know an app key by.
pub const APP_KEY_PREFIX: &str = "aip_key_";

/// A tool, and what it may do. What is left open is closed here: no capability is chat alone, no
/// model is every one that has a price today.
pub struct NewTool {
    pub name: String,
    pub authorization_details: Vec<AiAccess>,
    pub revoke_when_used_up: bool,
}

/// Everything that [`aipassport_store::Store::make_app_key`] takes, and the key, shown once.
#[derive(Debug)]
pub struct MadeTool {
    pub key: Secret,
    pub stored: NewAppKey,
    pub client: Client,
    pub grant_id: GrantId,
    pub approved: Approved,
    /// What its models cost now, as it is kept with the grant.
    pub prices: String,
    pub made: Happened,
}

impl MadeTool {
    pub fn for_user<'a>(&'a self, user_id: &'a UserId) -> aipassport_store::NewTool<'a> {
        aipassport_store::NewTool {
            user_id,
            client: &self.client,
            grant_id: &self.grant_id,
            approved: &self.approved,
            prices: &self.prices,
        }
    }
}

pub fn new_app_key(
    making: Making<'_>,
    defaults: &Defaults,
    prices: &PriceBook,
    entered: NewTool,
) -> Result<MadeTool, Refused> {
    let NewTool {
        name,
        authorization_details,
        revoke_when_used_up,
    } = entered;
    let wrong_access = |text: String| Refused::field("authorization_details", text);
    let unknown = authorization_details
        .iter()
        .find(|access| adapter::by_id(access.provider.as_str()).is_none());
    if let Some(access) = unknown {
        return Err(wrong_access(format!(
            "there is no provider {:?}",
            access.provider.as_str()
        )));
    }
    let chosen: Vec<AiAccess> = authorization_details
        .into_iter()
        .map(|access| closed(access, prices))
        .collect();
    let approved = consent::approve(&[], &chosen, defaults, making.now)
        .map_err(|error| wrong_access(error.to_string()))?
        .revoked_when_used_up(revoke_when_used_up);

    let client = Client {
        id: ClientId::new(making.random.id(making.now)),
        tenant_id: making.tenant_id.clone(),
        name: name.trim().to_owned(),
        address: String::new(),
        redirect_uris: Vec::new(),
        authentication: ClientAuthentication::None,
        registration: Registration::Tool,
        created_at: making.now,
        disabled_at: None,
    };
    client.check().map_err(|reason| Refused::field("name", reason))?;
    let (key, stored) = fresh_app_key(making);
    let made = Happened::AppKeyMade {
        app_key_id: stored.id.clone(),
        name: client.name.clone(),
        authorization_details: serde_json::to_value(&approved.authorization_details).unwrap_or_default(),
        expires_at: approved.expires_at,
        revoke_when_used_up,
    };
    Ok(MadeTool {
        key,
        stored,
        client,
        grant_id: GrantId::new(making.random.id(making.now)),
        prices: price_guard::on_record(&approved.authorization_details, prices),
        approved,
        made,
    })
}

/// A key of its own, and what is stored of it.
pub fn fresh_app_key(making: Making<'_>) -> (Secret, NewAppKey) {
    let key = making.random.secret(APP_KEY_PREFIX);
    let stored = NewAppKey {
        hash: making.vault.hash(key.expose()),
        id: AppKeyId::new(making.random.id(making.now)),
        last_four: key.last_four(),
    };
    (key, stored)
}

fn closed(mut access: AiAccess, prices: &PriceBook) -> AiAccess {
    if access.capabilities.is_open() {
        access.capabilities = Choice::of([Capability::Chat]);
    }
    if access.models.is_open() {
        let models: Vec<ModelPattern> = prices
            .models(&access.provider)
            .filter(|model| {
                model
                    .capabilities
                    .iter()
                    .any(|&capability| access.has_capability(capability))
            })
            .map(|model| ModelPattern::Exact(model.id.clone()))
            .collect();
        if !models.is_empty() {
            access.models = Choice::of(models);
        }
    }
    access
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aipassport_domain::{
        fixtures,
        ids::{ProviderId, TenantId},
    };

    use super::*;
    use crate::{
        random::{Random, SeededRandom},
        vault::KeyEncryptionKey,
    };

    fn made(access: AiAccess, name: &str) -> Result<MadeTool, Refused> {
        let random: Arc<dyn Random> = Arc::new(SeededRandom::from_seed(1));
        let (tenant_id, key) = (TenantId::first(), KeyEncryptionKey::from_bytes([7; 32]));
        let wrapped = key.wrap_new_data_key(&tenant_id, random.as_ref()).unwrap();
        let vault = key.open_vault(&tenant_id, &wrapped).unwrap();
        let making = Making {
            vault: &vault,
            random: &random,
            tenant_id: &tenant_id,
            now: fixtures::NOW,
        };
        let entered = NewTool {
            name: name.to_owned(),
            authorization_details: vec![access],
            revoke_when_used_up: false,
        };
        let prices = PriceBook::embedded().unwrap();
        new_app_key(making, &fixtures::defaults(), &prices, entered)
    }

    #[test]
    fn a_tool_gets_every_limit_and_nothing_open() {
        let tool = made(AiAccess::open(ProviderId::new("openai")), "Editor").unwrap();
        let [access] = tool.approved.authorization_details.as_slice() else {
            panic!("one provider")
        };

        assert!(access.covers_model("gpt-4o-mini") && !access.covers_model("gpt-4o-min"));
        assert!(access.has_capability(Capability::Chat) && !access.has_capability(Capability::Images));
        assert_eq!(access.limits.budget, fixtures::defaults().limits.budget);
        assert!(tool.key.expose().starts_with(APP_KEY_PREFIX));
        assert!(tool.key.expose().ends_with(&tool.stored.last_four));
    }

    #[test]
    fn a_tool_needs_a_name_and_a_provider_there_is() {
        let open = |provider| AiAccess::open(ProviderId::new(provider));

        assert_eq!(made(open("openai"), " ").unwrap_err().field, "name");
        assert_eq!(
            made(open("nobody"), "Editor").unwrap_err().field,
            "authorization_details"
        );
    }
}
