//! Webhooks: addresses of users that alerts are posted to, each with a secret that signs.

use aipassport_domain::{
    audit::{AuditEvent, WebhookStop},
    ids::{TenantId, UserId, WebhookId},
    secret::Sealed,
    time::Timestamp,
};

use crate::{
    Store, StoreError, audit,
    sql::{Row, corrupt, sql},
    users,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub url: String,
    /// The user's own words; may be empty.
    pub description: String,
    /// What its messages are signed with.
    pub sealed: Sealed,
    pub former: Option<FormerSecret>,
    pub created_at: Timestamp,
    /// Since when nothing is sent to it, and why.
    pub stopped: Option<(Timestamp, WebhookStop)>,
}

/// A secret that was replaced; it signs as well until its receiver knows the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerSecret {
    pub sealed: Sealed,
    pub replaced_at: Timestamp,
}

macro_rules! select_webhooks {
    ($which:literal) => {
        concat!(
            "select tenant_id, id, user_id, url, description, sealed, created_at, former_sealed, replaced_at,
                    disabled_at, disabled_because
             from webhooks ",
            $which
        )
    };
}

impl Store {
    /// Adds a webhook. `false`, and no event, if its user has `most` already, or is suspended.
    pub async fn add_webhook(&self, webhook: &Webhook, most: u32, event: &AuditEvent) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        // So that two that come at once are counted one after the other.
        if users::hold(&mut tx, &webhook.tenant_id, &webhook.user_id)
            .await?
            .is_none()
        {
            return Ok(false);
        }
        let added = sql(
            "insert into webhooks (tenant_id, id, user_id, url, description, sealed, created_at)
             select $1, $2, $3, $4, $5, $6, $7
             where (select count(*) from webhooks where tenant_id = $1 and user_id = $3) < $8",
        )
        .bind(&webhook.tenant_id)
        .bind(&webhook.id)
        .bind(&webhook.user_id)
        .bind(&webhook.url)
        .bind(&webhook.description)
        .bind(&webhook.sealed)
        .bind(webhook.created_at)
        .bind(most)
        .changed(&mut *tx)
        .await?;
        if !added {
            return Ok(false);
        }
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    pub async fn webhook(&self, tenant_id: &TenantId, id: &WebhookId) -> Result<Option<Webhook>, StoreError> {
        let row = sql(select_webhooks!("where tenant_id = $1 and id = $2"))
            .bind(tenant_id)
            .bind(id)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Every webhook of a user, oldest first.
    pub async fn webhooks_of(&self, tenant_id: &TenantId, user_id: &UserId) -> Result<Vec<Webhook>, StoreError> {
        let rows = sql(select_webhooks!(
            "where tenant_id = $1 and user_id = $2 order by created_at, id"
        ))
        .bind(tenant_id)
        .bind(user_id)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }

    /// Removes a webhook, secrets and deliveries and all. `false`, and no event, if there is none.
    pub async fn remove_webhook(&self, id: &WebhookId, event: &AuditEvent) -> Result<bool, StoreError> {
        let remove = sql("delete from webhooks where tenant_id = $1 and id = $2")
            .bind(&event.tenant_id)
            .bind(id);
        self.decide(remove, event).await
    }

    /// Puts `sealed` in the place of the secret of `webhook`, which is kept as `former` from the
    /// event's time on. `false`, and no event, if it has another secret by now, or is gone.
    pub async fn replace_webhook_secret(
        &self,
        webhook: &Webhook,
        sealed: &Sealed,
        former: &Sealed,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let replace = sql("update webhooks set sealed = $4, former_sealed = $5, replaced_at = $6
             where tenant_id = $1 and id = $2 and sealed = $3")
        .bind(&webhook.tenant_id)
        .bind(&webhook.id)
        .bind(&webhook.sealed)
        .bind(sealed)
        .bind(former)
        .bind(event.at);
        self.decide(replace, event).await
    }
}

fn read(row: &Row) -> Result<Webhook, StoreError> {
    let former = match (row.maybe_sealed("former_sealed")?, row.maybe_time("replaced_at")?) {
        (Some(sealed), Some(replaced_at)) => Some(FormerSecret { sealed, replaced_at }),
        _ => None,
    };
    Ok(Webhook {
        id: WebhookId::new(row.text("id")?),
        tenant_id: TenantId::new(row.text("tenant_id")?),
        user_id: UserId::new(row.text("user_id")?),
        url: row.text("url")?,
        description: row.text("description")?,
        sealed: row.sealed("sealed")?,
        former,
        created_at: row.time("created_at")?,
        stopped: read_stopped(row)?,
    })
}

fn read_stopped(row: &Row) -> Result<Option<(Timestamp, WebhookStop)>, StoreError> {
    let (Some(at), Some(because)) = (row.maybe_time("disabled_at")?, row.maybe_text("disabled_because")?) else {
        return Ok(None);
    };
    let because = WebhookStop::parse(&because).ok_or_else(|| corrupt(because))?;
    Ok(Some((at, because)))
}
