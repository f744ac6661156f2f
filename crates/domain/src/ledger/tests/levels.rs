//! Several accounts that apply to one call.

use super::*;

fn account(level: Level, limits: &Limits) -> Account {
    Account::open(level, limits, "UTC")
}

fn held(account: &Account) -> u64 {
    account.counters().map(|(_, counter)| counter.reserved).sum()
}

#[test]
fn a_call_is_held_at_every_level_or_at_none() {
    let mut grant = account(Level::Grant, &limits(100));
    let mut user = account(Level::User, &limits(50));

    let fits = reserve(&mut [&mut grant, &mut user], permit(40), fixtures::NOW);
    let refused = reserve(&mut [&mut grant, &mut user], permit(20), fixtures::NOW)
        .unwrap_err()
        .limit;

    assert!(fits.is_ok());
    assert_eq!((refused.state.level, refused.rule), (Level::User, LimitRule::Budget));
    assert_eq!((held(&grant), held(&user)), (40, 40));
    assert_eq!((grant.in_flight(), user.in_flight()), (1, 1));
}

#[test]
fn a_call_without_a_cap_gets_the_largest_that_every_level_affords() {
    let ceiling = CostCeiling {
        fixed: Money::from_nanos(100),
        output_rate: crate::money::Rate::from_nanos_per_million(10_000_000),
        output_cap: OutputCap::LargestUpTo(4096),
        choices: 1,
    };
    let mut grant = account(Level::Grant, &limits(10_000));
    let mut app = account(Level::App, &limits(2_000));
    let mut user = account(Level::User, &limits(1_000));
    let mut levels: [&mut Account; 3] = [&mut grant, &mut app, &mut user];

    let reservation = reserve(&mut levels, fixtures::permit(ceiling), fixtures::NOW).unwrap();

    assert_eq!((reservation.output_cap, reservation.held.amount.nanos()), (90, 1_000));
    assert_eq!(reservation.left.budget, Some(Money::ZERO));
    let mut short = limits(10_000);
    short.output_tokens_per_request = Some(7);
    let mut levels = [
        &mut account(Level::Grant, &limits(10_000)),
        &mut account(Level::Tenant, &short),
    ];
    let reservation = reserve(&mut levels, fixtures::permit(ceiling), fixtures::NOW).unwrap();
    assert_eq!(reservation.output_cap, 7);
}

#[test]
fn of_the_refusals_of_several_levels_the_one_that_lasts_longest_is_told() {
    let mut daily = Limits::default();
    daily.requests.insert(Some(Period::DAY), 1);
    let mut for_life = Limits::default();
    for_life.requests.insert(None, 1);
    let refusal = |grant: &Limits, app: &Limits| {
        let mut levels = [&mut account(Level::Grant, grant), &mut account(Level::App, app)];
        let held = reserve(&mut levels, permit(1), fixtures::NOW).unwrap().held;
        for account in &mut levels {
            account.settle(held, Money::ZERO, true);
        }
        reserve(&mut levels, permit(1), fixtures::NOW).unwrap_err().limit.state
    };

    assert_eq!(refusal(&daily, &for_life).level, Level::App);
    assert_eq!(refusal(&for_life, &daily).level, Level::Grant);
    assert_eq!(
        refusal(&for_life, &for_life).level,
        Level::Grant,
        "the nearest of those that are alike"
    );
}

/// `security.md` 146: many grants of one app, many apps of one user.
#[test]
fn threat_146_a_rate_is_kept_over_all_grants_of_an_app_and_says_truly_when_to_retry() {
    let mut rate = Limits::default();
    rate.rate.insert(Period::MINUTE, 3);
    let mut app = account(Level::App, &rate);
    let mut grants: Vec<Account> = (0..4).map(|_| account(Level::Grant, &limits(100))).collect();

    let mut answers = grants
        .iter_mut()
        .map(|grant| reserve(&mut [grant, &mut app], permit(1), fixtures::NOW))
        .collect::<Vec<_>>();
    let refusal = answers.pop().unwrap().unwrap_err().limit;

    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((refusal.state.level, refusal.rule), (Level::App, LimitRule::Rate));
    let (retry_at, grant) = (refusal.retry_at.unwrap(), &mut grants[3]);
    assert!(reserve(&mut [grant, &mut app], permit(1), retry_at.plus_millis(-1)).is_err());
    assert!(reserve(&mut [grant, &mut app], permit(1), retry_at).is_ok());
}

