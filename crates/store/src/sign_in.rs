//! Signing in: browser sessions, bearers for the API, and the failures that slow guessing down.

use aipassport_domain::{
    audit::AuditEvent,
    ids::{TenantId, UserId},
    secret::SecretHash,
    time::Timestamp,
};

use crate::{
    Store, StoreError, User, audit, codes,
    sql::{Transaction, sql},
};

/// A signed-in browser. It ends 30 minutes after it was last seen and 12 hours after it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSession {
    /// Of its cookie.
    pub hash: SecretHash,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub started_at: Timestamp,
    pub last_seen_at: Timestamp,
}

impl BrowserSession {
    pub const IDLE_SECONDS: i64 = 30 * 60;
    pub const LONGEST_SECONDS: i64 = 12 * 60 * 60;
}

/// A bearer for `/api`, made by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    pub hash: SecretHash,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Starts a browser session and ends the one it `replaces`, so that an identifier planted
    /// before sign-in is worth nothing after it.
    pub async fn start_browser_session(
        &self,
        session: &BrowserSession,
        replaces: Option<&SecretHash>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        if let Some(old) = replaces {
            end_session(&mut tx, &session.tenant_id, old).await?;
        }
        sql(
            "insert into browser_sessions (tenant_id, hash, user_id, started_at, last_seen_at)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(&session.tenant_id)
        .bind(&session.hash)
        .bind(&session.user_id)
        .bind(session.started_at)
        .bind(session.last_seen_at)
        .execute(&mut *tx)
        .await?;
        audit::record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    /// The session and its user, unless it has ended by `now` or the user is suspended.
    pub async fn browser_session(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<(BrowserSession, User)>, StoreError> {
        let row = sql("select user_id, started_at, last_seen_at from browser_sessions
             where tenant_id = $1 and hash = $2 and last_seen_at > $3 and started_at > $4")
        .bind(tenant_id)
        .bind(hash)
        .bind(now.plus_seconds(-BrowserSession::IDLE_SECONDS))
        .bind(now.plus_seconds(-BrowserSession::LONGEST_SECONDS))
        .first(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let session = BrowserSession {
            hash: hash.clone(),
            tenant_id: tenant_id.clone(),
            user_id: UserId::new(row.text("user_id")?),
            started_at: row.time("started_at")?,
            last_seen_at: row.time("last_seen_at")?,
        };
        let user = self.unsuspended_user(tenant_id, &session.user_id).await?;
        Ok(user.map(|user| (session, user)))
    }

    /// Notes that the session was seen at `now`. May be repeated; once a minute is enough. A
    /// session that has ended stays so.
    pub async fn touch_browser_session(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = sql("update browser_sessions set last_seen_at = $3
             where tenant_id = $1 and hash = $2 and last_seen_at < $3 and last_seen_at > $4")
        .bind(tenant_id)
        .bind(hash)
        .bind(now)
        .bind(now.plus_seconds(-BrowserSession::IDLE_SECONDS));
        self.write(statement).await?;
        Ok(())
    }

    /// Ends a session, and the codes that its user approved and nobody has redeemed. `false`, and
    /// no event, if there was none.
    pub async fn end_browser_session(&self, hash: &SecretHash, event: &AuditEvent) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let Some(user_id) = end_session(&mut tx, &event.tenant_id, hash).await? else {
            return Ok(false);
        };
        codes::end_unredeemed(&mut tx, &event.tenant_id, &user_id, event.at).await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends every session of a user, every bearer, and the codes that they approved and nobody has
    /// redeemed: all that somebody else may have got hold of.
    pub async fn end_browser_sessions(&self, user_id: &UserId, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        end_all(&mut tx, &event.tenant_id, user_id, event.at).await?;
        audit::record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    /// How often signing in as `name_key` has failed since `since`.
    pub async fn sign_in_failures(
        &self,
        tenant_id: &TenantId,
        name_key: &str,
        since: Timestamp,
    ) -> Result<u64, StoreError> {
        let row = sql("select count(*) as failures from sign_in_failures
             where tenant_id = $1 and name_key = $2 and at >= $3")
        .bind(tenant_id)
        .bind(name_key)
        .bind(since)
        .first(self.pool())
        .await?;
        let failures = row.map_or(Ok(0), |row| row.integer("failures"))?;
        Ok(failures.unsigned_abs())
    }

    pub async fn record_sign_in_failure(&self, name_key: &str, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        sql("insert into sign_in_failures (tenant_id, name_key, at) values ($1, $2, $3)")
            .bind(&event.tenant_id)
            .bind(name_key)
            .bind(event.at)
            .execute(&mut *tx)
            .await?;
        audit::record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    /// Counts a failure that has its event already under one more key: where it came from.
    pub async fn count_sign_in_failure(
        &self,
        tenant_id: &TenantId,
        name_key: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = sql("insert into sign_in_failures (tenant_id, name_key, at) values ($1, $2, $3)")
            .bind(tenant_id)
            .bind(name_key)
            .bind(at);
        self.write(statement).await?;
        Ok(())
    }

    /// Forgets the failures of `name_key`, after it has signed in. May be repeated.
    pub async fn clear_sign_in_failures(&self, tenant_id: &TenantId, name_key: &str) -> Result<(), StoreError> {
        let statement = sql("delete from sign_in_failures where tenant_id = $1 and name_key = $2")
            .bind(tenant_id)
            .bind(name_key);
        self.write(statement).await?;
        Ok(())
    }

    pub async fn issue_api_token(&self, token: &ApiToken, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        sql(
            "insert into api_tokens (tenant_id, hash, user_id, created_at, expires_at)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(&token.tenant_id)
        .bind(&token.hash)
        .bind(&token.user_id)
        .bind(token.created_at)
        .bind(token.expires_at)
        .execute(&mut *tx)
        .await?;
        audit::record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    /// The user of a bearer, unless it has expired by `now` or the user is suspended.
    pub async fn user_by_api_token(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        let row = sql("select user_id from api_tokens
             where tenant_id = $1 and hash = $2 and (expires_at is null or expires_at > $3)")
        .bind(tenant_id)
        .bind(hash)
        .bind(now)
        .first(self.pool())
        .await?;
        match row {
            Some(row) => {
                self.unsuspended_user(tenant_id, &UserId::new(row.text("user_id")?))
                    .await
            }
            None => Ok(None),
        }
    }

    async fn unsuspended_user(&self, tenant_id: &TenantId, id: &UserId) -> Result<Option<User>, StoreError> {
        let user = self.user(tenant_id, id).await?;
        Ok(user.filter(|user| user.suspended_at.is_none()))
    }
}

/// Ends all that a user signed in with, or is about to pick up.
pub(crate) async fn end_all(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    user_id: &UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql("delete from browser_sessions where tenant_id = $1 and user_id = $2")
        .bind(tenant_id)
        .bind(user_id)
        .execute(&mut **tx)
        .await?;
    sql("delete from api_tokens where tenant_id = $1 and user_id = $2")
        .bind(tenant_id)
        .bind(user_id)
        .execute(&mut **tx)
        .await?;
    codes::end_unredeemed(tx, tenant_id, user_id, now).await
}

/// Ends a session, and says whose it was.
async fn end_session(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    hash: &SecretHash,
) -> Result<Option<UserId>, StoreError> {
    let ended = sql("delete from browser_sessions where tenant_id = $1 and hash = $2 returning user_id")
        .bind(tenant_id)
        .bind(hash)
        .first(&mut **tx)
        .await?;
    ended.map(|row| row.text("user_id").map(UserId::new)).transpose()
}
