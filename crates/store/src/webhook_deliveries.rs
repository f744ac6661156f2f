//! Deliveries: what is posted to webhooks, by whom next, and what became of it.
//!
//! An alert is queued in the transaction that writes it ([`crate::ledger`]). Whoever sends it leases
//! it first: one conditional write moves `due_at` to the end of the lease, and its winner alone sends.
//! Whoever dies while sending loses the lease when it ends, and the message is sent again: it arrives
//! once or more, never less.

use aipassport_domain::{
    audit::{AuditEvent, WebhookStop},
    ids::{TenantId, WebhookId},
    time::Timestamp,
};

use crate::{
    AlertRecord, Store, StoreError, Webhook, audit,
    sql::{Row, Transaction, corrupt, sql},
};

/// A message for a webhook, and what became of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: String,
    /// `None` for a test.
    pub alert_id: Option<String>,
    pub created_at: Timestamp,
    /// When it is tried next; `None` once it was delivered or given up.
    pub due_at: Option<Timestamp>,
    pub attempts: u32,
    pub tried_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    /// Of the last attempt.
    pub failure: Option<String>,
}

/// A delivery that nobody else attempts until the lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedDelivery {
    pub id: String,
    pub webhook: Webhook,
    pub message: Message,
    /// This one among them.
    pub attempts: u32,
    pub created_at: Timestamp,
    pub leased_until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Alert(AlertRecord),
    Test,
}

/// What is written down only by whoever still has the lease.
macro_rules! update_leased {
    ($set:literal) => {
        concat!(
            "update webhook_deliveries set ",
            $set,
            " where tenant_id = $1 and webhook_id = $2 and id = $3 and due_at = $4"
        )
    };
}

