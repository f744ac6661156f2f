use proptest::prelude::*;

mod alerts;
mod levels;
mod used_up;

use super::*;
use crate::{
    fixtures,
    policy::{CostCeiling, OutputCap},
    time::Period,
};

fn limits(budget: i64) -> Limits {
    let mut limits = Limits::default();
    limits.budget.insert(None, Money::from_nanos(budget));
    limits
}

fn permit(fixed: i64) -> Permit {
    let ceiling = CostCeiling {
        fixed: Money::from_nanos(fixed),
        output_rate: crate::money::Rate::ZERO,
        output_cap: OutputCap::Asked(0),
        choices: 1,
    };
    fixtures::permit(ceiling)
}

fn used_and_reserved(account: &Account) -> (u64, u64) {
    let (_, counter) = account.counters().next().unwrap();
    (counter.used, counter.reserved)
}

#[test]
fn a_hold_is_replaced_by_its_cost() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");

    let reservation = account.reserve(permit(80), fixtures::NOW).unwrap();
    assert_eq!(used_and_reserved(&account), (0, 80));
    account.settle(reservation.held, Money::from_nanos(25), true);

    assert_eq!(used_and_reserved(&account), (25, 0));
}

#[test]
fn a_reservation_says_what_is_left_beside_its_hold() {
    let mut limits = limits(100);
    limits.rate = [(Period::MINUTE, 60), (Period::HOUR, 10)].into();
    let mut account = Account::open(Level::Grant, &limits, "UTC");

    let reservation = account.reserve(permit(80), fixtures::NOW).unwrap();

    assert_eq!(reservation.left.budget, Some(Money::from_nanos(20)));
    let rate = reservation.left.rate.unwrap();
    assert_eq!((rate.window, rate.left()), (Some(Period::HOUR), Amount::Count(9)));
}

#[test]
fn a_call_that_does_not_fit_holds_nothing_and_says_whether_waiting_helps() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");
    account.reserve(permit(80), fixtures::NOW).unwrap();
    let before = account.clone();

    let refusal = account.reserve(permit(30), fixtures::NOW).unwrap_err();
    let hopeless = account.reserve(permit(101), fixtures::NOW).unwrap_err();

    assert_eq!((refusal.rule, refusal.retryable), (LimitRule::Budget, true));
    assert!(!hopeless.retryable);
    assert_eq!(used_and_reserved(&account), used_and_reserved(&before));
    assert_eq!(account.in_flight(), 1);
}

#[test]
fn moving_to_another_zone_moves_calendar_windows_alone_and_empties_them() {
    let mut limits = limits(100);
    limits.budget.insert(Some(Period::DAY), Money::from_nanos(60));
    limits.requests = [(Some(Period::HOUR), 5)].into();
    let mut account = Account::open(Level::Grant, &limits, "UTC");
    account.reserve(permit(50), fixtures::NOW).unwrap();

    let moved = account.move_to("Asia/Tokyo", fixtures::NOW);

    let today = Uncounted {
        rule: LimitRule::Budget,
        per: Some(Period::DAY),
        since: Period::DAY.window(fixtures::NOW, &zone_named("Asia/Tokyo")).0,
    };
    assert_eq!(moved, [today]);
    let held: Vec<u64> = account.counters().map(|(_, counter)| counter.reserved).collect();
    assert_eq!(held, [50, 0, 1]);
    account.fill(&today, 10, 50);
    assert!(account.reserve(permit(1), fixtures::NOW).is_err());
}

#[test]
fn a_call_without_a_cap_gets_the_largest_that_the_budget_affords() {
    let mut account = Account::open(Level::Grant, &limits(1_000), "UTC");
    let ceiling = CostCeiling {
        fixed: Money::from_nanos(100),
        output_rate: crate::money::Rate::from_nanos_per_million(10_000_000),
        output_cap: OutputCap::LargestUpTo(4096),
        choices: 1,
    };

    let reservation = account.reserve(fixtures::permit(ceiling), fixtures::NOW).unwrap();

    assert_eq!(reservation.output_cap, 90);
    assert_eq!(reservation.held.amount, Money::from_nanos(1_000));
}

#[test]
fn a_window_refills_when_it_ends_and_never_when_the_clock_steps_back() {
    let mut limits = Limits::default();
    limits.budget.insert(Some(Period::DAY), Money::from_nanos(10));
    let mut account = Account::open(Level::Grant, &limits, "UTC");
    let tomorrow = fixtures::NOW.plus_seconds(86_400);

    let held = account.reserve(permit(10), fixtures::NOW).unwrap().held;
    assert!(account.reserve(permit(10), fixtures::NOW).is_err());
    account.reserve(permit(10), tomorrow).unwrap();
    account.settle(held, Money::from_nanos(10), true);

    assert_eq!(
        used_and_reserved(&account),
        (0, 10),
        "yesterday's call is yesterday's charge"
    );
    assert!(account.reserve(permit(10), fixtures::NOW).is_err());
}

#[test]
fn a_rate_says_truly_when_to_retry() {
    let mut limits = limits(1_000_000);
    limits.rate.insert(Period::MINUTE, 3);
    let mut account = Account::open(Level::Grant, &limits, "UTC");
    for _ in 0..3 {
        account.reserve(permit(1), fixtures::NOW).unwrap();
    }

    let refusal = account.reserve(permit(1), fixtures::NOW.plus_seconds(1)).unwrap_err();
    let retry_at = refusal.retry_at.unwrap();

    assert_eq!(refusal.rule, LimitRule::Rate);
    assert!(account.reserve(permit(1), retry_at.plus_millis(-1)).is_err());
    assert!(account.reserve(permit(1), retry_at).is_ok());
}

