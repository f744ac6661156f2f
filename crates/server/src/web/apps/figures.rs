//! What an app has spent and holds, read from the ledger.

use aipassport_domain::{
    client::Client,
    grant::{Grant, GrantStatus},
    ids::{GrantId, ProviderId},
    ledger::{Account, Amount, Level, LimitState},
    money::Money,
    time::Period,
};
use aipassport_store::{CallPage, CallRecord, CallsOf, RefusalCount, StoreError};
use jiff::civil::Date;

use super::super::{
    app_words, charts,
    parts::{AppFace, Badge, Spend},
    words::{self, WallClock},
};
use crate::{app::App, browser_session::SignedIn};

/// How far back refusals are told of, and how many rows and kinds of them at most.
const REFUSAL_SECONDS: i64 = 30 * 86_400;
const MOST_MINUTES: u32 = 1_000;
const MOST_KINDS: usize = 20;

/// A grant and where it stands.
pub(in crate::web) struct Standing {
    pub(super) grant: Grant,
    pub(super) status: GrantStatus,
    pub(super) accounts: Vec<(ProviderId, Vec<LimitState>)>,
    /// The user's own limits above the grant's.
    above: Vec<LimitState>,
    pub(super) under_way: u32,
}

impl Standing {
    pub(in crate::web) async fn of(app: &App, grant: Grant) -> Result<Self, StoreError> {
        let now = app.clock.now();
        let accounts = app.store.accounts_of(&app.tenant_id, &grant.id).await?;
        let is_exhausted = accounts.iter().any(|(_, account)| account.is_exhausted(now));
        let above = app.store.accounts_above(&grant).await?;
        // What all users have used together is not for each of them to see.
        let above = above.iter().filter(|account| account.level() < Level::Tenant);
        Ok(Self {
            status: grant.status(is_exhausted, now),
            above: above.flat_map(|account| account.limits_at(now)).collect(),
            under_way: accounts.iter().map(|(_, account)| account.in_flight()).sum(),
            accounts: accounts
                .into_iter()
                .map(|(provider, account): (_, Account)| (provider, account.limits_at(now)))
                .collect(),
            grant,
        })
    }

    /// Whether it could do something again: it was not stopped, and its time is not over.
    pub(in crate::web) fn is_live(&self) -> bool {
        !matches!(self.status, GrantStatus::Revoked | GrantStatus::Expired)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.status == GrantStatus::Paused
    }

    pub(super) fn spends(&self, is_wanted: impl Fn(&LimitState) -> bool) -> Vec<Spend> {
        let is_one = self.accounts.len() == 1;
        let of_grant = self
            .states()
            .map(|(provider, state)| (state, (!is_one).then(|| words::provider(provider))));
        let above = self.above.iter().map(|state| (state, words::shared_by(state.level)));
        of_grant
            .chain(above)
            .filter(|(state, _)| is_wanted(state))
            .map(|(state, account)| Spend::of(state, account))
            .collect()
    }

    fn states(&self) -> impl Iterator<Item = (&ProviderId, &LimitState)> {
        self.accounts
            .iter()
            .flat_map(|(provider, states)| states.iter().map(move |state| (provider, state)))
    }

    /// What is held for calls under way. Every budget of an account holds the same.
    pub(super) fn held(&self) -> Money {
        let of_account = |states: &Vec<LimitState>| states.iter().find_map(|state| money(state.reserved));
        let held = self.accounts.iter().filter_map(|(_, states)| of_account(states));
        held.fold(Money::ZERO, Money::saturating_add)
    }

    /// The most it can cost in a month; `None` unless each of its accounts has a budget for one.
    pub(in crate::web) fn monthly_budget(&self) -> Option<Money> {
        let of_account = |states: &[LimitState]| {
            let monthly = states.iter().find(|state| state.window == Some(Period::MONTH))?;
            money(monthly.limit)
        };
        let budgets: Option<Vec<Money>> = self.accounts.iter().map(|(_, states)| of_account(states)).collect();
        Some(budgets?.into_iter().fold(Money::ZERO, Money::saturating_add))
    }
}

fn money(amount: Amount) -> Option<Money> {
    match amount {
        Amount::Money(money) => Some(money),
        Amount::Count(_) => None,
    }
}

/// Who an app says it is, from its client if that is still known.
pub(in crate::web) fn face(grant: &Grant, clients: &[Client]) -> AppFace {
    match clients.iter().find(|client| client.id == grant.client_id) {
        Some(client) => app_words::face(client),
        None => app_words::face_of(&grant.client_name, &grant.client_address, Badge::UNVERIFIED),
    }
}

/// What was spent on each day from `first` to today, by the user's clock.
pub(super) async fn spent_by_day(
    app: &App,
    signed_in: &SignedIn,
    grant_id: Option<&GrantId>,
    first: Date,
    clock: &WallClock,
) -> Result<Vec<(Date, Money)>, StoreError> {
    let days = charts::days_between(first, clock.today());
    let calls = grant_id.map_or(CallsOf::User(&signed_in.user.id), CallsOf::Grant);
    let (since, _) = clock.span_of(first);
    let spends = app
        .store
        .spend_by_day(&app.tenant_id, calls, since, &signed_in.user.time_zone)
        .await?;
    let spent_on = |day: Date| {
        let (start, _) = clock.span_of(day);
        spends
            .iter()
            .find(|spend| spend.day == start)
            .map_or(Money::ZERO, |spend| spend.cost)
    };
    Ok(days.into_iter().map(|day| (day, spent_on(day))).collect())
}

/// The newest calls of a grant, those under way among them.
pub(super) async fn last_calls(app: &App, grant_id: &GrantId, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
    let page = CallPage { before: None, limit };
    app.store
        .calls_of(&app.tenant_id, CallsOf::Grant(grant_id), &page)
        .await
}

/// What was refused lately: the same kind of call once, with how often and when last.
pub(super) async fn refusals(app: &App, grant_id: &GrantId) -> Result<Vec<RefusalCount>, StoreError> {
    let since = app.clock.now().plus_seconds(-REFUSAL_SECONDS);
    let by_minute = app
        .store
        .refusals_of(&app.tenant_id, grant_id, since, MOST_MINUTES)
        .await?;
    let mut kinds: Vec<RefusalCount> = Vec::new();
    // The newest minute comes first, so the first of a kind says when it was last refused.
    for refusal in by_minute {
        let same = |kind: &&mut RefusalCount| kind.rule == refusal.rule && kind.model == refusal.model;
        if let Some(kind) = kinds.iter_mut().find(same) {
            kind.count = kind.count.saturating_add(refusal.count);
        } else if kinds.len() < MOST_KINDS {
            kinds.push(refusal);
        }
    }
    Ok(kinds)
}
