//! A webhook as programs are shown it: by the API, and on the command line.

use aipassport_domain::{
    audit::WebhookStop,
    ids::{TenantId, UserId, WebhookId},
    time::Timestamp,
};
use aipassport_store::{Delivery, Store, StoreError, Webhook};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct WebhookView {
    pub id: WebhookId,
    pub url: String,
    pub description: String,
    pub created_at: Timestamp,
    /// Since when nothing is sent to it.
    pub stopped_at: Option<Timestamp>,
    pub stopped_because: Option<WebhookStop>,
    pub last_delivery: Option<DeliveryView>,
}

#[derive(Debug, Serialize)]
pub struct DeliveryView {
    /// As in `webhook-id`.
    pub id: String,
    /// `None` for a test.
    pub alert_id: Option<String>,
    pub created_at: Timestamp,
    pub attempts: u32,
    pub tried_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub failure: Option<String>,
    /// `None` once it was delivered or given up.
    pub next_attempt_at: Option<Timestamp>,
}

impl WebhookView {
    pub fn new(webhook: Webhook, last: Option<Delivery>) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url,
            description: webhook.description,
            created_at: webhook.created_at,
            stopped_at: webhook.stopped.map(|(at, _)| at),
            stopped_because: webhook.stopped.map(|(_, because)| because),
            last_delivery: last.map(DeliveryView::from),
        }
    }
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            alert_id: delivery.alert_id,
            created_at: delivery.created_at,
            attempts: delivery.attempts,
            tried_at: delivery.tried_at,
            delivered_at: delivery.delivered_at,
            failure: delivery.failure,
            next_attempt_at: delivery.due_at,
        }
    }
}

/// The webhooks of a user, each with what became of the last message for it.
pub async fn views_of(store: &Store, tenant_id: &TenantId, user_id: &UserId) -> Result<Vec<WebhookView>, StoreError> {
    let mut views = Vec::new();
    for webhook in store.webhooks_of(tenant_id, user_id).await? {
        let last = store.last_delivery(&webhook).await?;
        views.push(WebhookView::new(webhook, last));
    }
    Ok(views)
}
