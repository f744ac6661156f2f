//! The process is killed at any moment, as by `kill -9`: what it told anybody is on the disk.
//!
//! The test runs itself a second time as the process that is killed. That one makes calls as fast
//! as it can and writes down what it was told; afterwards the database must know all of it.

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use aipassport_domain::{
    audit::CallOutcome,
    fixtures::NOW,
    ids::{CallId, GrantId, TenantId},
};
use aipassport_store::{DatabaseUrl, Ledger, LimitsOf, Store};

use super::{
    SettleNow, assert_sound, budget, cost,
    levels::{app, user},
    permit,
};
use crate::support::{World, in_parallel, on_both_engines};

const DATABASE: &str = "AIPASSPORT_TEST_CRASH_DATABASE";
const GRANT: &str = "AIPASSPORT_TEST_CRASH_GRANT";
const LIFE: &str = "AIPASSPORT_TEST_CRASH_LIFE";

/// What the killed process was told before it died.
#[derive(Default)]
struct Told {
    admitted: Vec<CallId>,
    settled: HashMap<CallId, i64>,
}

#[tokio::test]
async fn threat_140_what_a_killed_process_was_told_is_durable_and_its_holds_are_charged_once() {
    on_both_engines(async |world| {
        let mut limits = budget(1_000_000_000);
        limits.concurrency = Some(1_000);
        let grant = world.granted_with("one", limits.clone()).await;
        for of in [app("user", "notes"), user("user"), LimitsOf::Tenant] {
            world.limit(&of, &limits).await;
        }
        let lives = if matches!(world.url, DatabaseUrl::Sqlite(_)) {
            12
        } else {
            5
        };

        for life in 0..lives {
            let told = live_and_be_killed(&world, &grant.id, life);
            assert!(!told.admitted.is_empty());

            world.store.recover_all_others(NOW).await.unwrap();
            assert_sound(&world.store).await;
            for id in &told.admitted {
                let call = world.store.call(&world.tenant, id).await.unwrap().unwrap();
                let settled = call.settled.unwrap();
                match told.settled.get(id) {
                    Some(nanos) => assert_eq!(settled.cost.nanos(), *nanos),
                    None if settled.outcome == CallOutcome::Crashed => assert_eq!(settled.cost, call.held.amount),
                    // Settled, but killed before it was told.
                    None => {}
                }
            }
        }
        let balance = world.balance(&grant.id).await;
        assert_eq!((balance.reserved, balance.in_flight), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn no_crash_at_any_moment_leaves_a_grant_in_force_whose_money_is_used_up() {
    on_both_engines(async |world| {
        for life in 0..6 {
            let grant = world
                .granted_until_used_up(&format!("{life}"), budget(4_000 << life))
                .await;
            live_and_be_killed(&world, &grant.id, life);

            world.assert_revoked_if_used_up(&grant).await;
            world.store.recover_all_others(NOW).await.unwrap();
            world.assert_revoked_if_used_up(&grant).await;
            assert_sound(&world.store).await;
        }
    })
    .await;
}

fn live_and_be_killed(world: &World, grant: &GrantId, life: u64) -> Told {
    let database = match &world.url {
        DatabaseUrl::Sqlite(path) => path.display().to_string(),
        DatabaseUrl::Postgres(url) => url.clone(),
    };
    let mut process = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "ledger::crash::the_process_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DATABASE, database)
        .env(GRANT, grant.as_str())
        .env(LIFE, life.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();

    let mut told = Told::default();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let first = lines
        .by_ref()
        .find(|line| line.as_ref().is_ok_and(|line| line.contains("held ")));
    assert!(first.is_some(), "it began to make calls");
    let killer = thread::spawn(move || {
        // Somewhere else in a batch each time.
        thread::sleep(Duration::from_micros(15_000 + life * 3_700));
        process.kill().unwrap();
        process.wait().unwrap();
    });
    for line in first.into_iter().chain(lines).map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [.., "held", id, "."] => told.admitted.push(CallId::new(id)),
            ["settled", id, nanos, "."] => {
                told.settled.insert(CallId::new(id), nanos.parse().unwrap());
            }
            _ => {}
        }
    }
    killer.join().unwrap();
    told
}

/// Not a test: see above.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above, to be killed"]
async fn the_process_that_is_killed() {
    let Ok(database) = env::var(DATABASE) else { return };
    let url = if database.starts_with("postgres") {
        DatabaseUrl::Postgres(database)
    } else {
        DatabaseUrl::Sqlite(database.into())
    };
    let life = env::var(LIFE).unwrap();
    let store = Store::open(&url, &format!("life {life}")).await.unwrap();
    let id = GrantId::new(env::var(GRANT).unwrap());
    let grant = store.grant(&TenantId::first(), &id).await.unwrap().unwrap();

    in_parallel(16, move |caller| {
        let (store, grant, life) = (store.clone(), grant.clone(), life.clone());
        async move {
            for number in 0_i64.. {
                let id = format!("{life}-{caller}-{number}");
                let Ok(held) = store.reserve(permit(&grant, &id, 1_000), NOW).await else {
                    continue;
                };
                say(&format!("held {id} ."));
                store.settle_now(cost(&held, number % 1_000), NOW).await.unwrap();
                say(&format!("settled {id} {} .", number % 1_000));
            }
        }
    })
    .await;
}

/// A whole line at once, not captured by the test runner. A line that was cut off has no full stop.
fn say(line: &str) {
    std::io::stdout()
        .lock()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}