#[test]
fn concurrency_is_given_back_when_a_call_ends() {
    let limits = Limits {
        concurrency: Some(1),
        ..limits(1_000)
    };
    let mut account = Account::open(Level::Grant, &limits, "UTC");

    let held = account.reserve(permit(1), fixtures::NOW).unwrap().held;
    assert_eq!(
        account.reserve(permit(1), fixtures::NOW).unwrap_err().rule,
        LimitRule::Concurrency
    );
    account.settle(held, Money::ZERO, false);

    assert!(account.reserve(permit(1), fixtures::NOW).is_ok());
}

#[test]
fn lowering_a_limit_below_what_is_spent_stops_further_calls_and_nothing_else() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");
    let held = account.reserve(permit(50), fixtures::NOW).unwrap().held;
    account.settle(held, Money::from_nanos(50), true);

    assert_eq!(account.set_limits(&limits(10), fixtures::NOW), vec![]);

    assert!(account.reserve(permit(1), fixtures::NOW).is_err());
    assert!(account.is_exhausted(fixtures::NOW));
}

#[test]
fn a_newly_counted_window_is_filled_from_the_calls_since_it_began() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");
    let mut changed = limits(100);
    changed.requests.insert(Some(Period::DAY), 3);

    let uncounted = account.set_limits(&changed, fixtures::NOW);
    let midnight = fixtures::NOW.plus_seconds(-12 * 3600);
    assert_eq!(uncounted.len(), 1);
    assert_eq!(uncounted[0].since, midnight);
    account.fill(&uncounted[0], 2, 1);

    let refusal = account.reserve(permit(1), fixtures::NOW).unwrap_err();
    assert_eq!(refusal.rule, LimitRule::Requests);
}

/// `security.md` 147: the limit that a settlement uses up is named once.
#[test]
fn threat_147_a_limit_is_used_up_once() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");
    let holds: Vec<Held> = (0..2)
        .map(|_| account.reserve(permit(50), fixtures::NOW).unwrap().held)
        .collect();

    let mut told = |held| {
        let alerts = account.settle(held, Money::from_nanos(50), true);
        alerts.iter().map(|alert| alert.threshold).collect::<Vec<_>>()
    };

    assert_eq!((told(holds[0]), told(holds[1])), (vec![50], vec![100]));
}

#[test]
fn of_several_refusals_the_one_that_lasts_longest_is_told() {
    let mut limits = limits(1_000);
    limits.rate.insert(Period::MINUTE, 1);
    limits.rate.insert(Period::HOUR, 1);
    let mut account = Account::open(Level::Grant, &limits, "UTC");
    account.reserve(permit(600), fixtures::NOW).unwrap();

    let refusal = account.reserve(permit(1), fixtures::NOW).unwrap_err();

    assert_eq!(refusal.state.window, Some(Period::HOUR));
}

#[test]
fn a_rate_of_nothing_admits_nothing() {
    let mut limits = limits(1_000);
    limits.rate.insert(Period::MINUTE, 0);
    let mut account = Account::open(Level::Grant, &limits, "UTC");

    let refusal = account.reserve(permit(1), fixtures::NOW).unwrap_err();

    assert_eq!((refusal.rule, refusal.retryable), (LimitRule::Rate, false));
}

/// `security.md` 142: a day of 23 hours, a leap day and a clock that jumps refill once each.
#[test]
fn threat_142_no_window_refills_twice() {
    let mut limits = Limits::default();
    limits.budget.insert(Some(Period::DAY), Money::from_nanos(1));
    let mut account = Account::open(Level::Grant, &limits, "Europe/Berlin");
    let mut admitted_at = |time: &str| account.reserve(permit(1), time.parse().unwrap()).is_ok();

    assert!(admitted_at("2028-02-28T22:59:59Z"));
    assert!(admitted_at("2028-02-28T23:00:00Z"), "the leap day");
    assert!(!admitted_at("2028-02-28T22:59:59Z"), "a clock that stepped back");
    assert!(admitted_at("2028-03-25T23:00:00Z"), "the day of 23 hours");
    assert!(!admitted_at("2028-03-26T21:59:59Z"));
    assert!(admitted_at("2028-03-26T22:00:00Z"));
    assert!(!admitted_at("2028-03-26T00:00:00Z"));
}

proptest! {
    /// No interleaving of reserving, settling and time exceeds a limit, and no rate window of any
    /// beginning holds more than its limit.
    #[test]
    fn used_and_reserved_never_exceed_the_limit(steps in prop::collection::vec((0..3_u8, 0..60_i64, 0..40_000_i64), 1..120)) {
        let mut limits = limits(500);
        limits.budget.insert(Some(Period::HOUR), Money::from_nanos(200));
        limits.requests.insert(Some(Period::MINUTE), 7);
        limits.rate.insert(Period::MINUTE, 5);
        limits.concurrency = Some(4);
        let mut account = Account::open(Level::Grant, &limits, "UTC");
        let (mut now, mut open, mut admitted) = (fixtures::NOW, Vec::new(), Vec::new());

        for (what, amount, wait) in steps {
            now = now.plus_millis(wait);
            if what == 0 {
                if let Some(Reservation { held, .. }) = open.pop() {
                    account.settle(held, Money::from_nanos(amount.min(held.amount.nanos())), true);
                }
            } else if let Ok(reservation) = account.reserve(permit(amount), now) {
                admitted.push(now.millis());
                open.push(reservation);
            }
            for (_, counter) in account.counters() {
                prop_assert!(counter.used + counter.reserved <= counter.limit);
            }
            prop_assert!(account.in_flight() <= 4);
            let in_last_minute = admitted.iter().filter(|at| **at > now.millis() - 60_000).count();
            prop_assert!(in_last_minute <= 5);
        }
    }
}
