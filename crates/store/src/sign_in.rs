//! Signing in: browser sessions, bearers for the API, and the failures that slow guessing down.

use aipassport_domain::{
    audit::AuditEvent,
    ids::{TenantId, UserId},
    secret::SecretHash,
    time::Timestamp,
};

use crate::{Store, StoreError, User};

/// A signed-in browser. It ends 30 minutes after it was last seen and 12 hours after it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSession {
    /// Of its cookie.
    pub hash: SecretHash,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub started_at: Timestamp,
    pub last_seen_at: Timestamp,
}

impl BrowserSession {
    pub const IDLE_SECONDS: i64 = 30 * 60;
    pub const LONGEST_SECONDS: i64 = 12 * 60 * 60;
}

/// A bearer for `/api`, made by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    pub hash: SecretHash,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Starts a browser session and ends the one it `replaces`, so that an identifier planted
    /// before sign-in is worth nothing after it.
    pub async fn start_browser_session(
        &self,
        session: &BrowserSession,
        replaces: Option<&SecretHash>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        todo!("{session:?} {replaces:?} {event:?}")
    }

    /// The session and its user, unless it has ended by `now` or the user is suspended.
    pub async fn browser_session(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<(BrowserSession, User)>, StoreError> {
        todo!("{tenant_id} {hash:?} {now}")
    }

    /// Notes that the session was seen at `now`. May be repeated, and called less often than it is
    /// seen: callers need one a minute.
    pub async fn touch_browser_session(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        todo!("{tenant_id} {hash:?} {now}")
    }

    /// Ends a session. `false`, and no event, if there was none.
    pub async fn end_browser_session(&self, hash: &SecretHash, event: &AuditEvent) -> Result<bool, StoreError> {
        todo!("{hash:?} {event:?}")
    }

    /// How often signing in as `name_key` has failed since `since`.
    pub async fn sign_in_failures(
        &self,
        tenant_id: &TenantId,
        name_key: &str,
        since: Timestamp,
    ) -> Result<u64, StoreError> {
        todo!("{tenant_id} {name_key} {since}")
    }

    pub async fn record_sign_in_failure(&self, name_key: &str, event: &AuditEvent) -> Result<(), StoreError> {
        todo!("{name_key} {event:?}")
    }

    pub async fn clear_sign_in_failures(&self, tenant_id: &TenantId, name_key: &str) -> Result<(), StoreError> {
        todo!("{tenant_id} {name_key}")
    }

    pub async fn issue_api_token(&self, token: &ApiToken, event: &AuditEvent) -> Result<(), StoreError> {
        todo!("{token:?} {event:?}")
    }

    /// The user of a bearer, unless it has expired by `now` or the user is suspended.
    pub async fn user_by_api_token(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        todo!("{tenant_id} {hash:?} {now}")
    }
}
