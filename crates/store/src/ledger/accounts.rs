//! Accounts, outside of calls: opened with their grant, changed with its limits, read for pages.

use aipassport_domain::{
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

/// Opens an account for each provider of a new grant.
pub(crate) async fn open(tx: &mut Transaction, grant: &Grant, time_zone: &str) -> Result<(), StoreError> {
    for access in &grant.authorization_details {
        sql("insert into accounts (tenant_id, level, subject, provider, state) values ($1, 'grant', $2, $3, $4)")
            .bind(&grant.tenant_id)
            .bind(&grant.id)
            .bind(&access.provider)
            .bind(to_json(&Account::open(&access.limits, time_zone))?)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Puts the limits of a changed grant in force, and keeps what is used and held.
///
/// The rows are held from the first statement on, so no call is admitted between reading and
/// writing them.
pub(crate) async fn change(tx: &mut Transaction, grant: &Grant, now: Timestamp) -> Result<(), StoreError> {
    let rows = sql("update accounts set state = state
         where tenant_id = $1 and level = 'grant' and subject = $2 returning provider, state")
    .bind(&grant.tenant_id)
    .bind(&grant.id)
    .all(&mut **tx)
    .await?;
    let mut accounts: Vec<(ProviderId, Account)> = rows.iter().map(read).collect::<Result<_, _>>()?;
    for access in &grant.authorization_details {
        let Some((_, account)) = accounts.iter_mut().find(|(provider, _)| *provider == access.provider) else {
            return Err(corrupt("a grant without an account for each of its providers"));
        };
        for window in account.set_limits(&access.limits, now) {
            let (used, reserved) = counted(tx, grant, &access.provider, &window).await?;
            account.fill(&window, used, reserved);
        }
        sql("update accounts set state = $4
             where tenant_id = $1 and level = 'grant' and subject = $2 and provider = $3")
        .bind(&grant.tenant_id)
        .bind(&grant.id)
        .bind(&access.provider)
        .bind(to_json(account)?)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// What the calls that fall into a newly counted window use and hold.
async fn counted(
    tx: &mut Transaction,
    grant: &Grant,
    provider: &ProviderId,
    window: &Uncounted,
) -> Result<(u64, u64), StoreError> {
    let text = match window.rule {
        LimitRule::Budget => {
            "select cast(coalesce(sum(cost_nanos), 0) as bigint) as used,
                    cast(coalesce(sum(case when settled_at is null then held_nanos end), 0) as bigint) as reserved
             from calls where tenant_id = $1 and grant_id = $2 and provider = $3 and admitted_at >= $4"
        }
        _ => {
            "select cast(coalesce(sum(counted_requests), 0) as bigint) as used,
                    cast(coalesce(sum(case when settled_at is null then 1 end), 0) as bigint) as reserved
             from calls where tenant_id = $1 and grant_id = $2 and provider = $3 and admitted_at >= $4"
        }
    };
    let row = sql(text)
        .bind(&grant.tenant_id)
        .bind(&grant.id)
        .bind(provider)
        .bind(window.since)
        .first(&mut **tx)
        .await?
        .ok_or_else(|| corrupt("a sum without a row"))?;
    let count = |column| row.integer(column).map(|sum| u64::try_from(sum).unwrap_or(0));
    Ok((count("used")?, count("reserved")?))
}

fn to_json(account: &Account) -> Result<String, StoreError> {
    serde_json::to_string(account).map_err(|error| StoreError::Unavailable(error.into()))
}

fn read(row: &Row) -> Result<(ProviderId, Account), StoreError> {
    let account = serde_json::from_str(&row.text("state")?).map_err(corrupt)?;
    Ok((ProviderId::new(row.text("provider")?), account))
}
