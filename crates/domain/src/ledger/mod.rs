//! What is left: one account for each grant and provider, and the one decision whether a call fits.
//!
//! An [`Account`] is plain data. The store loads it, asks it, and writes it back in the same
//! transaction, so that the whole decision (budget, request cap, rate, concurrency) is atomic and
//! durable; nothing here knows how. For every counter, `used + reserved <= limit` at every moment,
//! unless the user has lowered the limit below what was spent.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    audit::CallOutcome,
    ids::{CallId, GrantId, ProviderId, TenantId, UserId},
    limits::{Limits, Window},
    money::{CostSum, Money},
    policy::{CostCeiling, OutputCap, Permit},
    time::{Period, Timestamp, zone_named},
    usage::{TruthLabel, Usage},
};

/// A smaller answer than this is of no use to anyone, so no budget is stretched to pay for one.
const FEWEST_OUTPUT_TOKENS: u64 = 16;
/// A rate's window slides in this many steps; what falls into one step leaves together, at its end.
const RATE_STEPS: i64 = 60;

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

/// A budget in nano-dollars or a cap in requests, in its present window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    pub limit: u64,
    pub per: Window,
    /// The window's first millisecond; 0 for a limit on the whole life.
    pub window_start: i64,
    pub used: u64,
    pub reserved: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RateCounter {
    limit: u64,
    per: Period,
    /// (first millisecond of the step, admissions in it), oldest first.
    steps: Vec<(i64, u64)>,
}

/// A hold on an account, made from a permit and durable before it exists as a value.
#[derive(Debug, PartialEq, Eq)]
pub struct Reservation {
    pub call_id: CallId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub grant_id: GrantId,
    pub grant_version: i64,
    pub provider: ProviderId,
    pub held: Held,
    /// The output cap to write into the forwarded request.
    pub output_cap: u64,
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
    pub cost: Money,
    pub label: TruthLabel,
    pub outcome: CallOutcome,
    pub usage: Usage,
    /// The snapshot the cost was worked out with.
    pub price_digest: String,
}

impl Settlement {
    /// A refused or failed call consumes no request.
    pub fn counts_as_request(&self) -> bool {
        self.cost > Money::ZERO || self.outcome == CallOutcome::Completed
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitRule {
    Budget,
    Requests,
    Rate,
    Concurrency,
}

impl LimitRule {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Requests => "requests",
            Self::Rate => "rate",
            Self::Concurrency => "concurrency",
        }
    }
}

/// Where one limit stands, as `/passport/self` and the pages show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitState {
    pub rule: LimitRule,
    pub limit: Amount,
    pub used: Amount,
    pub reserved: Amount,
    pub window: Window,
    pub resets_at: Option<Timestamp>,
}

/// Money or a count, depending on the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Money(Money),
    Count(u64),
}

impl Amount {
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        match (self, other) {
            (Self::Money(mine), Self::Money(theirs)) => Self::Money(mine.saturating_sub(theirs)),
            (Self::Count(mine), Self::Count(theirs)) => Self::Count(mine.saturating_sub(theirs)),
            (mine, _) => mine,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Money(amount) => amount.fmt(out),
            Self::Count(count) => count.fmt(out),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Money(amount) => amount.serialize(serializer),
            Self::Count(count) => count.serialize(serializer),
        }
    }
}

impl LimitState {
    pub fn left(&self) -> Amount {
        self.limit.less(self.used).less(self.reserved)
    }
}

/// The limit that a call does not fit into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReached {
    pub rule: LimitRule,
    pub state: LimitState,
    /// When the same call can fit, at the earliest, if waiting helps.
    pub retry_at: Option<Timestamp>,
    /// Whether it may fit without anybody raising the limit: later, or when a hold is released.
    pub retryable: bool,
}

impl fmt::Display for LimitReached {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitState {
            limit, used, reserved, ..
        } = &self.state;
        match self.rule {
            LimitRule::Budget => write!(
                out,
                "budget: this call does not fit into what is left (${used} of ${limit} used, ${reserved} held)"
            ),
            LimitRule::Requests => write!(
                out,
                "request cap: {used} of {limit} requests used, {reserved} under way"
            ),
            LimitRule::Rate => write!(out, "rate limit: {used} of {limit} requests in the present window"),
            LimitRule::Concurrency => write!(out, "concurrency: {used} of {limit} calls under way"),
        }
    }
}

