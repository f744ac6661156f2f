//! What the models of grants cost when they were approved: JSON that is the `providers` crate's to read.
//! It is written with the grant, and replaced when its user lets it go on at other prices.

use aipassport_domain::{
    audit::AuditEvent,
    grant::Grant,
    ids::{GrantId, TenantId, UserId},
};

use crate::{
    Store, StoreError,
    sql::{Transaction, sql},
};

impl Store {
    /// What the models of a grant cost when it was approved, as JSON; `None` where that is not known.
    pub async fn approved_prices(&self, tenant_id: &TenantId, id: &GrantId) -> Result<Option<String>, StoreError> {
        let row = sql("select approved_prices from grants where tenant_id = $1 and id = $2")
            .bind(tenant_id)
            .bind(id)
            .first(self.pool())
            .await?;
        row.map_or(Ok(None), |row| row.maybe_text("approved_prices"))
    }

    /// Takes down what the models of a grant cost, where it is not known of all of them, unless that
    /// has changed since it was `before`. Writes no event: nothing that was decided changes by it.
    pub async fn complete_approved_prices(
        &self,
        tenant_id: &TenantId,
        id: &GrantId,
        before: Option<&str>,
        prices: &str,
    ) -> Result<bool, StoreError> {
        let statement = sql("update grants set approved_prices = $4
             where tenant_id = $1 and id = $2 and coalesce(approved_prices, '') = $3")
        .bind(tenant_id)
        .bind(id)
        .bind(before.unwrap_or_default())
        .bind(prices);
        Ok(self.write(statement).await? > 0)
    }

    /// Pauses an active grant because its models have become much dearer than in `approved`, and returns
    /// it as it is then; `None` if there is none. If its user has said otherwise of prices since, or has
    /// paused it or stopped it, it stays as it is, and no event is written.
    pub async fn pause_for_prices(
        &self,
        id: &GrantId,
        approved: &str,
        event: &AuditEvent,
    ) -> Result<Option<Grant>, StoreError> {
        let pause = sql(
            "update grants set paused_at = $3, pause_reason = 'price_rise', version = version + 1
             where tenant_id = $1 and id = $2 and paused_at is null and revoked_at is null and approved_prices = $4",
        )
        .bind(&event.tenant_id)
        .bind(id)
        .bind(event.at)
        .bind(approved);
        self.pause_or_resume(pause, id, event).await
    }
}

/// Forgets what the models of a user's grants cost when they were approved: the user has said
/// otherwise since, and the broker takes down anew what they cost by that.
pub(crate) async fn forget(tx: &mut Transaction, tenant_id: &TenantId, user_id: &UserId) -> Result<(), StoreError> {
    sql("update grants set approved_prices = null where tenant_id = $1 and user_id = $2 and revoked_at is null")
        .bind(tenant_id)
        .bind(user_id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
