//! What a grant has used, over its whole life.

use aipassport_domain::{grant::Grant, money::Money, time::Timestamp};
use aipassport_store::CallsOf;

use super::error::Error;
use crate::app::App;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) requests: u64,
    pub(super) spent: Money,
    /// Whether a budget or request cap is used up.
    pub(super) is_exhausted: bool,
}

impl Usage {
    pub(super) async fn of(app: &App, grant: &Grant, now: Timestamp) -> Result<Self, Error> {
        let days = app
            .store
            .spend_by_day(&grant.tenant_id, CallsOf::Grant(&grant.id), grant.created_at, "UTC")
            .await?;
        let accounts = app.store.accounts_of(&grant.tenant_id, &grant.id).await?;
        Ok(Self {
            requests: days.iter().map(|day| day.requests).sum(),
            spent: days
                .iter()
                .fold(Money::ZERO, |spent, day| spent.saturating_add(day.cost)),
            is_exhausted: accounts.iter().any(|(_, account)| account.is_exhausted(now)),
        })
    }
}
