//! An alert as programs are shown it: by the API, and at the addresses users gave.

use aipassport_domain::{
    ids::{ClientId, GrantId, ProviderId},
    ledger::{Amount, Level, LimitRule},
    time::{Period, Timestamp},
};
use aipassport_store::{AccountOf, AlertRecord, LimitsOf};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct AlertView {
    pub id: String,
    /// In percent.
    pub threshold: u8,
    pub level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<GrantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderId>,
    pub rule: LimitRule,
    pub limit: Amount,
    pub used: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<&'static str>,
    /// `None` is the whole life.
    pub window: Option<Period>,
    pub resets_at: Option<Timestamp>,
    pub at: Timestamp,
}

impl From<AlertRecord> for AlertView {
    fn from(alert: AlertRecord) -> Self {
        let (level, grant_id, client_id, provider) = match alert.account {
            AccountOf::Grant(grant_id, provider) => (Level::Grant, Some(grant_id), None, Some(provider)),
            AccountOf::Above(LimitsOf::App { client_id, .. }) => (Level::App, None, Some(client_id), None),
            AccountOf::Above(of) => (of.level(), None, None, None),
        };
        Self {
            id: alert.id,
            threshold: alert.threshold,
            level,
            grant_id,
            client_id,
            provider,
            rule: alert.rule,
            limit: alert.limit,
            used: alert.used,
            currency: (alert.rule == LimitRule::Budget).then_some("USD"),
            window: alert.window,
            resets_at: alert.resets_at,
            at: alert.at,
        }
    }
}
