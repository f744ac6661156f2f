//! When the money of a grant is used up for good.

use super::*;

fn spend(account: &mut Account, nanos: i64) {
    let held = account.reserve(permit(nanos), fixtures::NOW).unwrap().held;
    account.settle(held, Money::from_nanos(nanos), true);
}

/// Whether a call that wants so much is refused because the money is used up for good.
fn is_used_up_for(account: &mut Account, nanos: i64) -> bool {
    let refused = reserve(&mut [account], permit(nanos), fixtures::NOW).unwrap_err();
    refused.is_used_up_for_good
}

#[test]
fn the_last_of_a_budget_for_life_uses_it_up() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");

    spend(&mut account, 99);
    assert!(!account.is_used_up_for_good());
    spend(&mut account, 1);
    assert!(account.is_used_up_for_good());
}

#[test]
fn a_remnant_that_no_call_fits_into_is_as_good_as_nothing() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");

    spend(&mut account, 94);
    assert!(!is_used_up_for(&mut account, 10) && !account.is_exhausted(fixtures::NOW));
    spend(&mut account, 1);
    assert!(!is_used_up_for(&mut account, 101));
    assert!(is_used_up_for(&mut account, 6));
    assert!(account.is_exhausted(fixtures::NOW) && !account.is_used_up_for_good());
}

#[test]
fn what_is_held_may_come_back() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");
    spend(&mut account, 95);
    let held = account.reserve(permit(4), fixtures::NOW).unwrap().held;

    assert!(!is_used_up_for(&mut account, 5));
    account.settle(held, Money::from_nanos(1), true);
    assert!(is_used_up_for(&mut account, 5));
}

#[test]
fn a_budget_that_starts_anew_or_is_not_the_grants_is_never_used_up_for_good() {
    let monthly = Limits {
        budget: [(Some(Period::MONTH), Money::from_nanos(100))].into(),
        ..Limits::default()
    };
    for (level, limits) in [(Level::Grant, monthly), (Level::User, limits(100))] {
        let mut account = Account::open(level, &limits, "UTC");
        spend(&mut account, 96);
        assert!(!is_used_up_for(&mut account, 10));
        spend(&mut account, 4);
        assert!(!is_used_up_for(&mut account, 10) && !account.is_used_up_for_good());
    }
}

#[test]
fn who_may_spend_nothing_has_used_up_nothing() {
    let mut account = Account::open(Level::Grant, &limits(0), "UTC");

    spend(&mut account, 0);

    assert!(!account.is_used_up_for_good() && !is_used_up_for(&mut account, 1));
}

#[test]
fn a_budget_that_is_lowered_to_what_is_spent_is_used_up_for_the_next_call() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");
    spend(&mut account, 50);

    account.set_limits(&limits(0), fixtures::NOW);

    assert!(is_used_up_for(&mut account, 1));
}
