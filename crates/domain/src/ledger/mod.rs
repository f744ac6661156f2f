//! What is left: an account for each grant and provider, and for each app, user and tenant that has
//! limits of its own; and the one decision whether a call fits into all that apply.
//!
//! An [`Account`] is plain data. The store loads those that apply to a call, [reserves](reserve) on
//! all of them or none, and writes them back in the same transaction, so that the whole decision
//! (budget, request cap, rate, concurrency, at every [`Level`]) is atomic and durable; nothing here
//! knows how. For every counter, `used + reserved <= limit` at every moment, unless the user has
//! lowered the limit below what was spent.

mod admission;
mod alert;
mod counter;
mod level;
mod limit;
mod rate;

use serde::{Deserialize, Serialize};

pub use self::{
    admission::{Refused, reserve},
    alert::Alert,
    counter::Counter,
    level::Level,
    limit::{Amount, LimitReached, LimitRule, LimitState},
};
use self::{
    counter::{money, nanos},
    rate::RateCounter,
};
use crate::{
    audit::CallOutcome,
    ids::{CallId, ClientId, GrantId, ProviderId, TenantId, UserId},
    limits::{Limits, Window},
    money::Money,
    policy::Permit,
    time::{Timestamp, zone_named},
    usage::{TruthLabel, Usage},
};

/// The limits of one grant at one provider, of an app, of a user or of a tenant, and how much of each
/// is used and held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    #[serde(default, skip_serializing_if = "Level::is_grant")]
    level: Level,
    time_zone: String,
    /// The latest time seen: a clock that steps back refills nothing.
    latest: i64,
    budgets: Vec<Counter>,
    requests: Vec<Counter>,
    rates: Vec<RateCounter>,
    concurrency: Option<u32>,
    in_flight: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
}

/// A window that was not counted before; the store sums up the calls admitted `since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncounted {
    pub rule: LimitRule,
    pub per: Window,
    pub since: Timestamp,
}

impl Uncounted {
    fn of(rule: LimitRule, counter: &Counter) -> Self {
        Self {
            rule,
            per: counter.per,
            since: Timestamp::from_millis(counter.window_start),
        }
    }
}

/// A hold on an account, made from a permit and durable before anybody else sees it.
///
/// Only [`reserve`] makes one, so that nothing is forwarded that is not held.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reservation {
    pub permit: Permit,
    pub held: Held,
    /// The output cap to write into the forwarded request.
    pub output_cap: u64,
    /// What is left beside this hold and the others, for the headers of the answer.
    pub left: Left,
}

/// Where the tightest limits stand right after a call was admitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// The least that is left of any budget; `None` where there is none.
    pub budget: Option<Money>,
    /// The rate with the fewest requests left, of those that are the app's own.
    pub rate: Option<LimitState>,
}

impl Reservation {
    /// Gives the whole hold back: nothing was sent.
    pub fn released(&self) -> Settlement {
        Settlement {
            call_id: self.permit.call_id().clone(),
            tenant_id: self.permit.tenant_id().clone(),
            user_id: self.permit.user_id().clone(),
            client_id: self.permit.client_id().clone(),
            grant_id: self.permit.grant_id().clone(),
            provider: self.permit.provider().clone(),
            cost: Money::ZERO,
            label: TruthLabel::Derived,
            outcome: CallOutcome::NotSent,
            usage: Usage::default(),
            price_digest: String::new(),
        }
    }
}

/// What a call holds until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub amount: Money,
    /// When it was admitted, by the account's own clock; names the windows it counts in.
    pub at: Timestamp,
}

/// How a call ended and what it cost: replaces the hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub call_id: CallId,
    /// These name the accounts that hold.
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub client_id: ClientId,
    pub grant_id: GrantId,
    pub provider: ProviderId,
    pub cost: Money,
    pub label: TruthLabel,
    pub outcome: CallOutcome,
    pub usage: Usage,
    /// The snapshot the cost was worked out with; empty where none was needed.
    pub price_digest: String,
}

