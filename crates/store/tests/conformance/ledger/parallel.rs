//! Many callers at once, at one instance and at several.

use std::{
    collections::HashMap,
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aipassport_domain::{
    audit::Happened,
    fixtures::NOW,
    grant::Grant,
    ledger::{Level, LimitRule, Reservation},
    limits::Limits,
    money::Money,
    time::Period,
};
use aipassport_store::{DatabaseUrl, Ledger, LimitsOf, ReserveError, Store};

use tokio::task::JoinSet;

use super::{
    SettleNow, assert_sound, budget, cost,
    levels::{app, concurrency, user},
    permit, requests,
};
use crate::support::{World, event, in_parallel, on_both_engines};

const CALLERS: usize = 64;
const HELD: i64 = 1_000;

/// What so many callers, spread over the instances, came to when all asked for a call of [`HELD`].
async fn ask(instances: &[Store], grant: &Grant, round: impl Display) -> Vec<Result<Reservation, ReserveError>> {
    ask_with(instances, std::slice::from_ref(grant), round).await
}

/// The same, where each has one of several grants.
async fn ask_with(
    instances: &[Store],
    grants: &[Grant],
    round: impl Display,
) -> Vec<Result<Reservation, ReserveError>> {
    let (instances, grants, round) = (instances.to_vec(), grants.to_vec(), round.to_string());
    in_parallel(CALLERS, move |caller| {
        let store = instances[caller % instances.len()].clone();
        let grant = &grants[caller % grants.len()];
        let permit = permit(grant, &format!("{} {round} {caller}", grant.id), HELD);
        async move { store.reserve(permit, NOW).await }
    })
    .await
}

fn admitted(answers: Vec<Result<Reservation, ReserveError>>, refused_for: LimitRule) -> Vec<Reservation> {
    let mut admitted = Vec::new();
    for answer in answers {
        match answer {
            Ok(reservation) => admitted.push(reservation),
            Err(ReserveError::Limit(reached)) => assert_eq!(reached.rule, refused_for),
            Err(other) => panic!("{other:?}"),
        }
    }
    admitted
}

impl World {
    /// The world's own store; on PostgreSQL two more instances on the same database.
    pub async fn instances(&self) -> Vec<Store> {
        let mut instances = vec![self.store.clone()];
        if matches!(self.url, DatabaseUrl::Postgres(_)) {
            for name in ["second", "third"] {
                instances.push(Store::open(&self.url, name).await.unwrap());
            }
        }
        instances
    }

    /// A grant whose own limits never matter.
    async fn freely_granted(&self, user: &str, client: &str, id: &str) -> Grant {
        let grant = self.granted_by(user, client, id).await;
        self.limited(&grant, budget(1_000_000_000)).await
    }

    fn rounds(&self, on_sqlite: usize, on_postgres: usize) -> usize {
        match self.url {
            DatabaseUrl::Sqlite(_) => on_sqlite,
            DatabaseUrl::Postgres(_) => on_postgres,
        }
    }
}

#[tokio::test]
async fn threat_134_of_64_parallel_calls_with_budget_for_five_exactly_five_are_admitted() {
    on_both_engines(async |world| {
        let instances = world.instances().await;
        // Not a multiple of the hold, so that the rest is too small rather than nothing.
        let grant = world.granted_with("one", budget(5 * HELD + HELD / 2)).await;

        for round in 0..world.rounds(1_000, 100) {
            let held = admitted(ask(&instances, &grant, round).await, LimitRule::Budget);

            assert_eq!(held.len(), 5, "round {round}");
            give_back(&instances, held).await;
        }
        assert_sound(&world.store).await;
    })
    .await;
}

#[tokio::test]
async fn threat_145_of_64_parallel_calls_under_a_request_cap_of_five_exactly_five_are_admitted() {
    on_both_engines(async |world| {
        let instances = world.instances().await;
        let grant = world.granted_with("one", requests(5)).await;

        for round in 0..world.rounds(1_000, 100) {
            let held = admitted(ask(&instances, &grant, round).await, LimitRule::Requests);

            assert_eq!(held.len(), 5, "round {round}");
            give_back(&instances, held).await;
        }
        assert_sound(&world.store).await;
    })
    .await;
}

#[tokio::test]
async fn threat_145_neither_rate_nor_concurrency_is_exceeded_in_parallel() {
    on_both_engines(async |world| {
        let instances = world.instances().await;
        let concurrent = Limits {
            concurrency: Some(5),
            ..budget(1_000_000)
        };
        let concurrent = world.granted_with("concurrent", concurrent).await;
        let rated = Limits {
            rate: [(Period::MINUTE, 5)].into(),
            ..budget(1_000_000)
        };
        let rated = world.granted_with("rated", rated).await;

        for round in 0..world.rounds(20, 10) {
            let held = admitted(ask(&instances, &concurrent, round).await, LimitRule::Concurrency);
            assert_eq!(held.len(), 5, "round {round}");
            give_back(&instances, held).await;
            let held = admitted(ask(&instances, &rated, round).await, LimitRule::Rate);
            assert_eq!(held.len(), if round == 0 { 5 } else { 0 }, "round {round}");
            give_back(&instances, held).await;
        }
        assert_sound(&world.store).await;
    })
    .await;
}

#[tokio::test]
async fn threat_135_the_first_calls_ever_of_a_fresh_grant_fit_its_budget() {
    on_both_engines(async |world| {
        let instances = world.instances().await;

        for round in 0..world.rounds(50, 20) {
            let grant = world.granted_with(&format!("fresh {round}"), budget(HELD)).await;
            let held = admitted(ask(&instances, &grant, round).await, LimitRule::Budget);

            assert_eq!(held.len(), 1, "round {round}");
        }
        assert_sound(&world.store).await;
    })
    .await;
}

/// `security.md` 146: what is limited for an app, a user or all users is shared by their grants.
#[tokio::test]
async fn threat_146_of_64_parallel_calls_exactly_five_are_admitted_at_every_level() {
    on_both_engines(async |world| {
        let instances = world.instances().await;
        world.add_client("mail").await;
        world.add_user("other").await;
        let notes = [
            world.freely_granted("user", "notes", "one").await,
            world.freely_granted("user", "notes", "two").await,
        ];
        let of_user = [&notes[..], &[world.freely_granted("user", "mail", "three").await]].concat();
        let of_all = [&of_user[..], &[world.freely_granted("other", "mail", "four").await]].concat();
        for (of, grants) in [
            (app("user", "notes"), &notes[..]),
            (user("user"), &of_user),
            (LimitsOf::Tenant, &of_all),
        ] {
            let level = of.level();
            for (limits, rule) in [
                (budget(5 * HELD + HELD / 2), LimitRule::Budget),
                (requests(5), LimitRule::Requests),
                (concurrency(5), LimitRule::Concurrency),
            ] {
                world.limit(&of, &limits).await;
                for round in 0..world.rounds(100, 20) {
                    let round = format!("{} {} {round}", level.as_str(), rule.as_str());
                    let answers = ask_with(&instances, grants, &round).await;
                    assert!(
                        answers
                            .iter()
                            .all(|answer| level_of(answer).is_none_or(|of| of == level))
                    );
                    let held = admitted(answers, rule);

                    assert_eq!(held.len(), 5, "{round}");
                    give_back(&instances, held).await;
                }
            }
            world.limit(&of, &Limits::default()).await;
        }
        assert_sound(&world.store).await;
    })
    .await;
}

/// Limits come, rise, fall and go at every level while calls are made at every instance: nobody waits
/// in a ring, and all that was counted adds up.
#[tokio::test]
async fn threat_144_limits_of_every_level_change_under_calls_that_are_made() {
    on_both_engines(async |world| {
        let instances = world.instances().await;
        world.add_client("mail").await;
        let grants = [
            world.freely_granted("user", "notes", "one").await,
            world.freely_granted("user", "notes", "two").await,
            world.freely_granted("user", "mail", "three").await,
        ];

        let calls = in_parallel(24, {
            let instances = instances.clone();
            move |caller| {
                let (instances, grant) = (instances.clone(), grants[caller % 3].clone());
                async move {
                    for number in 0..20 {
                        let store = &instances[(caller + number) % instances.len()];
                        match store
                            .reserve(permit(&grant, &format!("{caller} {number}"), HELD), NOW)
                            .await
                        {
                            Ok(held) => store.settle_now(cost(&held, HELD / 3), NOW).await.unwrap(),
                            Err(ReserveError::Limit(_)) => {}
                            Err(other) => panic!("{other:?}"),
                        }
                    }
                }
            }
        });
        let changes = async {
            for number in 0..12 {
                for of in [app("user", "notes"), user("user"), LimitsOf::Tenant] {
                    let limits = match number % 3 {
                        0 => budget(200 * HELD),
                        1 => budget(HELD),
                        _ => Limits::default(),
                    };
                    world.limit(&of, &limits).await;
                }
                world.freely_granted("user", "mail", &format!("new {number}")).await;
            }
        };
        tokio::join!(calls, changes);

        assert_sound(&world.store).await;
        for of in [app("user", "notes"), user("user"), LimitsOf::Tenant] {
            world.limit(&of, &budget(1)).await;
        }
        assert_sound(&world.store).await;
    })
    .await;
}

fn level_of(answer: &Result<Reservation, ReserveError>) -> Option<Level> {
    match answer {
        Err(ReserveError::Limit(reached)) => Some(reached.state.level),
        _ => None,
    }
}

/// Settlements, doubled and interleaved with reservations on several grants.
#[tokio::test]
async fn threat_148_what_the_calls_came_to_is_what_the_accounts_say() {
    on_both_engines(async |world| {
        let instances = world.instances().await;
        let mut grants = Vec::new();
        for id in ["one", "two", "three"] {
            let limits = Limits {
                budget: [
                    (None, Money::from_nanos(40 * HELD)),
                    (Some(Period::DAY), Money::from_nanos(30 * HELD)),
                ]
                .into(),
                requests: [(Some(Period::HOUR), 35)].into(),
                concurrency: Some(20),
                ..Limits::default()
            };
            grants.push(world.granted_with(id, limits).await);
        }

        let charged = in_parallel(CALLERS, {
            let grants = grants.clone();
            move |caller| {
                let (instances, grant) = (instances.clone(), grants[caller % grants.len()].clone());
                async move {
                    let mut charged = HashMap::new();
                    for number in 0..8 {
                        let store = &instances[(caller + number) % instances.len()];
                        let other = &instances[number % instances.len()];
                        let permit = permit(&grant, &format!("{caller} {number}"), HELD);
                        let Ok(held) = store.reserve(permit, NOW).await else {
                            continue;
                        };
                        let nanos = i64::try_from((caller * 31 + number * 17) % 1_000).unwrap();
                        let settled = tokio::join!(
                            store.settle_now(cost(&held, nanos), NOW),
                            other.settle_now(cost(&held, nanos), NOW)
                        );
                        assert!(matches!(settled, (Ok(()), Ok(()))), "{settled:?}");
                        *charged.entry(grant.id.clone()).or_insert(0) += nanos;
                    }
                    charged
                }
            }
        })
        .await;

        for grant in &grants {
            let expected: i64 = charged.iter().filter_map(|of_caller| of_caller.get(&grant.id)).sum();
            let balance = world.balance(&grant.id).await;
            assert_eq!((balance.used, balance.reserved, balance.in_flight), (expected, 0, 0));
        }
        assert_sound(&world.store).await;
    })
    .await;
}

async fn give_back(instances: &[Store], held: Vec<Reservation>) {
    let settled = in_parallel(held.len(), |number| {
        let (store, released) = (instances[number % instances.len()].clone(), held[number].released());
        async move { store.settle_now(released, NOW).await }
    })
    .await;
    assert!(settled.iter().all(Result::is_ok), "{settled:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_changes_something_gets_a_turn_however_busy_the_ledger_is() {
    on_both_engines(async |world| {
        let grant = world.freely_granted("user", "notes", "one").await;
        let busy = Arc::new(AtomicBool::new(true));
        let mut calls = JoinSet::new();
        for caller in 0..CALLERS {
            let (store, grant, busy) = (world.store.clone(), grant.clone(), Arc::clone(&busy));
            calls.spawn(async move {
                for number in 0.. {
                    if !busy.load(Ordering::Relaxed) {
                        return;
                    }
                    let held = store.reserve(permit(&grant, &format!("{caller} {number}"), HELD), NOW);
                    store.settle_now(held.await.unwrap().released(), NOW).await.unwrap();
                }
            });
        }

        // A page of this process, and the command line in another.
        let elsewhere = Store::open(&world.url, "elsewhere").await.unwrap();
        for number in 0..world.rounds(40, 10) {
            for store in [&world.store, &elsewhere] {
                let store = store.clone();
                let written = in_parallel(3, move |_| {
                    let store = store.clone();
                    async move { store.append(&event(Happened::SignedOut)).await }
                })
                .await;
                assert!(written.iter().all(Result::is_ok), "round {number}: {written:?}");
            }
        }
        busy.store(false, Ordering::Relaxed);
        while let Some(call) = calls.join_next().await {
            call.unwrap();
        }
        assert_sound(&world.store).await;
    })
    .await;
}
