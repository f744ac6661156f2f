//! `aipassport webhook`: addresses that users' alerts are posted to.

use aipassport_domain::{audit::Happened, ids::WebhookId, time::Timestamp};
use aipassport_store::Webhook;
use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::{Data, Failure, Output, output::table};
use crate::{
    config::Config,
    entries::{MOST_WEBHOOKS, NewWebhook, fresh_webhook_secret, new_webhook},
    webhooks::{Postman, WebhookView, Webhooks, host_of, views_of},
};

#[derive(Subcommand)]
pub(super) enum WebhookCommand {
    /// Add an address; prints the secret that its messages are signed with, once
    Add {
        /// Whose alerts are posted there
        #[arg(long, value_name = "NAME")]
        user: String,
        /// An https address; http only on this machine, if the operator allows it
        #[arg(long)]
        url: String,
        /// What it is for, in the user's own words
        #[arg(long, default_value = "")]
        description: String,
    },
    /// List a user's webhooks, and what became of the last message for each
    List {
        #[arg(long, value_name = "NAME")]
        user: String,
    },
    /// Send a test message now
    Test { id: String },
    /// Make a new secret; the one before signs as well for a day
    ReplaceSecret { id: String },
    /// Remove a webhook; nothing is sent to it any more
    Remove { id: String },
}

#[derive(Serialize)]
struct Added {
    #[serde(flatten)]
    webhook: WebhookView,
    /// Shown this once.
    secret: String,
}

impl WebhookCommand {
    pub(super) async fn run(self, data: &Data, config: &Config, output: Output) -> Result<(), Failure> {
        match self {
            Self::Add { user, url, description } => {
                let added = add(data, &user, NewWebhook { url, description }).await?;
                output.print(&added, |added| {
                    format!("webhook: {}\nsecret (shown once): {}", added.webhook.id, added.secret)
                });
            }
            Self::List { user } => {
                let user = data.user_named(&user).await?;
                let webhooks = views_of(&data.store, &data.tenant_id, &user.id).await?;
                output.print(&webhooks, |webhooks| {
                    table(&["ID", "ADDRESS", "STATE"], webhooks.iter().map(cells))
                });
            }
            Self::Test { id } => {
                let webhook = webhook(data, id).await?;
                let failure = test(data, config, &webhook).await?;
                let came = json!({ "delivered": failure.is_none(), "failure": failure });
                output.print(&came, |_| match &failure {
                    None => "delivered".to_owned(),
                    Some(failure) => format!("not delivered: {failure}"),
                });
            }
            Self::ReplaceSecret { id } => {
                let webhook = webhook(data, id).await?;
                let secret = replace_secret(data, &webhook).await?;
                let replaced = json!({ "id": webhook.id, "secret": secret });
                output.print(&replaced, |_| format!("secret (shown once): {secret}"));
            }
            Self::Remove { id } => {
                let webhook = webhook(data, id).await?;
                let removed = Happened::WebhookRemoved {
                    webhook_id: webhook.id.clone(),
                    host: host_of(&webhook),
                };
                let event = data.event(Some(&webhook.user_id), None, removed);
                data.store.remove_webhook(&webhook.id, &event).await?;
                output.print(&json!({ "removed": true }), |_| "removed".to_owned());
            }
        }
        Ok(())
    }
}

async fn add(data: &Data, user: &str, entered: NewWebhook) -> Result<Added, Failure> {
    let user = data.user_named(user).await?;
    let made = new_webhook(data.making(), &user.id, entered)?;
    let event = data.event(Some(&user.id), None, made.added);
    if !data.store.add_webhook(&made.webhook, MOST_WEBHOOKS, &event).await? {
        let why = format!("{} has {MOST_WEBHOOKS} webhooks already, or is suspended", user.name);
        return Err(Failure::Said(why));
    }
    Ok(Added {
        webhook: WebhookView::new(made.webhook, None),
        secret: made.secret.expose().to_owned(),
    })
}

async fn webhook(data: &Data, id: String) -> Result<Webhook, Failure> {
    let found = data.store.webhook(&data.tenant_id, &WebhookId::new(&id)).await?;
    found.ok_or_else(|| Failure::Said(format!("there is no webhook {id:?}")))
}

/// Sends a test from here; says why it did not arrive.
async fn test(data: &Data, config: &Config, webhook: &Webhook) -> Result<Option<String>, Failure> {
    let tested = Happened::WebhookTested {
        webhook_id: webhook.id.clone(),
        host: host_of(webhook),
    };
    let event = data.event(Some(&webhook.user_id), None, tested);
    let postman = Postman {
        webhooks: &Webhooks::new()?,
        config,
        store: &data.store,
        vault: &data.vault,
        clock: data.clock.as_ref(),
        random: data.random.as_ref(),
    };
    let sent = postman.test(webhook, &event).await?;
    let sent = sent.ok_or_else(|| Failure::Said("wait a minute before the next test".to_owned()))?;
    Ok(sent.err().map(|failure| failure.to_string()))
}

async fn replace_secret(data: &Data, webhook: &Webhook) -> Result<String, Failure> {
    let fresh = fresh_webhook_secret(data.making(), webhook).map_err(|error| Failure::Said(error.to_string()))?;
    let event = data.event(Some(&webhook.user_id), None, fresh.replaced);
    let replacing = data
        .store
        .replace_webhook_secret(webhook, &fresh.sealed, &fresh.former, &event);
    if !replacing.await? {
        return Err(Failure::Said("its secret was replaced just now".to_owned()));
    }
    Ok(fresh.secret.expose().to_owned())
}

fn cells(webhook: &WebhookView) -> Vec<String> {
    let last = webhook.last_delivery.as_ref();
    let state = match (webhook.stopped_at, last) {
        (Some(at), _) => format!("stopped {at}"),
        (None, None) => "nothing sent yet".to_owned(),
        (None, Some(last)) => match (last.delivered_at, &last.failure) {
            (Some(at), _) => format!("delivered {at}"),
            (None, Some(failure)) => format!("not delivered: {failure}{}", next(last.next_attempt_at)),
            (None, None) => "on its way".to_owned(),
        },
    };
    vec![webhook.id.to_string(), webhook.url.clone(), state]
}

fn next(attempt_at: Option<Timestamp>) -> String {
    attempt_at.map_or_else(String::new, |at| format!("; again {at}"))
}
