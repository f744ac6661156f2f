//! The ledger's accounts of grants as the consent path sees them: opened with a grant, and given new
//! limits.
//!
//! Whoever comes here has changed or made the grant in the same transaction and so holds its row;
//! the account's row is taken after it, never before. What is spent and held is the ledger's.

use aipassport_domain::{
    authorization_details::AiAccess,
    grant::Grant,
    ids::{GrantId, ProviderId, TenantId},
    ledger::{Account, Level, LimitRule, Uncounted},
    time::Timestamp,
};
use sqlx::AssertSqlSafe;

use crate::{
    AccountOf, LimitsOf, Store, StoreError, limits,
    sql::{Row, Statement, Transaction, corrupt, sql},
};

impl Store {
    /// What is left of a grant, by provider, once what has ended is settled.
    pub async fn accounts_of(
        &self,
        tenant_id: &TenantId,
        grant_id: &GrantId,
    ) -> Result<Vec<(ProviderId, Account)>, StoreError> {
        self.settle_what_ended().await;
        let rows = sql("select provider, state from accounts
             where tenant_id = $1 and level = 'grant' and subject = $2 order by provider")
        .bind(tenant_id)
        .bind(grant_id)
        .all(self.pool())
        .await?;
        let read = |row: &Row| Ok((ProviderId::new(row.text("provider")?), read(row)?));
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

        let mut account = read(&row)?;
        let of = AccountOf::Grant(grant.id.clone(), access.provider.clone());
        for window in account.set_limits(&access.limits, now) {
            let (used, reserved) = counted(tx, &grant.tenant_id, &of, &window).await?;
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
    let account = Account::open(Level::Grant, &access.limits, time_zone);
    let levels = limits::levels_above(tx, grant).await?;
    sql(
        "insert into accounts (tenant_id, level, subject, provider, state, levels)
         values ($1, 'grant', $2, $3, $4, $5)",
    )
    .bind(&grant.tenant_id)
    .bind(&grant.id)
    .bind(&access.provider)
    .bind(json(&account)?)
    .bind(levels.column())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What the calls of an account that were admitted in a window have used and still hold.
pub(crate) async fn counted(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    of: &AccountOf,
    window: &Uncounted,
) -> Result<(u64, u64), StoreError> {
    // PostgreSQL adds 64-bit integers up to a wider type.
    let sums = match window.rule {
        LimitRule::Budget => {
            "cast(coalesce(sum(cost_nanos), 0) as bigint) as used,
             cast(coalesce(sum(case when settled_at is null then held_nanos end), 0) as bigint) as reserved"
        }
        _ => {
            "cast(coalesce(sum(counted_requests), 0) as bigint) as used,
             cast(coalesce(sum(case when settled_at is null then 1 end), 0) as bigint) as reserved"
        }
    };
    let row = of_calls(sums, "admitted_at >= $2", tenant_id, window.since, of)
        .first(&mut **tx)
        .await?
        .ok_or_else(|| corrupt("no sum"))?;
    Ok((
        row.integer("used")?.unsigned_abs(),
        row.integer("reserved")?.unsigned_abs(),
    ))
}

/// How many calls of an account are under way.
pub(crate) async fn under_way(tx: &mut Transaction, tenant_id: &TenantId, of: &AccountOf) -> Result<u32, StoreError> {
    let since = Timestamp::from_millis(i64::MIN);
    let row = of_calls(
        "count(*) as open",
        "settled_at is null and admitted_at >= $2",
        tenant_id,
        since,
        of,
    )
    .first(&mut **tx)
    .await?;
    row.map_or(Ok(0), |row| row.count("open"))
}

/// When the last of the calls of an account was admitted, if that was after `now`: clocks differ.
pub(crate) async fn latest(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    of: &AccountOf,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    let row = of_calls("max(admitted_at) as latest", "admitted_at > $2", tenant_id, now, of)
        .first(&mut **tx)
        .await?;
    let latest = row.map_or(Ok(None), |row| row.maybe_time("latest"))?;
    Ok(latest.unwrap_or(now))
}

/// A question about the calls that an account counts. They are found by their grants.
fn of_calls(
    what: &'static str,
    when: &'static str,
    tenant_id: &TenantId,
    since: Timestamp,
    of: &AccountOf,
) -> Statement {
    let (which, names): (_, Vec<&str>) = match of {
        AccountOf::Grant(grant_id, provider) => (
            "grant_id = $3 and provider = $4",
            vec![grant_id.as_str(), provider.as_str()],
        ),
        AccountOf::Above(LimitsOf::App { user_id, client_id }) => (
            "grant_id in (select id from grants where tenant_id = $1 and user_id = $3 and client_id = $4)",
            vec![user_id.as_str(), client_id.as_str()],
        ),
        AccountOf::Above(LimitsOf::User(user_id)) => (
            "grant_id in (select id from grants where tenant_id = $1 and user_id = $3)",
            vec![user_id.as_str()],
        ),
        AccountOf::Above(LimitsOf::Tenant) => ("grant_id in (select id from grants where tenant_id = $1)", vec![]),
    };
    // All of it is written above; what varies is bound.
    let text = format!("select {what} from calls where tenant_id = $1 and {when} and {which}");
    let question = sql(AssertSqlSafe(text)).bind(tenant_id).bind(since);
    names.into_iter().fold(question, Statement::bind)
}

pub(crate) fn read(row: &Row) -> Result<Account, StoreError> {
    serde_json::from_str(&row.text("state")?).map_err(corrupt)
}

pub(crate) fn json(account: &Account) -> Result<String, StoreError> {
    serde_json::to_string(account).map_err(corrupt)
}