impl Settlement {
    /// A refused or failed call consumes no request.
    pub fn counts_as_request(&self) -> bool {
        self.cost > Money::ZERO || self.outcome == CallOutcome::Completed
    }
}

impl Account {
    pub fn open(level: Level, limits: &Limits, time_zone: &str) -> Self {
        let mut account = Self {
            level,
            time_zone: time_zone.to_owned(),
            ..Self::default()
        };
        account.put_limits(limits);
        account
    }

    /// Puts `limits` in force for the next admission, and keeps what is used and held.
    ///
    /// Returns the windows that were not counted before; the caller fills them from the calls that
    /// fall into them with [`Account::fill`], so that balances keep equalling rows. A rate of a new
    /// length counts from now on.
    pub fn set_limits(&mut self, limits: &Limits, now: Timestamp) -> Vec<Uncounted> {
        self.roll(now);
        let windows: Vec<(LimitRule, Window)> = self.counters().map(|(rule, counter)| (rule, counter.per)).collect();
        self.put_limits(limits);
        self.roll(now);
        self.counters()
            .filter(|(rule, counter)| !windows.contains(&(*rule, counter.per)))
            .map(|(rule, counter)| Uncounted::of(rule, counter))
            .collect()
    }

    /// Has the windows follow the clock of another zone from `now` on, and returns those that now
    /// begin elsewhere, empty; the caller fills them as in [`Account::set_limits`].
    pub fn move_to(&mut self, time_zone: &str, now: Timestamp) -> Vec<Uncounted> {
        let now = self.roll(now);
        time_zone.clone_into(&mut self.time_zone);
        let zone = zone_named(time_zone);
        let mut moved = Vec::new();
        let budgets = self.budgets.iter_mut().map(|counter| (LimitRule::Budget, counter));
        let requests = self.requests.iter_mut().map(|counter| (LimitRule::Requests, counter));
        for (rule, counter) in budgets.chain(requests) {
            if counter.move_to(&zone, now) {
                moved.push(Uncounted::of(rule, counter));
            }
        }
        moved
    }

    /// Sets what a newly counted window already holds.
    pub fn fill(&mut self, window: &Uncounted, used: u64, reserved: u64) {
        let counters = match window.rule {
            LimitRule::Budget => &mut self.budgets,
            _ => &mut self.requests,
        };
        if let Some(counter) = counters.iter_mut().find(|counter| counter.per == window.per) {
            counter.fill(used, reserved);
        }
    }

    /// Sets how many calls are under way, for an account that is opened while there are some.
    pub fn fill_in_flight(&mut self, calls: u32) {
        self.in_flight = calls;
    }

    fn put_limits(&mut self, limits: &Limits) {
        let budgets = limits.budget.iter().map(|(per, amount)| (*per, nanos(*amount)));
        put_counters(&mut self.budgets, budgets);
        put_counters(
            &mut self.requests,
            limits.requests.iter().map(|(per, max)| (*per, *max)),
        );

        let before = std::mem::take(&mut self.rates);
        self.rates = limits
            .rate
            .iter()
            .map(|(per, limit)| {
                let same = before.iter().find(|rate| rate.per == *per);
                same.map_or_else(|| RateCounter::new(*per, *limit), |same| same.limited_to(*limit))
            })
            .collect();
        self.concurrency = limits.concurrency;
        self.output_tokens = limits.output_tokens_per_request;
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        let rates = self.rates.iter();
        Limits {
            requests: self.requests.iter().map(|cap| (cap.per, cap.limit)).collect(),
            budget: self
                .budgets
                .iter()
                .map(|budget| (budget.per, money(budget.limit)))
                .collect(),
            rate: rates.map(|rate| (rate.per, rate.limit)).collect(),
            concurrency: self.concurrency,
            output_tokens_per_request: self.output_tokens,
        }
    }

