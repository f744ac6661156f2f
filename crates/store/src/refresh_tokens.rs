//! Refresh tokens: each is used once, and using one again ends its grant.

use aipassport_domain::{
    audit::AuditEvent,
    ids::{ClientId, GrantId, TenantId, TokenFamilyId},
    secret::SecretHash,
    time::Timestamp,
};

use crate::{Store, StoreError};

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
        todo!("{tenant_id} {hash:?}")
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
        todo!("{old:?} {new:?} {event:?}")
    }
}
