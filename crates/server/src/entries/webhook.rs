//! An address that a user wants alerts posted to.

use aipassport_domain::{
    audit::Happened,
    ids::{UserId, WebhookId},
    secret::{Sealed, Secret},
};
use aipassport_store::Webhook;

use super::{Making, Refused};
use crate::{
    vault::{Place, VaultError},
    webhooks::{host_of, is_well_formed, new_secret},
};

/// Each is a place that a user has us send to.
pub const MOST_WEBHOOKS: u32 = 5;
const LONGEST_URL: usize = 500;
const LONGEST_DESCRIPTION: usize = 200;

pub struct NewWebhook {
    pub url: String,
    pub description: String,
}

pub struct MadeWebhook {
    pub webhook: Webhook,
    /// Shown this once.
    pub secret: Secret,
    pub added: Happened,
}

/// A secret that is to take the place of another.
pub struct FreshSecret {
    /// Shown this once.
    pub secret: Secret,
    pub sealed: Sealed,
    /// The one before, sealed for where it is kept from now on.
    pub former: Sealed,
    pub replaced: Happened,
}

/// The webhook, with a new secret sealed for the row it will be.
pub fn new_webhook(making: Making<'_>, user_id: &UserId, entered: NewWebhook) -> Result<MadeWebhook, Refused> {
    let NewWebhook { url, description } = entered;
    if url.len() > LONGEST_URL || !is_well_formed(&url) {
        return Err(Refused::field(
            "url",
            "write an https address in its usual spelling, without user name and fragment; http only for this machine",
        ));
    }
    let description = description.trim().to_owned();
    if description.chars().count() > LONGEST_DESCRIPTION || description.chars().any(char::is_control) {
        return Err(Refused::field(
            "description",
            format!("write one line of at most {LONGEST_DESCRIPTION} characters"),
        ));
    }
    let id = WebhookId::new(making.random.id(making.now));
    let secret = new_secret(making.random.as_ref());
    let sealed = making
        .vault
        .seal(Place::of_webhook(&id), &secret, making.random.as_ref())
        .map_err(|error| Refused::field("url", error.to_string()))?;
    let webhook = Webhook {
        id,
        tenant_id: making.tenant_id.clone(),
        user_id: user_id.clone(),
        url,
        description,
        sealed,
        former: None,
        created_at: making.now,
        stopped: None,
    };
    let added = Happened::WebhookAdded {
        webhook_id: webhook.id.clone(),
        host: host_of(&webhook),
    };
    Ok(MadeWebhook { webhook, secret, added })
}

/// A new secret for `webhook`; the one before signs as well for a day.
pub fn fresh_webhook_secret(making: Making<'_>, webhook: &Webhook) -> Result<FreshSecret, VaultError> {
    let (vault, random) = (making.vault, making.random.as_ref());
    let before = vault.open(Place::of_webhook(&webhook.id), &webhook.sealed)?;
    let secret = new_secret(random);
    Ok(FreshSecret {
        sealed: vault.seal(Place::of_webhook(&webhook.id), &secret, random)?,
        former: vault.seal(Place::of_former_webhook(&webhook.id), &before, random)?,
        secret,
        replaced: Happened::WebhookSecretReplaced {
            webhook_id: webhook.id.clone(),
            host: host_of(webhook),
        },
    })
}
