//! Grants: what users allowed clients, and the version that makes every change of it count.

use std::collections::HashSet;

use aipassport_domain::{
    audit::{AuditEvent, PauseReason},
    authorization_details::{self, AiAccess},
    consent::Approved,
    grant::{Grant, GrantState},
    ids::{ClientId, GrantId, TenantId, UserId},
    price_override::PriceOverride,
    time::Timestamp,
};
use sqlx::{Any, AssertSqlSafe, Executor};

use crate::{
    ProviderCredential, Store, StoreError, accounts, audit, clients,
    open::Engine,
    sql::{Row, Statement, Transaction, corrupt, engine_of, sql},
    tenants, users,
};

/// A grant with all that decides, besides the ledger, whether it admits a call: what the gateway
/// keeps until the grant's version moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveGrant {
    pub grant: Grant,
    pub client_disabled_at: Option<Timestamp>,
    pub user_suspended_at: Option<Timestamp>,
    /// Access tokens that were revoked one by one, and app keys that were replaced.
    pub revoked_jtis: Vec<String>,
    /// The user's newest credential at each provider.
    pub credentials: Vec<ProviderCredential>,
    /// What the user says of prices.
    pub prices: Vec<PriceOverride>,
}

/// So many grants are asked for their versions at once.
const MOST_IN_ONE_QUESTION: usize = 500;

/// The one way to select grants: with the names of their clients, as they are now.
macro_rules! select_grants {
    ($which:literal) => {
        concat!(
            "select grants.tenant_id, grants.id, grants.user_id, grants.client_id, grants.authorization_details,
                    grants.revoke_when_used_up, grants.version, grants.created_at, grants.expires_at, grants.paused_at,
                    grants.pause_reason, grants.revoked_at,
                    clients.name as client_name, clients.address as client_address,
                    clients.disabled_at as client_disabled_at, users.suspended_at as user_suspended_at
             from grants
             join clients on clients.tenant_id = grants.tenant_id and clients.id = grants.client_id
             join users on users.tenant_id = grants.tenant_id and users.id = grants.user_id
             where ",
            $which
        )
    };
}

impl Store {
    pub async fn grant(&self, tenant_id: &TenantId, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        find(self.pool(), tenant_id, id).await
    }

    /// What the hot path keeps. All of it is at least as new as `grant.version` says.
    pub async fn live_grant(&self, tenant_id: &TenantId, id: &GrantId) -> Result<Option<LiveGrant>, StoreError> {
        // The version is read first: whatever changes while the rest is read has raised it, and the
        // ledger refuses what is decided on this one.
        let row = sql(select_grants!("grants.tenant_id = $1 and grants.id = $2"))
            .bind(tenant_id)
            .bind(id)
            .first(self.pool())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let grant = read(&row)?;

        let revoked = sql(
            "select jti from revoked_access_tokens where tenant_id = $1 and grant_id = $2
             union all
             select id from app_keys where tenant_id = $1 and grant_id = $2 and revoked_at is not null",
        )
        .bind(tenant_id)
        .bind(id)
        .all(self.pool())
        .await?;
        let mut credentials = self.credentials_of(tenant_id, &grant.user_id).await?;
        let mut seen = HashSet::new();
        credentials.retain(|credential| seen.insert(credential.provider.clone()));
        Ok(Some(LiveGrant {
            client_disabled_at: row.maybe_time("client_disabled_at")?,
            user_suspended_at: row.maybe_time("user_suspended_at")?,
            revoked_jtis: revoked.iter().map(|row| row.text("jti")).collect::<Result<_, _>>()?,
            credentials,
            prices: self.prices_of(tenant_id, &grant.user_id).await?,
            grant,
        }))
    }

    /// Every grant of a user, newest first.
    pub async fn grants_of(&self, tenant_id: &TenantId, user_id: &UserId) -> Result<Vec<Grant>, StoreError> {
        let rows = sql(select_grants!(
            "grants.tenant_id = $1 and grants.user_id = $2 order by grants.created_at desc, grants.id"
        ))
        .bind(tenant_id)
        .bind(user_id)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }

