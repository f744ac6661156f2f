//! What is posted: an alert as the API shows it, who and where it is about, and no secret.

use aipassport_domain::{ids::WebhookId, time::Timestamp};
use aipassport_store::{AlertRecord, LeasedDelivery, Message, Store, StoreError, Webhook};
use serde::Serialize;

use crate::alert_view::AlertView;

#[derive(Serialize)]
struct Envelope<D> {
    #[serde(rename = "type")]
    kind: String,
    timestamp: Timestamp,
    data: D,
}

#[derive(Serialize)]
struct AlertData {
    #[serde(flatten)]
    alert: AlertView,
    /// What the app calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    /// Where the user sees it, and can raise the limit.
    link: String,
}

#[derive(Serialize)]
struct TestData<'a> {
    webhook_id: &'a WebhookId,
    description: &'a str,
    link: String,
}

/// The body of a message. The same at every attempt, but for what an app calls itself.
pub(super) async fn body(store: &Store, public_url: &str, leased: &LeasedDelivery) -> Result<String, StoreError> {
    let written = match &leased.message {
        Message::Alert(alert) => {
            let data = alert_data(store, public_url, &leased.webhook, alert.clone()).await?;
            serde_json::to_string(&Envelope {
                kind: format!("alert.{}", alert.rule.as_str()),
                timestamp: alert.at,
                data,
            })
        }
        Message::Test => serde_json::to_string(&Envelope {
            kind: "webhook.test".to_owned(),
            timestamp: leased.created_at,
            data: TestData {
                webhook_id: &leased.webhook.id,
                description: &leased.webhook.description,
                link: format!("{public_url}/settings"),
            },
        }),
    };
    written.map_err(|error| StoreError::Unavailable(error.into()))
}

async fn alert_data(
    store: &Store,
    public_url: &str,
    webhook: &Webhook,
    alert: AlertRecord,
) -> Result<AlertData, StoreError> {
    let mut alert = AlertView::from(alert);
    let mut client_name = None;
    let mut link = format!("{public_url}/apps");
    if let Some(grant_id) = &alert.grant_id {
        link = format!("{link}/{grant_id}");
        if let Some(grant) = store.grant(&webhook.tenant_id, grant_id).await? {
            alert.client_id = Some(grant.client_id);
            client_name = Some(grant.client_name);
        }
    } else if let Some(client_id) = &alert.client_id {
        let client = store.client(&webhook.tenant_id, client_id).await?;
        client_name = client.map(|client| client.name);
    }
    Ok(AlertData {
        alert,
        client_name,
        link,
    })
}
