//! Authorization codes: redeemed once, burnt by guessing, deadly when replayed.

use aipassport_domain::{
    audit::AuditEvent,
    consent::Approved,
    grant::Grant,
    ids::{AuthorizationRequestId, ClientId, GrantId, TenantId, UserId},
    secret::SecretHash,
    time::Timestamp,
};

use crate::{NewRefreshToken, Store, StoreError};

/// A code about to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCode {
    pub hash: SecretHash,
    pub expires_at: Timestamp,
}

/// A code and what it was issued for, to be checked before it is redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRecord {
    pub request_id: AuthorizationRequestId,
    pub client_id: ClientId,
    /// The id the grant will have, or has.
    pub grant_id: GrantId,
    /// Who approved.
    pub user_id: UserId,
    pub redirect_uri: String,
    pub code_challenge: String,
    pub resource: Option<String>,
    pub approved: Approved,
    pub expires_at: Timestamp,
    pub redeemed_at: Option<Timestamp>,
    /// Redemptions that failed a check.
    pub failures: u32,
}

impl CodeRecord {
    /// A code that failed so often is burnt.
    pub const MOST_FAILURES: u32 = 3;

    pub fn is_burnt(&self) -> bool {
        self.failures >= Self::MOST_FAILURES
    }
}

/// How redeeming a code ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redemption {
    Redeemed(Grant),
    /// It was redeemed before. All that came of it is revoked now, in this same transaction.
    Replayed,
    /// It is unknown, burnt or expired, its client is disabled or its user suspended.
    Gone,
}

impl Store {
    pub async fn code(&self, tenant_id: &TenantId, hash: &SecretHash) -> Result<Option<CodeRecord>, StoreError> {
        todo!("{tenant_id} {hash:?}")
    }

    /// Counts a redemption by `client_id` that failed a check, with its audit event. `true` once
    /// the code is burnt.
    pub async fn count_code_failure(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
        client_id: &ClientId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        todo!("{tenant_id} {hash:?} {client_id} {now}")
    }

    /// Redeems a code: consumes it, marks its request redeemed, makes the grant that was approved,
    /// opens its accounts and stores the refresh token, all or nothing. Of many redemptions at
    /// once one wins; each of the others is a replay, which revokes what the winner got.
    ///
    /// The caller has checked client, redirect URI and code verifier before.
    pub async fn redeem_code(
        &self,
        hash: &SecretHash,
        refresh_token: Option<&NewRefreshToken>,
        event: &AuditEvent,
    ) -> Result<Redemption, StoreError> {
        todo!("{hash:?} {refresh_token:?} {event:?}")
    }

    /// Revokes all that came of a redeemed code, with its audit events. May be repeated. `false` if
    /// there was nothing left to revoke.
    pub async fn replay_code(
        &self,
        tenant_id: &TenantId,
        hash: &SecretHash,
        client_id: &ClientId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        todo!("{tenant_id} {hash:?} {client_id} {now}")
    }
}
