//! Grants: what users allowed clients, and the version that makes every change of it count.

use aipassport_domain::{
    audit::AuditEvent,
    consent::Approved,
    grant::Grant,
    ids::{GrantId, TenantId, UserId},
    time::Timestamp,
};

use crate::{ProviderCredential, Store, StoreError};

/// A grant with all that decides, besides the ledger, whether it admits a call: what the gateway
/// keeps until the grant's version moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveGrant {
    pub grant: Grant,
    pub client_disabled_at: Option<Timestamp>,
    pub user_suspended_at: Option<Timestamp>,
    /// Access tokens that were revoked one by one.
    pub revoked_jtis: Vec<String>,
    /// The user's newest credential at each provider.
    pub credentials: Vec<ProviderCredential>,
}

impl Store {
    pub async fn grant(&self, tenant_id: &TenantId, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        todo!("{tenant_id} {id}")
    }

    /// What the hot path keeps. All of it is at least as new as `grant.version` says.
    pub async fn live_grant(&self, tenant_id: &TenantId, id: &GrantId) -> Result<Option<LiveGrant>, StoreError> {
        todo!("{tenant_id} {id}")
    }

    /// Every grant of a user, newest first.
    pub async fn grants_of(&self, tenant_id: &TenantId, user_id: &UserId) -> Result<Vec<Grant>, StoreError> {
        todo!("{tenant_id} {user_id}")
    }

    /// Every grant, newest first.
    pub async fn grants(&self, tenant_id: &TenantId) -> Result<Vec<Grant>, StoreError> {
        todo!("{tenant_id}")
    }

    /// Revokes a grant and its refresh tokens, and returns it; `None` if there is none. Revoking it
    /// again changes nothing and writes no event.
    pub async fn revoke_grant(&self, id: &GrantId, event: &AuditEvent) -> Result<Option<Grant>, StoreError> {
        todo!("{id} {event:?}")
    }

    /// Pauses an active grant, and returns it as it is then; `None` if there is none. A grant that
    /// is paused or revoked stays so, and no event is written.
    pub async fn pause_grant(&self, id: &GrantId, event: &AuditEvent) -> Result<Option<Grant>, StoreError> {
        todo!("{id} {event:?}")
    }

    /// Ends a pause, and returns the grant as it is then; `None` if there is none. A grant that is
    /// active or revoked stays so, and no event is written.
    pub async fn resume_grant(&self, id: &GrantId, event: &AuditEvent) -> Result<Option<Grant>, StoreError> {
        todo!("{id} {event:?}")
    }

    /// Puts new details and a new end in force for the next admission, and returns the grant; what
    /// is used and held is kept. `None`, with nothing changed, if there is none or it is revoked.
    pub async fn change_grant(
        &self,
        id: &GrantId,
        changed: &Approved,
        event: &AuditEvent,
    ) -> Result<Option<Grant>, StoreError> {
        todo!("{id} {changed:?} {event:?}")
    }

    /// The present versions of those of the grants that exist.
    pub async fn versions(&self, tenant_id: &TenantId, ids: &[GrantId]) -> Result<Vec<(GrantId, i64)>, StoreError> {
        todo!("{tenant_id} {ids:?}")
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
        todo!("{grant_id} {jti} {expires_at} {event:?}")
    }
}
