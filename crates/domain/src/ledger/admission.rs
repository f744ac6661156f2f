//! The one decision whether a call fits: into every account that applies to it, or into none.

use super::{
    Account, Alert, Amount, Held, Left, LimitReached, LimitRule, Reservation,
    counter::{Counter, money, nanos},
};
use crate::{
    money::{CostSum, Money, Rate},
    policy::{CostCeiling, OutputCap, Permit},
    time::Timestamp,
};

/// A smaller answer than this is of no use to anyone, so no budget is stretched to pay for one.
const FEWEST_OUTPUT_TOKENS: u64 = 16;

/// A call for which nothing is held.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub permit: Permit,
    pub limit: LimitReached,
    /// What the user is to be told, if this is the first call that the limit stopped; its account
    /// remembers that.
    pub alert: Option<Alert>,
    /// Whether a budget of the grant's for its whole life refused it, and is [used
    /// up](Account::is_used_up_for_good) but for a remnant.
    pub is_used_up_for_good: bool,
}

/// A limit in the way, and how much of it the call wanted.
struct InTheWay(LimitReached, u64);

/// Holds what `permit` can cost at most on every one of `accounts`, that of the grant first, or holds
/// nothing anywhere and says which limit is reached.
///
/// Calls themselves are rows of the store's; the accounts count them, all from the same moment on.
pub fn reserve(accounts: &mut [&mut Account], permit: Permit, now: Timestamp) -> Result<Reservation, Box<Refused>> {
    let now = accounts.iter().fold(now, |now, account| now.max(account.latest()));
    for account in accounts.iter_mut() {
        account.roll(now);
    }
    let (amount, output_cap) = match decide(accounts, permit.ceiling(), now) {
        Ok(decided) => decided,
        Err(InTheWay(limit, wanted)) => {
            let of_level = accounts.iter_mut().find(|account| account.level == limit.state.level);
            let refusal = of_level.and_then(|account| account.refuse(&limit, wanted));
            let (alert, is_used_up_for_good) = refusal.unwrap_or_default();
            return Err(Box::new(Refused {
                permit,
                limit,
                alert,
                is_used_up_for_good,
            }));
        }
    };
    for account in accounts.iter_mut() {
        account.hold(amount, now);
    }
    Ok(Reservation {
        permit,
        held: Held { amount, at: now },
        output_cap,
        left: left(accounts, now),
    })
}

/// The amount to hold and the output cap it pays for.
fn decide(accounts: &[&mut Account], ceiling: &CostCeiling, now: Timestamp) -> Result<(Money, u64), InTheWay> {
    let ceiling = &capped(ceiling, accounts);

    // What no waiting mends is refused first.
    check_budgets(accounts, smallest_hold(ceiling))?;
    let alone = |limit| InTheWay(limit, 1);
    last_to_give_way(highest_first(accounts).flat_map(Account::requests_reached)).map_err(alone)?;
    last_to_give_way(highest_first(accounts).flat_map(|account| account.rates_reached(now))).map_err(alone)?;
    last_to_give_way(highest_first(accounts).filter_map(Account::concurrency_reached)).map_err(alone)?;
    fit(accounts, ceiling)
}

/// Of refusals that are alike, the one nearest to the app is told.
fn highest_first<'a>(accounts: &'a [&mut Account]) -> impl Iterator<Item = &'a Account> {
    accounts.iter().rev().map(|account| &**account)
}

fn budgets<'a>(accounts: &'a [&mut Account]) -> impl Iterator<Item = &'a Counter> {
    accounts.iter().flat_map(|account| &account.budgets)
}

fn capped(ceiling: &CostCeiling, accounts: &[&mut Account]) -> CostCeiling {
    let most = accounts.iter().filter_map(|account| account.output_tokens).min();
    CostCeiling {
        output_cap: most.map_or(ceiling.output_cap, |most| ceiling.output_cap.at_most(most)),
        ..*ceiling
    }
}

