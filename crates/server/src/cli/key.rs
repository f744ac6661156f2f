//! `aipassport key`: app keys, for tools that only take a base URL and a key.

use std::sync::Arc;

use aipassport_domain::{
    audit::Happened,
    authorization_details::{self, AiAccess},
    consent::Defaults,
    grant::Grant,
    ids::{AppKeyId, ClientId, GrantId},
    time::Timestamp,
};
use aipassport_providers::prices::PriceBook;
use aipassport_store::AppKey;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Data, Failure, Output, output::table};
use crate::{
    entries::{self, MadeTool, fresh_app_key, new_app_key},
    own_prices,
};

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Make a key for a tool; it is shown once
    Add(Box<NewKey>),
    /// List a user's app keys, without their secrets
    List {
        #[arg(long, value_name = "NAME")]
        user: String,
    },
    /// Put a new key in the place of a grant's old one, which is refused from then on
    Replace {
        /// The grant that the key stands for
        grant: String,
    },
}

#[derive(Args)]
pub(super) struct NewKey {
    /// Whose accounts it may use
    #[arg(long, value_name = "NAME")]
    user: String,
    /// The tool it is for
    #[arg(long, value_name = "TOOL")]
    name: String,
    /// openai, anthropic, …; repeatable
    #[arg(long, required_unless_present = "authorization_details")]
    provider: Vec<String>,
    /// A model it may use; repeatable. Every model that has a price, where none is given
    #[arg(long)]
    model: Vec<String>,
    /// chat, embeddings, images, audio or code; repeatable. Chat alone, where none is given
    #[arg(long)]
    capability: Vec<String>,
    /// The most it can spend at each provider, in dollars
    #[arg(long, value_name = "AMOUNT")]
    budget: Option<String>,
    /// The most requests at each provider
    #[arg(long, value_name = "COUNT")]
    requests: Option<u64>,
    /// What budget and requests are for: P1D, P1W, P1M; the key's whole life, where it is not given
    #[arg(long, value_name = "PERIOD")]
    per: Option<String>,
    /// Revoke it when its budget is used up, if that is for its whole life (without --per)
    #[arg(long)]
    revoke_when_used_up: bool,
    /// How long it lasts
    #[arg(long, value_name = "DAYS")]
    days: Option<u64>,
    /// Everything at once, as clients ask for it (docs/spec/authorization-details.md)
    #[arg(long, value_name = "JSON", conflicts_with_all = ["provider", "model", "capability", "budget", "requests", "per", "days"])]
    authorization_details: Option<String>,
}

