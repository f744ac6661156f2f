//! How fast the ledger is on SQLite: durable reservations with their settlements, by how many
//! callers ask at the same time.
//!
//! `cargo run --release -p aipassport-store --example ledger_speed [CALLERS…]`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement, not the product"
)]

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Instant,
};

use aipassport_domain::{
    audit::CallOutcome,
    fixtures,
    grant::Grant,
    ids::CallId,
    ledger::{Account, Level, Settlement},
    money::Money,
    policy::Permit,
    usage::TruthLabel,
};
use aipassport_store::{DatabaseUrl, Ledger, Store};

const PAIRS: u64 = 40_000;

#[tokio::main]
async fn main() {
    println!("         durable      CPU   µs to a durable hold");
    println!("callers  pairs/s  µs/pair       p50     p99");
    let asked: Vec<u64> = std::env::args().skip(1).map(|count| count.parse().unwrap()).collect();
    for callers in if asked.is_empty() {
        vec![1, 4, 16, 64, 256]
    } else {
        asked
    } {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speed.db");
        let store = Store::open(&DatabaseUrl::Sqlite(path.clone()), "speed").await.unwrap();
        add_grant(&path);

        let pairs = if callers == 1 { PAIRS / 10 } else { PAIRS };
        let permits = permits(pairs);
        let (cpu, wall) = (cpu_micros(), Instant::now());
        let mut waits = play(&store, callers, permits).await;
        let wall = wall.elapsed();
        let cpu = cpu_micros() - cpu;
        store.close().await;

        waits.sort_unstable();
        let rate = u128::from(pairs) * 1_000_000 / wall.as_micros();
        let percentile = |percent| waits.get(waits.len() * percent / 100).unwrap();
        let (p50, p99) = (percentile(50), percentile(99));
        let cpu = tenths(cpu * 10 / pairs);
        println!("{callers:>7}  {rate:>7}  {cpu:>7}  {p50:>8}  {p99:>6}");
    }
}

fn tenths(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

fn permits(count: u64) -> Vec<Permit> {
    let grant = grant();
    let id = |call| CallId::new(format!("019a0000-0000-7000-8000-{call:012}"));
    (0..count)
        .rev()
        .map(|call| fixtures::permit_for(&grant, id(call), fixtures::CEILING))
        .collect()
}

/// Reserves and settles a call for each of `permits` with `callers` tasks, and returns how long each
/// hold took.
async fn play(store: &Store, callers: u64, permits: Vec<Permit>) -> Vec<u128> {
    let permits = Arc::new(Mutex::new(permits));
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (store, permits) = (store.clone(), Arc::clone(&permits));
            tokio::spawn(async move {
                let mut waits = Vec::new();
                let next = || permits.lock().unwrap().pop();
                while let Some(permit) = next() {
                    let begun = Instant::now();
                    let held = store.reserve(permit, fixtures::NOW).await.unwrap();
                    waits.push(begun.elapsed().as_micros());
                    let settlement = Settlement {
                        cost: Money::from_nanos(10),
                        label: TruthLabel::Reported,
                        outcome: CallOutcome::Completed,
                        ..held.released()
                    };
                    store.settle(settlement, fixtures::NOW);
                }
                waits
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.unwrap());
    }
    waits
}

fn grant() -> Grant {
    let mut grant = fixtures::grant();
    for access in &mut grant.authorization_details {
        access.limits = fixtures::defaults().limits;
        access
            .limits
            .budget
            .values_mut()
            .for_each(|most| *most = Money::MAX_LIMIT);
        access.limits.requests.values_mut().for_each(|most| *most = u64::MAX);
        access.limits.rate.values_mut().for_each(|most| *most = u64::MAX);
        access.limits.concurrency = Some(10_000);
    }
    grant
}

fn add_grant(path: &std::path::Path) {
    let grant = grant();
    let access = grant.authorization_details.first().unwrap();
    let state = serde_json::to_string(&Account::open(Level::Grant, &access.limits, "Europe/Berlin")).unwrap();
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch("pragma foreign_keys = off").unwrap();
    connection
        .execute(
            "insert into grants (tenant_id, id, user_id, client_id, authorization_details, version, created_at, expires_at)
             values ('default', 'grant', 'user', 'notes', '[]', 1, 0, 0)",
            [],
        )
        .unwrap();
    connection
        .execute(
            "insert into accounts (tenant_id, level, subject, provider, state) values ('default', 'grant', 'grant', 'openai', ?1)",
            [state],
        )
        .unwrap();
}

/// User and system time of all threads.
fn cpu_micros() -> u64 {
    let mut micros = 0;
    for thread in fs::read_dir("/proc/self/task").unwrap() {
        let schedstat = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        let nanos: u64 = schedstat.split_whitespace().next().unwrap().parse().unwrap();
        micros += nanos / 1000;
    }
    micros
}
