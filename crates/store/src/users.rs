//! Users: accounts that sign in.

use std::fmt;

use aipassport_domain::{
    audit::AuditEvent,
    ids::{TenantId, UserId},
    time::Timestamp,
};

use crate::{
    Store, StoreError, audit, codes, grants, sign_in,
    sql::{Row, Statement, Transaction, corrupt, sql},
};

#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub tenant_id: TenantId,
    /// Unique in its tenant, to the byte.
    pub name: String,
    /// In PHC format; `None` for a user who cannot sign in with a password.
    pub password_hash: Option<String>,
    pub is_admin: bool,
    /// An IANA name; the windows of the user's limits follow its clock.
    pub time_zone: String,
    pub created_at: Timestamp,
    pub suspended_at: Option<Timestamp>,
}

/// Columns are named one by one: a column that a newer version adds while this one runs must not
/// change the shape of what it has prepared.
macro_rules! select_users {
    ($which:literal) => {
        concat!(
            "select users.tenant_id, users.id, users.name, users.password_hash, users.is_admin, users.time_zone,
                    users.created_at, users.suspended_at
             from users ",
            $which
        )
    };
}

impl fmt::Debug for User {
    /// Without the password's hash, which can be guessed at.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Adds a user; [`StoreError::Taken`] if the name is in use.
    pub async fn add_user(&self, user: &User, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        sql(
            "insert into users (tenant_id, id, name, password_hash, is_admin, time_zone, created_at, suspended_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&user.tenant_id)
        .bind(&user.id)
        .bind(&user.name)
        .bind(user.password_hash.as_ref())
        .bind(user.is_admin)
        .bind(&user.time_zone)
        .bind(user.created_at)
        .bind(user.suspended_at)
        .execute(&mut *tx)
        .await?;
        audit::record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    pub async fn user(&self, tenant_id: &TenantId, id: &UserId) -> Result<Option<User>, StoreError> {
        let row = sql(select_users!("where tenant_id = $1 and id = $2"))
            .bind(tenant_id)
            .bind(id)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    pub async fn user_by_name(&self, tenant_id: &TenantId, name: &str) -> Result<Option<User>, StoreError> {
        let row = sql(select_users!("where tenant_id = $1 and name = $2"))
            .bind(tenant_id)
            .bind(name)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Every user, oldest first.
    pub async fn users(&self, tenant_id: &TenantId) -> Result<Vec<User>, StoreError> {
        let rows = sql(select_users!("where tenant_id = $1 order by created_at, id"))
            .bind(tenant_id)
            .all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }

    /// Sets the password and ends every browser session of the user. `false`, and no event, if
    /// there is no such user.
    pub async fn set_password(&self, id: &UserId, password_hash: &str, event: &AuditEvent) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let changed = sql("update users set password_hash = $3 where tenant_id = $1 and id = $2")
            .bind(&event.tenant_id)
            .bind(id)
            .bind(password_hash)
            .changed(&mut *tx)
            .await?;
        if !changed {
            return Ok(false);
        }
        sql("delete from browser_sessions where tenant_id = $1 and user_id = $2")
            .bind(&event.tenant_id)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        codes::end_unredeemed(&mut tx, &event.tenant_id, id, event.at).await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Suspends a user: from here on none of its grants admits a call or gets a token, and whatever
    /// it was signed in with is ended. `false`, and no event, if it is suspended or there is none.
    pub async fn suspend_user(&self, id: &UserId, event: &AuditEvent) -> Result<bool, StoreError> {
        let suspend = sql("update users set suspended_at = $3
             where tenant_id = $1 and id = $2 and suspended_at is null")
        .bind(&event.tenant_id)
        .bind(id)
        .bind(event.at);
        self.suspend_or_resume(suspend, id, event).await
    }

    /// Ends a suspension: grants that are still in force admit calls again. Nothing that was signed
    /// in comes back. `false`, and no event, if it is not suspended or there is none.
    pub async fn resume_user(&self, id: &UserId, event: &AuditEvent) -> Result<bool, StoreError> {
        let resume = sql("update users set suspended_at = null
             where tenant_id = $1 and id = $2 and suspended_at is not null")
        .bind(&event.tenant_id)
        .bind(id);
        self.suspend_or_resume(resume, id, event).await
    }

    async fn suspend_or_resume(&self, change: Statement, id: &UserId, event: &AuditEvent) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        // Codes before the user, as redeeming takes them, so that nobody waits in a ring. Also when a
        // suspension ends: a sign-in that was under way when it began may have come to its end since.
        sign_in::end_all(&mut tx, &event.tenant_id, id, event.at).await?;
        if !change.changed(&mut *tx).await? {
            return Ok(false);
        }
        grants::raise_versions_of_user(&mut tx, &event.tenant_id, id).await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Makes everyone else who makes or changes grants of this user wait for this transaction, and
/// returns the user's time zone; `None` if there is no such user or it is suspended.
///
/// Without it, a grant made at the same time as a change of its user could miss the raise of its
/// version.
pub(crate) async fn hold(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    id: &UserId,
) -> Result<Option<String>, StoreError> {
    let row = sql("update users set name = name
         where tenant_id = $1 and id = $2 and suspended_at is null
         returning time_zone")
    .bind(tenant_id)
    .bind(id)
    .first(&mut **tx)
    .await?;
    row.map(|row| row.text("time_zone")).transpose()
}

/// As [`hold`], whether the user is suspended or not.
pub(crate) async fn hold_any(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    id: &UserId,
) -> Result<Option<String>, StoreError> {
    let row = sql("update users set name = name where tenant_id = $1 and id = $2 returning time_zone")
        .bind(tenant_id)
        .bind(id)
        .first(&mut **tx)
        .await?;
    row.map(|row| row.text("time_zone")).transpose()
}

pub(crate) async fn time_zone(tx: &mut Transaction, tenant_id: &TenantId, id: &UserId) -> Result<String, StoreError> {
    let row = sql("select time_zone from users where tenant_id = $1 and id = $2")
        .bind(tenant_id)
        .bind(id)
        .first(&mut **tx)
        .await?;
    row.ok_or_else(|| corrupt("a grant without its user"))?
        .text("time_zone")
}

fn read(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: UserId::new(row.text("id")?),
        tenant_id: TenantId::new(row.text("tenant_id")?),
        name: row.text("name")?,
        password_hash: row.maybe_text("password_hash")?,
        is_admin: row.integer("is_admin")? != 0,
        time_zone: row.text("time_zone")?,
        created_at: row.time("created_at")?,
        suspended_at: row.maybe_time("suspended_at")?,
    })
}
