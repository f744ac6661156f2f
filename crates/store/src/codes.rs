//! Authorization codes: redeemed once, burnt by guessing, deadly when replayed.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened, RevocationReason},
    consent::Approved,
    grant::Grant,
    ids::{AuthorizationRequestId, ClientId, GrantId, TenantId, TokenFamilyId, UserId},
    secret::SecretHash,
    time::Timestamp,
};

use sqlx::AnyConnection;

use crate::{
    NewRefreshToken, Store, StoreError, audit,
    authorization_requests::read_approved,
    grants::{self, NewGrant},
    refresh_tokens,
    single_use::Use,
    sql::{Row, Transaction, sql},
};

/// A code about to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCode {
    pub hash: SecretHash,
    pub expires_at: Timestamp,
}

/// A code and what it was issued for, to be checked before it is redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRecord {
    pub request_id: AuthorizationRequestId,
    pub client_id: ClientId,
    /// The id the grant will have, or has.
    pub grant_id: GrantId,
    /// Who approved.
    pub user_id: UserId,
    pub redirect_uri: String,
    pub code_challenge: String,
    pub resource: Option<String>,
    pub approved: Approved,
    /// What the models cost when it was approved, as JSON.
    pub prices: Option<String>,
    pub expires_at: Timestamp,
    pub redeemed_at: Option<Timestamp>,
    /// Redemptions that failed a check.
    pub failures: u32,
}

/// How redeeming a code ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redemption {
    Redeemed(Grant),
    /// It was redeemed before. All that came of it is revoked now, in this same transaction.
    Replayed,
    /// It is unknown, burnt or expired, its client is disabled or its user suspended.
    Gone,
}

impl Store {
    pub async fn code(&self, tenant_id: &TenantId, hash: &SecretHash) -> Result<Option<CodeRecord>, StoreError> {
        let mut connection = self.pool().acquire().await?;
        find(&mut connection, tenant_id, hash).await
    }

