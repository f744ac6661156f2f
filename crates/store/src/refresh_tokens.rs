//! Refresh tokens: each is used once, and using one again ends its grant.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened, RevocationReason},
    grant::Grant,
    ids::{ClientId, GrantId, TenantId, TokenFamilyId},
    secret::SecretHash,
    time::Timestamp,
};

use sqlx::AnyConnection;

use crate::{
    Store, StoreError, audit, grants,
    single_use::Use,
    sql::{Row, Transaction, sql},
};

/// A refresh token about to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRefreshToken {
    pub hash: SecretHash,
    /// Its idle end; the store never lets it outlive its grant.
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    pub hash: SecretHash,
    pub grant_id: GrantId,
    pub client_id: ClientId,
    pub family_id: TokenFamilyId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// When it was exchanged for its successor.
    pub rotated_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// How rotating a refresh token ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The new token, in force.
    Rotated(RefreshToken),
    /// The old one had been used before: its grant is revoked now, in this same transaction.
    Reused,
    /// It is unknown, expired or revoked, or its grant, client or user is no longer in force.
    Gone,
}

impl Store {
    pub async fn refresh_token(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
    ) -> Result<Option<RefreshToken>, StoreError> {
        let mut connection = self.pool().acquire().await?;
        find(&mut connection, tenant_id, hash).await
    }

    /// Exchanges a refresh token for a new one of the same family. Of many rotations at once one
    /// wins; each of the others is a reuse, so that two branches never live.
    ///
    /// The caller has checked that the token is the client's.
    pub async fn rotate_refresh_token(
        &self,
        old: &SecretHash,
        new: &NewRefreshToken,
        event: &AuditEvent,
    ) -> Result<Rotation, StoreError> {
        let (tenant_id, now) = (&event.tenant_id, event.at);
        let mut tx = self.begin_write().await?;
        let Some(token) = find(&mut tx, tenant_id, old).await? else {
            return Ok(Rotation::Gone);
        };
        // Grant first, token second, as in revoking: neither can slip between the steps of the
        // other, nor can the two wait for each other.
        let Some(grant) = grants::hold_in_force(&mut tx, tenant_id, &token.grant_id, now).await? else {
            return Ok(Rotation::Gone);
        };

        let used = sql("update refresh_tokens set rotated_at = $3
             where tenant_id = $1 and hash = $2 and rotated_at is null and revoked_at is null")
        .bind(tenant_id)
        .bind(old)
        .bind(now)
        .changed(&mut *tx)
        .await?;
        match token.used(used, now) {
            Use::First => {}
            Use::Again => {
                revoke_all_of(&mut tx, &grant, event).await?;
                tx.commit().await?;
                return Ok(Rotation::Reused);
            }
            Use::Over => return Ok(Rotation::Gone),
        }
        let issued = issue(&mut tx, &grant, &token.family_id, new, now).await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(Rotation::Rotated(issued))
    }
}

/// Stores a refresh token of `grant`, and never lets it outlive that.
pub(crate) async fn issue(
    tx: &mut Transaction,
    grant: &Grant,
    family_id: &TokenFamilyId,
    new: &NewRefreshToken,
    now: Timestamp,
) -> Result<RefreshToken, StoreError> {
    let expires_at = new.expires_at.min(grant.expires_at);
    sql(
        "insert into refresh_tokens (tenant_id, hash, grant_id, family_id, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&grant.tenant_id)
    .bind(&new.hash)
    .bind(&grant.id)
    .bind(family_id)
    .bind(now)
    .bind(expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(RefreshToken {
        hash: new.hash.clone(),
        grant_id: grant.id.clone(),
        client_id: grant.client_id.clone(),
        family_id: family_id.clone(),
        created_at: now,
        expires_at,
        rotated_at: None,
        revoked_at: None,
    })
}

/// Revokes a grant in force, and with it all its tokens, because one of them was used again.
async fn revoke_all_of(tx: &mut Transaction, grant: &Grant, event: &AuditEvent) -> Result<(), StoreError> {
    grants::revoke(tx, &grant.tenant_id, &grant.id, event.at).await?;
    let reused = AuditEvent {
        user_id: Some(grant.user_id.clone()),
        grant_id: Some(grant.id.clone()),
        what: Happened::RefreshTokenReused {
            client_id: grant.client_id.clone(),
        },
        ..event.clone()
    };
    audit::record(tx, &reused).await?;
    let revoked = AuditEvent {
        actor: Actor::Broker,
        what: Happened::GrantRevoked {
            reason: RevocationReason::RefreshTokenReused,
        },
        ..reused
    };
    audit::record(tx, &revoked).await
}

async fn find(
    connection: &mut AnyConnection,
    tenant_id: &TenantId,
    hash: &SecretHash,
) -> Result<Option<RefreshToken>, StoreError> {
    let row = sql(
        "select tokens.hash, tokens.grant_id, tokens.family_id, tokens.created_at, tokens.expires_at,
                tokens.rotated_at, tokens.revoked_at, grants.client_id
         from refresh_tokens tokens
         join grants on grants.tenant_id = tokens.tenant_id and grants.id = tokens.grant_id
         where tokens.tenant_id = $1 and tokens.hash = $2",
    )
    .bind(tenant_id)
    .bind(hash)
    .first(connection)
    .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<RefreshToken, StoreError> {
    Ok(RefreshToken {
        hash: row.hash("hash")?,
        grant_id: GrantId::new(row.text("grant_id")?),
        client_id: ClientId::new(row.text("client_id")?),
        family_id: TokenFamilyId::new(row.text("family_id")?),
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        rotated_at: row.maybe_time("rotated_at")?,
        revoked_at: row.maybe_time("revoked_at")?,
    })
}