fn check_budgets(accounts: &[&mut Account], amount: Money) -> Result<(), InTheWay> {
    last_to_give_way(highest_first(accounts).flat_map(|account| account.budgets_reached(amount)))
        .map_err(|limit| InTheWay(limit, nanos(amount)))
}

/// As much as the call may write, and what that costs.
fn fit(accounts: &[&mut Account], ceiling: &CostCeiling) -> Result<(Money, u64), InTheWay> {
    let mut output_cap = match ceiling.output_cap {
        OutputCap::Asked(cap) => cap,
        OutputCap::LargestUpTo(most) => most.min(affordable(accounts, ceiling)),
    };
    // Rounding may have taken the last unit too far; what is held must fit, whatever the sum.
    let mut amount = hold_for(ceiling, output_cap);
    while output_cap > 0
        && ceiling.output_rate > Rate::ZERO
        && matches!(ceiling.output_cap, OutputCap::LargestUpTo(_))
        && budgets(accounts).any(|budget| !budget.fits(nanos(amount)))
    {
        output_cap -= 1;
        amount = hold_for(ceiling, output_cap);
    }
    check_budgets(accounts, amount)?;
    Ok((amount, output_cap))
}

/// The output tokens of each choice that the least that is left of any budget pays for.
fn affordable(accounts: &[&mut Account], ceiling: &CostCeiling) -> u64 {
    let Some(left) = budgets(accounts).map(Counter::left).min() else {
        return u64::MAX;
    };
    let for_output = money(left).saturating_sub(ceiling.fixed);
    ceiling.output_rate.units_within(for_output) / ceiling.choices.max(1)
}

fn left(accounts: &[&mut Account], now: Timestamp) -> Left {
    let rates = accounts
        .iter()
        .filter(|account| account.level.is_of_one_app())
        .flat_map(|account| account.rates.iter().map(|rate| rate.state(account.level, now)));
    Left {
        budget: budgets(accounts).map(Counter::left).min().map(money),
        rate: rates.min_by_key(|state| match state.left() {
            Amount::Count(left) => left,
            Amount::Money(_) => u64::MAX,
        }),
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

impl Account {
    fn budgets_reached(&self, amount: Money) -> impl Iterator<Item = LimitReached> {
        let budgets = self.budgets.iter();
        budgets.filter_map(move |budget| budget.check(self.level, LimitRule::Budget, nanos(amount)).err())
    }

    fn requests_reached(&self) -> impl Iterator<Item = LimitReached> {
        let caps = self.requests.iter();
        caps.filter_map(|cap| cap.check(self.level, LimitRule::Requests, 1).err())
    }

    fn rates_reached(&self, now: Timestamp) -> impl Iterator<Item = LimitReached> {
        let rates = self.rates.iter();
        rates.filter_map(move |rate| rate.check(self.level, now).err())
    }

    fn concurrency_reached(&self) -> Option<LimitReached> {
        let limit = self.concurrency?;
        if self.in_flight < limit {
            return None;
        }
        Some(LimitReached {
            rule: LimitRule::Concurrency,
            state: self.concurrency_state()?,
            retry_at: None,
            retryable: true,
        })
    }

    /// Takes down that `limit`, one of this account's, refused a call that wanted so much of it, and
    /// answers what is to be told and whether the money of a grant is used up for good.
    fn refuse(&mut self, limit: &LimitReached, wanted: u64) -> Option<(Option<Alert>, bool)> {
        let counters = match limit.rule {
            LimitRule::Budget => &mut self.budgets,
            LimitRule::Requests => &mut self.requests,
            LimitRule::Rate | LimitRule::Concurrency => return None,
        };
        let counter = counters.iter_mut().find(|counter| counter.per == limit.state.window)?;
        let alert = counter.refuse(wanted).then(|| counter.alert(self.level, limit.rule));
        let is_money = limit.rule == LimitRule::Budget && self.level.is_grant();
        Some((alert, is_money && counter.is_used_up_for_good_by(wanted)))
    }

    fn hold(&mut self, amount: Money, now: Timestamp) {
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
    }
}