    /// Every grant, newest first.
    pub async fn grants(&self, tenant_id: &TenantId) -> Result<Vec<Grant>, StoreError> {
        let rows = sql(select_grants!(
            "grants.tenant_id = $1 order by grants.created_at desc, grants.id"
        ))
        .bind(tenant_id)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }

    /// Revokes a grant and its refresh tokens, and returns it; `None` if there is none. Revoking it
    /// again changes nothing and writes no event.
    pub async fn revoke_grant(&self, id: &GrantId, event: &AuditEvent) -> Result<Option<Grant>, StoreError> {
        let mut tx = self.begin_write().await?;
        if revoke(&mut tx, &event.tenant_id, id, event.at).await? {
            audit::record(&mut tx, event).await?;
        }
        let grant = find(&mut *tx, &event.tenant_id, id).await?;
        tx.commit().await?;
        Ok(grant)
    }

    /// Pauses an active grant, and returns it as it is then; `None` if there is none. A grant that
    /// is paused or revoked stays so, and no event is written.
    pub async fn pause_grant(&self, id: &GrantId, event: &AuditEvent) -> Result<Option<Grant>, StoreError> {
        let pause = sql("update grants set paused_at = $3, version = version + 1
             where tenant_id = $1 and id = $2 and paused_at is null and revoked_at is null")
        .bind(&event.tenant_id)
        .bind(id)
        .bind(event.at);
        self.pause_or_resume(pause, id, event).await
    }

    /// Ends a pause, and returns the grant as it is then; `None` if there is none. Where `prices` are
    /// given, they are those that its user allows from now on. A grant that is active or revoked stays
    /// so, and no event is written.
    pub async fn resume_grant(
        &self,
        id: &GrantId,
        prices: Option<&str>,
        event: &AuditEvent,
    ) -> Result<Option<Grant>, StoreError> {
        let resume = sql("update grants
             set paused_at = null, pause_reason = null, approved_prices = coalesce($3, approved_prices), version = version + 1
             where tenant_id = $1 and id = $2 and paused_at is not null and revoked_at is null")
        .bind(&event.tenant_id)
        .bind(id)
        .bind(prices);
        self.pause_or_resume(resume, id, event).await
    }

    pub(crate) async fn pause_or_resume(
        &self,
        change: Statement,
        id: &GrantId,
        event: &AuditEvent,
    ) -> Result<Option<Grant>, StoreError> {
        let mut tx = self.begin_write().await?;
        if change.changed(&mut *tx).await? {
            audit::record(&mut tx, event).await?;
        }
        let grant = find(&mut *tx, &event.tenant_id, id).await?;
        tx.commit().await?;
        Ok(grant)
    }

    /// Puts new details and a new end in force for the next admission, and returns the grant; what
    /// is used and held is kept. `None`, with nothing changed, if there is none or it is revoked.
    pub async fn change_grant(
        &self,
        id: &GrantId,
        changed: &Approved,
        event: &AuditEvent,
    ) -> Result<Option<Grant>, StoreError> {
        let mut tx = self.begin_write().await?;
        let is_changed = sql("update grants
             set authorization_details = $3, expires_at = $4, revoke_when_used_up = $5, version = version + 1
             where tenant_id = $1 and id = $2 and revoked_at is null")
        .bind(&event.tenant_id)
        .bind(id)
        .bind(authorization_details::to_json(&changed.authorization_details))
        .bind(changed.expires_at)
        .bind(changed.revoke_when_used_up)
        .changed(&mut *tx)
        .await?;
        if !is_changed {
            return Ok(None);
        }
        let grant = find(&mut *tx, &event.tenant_id, id).await?;
        if let Some(grant) = &grant {
            let time_zone = users::time_zone(&mut tx, &grant.tenant_id, &grant.user_id).await?;
            accounts::change(&mut tx, grant, &time_zone, event.at).await?;
        }
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(grant)
    }

    /// The present versions of those of the grants that exist.
    pub async fn versions(&self, tenant_id: &TenantId, ids: &[GrantId]) -> Result<Vec<(GrantId, i64)>, StoreError> {
        let mut versions = Vec::with_capacity(ids.len());
        for some in ids.chunks(MOST_IN_ONE_QUESTION) {
            let places: Vec<String> = (2..).take(some.len()).map(|place| format!("${place}")).collect();
            let text = format!(
                "select id, version from grants where tenant_id = $1 and id in ({})",
                places.join(", ")
            );
            // Only the number of places varies; the ids are bound.
            let question = some
                .iter()
                .fold(sql(AssertSqlSafe(text)).bind(tenant_id), |question, id| {
                    question.bind(id)
                });
            for row in question.all(self.pool()).await? {
                versions.push((GrantId::new(row.text("id")?), row.integer("version")?));
            }
        }
        Ok(versions)
    }

    /// Revokes one access token of a grant; it is remembered until `expires_at`, its own end. May
    /// be repeated: `false`, and no event, the second time or if there is no such grant.
    pub async fn revoke_access_token(
        &self,
        grant_id: &GrantId,
        jti: &str,
        expires_at: Timestamp,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let raised = sql("update grants set version = version + 1 where tenant_id = $1 and id = $2")
            .bind(&event.tenant_id)
            .bind(grant_id)
            .changed(&mut *tx)
            .await?;
        if !raised {
            return Ok(false);
        }
        let revoked = sql(
            "insert into revoked_access_tokens (tenant_id, grant_id, jti, expires_at)
             values ($1, $2, $3, $4)
             on conflict do nothing",
        )
        .bind(&event.tenant_id)
        .bind(grant_id)
        .bind(jti)
        .bind(expires_at)
        .changed(&mut *tx)
        .await?;
        if !revoked {
            return Ok(false);
        }
        // Its grant refuses a token past its end by itself.
        sql("delete from revoked_access_tokens where tenant_id = $1 and grant_id = $2 and expires_at <= $3")
            .bind(&event.tenant_id)
            .bind(grant_id)
            .bind(event.at)
            .execute(&mut *tx)
            .await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// What a grant is made from: a request that was approved.
pub(crate) struct NewGrant<'a> {
    pub(crate) id: GrantId,
    pub(crate) user_id: UserId,
    pub(crate) client_id: ClientId,
    pub(crate) approved: &'a Approved,
    /// What its models cost when it was approved, as JSON.
    pub(crate) prices: Option<&'a str>,
}

/// Makes a grant and opens its accounts. `None`, and the caller rolls back, if it would be over
/// already, its client is disabled or its user suspended.
pub(crate) async fn make(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    new: NewGrant<'_>,
    now: Timestamp,
) -> Result<Option<Grant>, StoreError> {
    if new.approved.expires_at <= now || !clients::hold(tx, tenant_id, &new.client_id).await? {
        return Ok(None);
    }
    let Some(time_zone) = users::hold(tx, tenant_id, &new.user_id).await? else {
        return Ok(None);
    };
    tenants::hold(tx, tenant_id).await?;
    sql(
        "insert into grants (tenant_id, id, user_id, client_id, authorization_details, version, created_at, expires_at,
                             approved_prices, revoke_when_used_up)
         values ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9)",
    )
    .bind(tenant_id)
    .bind(&new.id)
    .bind(&new.user_id)
    .bind(&new.client_id)
    .bind(authorization_details::to_json(&new.approved.authorization_details))
    .bind(now)
    .bind(new.approved.expires_at)
    .bind(new.prices)
    .bind(new.approved.revoke_when_used_up)
    .execute(&mut **tx)
    .await?;
    let grant = find(&mut **tx, tenant_id, &new.id).await?;
    if let Some(grant) = &grant {
        accounts::open(tx, grant, &time_zone).await?;
    }
    Ok(grant)
}

/// Revokes a grant and its refresh tokens. `false` if there is none or it was revoked before.
pub(crate) async fn revoke(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    id: &GrantId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let revoked = sql("update grants set revoked_at = $3, version = version + 1
         where tenant_id = $1 and id = $2 and revoked_at is null")
    .bind(tenant_id)
    .bind(id)
    .bind(now)
    .changed(&mut **tx)
    .await?;
    if revoked {
        sql("update refresh_tokens set revoked_at = $3 where tenant_id = $1 and grant_id = $2 and revoked_at is null")
            .bind(tenant_id)
            .bind(id)
            .bind(now)
            .execute(&mut **tx)
            .await?;
    }
    Ok(revoked)
}

/// Makes everyone else who changes this grant wait for this transaction, and returns it. `None` if
/// it is not in force: unknown, over, revoked, its client disabled or its user suspended.
pub(crate) async fn hold_in_force(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    id: &GrantId,
    now: Timestamp,
) -> Result<Option<Grant>, StoreError> {
    sql("update grants set version = version where tenant_id = $1 and id = $2")
        .bind(tenant_id)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    let row = sql(select_grants!(
        "grants.tenant_id = $1 and grants.id = $2 and grants.revoked_at is null and grants.expires_at > $3
         and clients.disabled_at is null and users.suspended_at is null"
    ))
    .bind(tenant_id)
    .bind(id)
    .bind(now)
    .first(&mut **tx)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Raises the version of every grant of a user whom the caller [holds](users::hold).
pub(crate) async fn raise_versions_of_user(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    user_id: &UserId,
) -> Result<(), StoreError> {
    if engine_of(tx) == Engine::Postgres {
        // In the one order in which everybody takes several grants, so that nobody waits in a ring.
        sql(
            r#"select id from grants where tenant_id = $1 and user_id = $2 and revoked_at is null
             order by id collate "C" for no key update"#,
        )
        .bind(tenant_id)
        .bind(user_id)
        .all(&mut **tx)
        .await?;
    }
    sql("update grants set version = version + 1 where tenant_id = $1 and user_id = $2 and revoked_at is null")
        .bind(tenant_id)
        .bind(user_id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Raises the version of every grant of a client that the caller has changed.
pub(crate) async fn raise_versions_of_client(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    client_id: &ClientId,
) -> Result<(), StoreError> {
    if engine_of(tx) == Engine::Postgres {
        sql(
            r#"select id from grants where tenant_id = $1 and client_id = $2 and revoked_at is null
             order by id collate "C" for no key update"#,
        )
        .bind(tenant_id)
        .bind(client_id)
        .all(&mut **tx)
        .await?;
    }
    sql("update grants set version = version + 1 where tenant_id = $1 and client_id = $2 and revoked_at is null")
        .bind(tenant_id)
        .bind(client_id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(crate) async fn find<'c>(
    on: impl Executor<'c, Database = Any>,
    tenant_id: &TenantId,
    id: &GrantId,
) -> Result<Option<Grant>, StoreError> {
    let row = sql(select_grants!("grants.tenant_id = $1 and grants.id = $2"))
        .bind(tenant_id)
        .bind(id)
        .first(on)
        .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<Grant, StoreError> {
    let state = match (row.maybe_time("revoked_at")?, row.maybe_time("paused_at")?) {
        (Some(at), _) => GrantState::Revoked { at },
        (None, Some(at)) => GrantState::Paused {
            at,
            reason: pause_reason(row.maybe_text("pause_reason")?.as_deref())?,
        },
        (None, None) => GrantState::Active,
    };
    Ok(Grant {
        id: GrantId::new(row.text("id")?),
        tenant_id: TenantId::new(row.text("tenant_id")?),
        user_id: UserId::new(row.text("user_id")?),
        client_id: ClientId::new(row.text("client_id")?),
        client_name: row.text("client_name")?,
        client_address: row.text("client_address")?,
        authorization_details: read_details(&row.text("authorization_details")?)?,
        revoke_when_used_up: row.integer("revoke_when_used_up")? != 0,
        state,
        version: row.integer("version")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}

fn pause_reason(text: Option<&str>) -> Result<PauseReason, StoreError> {
    match text {
        None => Ok(PauseReason::ByUser),
        Some("price_rise") => Ok(PauseReason::PriceRise),
        Some(other) => Err(corrupt(format!("a pause because of {other}"))),
    }
}

/// Authorization details as they are stored; an empty list is what a client that asked for nothing
/// in particular has asked for.
pub(crate) fn read_details(json: &str) -> Result<Vec<AiAccess>, StoreError> {
    if json == "[]" {
        return Ok(Vec::new());
    }
    authorization_details::parse(json).map_err(corrupt)
}
