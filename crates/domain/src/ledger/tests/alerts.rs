//! What a user is told of limits: each threshold once, and nothing that is not so.

use super::*;

const NOTHING: [u8; 0] = [];

/// Admits and settles a call that costs exactly so much, and returns the thresholds it came to.
fn spend(account: &mut Account, nanos: i64, at: Timestamp) -> Vec<u8> {
    let reservation = account.reserve(permit(nanos), at).unwrap();
    let alerts = account.settle(reservation.held, Money::from_nanos(nanos), true);
    alerts.iter().map(|alert| alert.threshold).collect()
}

fn refuse(account: &mut Account, nanos: i64) -> Option<Alert> {
    reserve(&mut [account], permit(nanos), fixtures::NOW).unwrap_err().alert
}

#[test]
fn each_threshold_is_told_once_and_of_several_the_highest() {
    let mut account = Account::open(Level::User, &limits(100), "UTC");
    let told = [49, 1, 29, 1, 14, 1, 4, 1].map(|nanos| spend(&mut account, nanos, fixtures::NOW));
    assert_eq!(
        told,
        [vec![], vec![50], vec![], vec![80], vec![], vec![95], vec![], vec![100]]
    );

    let mut account = Account::open(Level::User, &limits(100), "UTC");
    assert_eq!(spend(&mut account, 96, fixtures::NOW), [95]);
    assert_eq!(spend(&mut account, 1, fixtures::NOW), NOTHING);
}

#[test]
fn every_window_tells_anew_and_says_which_it_is() {
    let limits = Limits {
        requests: [(Some(Period::DAY), 1), (None, 10)].into(),
        ..Limits::default()
    };
    let mut account = Account::open(Level::App, &limits, "UTC");
    let tomorrow = fixtures::NOW.plus_seconds(86_400);

    let held = account.reserve(permit(1), fixtures::NOW).unwrap().held;
    let today = account.settle(held, Money::ZERO, true);

    let state = &today[0].state;
    assert_eq!((today.len(), today[0].threshold), (1, 100));
    assert_eq!(
        (state.level, state.rule, state.window),
        (Level::App, LimitRule::Requests, Some(Period::DAY))
    );
    assert_eq!((state.used, state.limit), (Amount::Count(1), Amount::Count(1)));
    assert_eq!(
        today[0].window_start,
        Period::DAY.window(fixtures::NOW, &zone_named("UTC")).0
    );
    assert_eq!(spend(&mut account, 1, tomorrow), [100]);
}

/// What is left is often too little for any call, so that a limit is never used up to the last.
#[test]
fn a_limit_that_stops_a_call_is_told_as_used_up_once() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");
    spend(&mut account, 85, fixtures::NOW);

    let alert = refuse(&mut account, 20).unwrap();

    assert_eq!(
        (alert.threshold, alert.state.used),
        (100, Amount::Money(Money::from_nanos(85)))
    );
    assert_eq!(refuse(&mut account, 20), None);
    assert_eq!(spend(&mut account, 15, fixtures::NOW), NOTHING);
}

#[test]
fn a_call_that_never_fits_or_only_waits_for_holds_tells_nothing() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");
    assert_eq!(refuse(&mut account, 101), None);
    account.reserve(permit(60), fixtures::NOW).unwrap();
    assert_eq!(refuse(&mut account, 60), None);

    let mut free_only = Account::open(Level::Grant, &limits(0), "UTC");
    assert_eq!(spend(&mut free_only, 0, fixtures::NOW), NOTHING);
    assert_eq!(refuse(&mut free_only, 1), None);
}

#[test]
fn a_limit_that_is_changed_tells_what_is_reached_from_then_on() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");
    assert_eq!(spend(&mut account, 100, fixtures::NOW), [100]);

    account.set_limits(&limits(200), fixtures::NOW);
    assert_eq!(spend(&mut account, 59, fixtures::NOW), NOTHING);
    assert_eq!(spend(&mut account, 1, fixtures::NOW), [80]);
    account.set_limits(&limits(200), fixtures::NOW);
    assert_eq!(spend(&mut account, 1, fixtures::NOW), NOTHING);
    account.set_limits(&limits(165), fixtures::NOW);
    assert_eq!(spend(&mut account, 1, fixtures::NOW), NOTHING);
    assert_eq!(spend(&mut account, 3, fixtures::NOW), [100]);
}

#[test]
fn an_account_that_was_written_before_there_were_alerts_is_read() {
    let mut account = Account::open(Level::Grant, &limits(100), "UTC");
    let written = serde_json::to_string(&account).unwrap();
    assert!(!written.contains("told"), "{written}");

    spend(&mut account, 50, fixtures::NOW);
    let written = serde_json::to_string(&account).unwrap();
    assert_eq!(serde_json::from_str::<Account>(&written).unwrap(), account);
}
