//! The ledger's accounts as the consent path sees them: opened with a grant, and given new limits.
//!
//! Whoever comes here has changed or made the grant in the same transaction and so holds its row;
//! the account's row is taken after it, never before. What is spent and held is the ledger's.

use aipassport_domain::{
    authorization_details::AiAccess,
    grant::Grant,
    ids::{GrantId, ProviderId, TenantId},
    ledger::{Account, LimitRule, Uncounted},
    time::Timestamp,
};

use crate::{
    Store, StoreError,
    sql::{Row, Transaction, corrupt, sql},
};

impl Store {
    /// What is left of a grant, by provider.
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
        let read = |row: &Row| {
            let account = serde_json::from_str(&row.text("state")?).map_err(corrupt)?;
            Ok((ProviderId::new(row.text("provider")?), account))
        };
        rows.iter().map(read).collect()
    }
}

/// Opens one account for each provider of a new grant.
pub(crate) async fn open(tx: &mut Transaction, grant: &Grant, time_zone: &str) -> Result<(), StoreError> {
    for access in &grant.authorization_details {
        insert(tx, grant, access, time_zone).await?;
    }
    Ok(())
}

/// Puts the limits of a changed grant in force, and opens an account for a provider it did not
/// have before. What was used and held before the change still counts.
pub(crate) async fn change(
    tx: &mut Transaction,
    grant: &Grant,
    time_zone: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    for access in &grant.authorization_details {
        // Takes the row, so that no call is admitted or settled between reading and writing it.
        let row = sql("update accounts set state = state
             where tenant_id = $1 and level = 'grant' and subject = $2 and provider = $3
             returning state")
        .bind(&grant.tenant_id)
        .bind(&grant.id)
        .bind(&access.provider)
        .first(&mut **tx)
        .await?;
        let Some(row) = row else {
            insert(tx, grant, access, time_zone).await?;
            continue;
        };

        let mut account: Account = serde_json::from_str(&row.text("state")?).map_err(corrupt)?;
        for window in account.set_limits(&access.limits, now) {
            let (used, reserved) = counted(tx, &grant.tenant_id, &grant.id, &access.provider, &window).await?;
            account.fill(&window, used, reserved);
        }
        sql("update accounts set state = $4
             where tenant_id = $1 and level = 'grant' and subject = $2 and provider = $3")
        .bind(&grant.tenant_id)
        .bind(&grant.id)
        .bind(&access.provider)
        .bind(json(&account)?)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

async fn insert(tx: &mut Transaction, grant: &Grant, access: &AiAccess, time_zone: &str) -> Result<(), StoreError> {
    sql("insert into accounts (tenant_id, level, subject, provider, state)
         values ($1, 'grant', $2, $3, $4)")
    .bind(&grant.tenant_id)
    .bind(&grant.id)
    .bind(&access.provider)
    .bind(json(&Account::open(&access.limits, time_zone))?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What the calls admitted in a window have used and still hold.
pub(crate) async fn counted(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    grant_id: &GrantId,
    provider: &ProviderId,
    window: &Uncounted,
) -> Result<(u64, u64), StoreError> {
    // PostgreSQL adds 64-bit integers up to a wider type.
    let sums = match window.rule {
        LimitRule::Budget => sql("select cast(coalesce(sum(cost_nanos), 0) as bigint) as used,
                    cast(coalesce(sum(case when settled_at is null then held_nanos end), 0) as bigint) as reserved
             from calls where tenant_id = $1 and grant_id = $2 and provider = $3 and admitted_at >= $4"),
        _ => sql("select cast(coalesce(sum(counted_requests), 0) as bigint) as used,
                    cast(coalesce(sum(case when settled_at is null then 1 end), 0) as bigint) as reserved
             from calls where tenant_id = $1 and grant_id = $2 and provider = $3 and admitted_at >= $4"),
    };
    let row = sums
        .bind(tenant_id)
        .bind(grant_id)
        .bind(provider)
        .bind(window.since)
        .first(&mut **tx)
        .await?
        .ok_or_else(|| corrupt("no sum"))?;
    Ok((
        row.integer("used")?.unsigned_abs(),
        row.integer("reserved")?.unsigned_abs(),
    ))
}

fn json(account: &Account) -> Result<String, StoreError> {
    serde_json::to_string(account).map_err(corrupt)
}
