//! Wrapped data keys: one for each tenant, made by whoever comes first.

use aipassport_domain::{ids::TenantId, secret::Sealed, time::Timestamp};

use crate::{
    Store, StoreError,
    sql::{corrupt, sql},
};

impl Store {
    /// The tenant's wrapped data key; `new` becomes it where there was none. Of two processes that
    /// come first at once both get the same one.
    pub async fn data_key_or(&self, tenant_id: &TenantId, new: &Sealed, now: Timestamp) -> Result<Sealed, StoreError> {
        let mut tx = self.begin_write().await?;
        sql("insert into data_keys (tenant_id, wrapped, created_at) values ($1, $2, $3) on conflict do nothing")
            .bind(tenant_id)
            .bind(new)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        let row = sql("select wrapped from data_keys where tenant_id = $1")
            .bind(tenant_id)
            .first(&mut *tx)
            .await?;
        let wrapped = row.ok_or_else(|| corrupt("no data key"))?.sealed("wrapped")?;
        tx.commit().await?;
        Ok(wrapped)
    }
}
