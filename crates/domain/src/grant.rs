//! Grants: the stored record of what a user allowed a client.

use crate::{
    audit::PauseReason,
    authorization_details::AiAccess,
    ids::{ClientId, GrantId, ProviderId, TenantId, UserId},
    policy::Denial,
    time::Timestamp,
};

/// What a user has allowed a client to do, until it expires or is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub client_id: ClientId,
    pub client_name: String,
    pub client_address: String,
    /// One per provider, at least one; models are never left open.
    pub authorization_details: Vec<AiAccess>,
    /// Whether it is revoked when its money is used up: a budget for its whole life, not one that
    /// starts anew.
    pub revoke_when_used_up: bool,
    pub state: GrantState,
    /// Raised by every change of the grant, and of its user, client, tokens or credentials. The
    /// ledger admits a call only if it was decided on the present version.
    pub version: i64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    Active,
    Paused { at: Timestamp, reason: PauseReason },
    Revoked { at: Timestamp },
}

/// What pages, the API and the 0.2 surface call the state of a grant or of the request for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantStatus {
    Pending,
    Approved,
    Denied,
    Revoked,
    Expired,
    Exhausted,
    Paused,
}

impl GrantStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::Paused => "paused",
        }
    }
}

impl Grant {
    /// Checks that the grant can still be used at `now`.
    pub fn check_active(&self, now: Timestamp) -> Result<(), Denial> {
        match self.state {
            GrantState::Revoked { .. } => Err(Denial::GrantRevoked),
            GrantState::Paused { reason, .. } => Err(match reason {
                PauseReason::ByUser => Denial::GrantPaused,
                PauseReason::PriceRise => Denial::PriceRisen,
            }),
            GrantState::Active if now >= self.expires_at => Err(Denial::GrantExpired),
            GrantState::Active => Ok(()),
        }
    }

    /// The status to show; `is_exhausted` is the ledger's word.
    pub fn status(&self, is_exhausted: bool, now: Timestamp) -> GrantStatus {
        match self.state {
            GrantState::Revoked { .. } => GrantStatus::Revoked,
            GrantState::Paused { .. } => GrantStatus::Paused,
            GrantState::Active if now >= self.expires_at => GrantStatus::Expired,
            GrantState::Active if is_exhausted => GrantStatus::Exhausted,
            GrantState::Active => GrantStatus::Approved,
        }
    }

    pub fn access_to(&self, provider: &ProviderId) -> Option<&AiAccess> {
        self.authorization_details
            .iter()
            .find(|access| &access.provider == provider)
    }
}