impl Store {
    /// The newest delivery of a webhook.
    pub async fn last_delivery(&self, webhook: &Webhook) -> Result<Option<Delivery>, StoreError> {
        let row = sql(
            "select id, alert_id, created_at, due_at, attempts, tried_at, delivered_at, failure
             from webhook_deliveries where tenant_id = $1 and webhook_id = $2
             order by created_at desc, id desc limit 1",
        )
        .bind(&webhook.tenant_id)
        .bind(&webhook.id)
        .first(self.pool())
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// Webhooks that something is due for at `now`, those first that wait longest.
    pub async fn due_webhooks(
        &self,
        tenant_id: &TenantId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<WebhookId>, StoreError> {
        let rows = sql("select webhook_id from webhook_deliveries
             where tenant_id = $1 and due_at <= $2
             group by webhook_id order by min(due_at), webhook_id limit $3")
        .bind(tenant_id)
        .bind(now)
        .bind(limit)
        .all(self.pool())
        .await?;
        rows.iter()
            .map(|row| Ok(WebhookId::new(row.text("webhook_id")?)))
            .collect()
    }

    /// Takes the delivery of a webhook that has been due longest at `now`, until the lease ends.
    /// `None` if there is none, or others were first.
    pub async fn lease_delivery(
        &self,
        tenant_id: &TenantId,
        webhook_id: &WebhookId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LeasedDelivery>, StoreError> {
        let mut tx = self.begin_write().await?;
        // The condition is said twice: whoever waited for the row must find it due no more.
        let leased = sql(
            "update webhook_deliveries set due_at = $4, tried_at = $3, attempts = attempts + 1
             where tenant_id = $1 and webhook_id = $2 and due_at <= $3
                 and id = (select id from webhook_deliveries
                           where tenant_id = $1 and webhook_id = $2 and due_at <= $3
                           order by due_at, id limit 1)
             returning id, alert_id, created_at, attempts",
        )
        .bind(tenant_id)
        .bind(webhook_id)
        .bind(now)
        .bind(until)
        .first(&mut *tx)
        .await?;
        tx.commit().await?;
        let (Some(leased), Some(webhook)) = (leased, self.webhook(tenant_id, webhook_id).await?) else {
            return Ok(None);
        };
        let message = match leased.maybe_text("alert_id")? {
            None => Message::Test,
            Some(alert_id) => {
                let alert = self.alert(tenant_id, &alert_id).await?;
                Message::Alert(alert.ok_or_else(|| corrupt("a delivery without its alert"))?)
            }
        };
        Ok(Some(LeasedDelivery {
            id: leased.text("id")?,
            webhook,
            message,
            attempts: leased.count("attempts")?,
            created_at: leased.time("created_at")?,
            leased_until: until,
        }))
    }

    /// Queues a test for a webhook, leased to whoever asks for it. `None`, and no event, if its user
    /// tested `most` times since `since` already.
    pub async fn lease_test(
        &self,
        webhook: &Webhook,
        id: &str,
        (since, most): (Timestamp, u32),
        until: Timestamp,
        event: &AuditEvent,
    ) -> Result<Option<LeasedDelivery>, StoreError> {
        let mut tx = self.begin_write().await?;
        crate::users::hold_any(&mut tx, &webhook.tenant_id, &webhook.user_id).await?;
        // Counted where nothing is ever removed: adding webhooks anew buys no more of them.
        let tested = sql("select count(*) as tested from audit_events
             where tenant_id = $1 and user_id = $2 and kind = 'webhook_tested' and at > $3")
        .bind(&webhook.tenant_id)
        .bind(&webhook.user_id)
        .bind(since)
        .first(&mut *tx)
        .await?;
        if tested.map_or(Ok(0), |row| row.count("tested"))? >= most {
            return Ok(None);
        }
        sql(
            "insert into webhook_deliveries (tenant_id, webhook_id, id, created_at, due_at, attempts, tried_at)
             values ($1, $2, $3, $4, $5, 1, $4)",
        )
        .bind(&webhook.tenant_id)
        .bind(&webhook.id)
        .bind(id)
        .bind(event.at)
        .bind(until)
        .execute(&mut *tx)
        .await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(Some(LeasedDelivery {
            id: id.to_owned(),
            webhook: webhook.clone(),
            message: Message::Test,
            attempts: 1,
            created_at: event.at,
            leased_until: until,
        }))
    }

    /// Notes that a message arrived, at the time of `resumed`: which is recorded if its webhook had
    /// been stopped and now is not.
    pub async fn delivered(&self, leased: &LeasedDelivery, resumed: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        sql(
            "update webhook_deliveries set due_at = null, failure = null, delivered_at = coalesce(delivered_at, $4)
             where tenant_id = $1 and webhook_id = $2 and id = $3",
        )
        .bind(&leased.webhook.tenant_id)
        .bind(&leased.webhook.id)
        .bind(&leased.id)
        .bind(resumed.at)
        .execute(&mut *tx)
        .await?;
        let was_stopped = sql("update webhooks set disabled_at = null, disabled_because = null
             where tenant_id = $1 and id = $2 and disabled_at is not null")
        .bind(&leased.webhook.tenant_id)
        .bind(&leased.webhook.id)
        .changed(&mut *tx)
        .await?;
        if was_stopped {
            audit::record(&mut tx, resumed).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Notes why a message did not arrive, and when it is tried again. Nothing, if the lease is lost.
    pub async fn try_delivery_again(
        &self,
        leased: &LeasedDelivery,
        failure: &str,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = sql(update_leased!("failure = $5, due_at = $6"))
            .bind(&leased.webhook.tenant_id)
            .bind(&leased.webhook.id)
            .bind(&leased.id)
            .bind(leased.leased_until)
            .bind(failure)
            .bind(due_at);
        self.write(statement).await?;
        Ok(())
    }

    /// Gives a lease back, as if it had never been taken.
    pub async fn release_delivery(&self, leased: &LeasedDelivery, now: Timestamp) -> Result<(), StoreError> {
        let statement = sql(update_leased!("due_at = $5, attempts = attempts - 1"))
            .bind(&leased.webhook.tenant_id)
            .bind(&leased.webhook.id)
            .bind(&leased.id)
            .bind(leased.leased_until)
            .bind(now);
        self.write(statement).await?;
        Ok(())
    }

    /// Notes why a message never arrived. Where a webhook is `stopped` by it, nothing is sent to it
    /// any more, and what waited for it is given up with it; the event is recorded if it was not
    /// before. One that took another message meanwhile is not stopped for this one.
    pub async fn give_up_delivery(
        &self,
        leased: &LeasedDelivery,
        failure: &str,
        stopped: Option<(WebhookStop, &AuditEvent)>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        let given_up = sql(update_leased!("failure = $5, due_at = null"))
            .bind(&leased.webhook.tenant_id)
            .bind(&leased.webhook.id)
            .bind(&leased.id)
            .bind(leased.leased_until)
            .bind(failure)
            .changed(&mut *tx)
            .await?;
        if let (true, Some((because, event))) = (given_up, stopped) {
            stop(&mut tx, leased, because, event).await?;
        }
        Ok(tx.commit().await?)
    }
}

async fn stop(
    tx: &mut Transaction,
    leased: &LeasedDelivery,
    because: WebhookStop,
    event: &AuditEvent,
) -> Result<(), StoreError> {
    let is_final = because == WebhookStop::Gone;
    let stopped = sql("update webhooks set disabled_at = $3, disabled_because = $4
         where tenant_id = $1 and id = $2 and disabled_at is null
             and ($5 = 1 or not exists (select 1 from webhook_deliveries
                                        where tenant_id = $1 and webhook_id = $2 and delivered_at >= $6))")
    .bind(&leased.webhook.tenant_id)
    .bind(&leased.webhook.id)
    .bind(event.at)
    .bind(because.as_str())
    .bind(is_final)
    .bind(leased.created_at)
    .changed(&mut **tx)
    .await?;
    if !stopped {
        return Ok(());
    }
    sql(
        "update webhook_deliveries set due_at = null, failure = coalesce(failure, 'stopped')
         where tenant_id = $1 and webhook_id = $2 and due_at is not null",
    )
    .bind(&leased.webhook.tenant_id)
    .bind(&leased.webhook.id)
    .execute(&mut **tx)
    .await?;
    audit::record(tx, event).await
}

fn read(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.text("id")?,
        alert_id: row.maybe_text("alert_id")?,
        created_at: row.time("created_at")?,
        due_at: row.maybe_time("due_at")?,
        attempts: row.count("attempts")?,
        tried_at: row.maybe_time("tried_at")?,
        delivered_at: row.maybe_time("delivered_at")?,
        failure: row.maybe_text("failure")?,
    })
}
