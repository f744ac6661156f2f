//! What is left: one account for each grant and provider, and the one decision whether a call fits.
//!
//! An [`Account`] is plain data. The store loads it, asks it, and writes it back in the same
//! transaction, so that the whole decision (budget, request cap, rate, concurrency) is atomic and
//! durable; nothing here knows how. For every counter, `used + reserved <= limit` at every moment,
//! unless the user has lowered the limit below what was spent.

mod counter;
mod limit;
mod rate;

use serde::{Deserialize, Serialize};

pub use self::{
    counter::Counter,
    limit::{Amount, LimitReached, LimitRule, LimitState},
};
use self::{
    counter::{money, nanos},
    rate::RateCounter,
};
use crate::{
    audit::CallOutcome,
    ids::{CallId, GrantId, ProviderId, TenantId},
    limits::{Limits, Window},
    money::{CostSum, Money, Rate},
    policy::{CostCeiling, OutputCap, Permit},
    time::{Timestamp, zone_named},
    usage::{TruthLabel, Usage},
};

/// A smaller answer than this is of no use to anyone, so no budget is stretched to pay for one.
const FEWEST_OUTPUT_TOKENS: u64 = 16;

/// The limits of one grant at one provider, and how much of each is used and held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    time_zone: String,
    /// The latest time seen: a clock that steps back refills nothing.
    latest: i64,
    budgets: Vec<Counter>,
    requests: Vec<Counter>,
    rates: Vec<RateCounter>,
    concurrency: Option<u32>,
    in_flight: u32,
}

/// A window that was not counted before; the store sums up the calls admitted `since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncounted {
    pub rule: LimitRule,
    pub per: Window,
    pub since: Timestamp,
}

/// A hold on an account, made from a permit and durable before anybody else sees it.
///
/// Only [`Account::reserve`] makes one, so that nothing is forwarded that is not held.
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
    /// The rate with the fewest requests left.
    pub rate: Option<LimitState>,
}

