//! Signing keys: the private part sealed, the public part as it is published.

use aipassport_domain::{
    audit::AuditEvent,
    ids::{KeyId, TenantId},
    secret::Sealed,
    time::Timestamp,
};

use crate::{Store, StoreError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    pub kid: KeyId,
    pub tenant_id: TenantId,
    /// As JSON.
    pub public_jwk: String,
    pub sealed_private_key: Sealed,
    pub state: SigningKeyState,
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyState {
    /// Published, not yet signing.
    Pending,
    Active,
    /// Verifies only.
    Retired,
    Revoked,
}

impl Store {
    pub async fn add_signing_key(&self, key: &SigningKey, event: &AuditEvent) -> Result<(), StoreError> {
        todo!("{key:?} {event:?}")
    }

    /// Every signing key, oldest first.
    pub async fn signing_keys(&self, tenant_id: &TenantId) -> Result<Vec<SigningKey>, StoreError> {
        todo!("{tenant_id}")
    }
}