#[test]
fn an_app_is_not_told_what_others_have_used() {
    let refusal = |level| {
        let mut account = account(level, &limits(4_321));
        account.reserve(permit(9_999), fixtures::NOW).unwrap_err().to_string()
    };

    assert!(refusal(Level::App).contains("0.000004321"));
    for level in [Level::User, Level::Tenant] {
        assert!(!refusal(level).contains("4321"), "{}", refusal(level));
    }
}

/// The accounts have seen different times, and a call counts from one moment on in all of them.
#[test]
fn a_clock_that_stepped_back_at_one_level_counts_at_every_level() {
    let mut grant = account(Level::Grant, &limits(100));
    let mut daily = Limits::default();
    daily.requests.insert(Some(Period::DAY), 1);
    let mut user = account(Level::User, &daily);
    let tomorrow = fixtures::NOW.plus_seconds(86_400);
    user.reserve(permit(1), tomorrow).unwrap();

    let refusal = reserve(&mut [&mut grant, &mut user], permit(1), fixtures::NOW)
        .unwrap_err()
        .limit;
    let later = tomorrow.plus_seconds(86_400);
    grant.reserve(permit(1), later).unwrap();
    let admitted = reserve(&mut [&mut grant, &mut user], permit(1), fixtures::NOW).unwrap();

    assert_eq!(refusal.state.level, Level::User);
    assert_eq!(admitted.held.at, later);
}

#[test]
fn an_account_knows_its_limits() {
    let limits = Limits {
        output_tokens_per_request: Some(5),
        ..fixtures::defaults().limits
    };

    assert_eq!(account(Level::Tenant, &limits).limits(), limits);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve { grant: usize, nanos: i64 },
    Settle { percent: i64 },
    Limit { account: usize, nanos: i64, calls: u64 },
    Wait { millis: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_usize, 0..60_i64).prop_map(|(grant, nanos)| Step::Reserve { grant, nanos }),
        4 => (0..=100_i64).prop_map(|percent| Step::Settle { percent }),
        1 => (0..7_usize, 0..400_i64, 0..12_u64)
            .prop_map(|(account, nanos, calls)| Step::Limit { account, nanos, calls }),
        2 => (0..4_000_000_i64).prop_map(|millis| Step::Wait { millis }),
    ]
}

fn limited(nanos: i64, calls: u64) -> Limits {
    let mut limits = limits(nanos * 3);
    limits.budget.insert(Some(Period::HOUR), Money::from_nanos(nanos));
    limits.requests.insert(Some(Period::HOUR), calls);
    limits
}

proptest! {
    /// Four grants: two of one app, one of another app of the same user, one of another user.
    #[test]
    fn threat_148_no_interleaving_exceeds_the_cap_of_any_level(steps in prop::collection::vec(step(), 1..160)) {
        const CONCERNED: [&[usize]; 4] = [&[0, 4, 5, 6], &[1, 4, 5, 6], &[2, 5, 6], &[3, 6]];
        let levels = [Level::Grant, Level::Grant, Level::Grant, Level::Grant, Level::App, Level::User, Level::Tenant];
        let mut accounts: Vec<Account> = levels.iter().map(|level| account(*level, &limited(200, 8))).collect();
        let (mut now, mut open) = (fixtures::NOW, Vec::<(usize, Held)>::new());

        for step in steps {
            match step {
                Step::Wait { millis } => now = now.plus_millis(millis),
                Step::Limit { account, nanos, calls } => {
                    prop_assert_eq!(accounts[account].set_limits(&limited(nanos, calls), now), vec![]);
                }
                Step::Settle { percent } => {
                    let Some((grant, held)) = open.pop() else { continue };
                    let cost = Money::from_nanos(held.amount.nanos() * percent / 100);
                    for which in CONCERNED[grant] {
                        accounts[*which].settle(held, cost, percent > 0);
                    }
                }
                Step::Reserve { grant, nanos } => {
                    let concerned = CONCERNED[grant];
                    let mut chosen: Vec<&mut Account> = accounts
                        .iter_mut()
                        .enumerate()
                        .filter_map(|(which, account)| concerned.contains(&which).then_some(account))
                        .collect();
                    let admitted = reserve(&mut chosen, permit(nanos), now);
                    if let Ok(reservation) = admitted {
                        open.push((grant, reservation.held));
                        for (_, counter) in concerned.iter().flat_map(|which| accounts[*which].counters()) {
                            prop_assert!(counter.used + counter.reserved <= counter.limit);
                        }
                    }
                }
            }
            for (_, counter) in accounts.iter().flat_map(Account::counters) {
                prop_assert!(counter.used + counter.reserved <= counter.most);
            }
            let under_way: u32 = accounts[..4].iter().map(Account::in_flight).sum();
            prop_assert_eq!(under_way, accounts[6].in_flight());
        }
    }
}
