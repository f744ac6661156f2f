//! The audit log: events in the order in which they were written, never changed.

use aipassport_domain::{
    audit::AuditEvent,
    ids::{TenantId, UserId},
};

use crate::{Page, Store, StoreError};

/// An event and its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Rises with every event; has gaps.
    pub sequence: i64,
    pub event: AuditEvent,
}

impl Store {
    /// Writes an event that describes no change of the store's.
    pub async fn append(&self, event: &AuditEvent) -> Result<(), StoreError> {
        todo!("{event:?}")
    }

    /// A user's own events, newest first.
    pub async fn events_of(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        page: Page,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        todo!("{tenant_id} {user_id} {page:?}")
    }

    /// Every event after `after`, oldest first, at most `limit`: for exports, which begin with 0
    /// and go on after the last sequence they were given.
    pub async fn events(&self, tenant_id: &TenantId, after: i64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        todo!("{tenant_id} {after} {limit}")
    }
}
