//! Limits above those of single grants: of an app, a user, a tenant.

use aipassport_domain::{
    audit::Happened,
    consent::Approved,
    fixtures::NOW,
    grant::Grant,
    ids::{ClientId, ProviderId, UserId},
    ledger::{Account, Amount, Level, LimitReached, LimitRule},
    limits::Limits,
    money::Money,
    time::{Period, Timestamp},
};
use aipassport_store::{Ledger, LimitsOf, ReserveError};

use super::{SettleNow, budget, cost, permit, requests};
use crate::support::{World, event, on_both_engines};

pub fn app(user_id: &str, client_id: &str) -> LimitsOf {
    LimitsOf::App {
        user_id: UserId::new(user_id),
        client_id: ClientId::new(client_id),
    }
}

pub fn user(id: &str) -> LimitsOf {
    LimitsOf::User(UserId::new(id))
}

pub fn concurrency(most: u32) -> Limits {
    Limits {
        concurrency: Some(most),
        ..Limits::default()
    }
}

fn changed(of: &LimitsOf, limits: &Limits) -> Happened {
    Happened::LimitsChanged {
        level: of.level(),
        client_id: None,
        limits: serde_json::to_value(limits).unwrap(),
    }
}

impl World {
    pub async fn limit(&self, of: &LimitsOf, limits: &Limits) {
        self.limit_at(of, limits, NOW).await;
    }

    pub async fn limit_at(&self, of: &LimitsOf, limits: &Limits, at: Timestamp) {
        let mut event = event(changed(of, limits));
        event.at = at;
        assert!(self.store.set_limits(of, limits, &event).await.unwrap());
    }

    async fn account_of(&self, of: &LimitsOf) -> Account {
        self.store.limits_of(&self.tenant, of).await.unwrap().unwrap()
    }

    async fn refusal(&self, grant: &Grant, id: &str, nanos: i64) -> LimitReached {
        match self.store.reserve(permit(grant, id, nanos), NOW).await {
            Err(ReserveError::Limit(reached)) => reached,
            other => panic!("not refused for a limit: {other:?}"),
        }
    }
}

/// What is used and held of the first limit of an account.
fn standing(account: &Account) -> (Amount, Amount) {
    let state = &account.limits_at(NOW)[0];
    (state.used, state.reserved)
}

fn nanos(nanos: i64) -> Amount {
    Amount::Money(Money::from_nanos(nanos))
}

#[tokio::test]
async fn a_limit_of_a_level_counts_the_calls_of_all_grants_beneath_it_and_of_no_other() {
    on_both_engines(async |world| {
        world.add_client("mail").await;
        world.add_user("other").await;
        let grants = [
            world.granted_by("user", "notes", "one").await,
            world.granted_by("user", "notes", "two").await,
            world.granted_by("user", "mail", "three").await,
            world.granted_by("other", "notes", "four").await,
        ];
        let levels = [app("user", "notes"), user("user"), LimitsOf::Tenant];
        for of in &levels {
            world.limit(of, &budget(1_000)).await;
        }

        for (grant, held) in grants.iter().zip([1, 20, 300, 4]) {
            let reservation = world.store.reserve(permit(grant, grant.id.as_str(), held), NOW).await;
            if held == 20 {
                world
                    .store
                    .settle_now(cost(&reservation.unwrap(), 10), NOW)
                    .await
                    .unwrap();
            }
        }

        for (of, used, held) in [(&levels[0], 10, 1), (&levels[1], 10, 301), (&levels[2], 10, 305)] {
            let expected = (nanos(used), nanos(held));
            assert_eq!(standing(&world.account_of(of).await), expected, "{of:?}");
        }
        world.assert_sound().await;
    })
    .await;
}

