//! The clock that a user's limits follow, and moving every account of the user to another.
//!
//! A window of the new zone is counted from the calls that fall into it, those under way included,
//! so that moving there and back loses nothing that was spent. The tenant's limits follow a clock of
//! their own.

use aipassport_domain::{
    audit::AuditEvent,
    ids::{TenantId, UserId},
};

use crate::{
    AccountOf, LimitsOf, Store, StoreError, accounts, audit,
    limits::hold_beneath,
    open::Engine,
    sql::{Row, Transaction, corrupt, engine_of, sql},
    users,
};

impl Store {
    /// Has the limits of the user, of its apps and of its grants follow the clock of `time_zone`, an
    /// IANA name, from the next admission on. `false`, with nothing changed, if there is no such
    /// user; the zone that it has already changes nothing and writes no event.
    pub async fn set_time_zone(&self, id: &UserId, time_zone: &str, event: &AuditEvent) -> Result<bool, StoreError> {
        let tenant_id = &event.tenant_id;
        let mut tx = self.begin_write().await?;
        let Some(present) = users::hold_any(&mut tx, tenant_id, id).await? else {
            return Ok(false);
        };
        if present == time_zone {
            return Ok(true);
        }
        sql("update users set time_zone = $3 where tenant_id = $1 and id = $2")
            .bind(tenant_id)
            .bind(id)
            .bind(time_zone)
            .execute(&mut *tx)
            .await?;
        // Whatever is admitted or settled from here on waits, and meets the new windows.
        hold_beneath(&mut tx, tenant_id, &LimitsOf::User(id.clone())).await?;
        let mut rows = of_grants(&mut tx, tenant_id, id).await?;
        rows.extend(above(&mut tx, tenant_id, id).await?);
        for row in &rows {
            move_to(&mut tx, row, time_zone, event).await?;
        }
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// The accounts of the user's grants, whose rows the caller holds.
async fn of_grants(tx: &mut Transaction, tenant_id: &TenantId, user_id: &UserId) -> Result<Vec<Row>, StoreError> {
    sql("select level, subject, provider, state from accounts
         where tenant_id = $1 and level = 'grant'
             and subject in (select id from grants where tenant_id = $1 and user_id = $2)")
    .bind(tenant_id)
    .bind(user_id)
    .all(&mut **tx)
    .await
}

/// The accounts of the user's apps and of the user, taken in the order in which everybody takes them.
async fn above(tx: &mut Transaction, tenant_id: &TenantId, user_id: &UserId) -> Result<Vec<Row>, StoreError> {
    // An app's account is named after its user first, as JSON.
    let named = "select level, subject, provider, state from accounts
         where tenant_id = $1 and provider = ''
             and (level = 'app' and substr(subject, 1, length($2)) = $2 or level = 'user' and subject = $3)";
    let taken = "select level, subject, provider, state from accounts
         where tenant_id = $1 and provider = ''
             and (level = 'app' and substr(subject, 1, length($2)) = $2 or level = 'user' and subject = $3)
         order by level collate \"C\", subject collate \"C\" for update";
    let text = match engine_of(tx) {
        Engine::Sqlite => named,
        Engine::Postgres => taken,
    };
    let prefix = serde_json::to_string(user_id).map_err(corrupt)?;
    sql(text)
        .bind(tenant_id)
        .bind(format!("[{prefix},"))
        .bind(user_id)
        .all(&mut **tx)
        .await
}

async fn move_to(tx: &mut Transaction, row: &Row, time_zone: &str, event: &AuditEvent) -> Result<(), StoreError> {
    let (level, subject, provider) = (row.text("level")?, row.text("subject")?, row.text("provider")?);
    let of =
        AccountOf::parse(&level, subject.clone(), provider.clone()).ok_or_else(|| corrupt("the name of an account"))?;
    let mut account = accounts::read(row)?;
    for window in account.move_to(time_zone, event.at) {
        let (used, reserved) = accounts::counted(tx, &event.tenant_id, &of, &window).await?;
        account.fill(&window, used, reserved);
    }
    sql("update accounts set state = $5
         where tenant_id = $1 and level = $2 and subject = $3 and provider = $4")
    .bind(&event.tenant_id)
    .bind(&level)
    .bind(&subject)
    .bind(&provider)
    .bind(accounts::json(&account)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
