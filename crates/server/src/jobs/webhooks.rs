//! Sends what is due for webhooks, until shutdown.
//!
//! One attempt at a time for each webhook, so that one that hangs holds up nobody else's.

use std::{collections::HashMap, time::Duration};

use aipassport_domain::ids::WebhookId;
use aipassport_store::StoreError;
use tokio::{
    task::{Id, JoinSet},
    time::MissedTickBehavior,
};

use crate::app::App;

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
const MOST_AT_ONCE: usize = 64;

/// The attempts under way, and which webhooks they are for.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    webhooks: HashMap<Id, WebhookId>,
}

pub(super) async fn run(app: &App) {
    let mut under_way = UnderWay::default();
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => break,
            _ = looks.tick() => {
                under_way.clear_ended();
                if let Err(error) = under_way.begin_due(app).await {
                    tracing::error!(%error, "could not look what is due for webhooks");
                }
            }
        }
    }
    // Each notices the shutdown by itself, and gives back what it has not sent.
    while under_way.tasks.join_next().await.is_some() {}
}

impl UnderWay {
    fn clear_ended(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = match ended {
                Ok((id, ())) => id,
                Err(panicked) => panicked.id(),
            };
            self.webhooks.remove(&id);
        }
    }

    async fn begin_due(&mut self, app: &App) -> Result<(), StoreError> {
        let most = u32::try_from(MOST_AT_ONCE).unwrap_or(u32::MAX);
        let due = app.store.due_webhooks(&app.tenant_id, app.clock.now(), most).await?;
        for webhook_id in due {
            let is_busy = self.webhooks.values().any(|busy| *busy == webhook_id);
            if is_busy || self.webhooks.len() >= MOST_AT_ONCE {
                continue;
            }
            let (app, id) = (app.clone(), webhook_id.clone());
            let task = self.tasks.spawn(async move {
                if let Err(error) = send_next(&app, &id).await {
                    tracing::error!(webhook.id = %id, %error, "could not send what is due for a webhook");
                }
            });
            self.webhooks.insert(task.id(), webhook_id);
        }
        Ok(())
    }
}

/// Sends what has been due longest for a webhook, unless another instance is about it.
async fn send_next(app: &App, webhook_id: &WebhookId) -> Result<(), StoreError> {
    let (postman, now) = (app.postman(), app.clock.now());
    let leased = app
        .store
        .lease_delivery(&app.tenant_id, webhook_id, now, postman.leased_until(now))
        .await?;
    let Some(leased) = leased else {
        return Ok(());
    };
    tokio::select! {
        attempted = postman.attempt(&leased) => attempted.map(drop),
        () = app.shutdown.cancelled() => app.store.release_delivery(&leased, app.clock.now()).await,
    }
}
