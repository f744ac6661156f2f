//! Users: accounts that sign in.

use aipassport_domain::{
    audit::AuditEvent,
    ids::{TenantId, UserId},
    time::Timestamp,
};

use crate::{Store, StoreError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub tenant_id: TenantId,
    /// Unique in its tenant, to the byte.
    pub name: String,
    /// In PHC format; `None` for a user who cannot sign in with a password.
    pub password_hash: Option<String>,
    pub is_admin: bool,
    /// An IANA name; the windows of the user's limits follow its clock.
    pub time_zone: String,
    pub created_at: Timestamp,
    pub suspended_at: Option<Timestamp>,
}

impl Store {
    /// Adds a user; [`StoreError::Taken`] if the name is in use.
    pub async fn add_user(&self, user: &User, event: &AuditEvent) -> Result<(), StoreError> {
        todo!("{user:?} {event:?}")
    }

    pub async fn user(&self, tenant_id: &TenantId, id: &UserId) -> Result<Option<User>, StoreError> {
        todo!("{tenant_id} {id}")
    }

    pub async fn user_by_name(&self, tenant_id: &TenantId, name: &str) -> Result<Option<User>, StoreError> {
        todo!("{tenant_id} {name}")
    }

    /// Every user, by name.
    pub async fn users(&self, tenant_id: &TenantId) -> Result<Vec<User>, StoreError> {
        todo!("{tenant_id}")
    }

    /// Sets the password and ends every browser session of the user. `false` if there is no such
    /// user.
    pub async fn set_password(&self, id: &UserId, password_hash: &str, event: &AuditEvent) -> Result<bool, StoreError> {
        todo!("{id} {password_hash} {event:?}")
    }
}
