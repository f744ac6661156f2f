//! Limits above those of single grants: of an app of a user, of a user, of a tenant.
//!
//! Each is an account of the ledger, there only while there are limits, and the accounts of the
//! grants beneath it say that it is there. Both change together, so a call that is admitted after a
//! change has met it. On PostgreSQL rows are taken in this order: of the tenant or the user, of
//! grants, of their accounts, of accounts above them.

use aipassport_domain::{
    audit::AuditEvent,
    grant::Grant,
    ids::TenantId,
    ledger::{Account, Level},
    limits::Limits,
    time::Timestamp,
};
use sqlx::AssertSqlSafe;

use crate::{
    AccountOf, LimitsOf, Store, StoreError, accounts, audit,
    ledger::levels::Levels,
    open::Engine,
    sql::{Statement, Transaction, engine_of, sql},
    tenants, users,
};

impl Store {
    /// Puts limits of an app, a user or the tenant in force for the next admission; empty ones remove
    /// what was there. Calls made before count, and so do those under way; a rate counts from now
    /// on. `false`, with nothing changed, if there is no such user.
    pub async fn set_limits(&self, of: &LimitsOf, limits: &Limits, event: &AuditEvent) -> Result<bool, StoreError> {
        let (tenant_id, now) = (&event.tenant_id, event.at);
        let mut tx = self.begin_write().await?;
        let Some(time_zone) = hold(&mut tx, tenant_id, of).await? else {
            return Ok(false);
        };
        // Nobody else adds or removes this account: that takes what is held now.
        let exists = find(of, tenant_id).first(&mut *tx).await?.is_some();
        match (exists, limits.is_empty()) {
            (false, true) => return Ok(true),
            (false, false) => open(&mut tx, tenant_id, of, limits, &time_zone, now).await?,
            (true, false) => change(&mut tx, tenant_id, of, limits, now).await?,
            (true, true) => remove(&mut tx, tenant_id, of).await?,
        }
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The account of the limits of an app, a user or the tenant; `None` where there are none.
    pub async fn limits_of(&self, tenant_id: &TenantId, of: &LimitsOf) -> Result<Option<Account>, StoreError> {
        let row = find(of, tenant_id).first(self.pool()).await?;
        row.as_ref().map(accounts::read).transpose()
    }

    /// The accounts that stand above those of a grant, the nearest first.
    pub async fn accounts_above(&self, grant: &Grant) -> Result<Vec<Account>, StoreError> {
        let rows = select_above(grant).all(self.pool()).await?;
        let mut above = rows.iter().map(accounts::read).collect::<Result<Vec<_>, _>>()?;
        above.sort_by_key(Account::level);
        Ok(above)
    }
}

/// The levels at which there are accounts above a grant that is being made or changed.
pub(crate) async fn levels_above(tx: &mut Transaction, grant: &Grant) -> Result<Levels, StoreError> {
    let rows = select_above(grant).all(&mut **tx).await?;
    let mut levels = Levels::NONE;
    for row in &rows {
        levels = levels.with(Level::parse(&row.text("level")?).unwrap_or_default());
    }
    Ok(levels)
}

fn select_above(grant: &Grant) -> Statement {
    let [app, user, tenant] = LimitsOf::above(&grant.user_id, &grant.client_id);
    sql(
        "select level, state from accounts where tenant_id = $1 and provider = ''
             and (level = 'app' and subject = $2 or level = 'user' and subject = $3
                  or level = 'tenant' and subject = $4)",
    )
    .bind(&grant.tenant_id)
    .bind(app.subject())
    .bind(user.subject())
    .bind(tenant.subject())
}

fn find(of: &LimitsOf, tenant_id: &TenantId) -> Statement {
    named(
        sql("select state from accounts where tenant_id = $1 and level = $2 and subject = $3 and provider = ''"),
        tenant_id,
        of,
    )
}

fn named(statement: Statement, tenant_id: &TenantId, of: &LimitsOf) -> Statement {
    statement.bind(tenant_id).bind(of.level().as_str()).bind(of.subject())
}

/// Makes everyone else who changes these limits, or makes a grant beneath them, wait for this
/// transaction, and returns whose clock their windows follow. `None` if there is no such user.
async fn hold(tx: &mut Transaction, tenant_id: &TenantId, of: &LimitsOf) -> Result<Option<String>, StoreError> {
    match of {
        LimitsOf::App { user_id, .. } | LimitsOf::User(user_id) => users::hold_any(tx, tenant_id, user_id).await,
        LimitsOf::Tenant => tenants::hold(tx, tenant_id).await.map(Some),
    }
}

async fn open(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    of: &LimitsOf,
    limits: &Limits,
    time_zone: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Whatever is admitted or settled from here on waits, and meets the account.
    hold_beneath(tx, tenant_id, of).await?;
    mark_beneath(tx, tenant_id, of, "levels |").await?;

    let account_of = AccountOf::Above(of.clone());
    let now = accounts::latest(tx, tenant_id, &account_of, now).await?;
    let mut account = Account::open(of.level(), &Limits::default(), time_zone);
    put(tx, tenant_id, of, &mut account, limits, now).await?;
    account.fill_in_flight(accounts::under_way(tx, tenant_id, &account_of).await?);
    let insert = sql("insert into accounts (tenant_id, level, subject, provider, state) values ($1, $2, $3, '', $4)");
    named(insert, tenant_id, of)
        .bind(accounts::json(&account)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn change(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    of: &LimitsOf,
    limits: &Limits,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Takes the row, so that no call is admitted or settled between reading and writing it.
    let take = sql("update accounts set state = state
         where tenant_id = $1 and level = $2 and subject = $3 and provider = ''
         returning state");
    let Some(row) = named(take, tenant_id, of).first(&mut **tx).await? else {
        return Ok(());
    };
    let mut account = accounts::read(&row)?;
    put(tx, tenant_id, of, &mut account, limits, now).await?;
    let write = sql("update accounts set state = $4
         where tenant_id = $1 and level = $2 and subject = $3 and provider = ''");
    named(write, tenant_id, of)
        .bind(accounts::json(&account)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn remove(tx: &mut Transaction, tenant_id: &TenantId, of: &LimitsOf) -> Result<(), StoreError> {
    hold_beneath(tx, tenant_id, of).await?;
    mark_beneath(tx, tenant_id, of, "levels & ~").await?;
    let remove = sql("delete from accounts where tenant_id = $1 and level = $2 and subject = $3 and provider = ''");
    named(remove, tenant_id, of).execute(&mut **tx).await?;
    Ok(())
}

/// Makes everyone else who changes the grants beneath, admits a call of theirs or settles one wait
/// for this transaction. On SQLite they wait for any that writes.
pub(crate) async fn hold_beneath(tx: &mut Transaction, tenant_id: &TenantId, of: &LimitsOf) -> Result<(), StoreError> {
    if engine_of(tx) == Engine::Sqlite {
        return Ok(());
    }
    beneath(
        |which| format!(r#"select id from grants where {which} order by id collate "C" for no key update"#),
        tenant_id,
        of,
    )
    .all(&mut **tx)
    .await?;
    beneath(
        |which| {
            format!(
                r#"select subject from accounts
                   where tenant_id = $1 and level = 'grant' and subject in (select id from grants where {which})
                   order by subject collate "C", provider collate "C" for update"#
            )
        },
        tenant_id,
        of,
    )
    .all(&mut **tx)
    .await?;
    Ok(())
}

/// Changes what the accounts of the grants beneath know of this level.
async fn mark_beneath(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    of: &LimitsOf,
    change: &'static str,
) -> Result<(), StoreError> {
    let level = Levels::of(of.level()).column();
    let update = |which| {
        format!(
            "update accounts set levels = {change} {level}
             where tenant_id = $1 and level = 'grant' and subject in (select id from grants where {which})"
        )
    };
    beneath(update, tenant_id, of).execute(&mut **tx).await?;
    Ok(())
}

/// A statement about the grants beneath, whose text is made from how they are told from others.
fn beneath(text: impl FnOnce(&'static str) -> String, tenant_id: &TenantId, of: &LimitsOf) -> Statement {
    let (which, names): (_, Vec<&str>) = match of {
        LimitsOf::App { user_id, client_id } => (
            "tenant_id = $1 and user_id = $2 and client_id = $3",
            vec![user_id.as_str(), client_id.as_str()],
        ),
        LimitsOf::User(user_id) => ("tenant_id = $1 and user_id = $2", vec![user_id.as_str()]),
        LimitsOf::Tenant => ("tenant_id = $1", vec![]),
    };
    // All of it is written in this file; what varies is bound.
    let statement = sql(AssertSqlSafe(text(which))).bind(tenant_id);
    names.into_iter().fold(statement, Statement::bind)
}

/// Sets the limits of an account, and counts what is counted for the first time.
async fn put(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    of: &LimitsOf,
    account: &mut Account,
    limits: &Limits,
    now: Timestamp,
) -> Result<(), StoreError> {
    let of = AccountOf::Above(of.clone());
    for window in account.set_limits(limits, now) {
        let (used, reserved) = accounts::counted(tx, tenant_id, &of, &window).await?;
        account.fill(&window, used, reserved);
    }
    Ok(())
}