impl Reservation {
    /// Gives the whole hold back: nothing was sent.
    pub fn released(&self) -> Settlement {
        Settlement {
            call_id: self.permit.call_id().clone(),
            tenant_id: self.permit.tenant_id().clone(),
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
    pub tenant_id: TenantId,
    /// With `provider`, the account that holds.
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
    pub fn open(limits: &Limits, time_zone: &str) -> Self {
        let mut account = Self {
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
            .map(|(rule, counter)| Uncounted {
                rule,
                per: counter.per,
                since: Timestamp::from_millis(counter.window_start),
            })
            .collect()
    }

    /// Sets what a newly counted window already holds.
    pub fn fill(&mut self, window: &Uncounted, used: u64, reserved: u64) {
        let counters = match window.rule {
            LimitRule::Budget => &mut self.budgets,
            _ => &mut self.requests,
        };
        if let Some(counter) = counters.iter_mut().find(|counter| counter.per == window.per) {
            (counter.used, counter.reserved) = (used, reserved);
            counter.most = counter.limit.max(used.saturating_add(reserved));
        }
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
    }

    /// Holds what `permit` can cost at most, or holds nothing and says which limit is reached.
    ///
    /// Calls themselves are rows of the store's; the account counts them.
    pub fn reserve(&mut self, permit: Permit, now: Timestamp) -> Result<Reservation, LimitReached> {
        let now = self.roll(now);
        // What no waiting mends is refused first.
        self.check_budget_and_requests(permit.ceiling())?;
        self.check_rates(now)?;
        self.check_concurrency()?;
        let (amount, output_cap) = self.fit(permit.ceiling())?;

        for budget in &mut self.budgets {
            budget.hold(nanos(amount));
        }
        for requests in &mut self.requests {
            requests.hold(1);
        }
        for rate in &mut self.rates {
            rate.admit(now);
        }
        self.in_flight = self.in_flight.saturating_add(1);

        Ok(Reservation {
            permit,
            held: Held { amount, at: now },
            output_cap,
            left: self.left(now),
        })
    }

    fn left(&self, now: Timestamp) -> Left {
        let rates = self.rates.iter().map(|rate| rate.state(now));
        Left {
            budget: self.budgets.iter().map(Counter::left).min().map(money),
            rate: rates.min_by_key(|state| match state.left() {
                Amount::Count(left) => left,
                Amount::Money(_) => u64::MAX,
            }),
        }
    }

    /// Replaces the hold of one call with its cost, in the windows in which it was admitted, and
    /// returns the limits that this used up.
    ///
    /// Not repeatable by itself: the store takes the call's row as the one that decides whether it
    /// was settled before.
    pub fn settle(&mut self, held: Held, cost: Money, counts_as_request: bool) -> Vec<(LimitRule, Window)> {
        let mut used_up = Vec::new();
        for budget in &mut self.budgets {
            if budget.settle(held.at, nanos(held.amount), nanos(cost)) {
                used_up.push((LimitRule::Budget, budget.per));
            }
        }
        for requests in &mut self.requests {
            if requests.settle(held.at, 1, u64::from(counts_as_request)) {
                used_up.push((LimitRule::Requests, requests.per));
            }
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        used_up
    }

    /// Where every limit stands at `now`.
    pub fn limits_at(&self, now: Timestamp) -> Vec<LimitState> {
        let mut account = self.clone();
        let now = account.roll(now);
        let mut states: Vec<LimitState> = account.counters().map(|(rule, counter)| counter.state(rule)).collect();
        states.extend(account.rates.iter().map(|rate| rate.state(now)));
        states.extend(account.concurrency_state());
        states
    }

    /// Whether a budget or request cap is used up, holds aside.
    pub fn is_exhausted(&self, now: Timestamp) -> bool {
        self.limits_at(now).iter().any(|state| {
            matches!(state.rule, LimitRule::Budget | LimitRule::Requests)
                && matches!(
                    state.limit.less(state.used),
                    Amount::Money(Money::ZERO) | Amount::Count(0)
                )
        })
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
        let now = now.max(Timestamp::from_millis(self.latest));
        self.latest = now.millis();
        for counter in self.budgets.iter_mut().chain(&mut self.requests) {
            counter.roll(now, || zone_named(&self.time_zone));
        }
        for rate in &mut self.rates {
            rate.forget(now);
        }
        now
    }

    fn concurrency_state(&self) -> Option<LimitState> {
        self.concurrency.map(|limit| LimitState {
            rule: LimitRule::Concurrency,
            limit: Amount::Count(limit.into()),
            used: Amount::Count(self.in_flight.into()),
            reserved: Amount::Count(0),
            window: None,
            resets_at: None,
        })
    }

    fn check_budget_and_requests(&self, ceiling: &CostCeiling) -> Result<(), LimitReached> {
        self.check_budgets(smallest_hold(ceiling))?;
        let requests = self.requests.iter();
        last_to_give_way(requests.filter_map(|cap| cap.check(LimitRule::Requests, 1).err()))
    }

    fn check_budgets(&self, amount: Money) -> Result<(), LimitReached> {
        let budgets = self.budgets.iter();
        last_to_give_way(budgets.filter_map(|budget| budget.check(LimitRule::Budget, nanos(amount)).err()))
    }

    fn check_rates(&self, now: Timestamp) -> Result<(), LimitReached> {
        last_to_give_way(self.rates.iter().filter_map(|rate| rate.check(now).err()))
    }

    fn check_concurrency(&self) -> Result<(), LimitReached> {
        match self.concurrency_state() {
            Some(state) if self.concurrency.is_some_and(|limit| self.in_flight >= limit) => Err(LimitReached {
                rule: LimitRule::Concurrency,
                state,
                retry_at: None,
                retryable: true,
            }),
            _ => Ok(()),
        }
    }

    /// The amount to hold and the output cap it pays for.
    fn fit(&self, ceiling: &CostCeiling) -> Result<(Money, u64), LimitReached> {
        let mut output_cap = match ceiling.output_cap {
            OutputCap::Asked(cap) => cap,
            OutputCap::LargestUpTo(most) => most.min(self.affordable(ceiling)),
        };
        // Rounding may have taken the last unit too far; what is held must fit, whatever the sum.
        let mut amount = hold_for(ceiling, output_cap);
        while output_cap > 0
            && ceiling.output_rate > Rate::ZERO
            && matches!(ceiling.output_cap, OutputCap::LargestUpTo(_))
            && self.check_budgets(amount).is_err()
        {
            output_cap -= 1;
            amount = hold_for(ceiling, output_cap);
        }
        self.check_budgets(amount)?;
        Ok((amount, output_cap))
    }

    /// The output tokens of each choice that what is left of every budget pays for.
    fn affordable(&self, ceiling: &CostCeiling) -> u64 {
        let Some(left) = self.budgets.iter().map(Counter::left).min() else {
            return u64::MAX;
        };
        let for_output = money(left).saturating_sub(ceiling.fixed);
        ceiling.output_rate.units_within(for_output) / ceiling.choices.max(1)
    }
}

/// Of several refusals, the one that waiting does not mend, or mends last: a client is never told to
/// retry in vain.
fn last_to_give_way(refusals: impl Iterator<Item = LimitReached>) -> Result<(), LimitReached> {
    match refusals.max_by_key(|refusal| (!refusal.retryable, refusal.retry_at)) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
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

fn hold_for(ceiling: &CostCeiling, output_cap: u64) -> Money {
    let mut sum = CostSum::default();
    sum.add_money(ceiling.fixed);
    sum.add(output_cap.saturating_mul(ceiling.choices), ceiling.output_rate);
    sum.total()
}

fn smallest_hold(ceiling: &CostCeiling) -> Money {
    match ceiling.output_cap {
        OutputCap::Asked(cap) => hold_for(ceiling, cap),
        OutputCap::LargestUpTo(most) => hold_for(ceiling, most.min(FEWEST_OUTPUT_TOKENS)),
    }
}

#[cfg(test)]
mod tests;