/// `security.md` 144 and 146.
#[tokio::test]
async fn threat_144_a_new_limit_counts_what_was_spent_and_held_before_it() {
    on_both_engines(async |world| {
        let grant = world.granted_by("user", "notes", "one").await;
        let last_week = NOW.plus_seconds(-7 * 86_400);
        let past = world
            .store
            .reserve(permit(&grant, "past", 100), last_week)
            .await
            .unwrap();
        world.store.settle_now(cost(&past, 40), last_week).await.unwrap();
        let open = world.store.reserve(permit(&grant, "open", 30), NOW).await.unwrap();
        let limits = Limits {
            budget: [
                (None, Money::from_nanos(100)),
                (Some(Period::DAY), Money::from_nanos(50)),
            ]
            .into(),
            requests: [(None, 3)].into(),
            concurrency: Some(2),
            ..Limits::default()
        };

        for of in [app("user", "notes"), user("user"), LimitsOf::Tenant] {
            world.limit(&of, &limits).await;
            let states = world.account_of(&of).await.limits_at(NOW);
            let told: Vec<_> = states.iter().map(|state| (state.used, state.reserved)).collect();
            let (one, none) = (Amount::Count(1), Amount::Count(0));
            let of_budgets = [(nanos(40), nanos(30)), (nanos(0), nanos(30))];
            assert_eq!(told, [&of_budgets[..], &[(one, one), (one, none)]].concat());
            assert!(states.iter().all(|state| state.level == of.level()));
        }
        world.assert_sound().await;

        let refusal = world.refusal(&grant, "too much", 21).await;
        assert_eq!(
            (refusal.rule, refusal.state.window),
            (LimitRule::Budget, Some(Period::DAY))
        );
        world.store.settle_now(cost(&open, 25), NOW).await.unwrap();
        world.assert_sound().await;
        world.store.reserve(permit(&grant, "fits", 25), NOW).await.unwrap();
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn raising_and_lowering_are_in_force_for_the_next_call_of_a_permit_made_before() {
    on_both_engines(async |world| {
        let grant = world.granted_by("user", "notes", "one").await;
        for of in [app("user", "notes"), user("user"), LimitsOf::Tenant] {
            let name = of.level().as_str();
            let call = |id: &str| permit(&grant, &format!("{name} {id}"), 10);

            world.limit(&of, &budget(5)).await;
            assert!(world.store.reserve(call("low"), NOW).await.is_err());
            world.limit(&of, &budget(1_000)).await;
            assert!(world.store.reserve(call("raised"), NOW).await.is_ok());
            world.limit(&of, &budget(9)).await;
            assert!(world.store.reserve(call("lowered"), NOW).await.is_err());
            world.limit(&of, &Limits::default()).await;
            assert!(world.store.reserve(call("removed"), NOW).await.is_ok());

            assert_eq!(world.store.limits_of(&world.tenant, &of).await.unwrap(), None);
            world.assert_sound().await;
        }
        assert_eq!(world.times("limits_changed").await, 12);
    })
    .await;
}

#[tokio::test]
async fn a_grant_and_a_provider_that_come_later_are_under_the_limits_there_are() {
    on_both_engines(async |world| {
        for of in [app("user", "notes"), user("user"), LimitsOf::Tenant] {
            world.limit(&of, &budget(100)).await;
        }

        let grant = world.granted_by("user", "notes", "later").await;
        assert_eq!(world.refusal(&grant, "too much", 101).await.state.level, Level::App);
        let mut approved = Approved {
            authorization_details: grant.authorization_details.clone(),
            expires_at: grant.expires_at,
        };
        let mut second = approved.authorization_details[0].clone();
        second.provider = ProviderId::new("anthropic");
        approved.authorization_details.push(second);
        let added = event(Happened::GrantChanged {
            authorization_details: serde_json::Value::Null,
            expires_at: approved.expires_at,
        });
        world.store.change_grant(&grant.id, &approved, &added).await.unwrap();

        world.assert_sound().await;
        let above = world.store.accounts_above(&grant).await.unwrap();
        let levels: Vec<Level> = above.iter().map(Account::level).collect();
        assert_eq!(levels, [Level::App, Level::User, Level::Tenant]);
    })
    .await;
}

#[tokio::test]
async fn limits_of_nobody_are_not_set_and_removing_none_changes_nothing() {
    on_both_engines(async |world| {
        let limits = budget(1);
        for of in [user("nobody"), app("nobody", "notes")] {
            let set = world
                .store
                .set_limits(&of, &limits, &event(changed(&of, &limits)))
                .await;
            assert!(!set.unwrap());
        }
        world.limit(&LimitsOf::Tenant, &Limits::default()).await;

        assert_eq!(world.times("limits_changed").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_limit_that_is_used_up_is_audited_once_at_its_level() {
    on_both_engines(async |world| {
        let grant = world.granted_by("user", "notes", "one").await;
        world.limit(&user("user"), &requests(1)).await;

        let held = world.store.reserve(permit(&grant, "last", 1), NOW).await.unwrap();
        world.store.settle_now(cost(&held, 1), NOW).await.unwrap();
        world.store.settle_now(cost(&held, 1), NOW).await.unwrap();

        let events = world.store.events(&world.tenant, 0, 1_000).await.unwrap();
        let reached: Vec<Happened> = events
            .into_iter()
            .map(|record| record.event.what)
            .filter(|what| matches!(what, Happened::LimitReached { .. }))
            .collect();
        let expected = Happened::LimitReached {
            level: Level::User,
            rule: "requests".to_owned(),
        };
        assert_eq!(reached, [expected]);
    })
    .await;
}

#[tokio::test]
async fn a_level_whose_account_cannot_be_read_refuses_its_calls_and_settles_them() {
    on_both_engines(async |world| {
        let grant = world.granted_by("user", "notes", "one").await;
        world.limit(&user("user"), &budget(100)).await;
        let held = world.store.reserve(permit(&grant, "held", 10), NOW).await.unwrap();
        world
            .tamper("update accounts set state = '?' where level = 'user'")
            .await;

        let refused = world.store.reserve(permit(&grant, "refused", 1), NOW).await;
        world.store.settle_now(cost(&held, 5), NOW).await.unwrap();

        assert_eq!(refused, Err(ReserveError::Unavailable));
        assert_eq!(world.balance(&grant.id).await.used, 5);
    })
    .await;
}

/// A grant's account that is broken does not leave holds at the levels above it.
#[tokio::test]
async fn a_call_of_an_account_that_cannot_be_read_is_settled_above_it() {
    on_both_engines(async |world| {
        let grant = world.granted_by("user", "notes", "one").await;
        world.limit(&user("user"), &budget(100)).await;
        let held = world.store.reserve(permit(&grant, "held", 10), NOW).await.unwrap();
        world
            .tamper("update accounts set state = '?' where level = 'grant'")
            .await;

        world.store.settle_now(cost(&held, 5), NOW).await.unwrap();

        let account = world.account_of(&user("user")).await;
        assert_eq!((standing(&account), account.in_flight()), ((nanos(5), nanos(0)), 0));
    })
    .await;
}

#[tokio::test]
async fn the_invariant_check_finds_what_was_tampered_with_at_every_level() {
    on_both_engines(async |world| {
        let grant = world.granted_by("user", "notes", "one").await;
        for of in [app("user", "notes"), user("user"), LimitsOf::Tenant] {
            world.limit(&of, &budget(100)).await;
        }
        let held = world.store.reserve(permit(&grant, "call", 10), NOW).await.unwrap();
        world.store.settle_now(cost(&held, 5), NOW).await.unwrap();
        world.assert_sound().await;

        world
            .tamper("update accounts set levels = 5 where level = 'grant'")
            .await;
        world
            .tamper("update accounts set state = replace(state, '\"used\":5', '\"used\":6') where level <> 'grant'")
            .await;

        let findings = world.store.check_invariants(NOW).await.unwrap();
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let miscounted = "budget: the account says 6 used and 0 held, its calls add up to 5 and 0";
        assert_eq!(
            told,
            [
                format!("tenant default, app notes of user user: {miscounted}"),
                "tenant default, grant grant of one, openai: the account is wrong about whether its user has limits"
                    .to_owned(),
                format!("tenant default, all of its users: {miscounted}"),
                format!("tenant default, user user: {miscounted}"),
            ]
        );
    })
    .await;
}
