//! The audit log: events in the order in which they were written, never changed.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    ids::{ClientId, GrantId, TenantId, UserId},
};
use sqlx::AnyConnection;

use crate::{
    Page, Store, StoreError,
    sql::{Row, Statement, corrupt, sql},
};

/// An event and its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Rises with every event; has gaps.
    pub sequence: i64,
    pub event: AuditEvent,
}

impl Store {
    /// Writes an event that describes no change of the store's.
    pub async fn append(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    /// Runs the one conditional write that decides whether what `event` says happens, and records it.
    /// `false`, and no event, if it changed nothing.
    pub(crate) async fn decide(&self, write: Statement, event: &AuditEvent) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        if !write.changed(&mut *tx).await? {
            return Ok(false);
        }
        record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A user's own events, newest first.
    pub async fn events_of(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        page: Page,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let rows = sql(
            "select sequence, tenant_id, at, actor, user_id, grant_id, data from audit_events
             where tenant_id = $1 and user_id = $2 and sequence < $3
             order by sequence desc limit $4",
        )
        .bind(tenant_id)
        .bind(user_id)
        .bind(page.before.unwrap_or(i64::MAX))
        .bind(page.limit)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }

    /// Every event after `after`, oldest first, at most `limit`: for exports, which begin with 0
    /// and go on after the last sequence they were given.
    pub async fn events(&self, tenant_id: &TenantId, after: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let rows = sql(
            "select sequence, tenant_id, at, actor, user_id, grant_id, data from audit_events
             where tenant_id = $1 and sequence > $2
             order by sequence limit $3",
        )
        .bind(tenant_id)
        .bind(after)
        .bind(limit)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }
}

/// Writes `event` in the transaction of the change that it describes.
pub(crate) async fn record(tx: &mut AnyConnection, event: &AuditEvent) -> Result<(), StoreError> {
    sql(
        "insert into audit_events (tenant_id, at, actor, user_id, grant_id, kind, data)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&event.tenant_id)
    .bind(event.at)
    .bind(event.actor.to_text())
    .bind(event.user_id.as_ref())
    .bind(event.grant_id.as_ref())
    .bind(event.what.kind())
    .bind(data(event)?)
    .execute(tx)
    .await?;
    Ok(())
}

/// What happened, as it is stored: JSON without NUL characters, which it escapes.
fn data(event: &AuditEvent) -> Result<String, StoreError> {
    serde_json::to_string(&event.what).map_err(|error| StoreError::Unavailable(error.into()))
}

fn read(row: &Row) -> Result<AuditRecord, StoreError> {
    let what: Happened = serde_json::from_str(&row.text("data")?).map_err(corrupt)?;
    Ok(AuditRecord {
        sequence: row.integer("sequence")?,
        event: AuditEvent {
            tenant_id: TenantId::new(row.text("tenant_id")?),
            at: row.time("at")?,
            actor: read_actor(&row.text("actor")?)?,
            user_id: row.maybe_text("user_id")?.map(UserId::new),
            grant_id: row.maybe_text("grant_id")?.map(GrantId::new),
            what,
        },
    })
}

/// The counterpart of [`Actor::to_text`].
fn read_actor(text: &str) -> Result<Actor, StoreError> {
    match (text, text.split_once(':')) {
        (_, Some(("user", id))) => Ok(Actor::User(UserId::new(id))),
        (_, Some(("client", id))) => Ok(Actor::Client(ClientId::new(id))),
        ("operator", _) => Ok(Actor::Operator),
        ("broker", _) => Ok(Actor::Broker),
        ("nobody", _) => Ok(Actor::Nobody),
        _ => Err(corrupt("an actor")),
    }
}