impl Account {
    pub fn open(limits: &Limits, time_zone: &str) -> Self {
        let mut account = Self {
            time_zone: time_zone.to_owned(),
            ..Self::default()
        };
        account.set_limits(limits);
        account
    }

    /// Puts `limits` in force for the next admission, and keeps what is used and held.
    ///
    /// Returns the windows that were not counted before; the caller fills them from the calls that
    /// fall into them with [`Account::fill`], so that balances keep equalling rows.
    pub fn set_limits(&mut self, limits: &Limits) -> Vec<(LimitRule, Window)> {
        let mut uncounted = Vec::new();
        let budgets = limits
            .budget
            .iter()
            .map(|(per, amount)| (*per, amount.nanos().unsigned_abs()));
        set_counters(&mut self.budgets, budgets, |per| {
            uncounted.push((LimitRule::Budget, per));
        });
        let requests = limits.requests.iter().map(|(per, max)| (*per, *max));
        set_counters(&mut self.requests, requests, |per| {
            uncounted.push((LimitRule::Requests, per));
        });

        let before = std::mem::take(&mut self.rates);
        self.rates = limits
            .rate
            .iter()
            .map(|(per, limit)| {
                let steps = before
                    .iter()
                    .find(|rate| rate.per == *per)
                    .map(|rate| rate.steps.clone())
                    .unwrap_or_default();
                RateCounter {
                    limit: *limit,
                    per: *per,
                    steps,
                }
            })
            .collect();
        self.concurrency = limits.concurrency;
        uncounted
    }

    /// Sets what a newly counted window already holds. `now` opens the window.
    pub fn fill(&mut self, rule: LimitRule, per: Window, now: Timestamp, count: impl FnOnce(Timestamp) -> (u64, u64)) {
        let now = self.roll(now);
        let start = self.window_of(per, now).0;
        let counters = if rule == LimitRule::Budget {
            &mut self.budgets
        } else {
            &mut self.requests
        };
        if let Some(counter) = counters.iter_mut().find(|counter| counter.per == per) {
            (counter.used, counter.reserved) = count(start);
        }
    }

    /// Holds what `permit` can cost at most, or holds nothing and says which limit is reached.
    ///
    /// Calls themselves are rows of the store's; the account counts them.
    pub fn reserve(&mut self, permit: Permit, now: Timestamp) -> Result<Reservation, LimitReached> {
        let now = self.roll(now);
        self.check_budget_and_requests(permit.ceiling(), now)?;
        self.check_rates(now)?;
        self.check_concurrency()?;
        let (amount, output_cap) = self.fit(permit.ceiling(), now)?;

        for budget in &mut self.budgets {
            budget.reserved = budget.reserved.saturating_add(amount.nanos().unsigned_abs());
        }
        for requests in &mut self.requests {
            requests.reserved = requests.reserved.saturating_add(1);
        }
        for rate in &mut self.rates {
            rate.admit(now);
        }
        self.in_flight = self.in_flight.saturating_add(1);

        Ok(permit.hold(Held { amount, at: now }, output_cap))
    }

