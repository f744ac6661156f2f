//! A grant as programs are shown it, with where each of its limits stands: by the API and by the
//! command line.

use aipassport_domain::{
    audit::PauseReason,
    authorization_details::AiAccess,
    grant::{Grant, GrantState, GrantStatus},
    ids::{ClientId, GrantId, ProviderId, UserId},
    ledger::{Account, Amount, Level, LimitRule, LimitState},
    time::{Period, Timestamp},
};
use aipassport_store::{Store, StoreError};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct GrantView {
    pub id: GrantId,
    pub status: GrantStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_reason: Option<PauseReason>,
    pub user_id: UserId,
    pub client_id: ClientId,
    pub client_name: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub authorization_details: Vec<AiAccess>,
    pub limits: Vec<LimitView>,
}

/// Where one limit stands, as in `/passport/self`.
#[derive(Debug, Serialize)]
pub struct LimitView {
    /// Missing above grants: there it is of all providers together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderId>,
    pub rule: LimitRule,
    /// Whose limit it is.
    pub level: Level,
    pub limit: Amount,
    pub used: Amount,
    pub reserved: Amount,
    pub left: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<&'static str>,
    /// `None` is the whole life.
    pub window: Option<Period>,
    pub resets_at: Option<Timestamp>,
}

impl GrantView {
    /// Reads the accounts of `grant` and says where it stands at `now`. Those above it are not here:
    /// introspection shows this to the app, which is not to know what others have used.
    pub async fn load(store: &Store, grant: Grant, now: Timestamp) -> Result<Self, StoreError> {
        let accounts = store.accounts_of(&grant.tenant_id, &grant.id).await?;
        let is_exhausted = accounts.iter().any(|(_, account)| account.is_exhausted(now));
        Ok(Self {
            status: grant.status(is_exhausted, now),
            pause_reason: match grant.state {
                GrantState::Paused { reason, .. } => Some(reason),
                _ => None,
            },
            id: grant.id,
            user_id: grant.user_id,
            client_id: grant.client_id,
            client_name: grant.client_name,
            created_at: grant.created_at,
            expires_at: grant.expires_at,
            authorization_details: grant.authorization_details,
            limits: accounts
                .iter()
                .flat_map(|(provider, account)| limits(Some(provider), account, now))
                .collect(),
        })
    }
}

/// Where every limit of one account stands at `now`.
pub fn limits(provider: Option<&ProviderId>, account: &Account, now: Timestamp) -> Vec<LimitView> {
    let view = |state: LimitState| LimitView {
        provider: provider.cloned(),
        rule: state.rule,
        level: state.level,
        left: state.left(),
        limit: state.limit,
        used: state.used,
        reserved: state.reserved,
        currency: (state.rule == LimitRule::Budget).then_some("USD"),
        window: state.window,
        resets_at: state.resets_at,
    };
    account.limits_at(now).into_iter().map(view).collect()
}
