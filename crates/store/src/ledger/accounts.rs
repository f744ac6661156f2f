//! Accounts as pages and programs read them.

use aipassport_domain::{
    ids::{GrantId, ProviderId, TenantId},
    ledger::Account,
};

use crate::{
    Store, StoreError,
    sql::{Row, corrupt, sql},
};

impl Store {
    /// The accounts of a grant, by provider.
    pub async fn accounts_of(
        &self,
        tenant_id: &TenantId,
        grant_id: &GrantId,
    ) -> Result<Vec<(ProviderId, Account)>, StoreError> {
        let rows = sql("select provider, state from accounts
             where tenant_id = $1 and level = 'grant' and subject = $2 order by provider")
        .bind(tenant_id)
        .bind(grant_id)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &Row) -> Result<(ProviderId, Account), StoreError> {
    let account = serde_json::from_str(&row.text("state")?).map_err(corrupt)?;
    Ok((ProviderId::new(row.text("provider")?), account))
}
