//! Provider credentials: the users' secrets at providers, sealed.

use aipassport_domain::{
    audit::AuditEvent,
    ids::{CredentialId, ProviderId, TenantId, UserId},
    secret::Sealed,
    time::Timestamp,
};

use crate::{Store, StoreError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderCredential {
    pub id: CredentialId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub provider: ProviderId,
    /// Where it is used, if not at the provider's own public address.
    pub base_url: Option<String>,
    pub sealed: Sealed,
    pub last_four: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    /// When the provider last said that it does not accept it.
    pub refused_at: Option<Timestamp>,
}

impl Store {
    /// Adds a credential; the newest one at a provider is the one that is used.
    pub async fn add_credential(&self, credential: &ProviderCredential, event: &AuditEvent) -> Result<(), StoreError> {
        todo!("{credential:?} {event:?}")
    }

    pub async fn credential(
        &self,
        tenant_id: &TenantId,
        id: &CredentialId,
    ) -> Result<Option<ProviderCredential>, StoreError> {
        todo!("{tenant_id} {id}")
    }

    /// Every credential of a user, newest first.
    pub async fn credentials_of(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
    ) -> Result<Vec<ProviderCredential>, StoreError> {
        todo!("{tenant_id} {user_id}")
    }

    /// The user's newest credential at a provider.
    pub async fn credential_for(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        provider: &ProviderId,
    ) -> Result<Option<ProviderCredential>, StoreError> {
        todo!("{tenant_id} {user_id} {provider}")
    }

    /// Removes a credential, sealed bytes and all. `false`, and no event, if there was none.
    pub async fn remove_credential(&self, id: &CredentialId, event: &AuditEvent) -> Result<bool, StoreError> {
        todo!("{id} {event:?}")
    }

    /// Notes that the provider refused the credential at the event's time. `false`, and no event,
    /// if that was known already or there is none.
    pub async fn mark_credential_refused(&self, id: &CredentialId, event: &AuditEvent) -> Result<bool, StoreError> {
        todo!("{id} {event:?}")
    }

    /// Notes that the credential was used at `now`, and so was not refused. May be repeated, and
    /// called less often than it is used.
    pub async fn mark_credential_used(
        &self,
        tenant_id: &TenantId,
        id: &CredentialId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        todo!("{tenant_id} {id} {now}")
    }
}