    /// Counts a redemption by `client_id` that failed a check, with its audit event. `true` once
    /// the code is burnt; from there on nothing is counted. Of a code that was redeemed before, it is
    /// a replay, which revokes what came of it.
    pub async fn count_code_failure(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
        client_id: &ClientId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let counted = sql("update authorization_codes set failures = failures + 1
             where tenant_id = $1 and hash = $2 and redeemed_at is null and failures < $3")
        .bind(tenant_id)
        .bind(hash)
        .bind(CodeRecord::MOST_FAILURES)
        .changed(&mut *tx)
        .await?;
        let Some(code) = find(&mut tx, tenant_id, hash).await? else {
            return Ok(false);
        };
        match code.used(counted) {
            Use::First => {
                let failed = AuditEvent {
                    tenant_id: tenant_id.clone(),
                    at: now,
                    actor: Actor::Client(client_id.clone()),
                    user_id: Some(code.user_id.clone()),
                    grant_id: None,
                    what: Happened::CodeFailed {
                        client_id: client_id.clone(),
                        is_burnt: code.is_burnt(),
                    },
                };
                audit::record(&mut tx, &failed).await?;
            }
            // The check was made while somebody else redeemed it.
            Use::Again => {
                revoke_all_of(&mut tx, tenant_id, &code, Actor::Client(client_id.clone()), now).await?;
            }
            Use::Over => {}
        }
        tx.commit().await?;
        Ok(code.is_burnt())
    }

    /// Redeems a code: consumes it, marks its request redeemed, makes the grant that was approved,
    /// opens its accounts and stores the refresh token, all or nothing. Of many redemptions at
    /// once one wins; each of the others is a replay, which revokes what the winner got.
    ///
    /// The caller has checked client, redirect URI and code verifier before.
    pub async fn redeem_code(
        &self,
        hash: &SecretHash,
        refresh_token: Option<&NewRefreshToken>,
        event: &AuditEvent,
    ) -> Result<Redemption, StoreError> {
        let (tenant_id, now) = (&event.tenant_id, event.at);
        let mut tx = self.begin_write().await?;
        let consumed = sql("update authorization_codes set redeemed_at = $3
             where tenant_id = $1 and hash = $2 and redeemed_at is null and failures < $4 and expires_at > $3")
        .bind(tenant_id)
        .bind(hash)
        .bind(now)
        .bind(CodeRecord::MOST_FAILURES)
        .changed(&mut *tx)
        .await?;
        let Some(code) = find(&mut tx, tenant_id, hash).await? else {
            return Ok(Redemption::Gone);
        };
        match code.used(consumed) {
            Use::First => {}
            Use::Again => {
                revoke_all_of(&mut tx, tenant_id, &code, event.actor.clone(), now).await?;
                tx.commit().await?;
                return Ok(Redemption::Replayed);
            }
            Use::Over => return Ok(Redemption::Gone),
        }

        sql("update authorization_requests set state = 'redeemed', redeemed_at = $3
             where tenant_id = $1 and id = $2 and state = 'approved'")
        .bind(tenant_id)
        .bind(&code.request_id)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        let new = NewGrant {
            id: code.grant_id,
            user_id: code.user_id,
            client_id: code.client_id,
            approved: &code.approved,
            prices: code.prices.as_deref(),
        };
        let Some(grant) = grants::make(&mut tx, tenant_id, new, now).await? else {
            return Ok(Redemption::Gone);
        };
        if let Some(token) = refresh_token {
            let family_id = TokenFamilyId::new(code.request_id.as_str());
            refresh_tokens::issue(&mut tx, &grant, &family_id, token, now).await?;
        }
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(Redemption::Redeemed(grant))
    }

    /// Revokes all that came of a redeemed code that `client_id` has shown again, whoever redeemed
    /// it, with its audit events. May be repeated. `false` if there was nothing left to revoke.
    pub async fn replay_code(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
        client_id: &ClientId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let Some(code) = find(&mut tx, tenant_id, hash).await? else {
            return Ok(false);
        };
        let revoked = revoke_all_of(&mut tx, tenant_id, &code, Actor::Client(client_id.clone()), now).await?;
        tx.commit().await?;
        Ok(revoked)
    }
}

/// Ends the codes of what `user_id` approved and no client has redeemed yet: who signs out, or is
/// signed out, is done with what was under way.
pub(crate) async fn end_unredeemed(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    user_id: &UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql("update authorization_codes set expires_at = $3
         where tenant_id = $1 and expires_at > $3 and redeemed_at is null and request_id in
               (select id from authorization_requests
                where tenant_id = $1 and state = 'approved' and decided_by = $2)")
    .bind(tenant_id)
    .bind(user_id)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Issues the code of a request that this transaction has approved.
pub(crate) async fn issue(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    request_id: &AuthorizationRequestId,
    code: &NewCode,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql(
        "insert into authorization_codes (tenant_id, hash, request_id, created_at, expires_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(tenant_id)
    .bind(&code.hash)
    .bind(request_id)
    .bind(now)
    .bind(code.expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Revokes the grant that came of a code, and with it its tokens, because the code was shown again.
/// `false` if it was revoked before.
async fn revoke_all_of(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    code: &CodeRecord,
    by: Actor,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !grants::revoke(tx, tenant_id, &code.grant_id, now).await? {
        return Ok(false);
    }
    let replayed = AuditEvent {
        tenant_id: tenant_id.clone(),
        at: now,
        actor: by,
        user_id: Some(code.user_id.clone()),
        grant_id: Some(code.grant_id.clone()),
        what: Happened::CodeReplayed {
            client_id: code.client_id.clone(),
        },
    };
    audit::record(tx, &replayed).await?;
    let revoked = AuditEvent {
        actor: Actor::Broker,
        what: Happened::GrantRevoked {
            reason: RevocationReason::CodeReplayed,
        },
        ..replayed
    };
    audit::record(tx, &revoked).await?;
    Ok(true)
}

async fn find(
    connection: &mut AnyConnection,
    tenant_id: &TenantId,
    hash: &SecretHash,
) -> Result<Option<CodeRecord>, StoreError> {
    let row = sql(
        "select codes.request_id, codes.expires_at, codes.redeemed_at, codes.failures,
                requests.client_id, requests.grant_id, requests.decided_by, requests.redirect_uri,
                requests.code_challenge, requests.resource, requests.approved_details, requests.approved_until,
                requests.approved_prices, requests.revoke_when_used_up
         from authorization_codes codes
         join authorization_requests requests
           on requests.tenant_id = codes.tenant_id and requests.id = codes.request_id
         where codes.tenant_id = $1 and codes.hash = $2",
    )
    .bind(tenant_id)
    .bind(hash)
    .first(connection)
    .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<CodeRecord, StoreError> {
    Ok(CodeRecord {
        request_id: AuthorizationRequestId::new(row.text("request_id")?),
        client_id: ClientId::new(row.text("client_id")?),
        grant_id: GrantId::new(row.text("grant_id")?),
        user_id: UserId::new(row.text("decided_by")?),
        redirect_uri: row.text("redirect_uri")?,
        code_challenge: row.text("code_challenge")?,
        resource: row.maybe_text("resource")?,
        approved: read_approved(row)?,
        prices: row.maybe_text("approved_prices")?,
        expires_at: row.time("expires_at")?,
        redeemed_at: row.maybe_time("redeemed_at")?,
        failures: row.count("failures")?,
    })
}