    /// Replaces the hold of one call with its cost, in the windows in which it was admitted.
    ///
    /// Not repeatable by itself: the store takes the call's row as the one that decides whether it
    /// was settled before.
    pub fn settle(&mut self, held: Held, cost: Money, counts_as_request: bool) {
        let cost = cost.nanos().unsigned_abs();
        let amount = held.amount.nanos().unsigned_abs();
        let starts = |account: &Self, per| account.window_of(per, held.at).0.millis();

        let budget_starts: Vec<i64> = self.budgets.iter().map(|budget| starts(self, budget.per)).collect();
        for (budget, start) in self.budgets.iter_mut().zip(budget_starts) {
            budget.settle(start, amount, cost);
        }
        let request_starts: Vec<i64> = self.requests.iter().map(|cap| starts(self, cap.per)).collect();
        for (requests, start) in self.requests.iter_mut().zip(request_starts) {
            requests.settle(start, 1, u64::from(counts_as_request));
        }
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Where every limit stands at `now`.
    pub fn limits_at(&self, now: Timestamp) -> Vec<LimitState> {
        let mut account = self.clone();
        let now = account.roll(now);
        let mut states: Vec<LimitState> = account
            .budgets
            .iter()
            .map(|counter| account.state_of(LimitRule::Budget, counter, now))
            .collect();
        states.extend(
            account
                .requests
                .iter()
                .map(|counter| account.state_of(LimitRule::Requests, counter, now)),
        );
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
        let zone = zone_named(&self.time_zone);
        for counter in self.budgets.iter_mut().chain(&mut self.requests) {
            let Some(per) = counter.per else { continue };
            let start = per.window(now, &zone).0.millis();
            if start > counter.window_start {
                *counter = Counter {
                    window_start: start,
                    used: 0,
                    reserved: 0,
                    ..*counter
                };
            }
        }
        for rate in &mut self.rates {
            rate.forget(now);
        }
        now
    }

    fn window_of(&self, per: Window, at: Timestamp) -> (Timestamp, Option<Timestamp>) {
        match per {
            None => (Timestamp::from_millis(0), None),
            Some(per) => {
                let (start, end) = per.window(at, &zone_named(&self.time_zone));
                (start, Some(end))
            }
        }
    }

    fn state_of(&self, rule: LimitRule, counter: &Counter, now: Timestamp) -> LimitState {
        let amount = |count: u64| match rule {
            LimitRule::Budget => Amount::Money(money(count)),
            _ => Amount::Count(count),
        };
        LimitState {
            rule,
            limit: amount(counter.limit),
            used: amount(counter.used),
            reserved: amount(counter.reserved),
            window: counter.per,
            resets_at: self.window_of(counter.per, now).1,
        }
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

    /// Refuses first what no waiting mends, so that a client is never told to retry in vain.
    fn check_budget_and_requests(&self, ceiling: &CostCeiling, now: Timestamp) -> Result<(), LimitReached> {
        let least = smallest_hold(ceiling);
        for budget in &self.budgets {
            self.check_counter(LimitRule::Budget, budget, least.nanos().unsigned_abs(), now)?;
        }
        for requests in &self.requests {
            self.check_counter(LimitRule::Requests, requests, 1, now)?;
        }
        Ok(())
    }

    fn check_counter(
        &self,
        rule: LimitRule,
        counter: &Counter,
        wanted: u64,
        now: Timestamp,
    ) -> Result<(), LimitReached> {
        let spent = counter.used.saturating_add(wanted);
        if spent.saturating_add(counter.reserved) <= counter.limit {
            return Ok(());
        }
        let state = self.state_of(rule, counter, now);
        let fits_without_holds = spent <= counter.limit;
        let fits_in_next_window = wanted <= counter.limit && state.resets_at.is_some();
        let retry_at = if fits_without_holds {
            None
        } else {
            state.resets_at.filter(|_| fits_in_next_window)
        };
        Err(LimitReached {
            rule,
            state,
            retry_at,
            retryable: fits_without_holds || fits_in_next_window,
        })
    }

    fn check_rates(&self, now: Timestamp) -> Result<(), LimitReached> {
        for rate in &self.rates {
            if let Some(retry_at) = rate.full_until() {
                return Err(LimitReached {
                    rule: LimitRule::Rate,
                    state: rate.state(now),
                    retry_at: Some(retry_at),
                    retryable: true,
                });
            }
        }
        Ok(())
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
    fn fit(&self, ceiling: &CostCeiling, now: Timestamp) -> Result<(Money, u64), LimitReached> {
        let mut output_cap = match ceiling.output_cap {
            OutputCap::Asked(cap) => cap,
            OutputCap::LargestUpTo(most) => {
                let left = self
                    .budgets
                    .iter()
                    .map(|budget| budget.limit.saturating_sub(budget.used).saturating_sub(budget.reserved))
                    .min();
                let affordable = left.map_or(u64::MAX, |left| {
                    ceiling
                        .output_rate
                        .units_within(money(left).saturating_sub(ceiling.fixed))
                        / ceiling.choices.max(1)
                });
                most.min(affordable)
            }
        };
        // Rounding may have taken the last unit too far; what is held must fit, whatever the sum.
        let mut amount = hold_for(ceiling, output_cap);
        while output_cap > 0 && matches!(ceiling.output_cap, OutputCap::LargestUpTo(_)) && !self.fits(amount) {
            output_cap -= 1;
            amount = hold_for(ceiling, output_cap);
        }
        for budget in &self.budgets {
            self.check_counter(LimitRule::Budget, budget, amount.nanos().unsigned_abs(), now)?;
        }
        Ok((amount, output_cap))
    }

    fn fits(&self, amount: Money) -> bool {
        let amount = amount.nanos().unsigned_abs();
        self.budgets
            .iter()
            .all(|budget| budget.used.saturating_add(budget.reserved).saturating_add(amount) <= budget.limit)
    }
}

fn set_counters(
    counters: &mut Vec<Counter>,
    limits: impl Iterator<Item = (Window, u64)>,
    mut uncounted: impl FnMut(Window),
) {
    let before = std::mem::take(counters);
    *counters = limits
        .map(|(per, limit)| {
            if let Some(counter) = before.iter().find(|counter| counter.per == per) {
                return Counter { limit, ..*counter };
            }
            uncounted(per);
            Counter {
                limit,
                per,
                window_start: 0,
                used: 0,
                reserved: 0,
            }
        })
        .collect();
}

fn money(nanos: u64) -> Money {
    Money::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
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

impl Counter {
    fn settle(&mut self, window_start: i64, held: u64, cost: u64) {
        // A window that has rolled on took the hold with it; the charge belongs to the past one.
        if window_start >= self.window_start {
            self.reserved = self.reserved.saturating_sub(held);
            self.used = self.used.saturating_add(cost);
        }
    }
}

impl RateCounter {
    fn length(&self) -> i64 {
        i64::from(self.per.fixed_seconds().unwrap_or(1)) * 1000
    }

    fn step(&self) -> i64 {
        (self.length() / RATE_STEPS).max(1)
    }

    /// When the step that begins at `start` has left the window altogether, so that no window of
    /// this length, wherever it begins, ever holds more than the limit.
    fn leaves_at(&self, start: i64) -> i64 {
        start.saturating_add(self.step()).saturating_add(self.length())
    }

    fn forget(&mut self, now: Timestamp) {
        let mut steps = std::mem::take(&mut self.steps);
        steps.retain(|(start, _)| self.leaves_at(*start) > now.millis());
        self.steps = steps;
    }

    fn count(&self) -> u64 {
        self.steps.iter().map(|(_, count)| count).sum()
    }

    fn admit(&mut self, now: Timestamp) {
        let start = now.millis().div_euclid(self.step()) * self.step();
        match self.steps.last_mut() {
            Some((last, count)) if *last == start => *count += 1,
            _ => self.steps.push((start, 1)),
        }
    }

    /// `None` while there is room for one more; else when there will be.
    fn full_until(&self) -> Option<Timestamp> {
        let mut count = self.count();
        if count < self.limit {
            return None;
        }
        for (start, in_step) in &self.steps {
            count = count.saturating_sub(*in_step);
            if count < self.limit {
                return Some(Timestamp::from_millis(self.leaves_at(*start)));
            }
        }
        None
    }

    fn state(&self, now: Timestamp) -> LimitState {
        let resets_at = self.full_until().or_else(|| {
            self.steps
                .first()
                .map(|(start, _)| Timestamp::from_millis(self.leaves_at(*start)))
        });
        LimitState {
            rule: LimitRule::Rate,
            limit: Amount::Count(self.limit),
            used: Amount::Count(self.count()),
            reserved: Amount::Count(0),
            window: Some(self.per),
            resets_at: resets_at.filter(|at| *at > now),
        }
    }
}

#[cfg(test)]
mod tests;
