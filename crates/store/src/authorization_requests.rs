//! Authorization requests: what clients ask for, until it is decided and redeemed.

use aipassport_domain::{
    audit::AuditEvent,
    consent::{Approved, AuthorizationRequest},
    grant::Grant,
    ids::{AuthorizationRequestId, GrantId, TenantId, UserId},
    time::Timestamp,
};

use crate::{NewCode, Store, StoreError};

/// A user's yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub by: UserId,
    pub approved: Approved,
}

impl Store {
    /// Writes a pending request down; its `state` is not looked at.
    pub async fn open_authorization_request(
        &self,
        request: &AuthorizationRequest,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        todo!("{request:?} {event:?}")
    }

    pub async fn authorization_request(
        &self,
        tenant_id: &TenantId,
        id: &AuthorizationRequestId,
    ) -> Result<Option<AuthorizationRequest>, StoreError> {
        todo!("{tenant_id} {id}")
    }

    /// The request that leads, or led, to this grant.
    pub async fn authorization_request_by_grant(
        &self,
        tenant_id: &TenantId,
        grant_id: &GrantId,
    ) -> Result<Option<AuthorizationRequest>, StoreError> {
        todo!("{tenant_id} {grant_id}")
    }

    /// The requests of the 0.2 surface that can still be decided at `now`, newest first, at most
    /// `limit`.
    pub async fn pending_grant_requests(
        &self,
        tenant_id: &TenantId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<AuthorizationRequest>, StoreError> {
        todo!("{tenant_id} {now} {limit}")
    }

    /// Approves a pending request and issues its code. `false`, with nothing changed, if it was
    /// decided before or has expired: of many deciders at once, one wins.
    pub async fn approve_request(
        &self,
        id: &AuthorizationRequestId,
        decision: &Decision,
        code: &NewCode,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        todo!("{id} {decision:?} {code:?} {event:?}")
    }

    /// Approves a pending request of the 0.2 surface and makes its grant at once. `None`, with
    /// nothing changed, if it was decided before or has expired.
    pub async fn approve_grant_request(
        &self,
        id: &AuthorizationRequestId,
        decision: &Decision,
        event: &AuditEvent,
    ) -> Result<Option<Grant>, StoreError> {
        todo!("{id} {decision:?} {event:?}")
    }

    /// Denies a pending request. `false`, with nothing changed, if it was decided before or has
    /// expired.
    pub async fn deny_request(
        &self,
        id: &AuthorizationRequestId,
        by: &UserId,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        todo!("{id} {by} {event:?}")
    }
}