#[derive(Serialize)]
struct Made {
    key: String,
    id: AppKeyId,
    grant_id: GrantId,
    client_id: ClientId,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct Replaced {
    key: String,
    id: AppKeyId,
    grant_id: GrantId,
}

#[derive(Serialize)]
struct Listed {
    id: AppKeyId,
    name: String,
    last_four: String,
    grant_id: GrantId,
    status: &'static str,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl KeyCommand {
    pub(super) async fn run(self, data: &Data, defaults: &Defaults, output: Output) -> Result<(), Failure> {
        match self {
            Self::Add(new) => {
                let made = add(data, defaults, *new).await?;
                output.print(&made, |made| {
                    let Made { key, grant_id, .. } = made;
                    format!("key (shown once): {key}\ngrant: {grant_id}\nuntil {}", made.expires_at)
                });
            }
            Self::List { user } => {
                let user = data.user_named(&user).await?;
                let keys = data.store.app_keys_of(&data.tenant_id, &user.id).await?;
                let mut listed = Vec::new();
                for key in keys {
                    listed.extend(listed_key(data, key).await?);
                }
                output.print(&listed, |listed| {
                    table(
                        &["TOOL", "KEY", "STATUS", "GRANT", "UNTIL"],
                        listed.iter().map(Listed::cells),
                    )
                });
            }
            Self::Replace { grant } => {
                let replaced = replace(data, &GrantId::new(grant)).await?;
                output.print(&replaced, |replaced| format!("key (shown once): {}", replaced.key));
            }
        }
        Ok(())
    }
}

async fn add(data: &Data, defaults: &Defaults, new: NewKey) -> Result<Made, Failure> {
    let user = data.user_named(&new.user).await?;
    let listed = PriceBook::embedded().map_err(|error| Failure::Said(error.to_string()))?;
    let said = data.store.prices_of(&data.tenant_id, &user.id).await?;
    let prices = own_prices::book(&Arc::new(listed), &said);
    let entered = entries::NewTool {
        authorization_details: new.access()?,
        revoke_when_used_up: new.revoke_when_used_up,
        name: new.name,
    };
    let tool = new_app_key(data.making(), defaults, &prices, entered)?;
    let event = data.event(Some(&user.id), Some(&tool.grant_id), tool.made.clone());
    let grant = data
        .store
        .make_app_key(&tool.stored, tool.for_user(&user.id), &event)
        .await?;
    let grant = grant.ok_or_else(|| Failure::Said(format!("{} is suspended", new.user)))?;
    Ok(made(&tool, &grant))
}

fn made(tool: &MadeTool, grant: &Grant) -> Made {
    Made {
        key: tool.key.expose().to_owned(),
        id: tool.stored.id.clone(),
        grant_id: grant.id.clone(),
        client_id: grant.client_id.clone(),
        expires_at: grant.expires_at,
    }
}

async fn listed_key(data: &Data, key: AppKey) -> Result<Option<Listed>, Failure> {
    let grant = data.store.grant(&data.tenant_id, &key.grant_id).await?;
    Ok(grant.map(|grant| Listed {
        id: key.id,
        name: grant.client_name.clone(),
        last_four: key.last_four,
        status: grant.status(false, data.clock.now()).as_str(),
        created_at: key.created_at,
        expires_at: grant.expires_at,
        grant_id: grant.id,
    }))
}

async fn replace(data: &Data, grant_id: &GrantId) -> Result<Replaced, Failure> {
    let no_key = || {
        Failure::Said(format!(
            "the grant {:?} has no app key that is in force",
            grant_id.as_str()
        ))
    };
    let grant = data.store.grant(&data.tenant_id, grant_id).await?.ok_or_else(no_key)?;
    let keys = data.store.app_keys_of(&data.tenant_id, &grant.user_id).await?;
    let old = keys
        .into_iter()
        .find(|key| key.grant_id == *grant_id)
        .ok_or_else(no_key)?;
    let (key, stored) = fresh_app_key(data.making());
    let replaced = Happened::AppKeyReplaced {
        app_key_id: stored.id.clone(),
        replaced: old.id,
    };
    let event = data.event(Some(&grant.user_id), Some(grant_id), replaced);
    if !data.store.replace_app_key(grant_id, &stored, &event).await? {
        return Err(no_key());
    }
    Ok(Replaced {
        key: key.expose().to_owned(),
        id: stored.id,
        grant_id: grant.id,
    })
}

impl NewKey {
    /// What the arguments ask for, through the same door as what clients ask for.
    fn access(&self) -> Result<Vec<AiAccess>, Failure> {
        let json = self.authorization_details.clone().unwrap_or_else(|| {
            let details = self.provider.iter().map(|provider| self.access_to(provider));
            Value::Array(details.collect()).to_string()
        });
        authorization_details::parse(&json).map_err(|error| Failure::Said(error.to_string()))
    }

    fn access_to(&self, provider: &str) -> Value {
        let mut limits = Map::new();
        if let Some(amount) = &self.budget {
            limits.insert(
                "budget".to_owned(),
                self.windowed(json!({ "amount": amount, "currency": "USD" })),
            );
        }
        if let Some(most) = self.requests {
            limits.insert("requests".to_owned(), self.windowed(json!({ "max": most })));
        }
        let mut access = object(json!({ "type": "ai_access", "provider": provider, "limits": limits }));
        if !self.model.is_empty() {
            access.insert("models".to_owned(), json!(self.model));
        }
        if !self.capability.is_empty() {
            access.insert("capabilities".to_owned(), json!(self.capability));
        }
        if let Some(days) = self.days {
            let seconds = days.saturating_mul(86_400);
            access.insert("validity".to_owned(), json!({ "seconds": seconds }));
        }
        Value::Object(access)
    }

    fn windowed(&self, limit: Value) -> Value {
        let mut limit = object(limit);
        limit.extend(self.per.as_ref().map(|per| ("per".to_owned(), json!(per))));
        Value::Object(limit)
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

impl Listed {
    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            format!("…{}", self.last_four),
            self.status.to_owned(),
            self.grant_id.to_string(),
            self.expires_at.to_string(),
        ]
    }
}
