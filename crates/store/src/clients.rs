//! Clients: the software that asks for access.

use aipassport_domain::{
    audit::AuditEvent,
    client::Client,
    ids::{ClientId, TenantId},
};

use crate::{Store, StoreError};

impl Store {
    /// Adds a client; [`StoreError::Taken`] if its id is in use.
    pub async fn add_client(&self, client: &Client, event: &AuditEvent) -> Result<(), StoreError> {
        todo!("{client:?} {event:?}")
    }

    pub async fn client(&self, tenant_id: &TenantId, id: &ClientId) -> Result<Option<Client>, StoreError> {
        todo!("{tenant_id} {id}")
    }

    /// Every client, newest first.
    pub async fn clients(&self, tenant_id: &TenantId) -> Result<Vec<Client>, StoreError> {
        todo!("{tenant_id}")
    }

    /// Disables a client: from here on none of its grants admits a call, and none of its codes and
    /// refresh tokens is redeemed. `false`, and no event, if it is unknown or was disabled before.
    pub async fn disable_client(&self, id: &ClientId, event: &AuditEvent) -> Result<bool, StoreError> {
        todo!("{id} {event:?}")
    }
}