    /// As [`reserve`], where this is the only account that applies.
    pub fn reserve(&mut self, permit: Permit, now: Timestamp) -> Result<Reservation, LimitReached> {
        reserve(&mut [self], permit, now).map_err(|refused| refused.limit)
    }

    /// Replaces the hold of one call with its cost, in the windows in which it was admitted, and
    /// returns what the user is to be told.
    ///
    /// Not repeatable by itself: the store takes the call's row as the one that decides whether it
    /// was settled before.
    pub fn settle(&mut self, held: Held, cost: Money, counts_as_request: bool) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for budget in &mut self.budgets {
            if budget.settle(held.at, nanos(held.amount), nanos(cost)) {
                alerts.push(budget.alert(self.level, LimitRule::Budget));
            }
        }
        for requests in &mut self.requests {
            if requests.settle(held.at, 1, u64::from(counts_as_request)) {
                alerts.push(requests.alert(self.level, LimitRule::Requests));
            }
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        alerts
    }

    /// Where every limit stands at `now`.
    pub fn limits_at(&self, now: Timestamp) -> Vec<LimitState> {
        let mut account = self.clone();
        let now = account.roll(now);
        let mut states: Vec<LimitState> = account
            .counters()
            .map(|(rule, counter)| counter.state(self.level, rule))
            .collect();
        states.extend(account.rates.iter().map(|rate| rate.state(self.level, now)));
        states.extend(account.concurrency_state());
        states
    }

    /// Whether a budget or request cap is used up, holds aside: nothing is left of it, or a remnant
    /// (less than a twentieth) that a call did not fit into.
    pub fn is_exhausted(&self, now: Timestamp) -> bool {
        let mut account = self.clone();
        account.roll(now);
        account.counters().any(|(_, counter)| counter.is_exhausted())
    }

    /// Whether all of a grant's budget for its whole life is used: no new window will bring money.
    pub fn is_used_up_for_good(&self) -> bool {
        self.level.is_grant() && self.budgets.iter().any(Counter::is_used_up_for_good)
    }

    pub fn level(&self) -> Level {
        self.level
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Budgets and request caps as they are counted, for the invariant check.
    pub fn counters(&self) -> impl Iterator<Item = (LimitRule, &Counter)> {
        let budgets = self.budgets.iter().map(|counter| (LimitRule::Budget, counter));
        budgets.chain(self.requests.iter().map(|counter| (LimitRule::Requests, counter)))
    }

    /// Moves every window that has ended on to the one that holds `now`; never back.
    fn roll(&mut self, now: Timestamp) -> Timestamp {
        let now = now.max(self.latest());
        self.latest = now.millis();
        for counter in self.budgets.iter_mut().chain(&mut self.requests) {
            counter.roll(now, || zone_named(&self.time_zone));
        }
        for rate in &mut self.rates {
            rate.forget(now);
        }
        now
    }

    fn latest(&self) -> Timestamp {
        Timestamp::from_millis(self.latest)
    }

    fn concurrency_state(&self) -> Option<LimitState> {
        self.concurrency.map(|limit| LimitState {
            level: self.level,
            rule: LimitRule::Concurrency,
            limit: Amount::Count(limit.into()),
            used: Amount::Count(self.in_flight.into()),
            reserved: Amount::Count(0),
            window: None,
            resets_at: None,
        })
    }
}

/// The same windows go on counting under their new limits; the others begin empty.
fn put_counters(counters: &mut Vec<Counter>, limits: impl Iterator<Item = (Window, u64)>) {
    let before = std::mem::take(counters);
    *counters = limits
        .map(|(per, limit)| {
            let same = before.iter().find(|counter| counter.per == per);
            same.map_or_else(|| Counter::new(per, limit), |same| same.limited_to(limit))
        })
        .collect();
}

#[cfg(test)]
mod tests;
