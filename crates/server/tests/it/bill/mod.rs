//! Whether the ledger says what the providers bill: calls of every kind at random, through a whole
//! broker, to the sandbox provider, which keeps a bill of its own with prices of its own.
//!
//! Begin with `operations.rs`, the kinds of calls there are; `question.rs` draws one, `stage.rs` sets
//! up who calls whom, `client.rs` makes the call, `books.rs` compares. A failure names its seed;
//! `BILL_SEED` draws the same calls again, and `BILL_CALLS` says how many.

mod bodies;
mod books;
mod client;
mod operations;
mod question;
mod stage;

use std::sync::atomic::{AtomicU64, Ordering};

use aipassport::random::{Random, SystemRandom};

use self::{
    books::{Told, compare},
    client::Client,
    stage::{Call, Stage},
};

const USUAL_CALLS: u64 = 2_000;
/// So many that each operation is among them in every way.
const ALL_CALLS: u64 = 10_000;
const CLIENTS: usize = 24;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "`scripts/bill` shows what the calls came to")]
async fn the_ledger_says_what_the_providers_bill() {
    let seed = setting("BILL_SEED").unwrap_or_else(|| {
        let mut bytes = [0; 4];
        SystemRandom.fill(&mut bytes);
        u32::from_le_bytes(bytes).into()
    });
    let count = setting("BILL_CALLS").unwrap_or(USUAL_CALLS);
    let mut stage = Stage::set().await;

    let calls = make_calls(&stage, seed, count).await;
    let (records, bill) = stage.close().await;

    let told: Vec<Told> = calls.into_iter().map(|call| call.told(&records)).collect();
    let (sums, wrong) = compare(seed, &told, bill);
    println!("BILL_SEED={seed} BILL_CALLS={count}");
    for (name, sums) in &sums {
        println!("{sums}  {name}");
    }
    assert!(
        wrong.is_empty(),
        "BILL_SEED={seed} BILL_CALLS={count}: {} calls are wrong, among them\n{}",
        wrong.len(),
        wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
    );
    let exact: u64 = sums.values().map(|sums| sums.exact).sum();
    assert!(
        exact > count / 2,
        "only {exact} of {count} calls were compared to the nano-dollar"
    );
    stage.assert_within_budgets(&records);
    if count >= ALL_CALLS {
        let uncompared = sums.iter().filter(|(_, sums)| sums.exact_bill == 0);
        let uncompared: Vec<&str> = uncompared.map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            uncompared,
            ["embeddings ollama/api/embeddings"],
            "it alone never tells its usage"
        );
    }
}

/// Makes so many calls, several at a time.
async fn make_calls(stage: &Stage, seed: u64, count: u64) -> Vec<Call> {
    let next = AtomicU64::new(0);
    let client = async || {
        let mut client = Client::default();
        let mut calls = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return calls;
            }
            calls.push(stage.call(&mut client, seed, number).await);
        }
    };
    let clients = (0..CLIENTS).map(|_| client());
    futures_util::future::join_all(clients)
        .await
        .into_iter()
        .flatten()
        .collect()
}
