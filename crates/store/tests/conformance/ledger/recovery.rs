//! What becomes of the holds of an instance that died.

use aipassport_domain::{audit::CallOutcome, fixtures::NOW, policy::Permit, usage::TruthLabel};
use aipassport_store::{Fault, Ledger, Store};

use super::{Balance, SettleNow, budget, cost, permit};
use crate::support::{World, in_parallel, on_both_engines};

impl World {
    /// Another instance on the same database, which has held a call and will not come back.
    async fn instance_that_dies_holding(&self, call: Permit) -> Store {
        let dying = Store::open(&self.url, "dying").await.unwrap();
        dying.heartbeat(NOW).await.unwrap();
        dying.reserve(call, NOW).await.unwrap();
        dying
    }
}

#[tokio::test]
async fn threat_140_a_call_of_a_dead_instance_is_charged_what_it_held_once_and_says_so() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        world.instance_that_dies_holding(permit(&grant, "orphan", 80)).await;
        world.store.reserve(permit(&grant, "own", 10), NOW).await.unwrap();

        let later = NOW.plus_seconds(60);
        let recovered = in_parallel(8, |_| {
            let store = world.store.clone();
            async move { store.recover_all_others(later).await.map(drop) }
        })
        .await;

        assert!(recovered.iter().all(Result::is_ok), "{recovered:?}");
        let orphan = world.call("orphan").await.settled.unwrap();
        assert_eq!(
            (orphan.label, orphan.outcome),
            (TruthLabel::WorstCase, CallOutcome::Crashed)
        );
        assert_eq!((orphan.cost.nanos(), orphan.at), (80, later));
        assert_eq!(world.call("own").await.settled, None);
        let expected = Balance {
            used: 80,
            reserved: 10,
            in_flight: 1,
        };
        assert_eq!(world.balance(&grant.id).await, expected);
        assert_eq!(world.times("call_settled").await, 1);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn an_instance_that_is_heard_of_keeps_its_calls() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let other = world.instance_that_dies_holding(permit(&grant, "held", 80)).await;
        let since = NOW.plus_seconds(30);

        other.heartbeat(since).await.unwrap();
        assert_eq!(world.store.recover_silent(since, since).await.unwrap(), 0);
        let silent = since.plus_millis(1);
        assert_eq!(world.store.recover_silent(silent, silent).await.unwrap(), 1);
        assert_eq!(world.store.recover_silent(silent, silent).await.unwrap(), 0);

        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn an_instance_that_has_not_been_heard_of_yet_keeps_its_new_calls() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let young = Store::open(&world.url, "young").await.unwrap();
        young.reserve(permit(&grant, "new", 80), NOW).await.unwrap();

        assert_eq!(world.store.recover_silent(NOW, NOW).await.unwrap(), 0);
    })
    .await;
}

/// An instance that was only slow settles after it was given up.
#[tokio::test]
async fn threat_140_a_settlement_that_comes_after_recovery_changes_nothing() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let slow = Store::open(&world.url, "slow").await.unwrap();
        let held = slow.reserve(permit(&grant, "slow", 80), NOW).await.unwrap();

        assert_eq!(world.store.recover_all_others(NOW).await.unwrap(), 1);
        slow.settle_now(cost(&held, 10), NOW).await.unwrap();

        assert_eq!(world.balance(&grant.id).await.used, 80);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_closed_finishes_what_it_was_asked_and_refuses_the_rest() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let store = Store::open(&world.url, "closing").await.unwrap();
        let held = store.reserve(permit(&grant, "call", 80), NOW).await.unwrap();

        let (settled, ()) = tokio::join!(store.settle_now(cost(&held, 10), NOW), store.close());

        assert!(settled.is_ok());
        assert!(store.reserve(permit(&grant, "late", 1), NOW).await.is_err());
        assert!(store.settle_now(cost(&held, 10), NOW).await.is_err());
        assert_eq!(world.balance(&grant.id).await.used, 10);
    })
    .await;
}

#[tokio::test]
async fn the_invariant_check_finds_what_was_tampered_with() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let held = world.store.reserve(permit(&grant, "settled", 10), NOW).await.unwrap();
        world.store.settle_now(cost(&held, 5), NOW).await.unwrap();
        world.store.reserve(permit(&grant, "open", 20), NOW).await.unwrap();
        world.assert_sound().await;

        world
            .tamper("update calls set cost_nanos = 7 where id = 'settled'")
            .await;
        world.tamper("update calls set held_nanos = 90 where id = 'open'").await;
        assert_eq!(
            world.findings().await,
            ["budget: the account says 5 used and 20 held, its calls add up to 7 and 90"]
        );
        world
            .tamper("update accounts set state = replace(state, '\"used\":5', '\"used\":85')")
            .await;
        world
            .tamper("update calls set cost_nanos = 85 where id = 'settled'")
            .await;
        world.tamper("update calls set held_nanos = 20 where id = 'open'").await;
        assert_eq!(
            world.findings().await,
            ["budget: 105 used and held, where 100 is the most that can be"]
        );
        world
            .tamper("update accounts set state = replace(state, '\"in_flight\":1', '\"in_flight\":3')")
            .await;
        assert_eq!(
            world.findings().await,
            [
                "budget: 105 used and held, where 100 is the most that can be",
                "the account says 3 calls under way, there are 1"
            ]
        );
        world.tamper("update accounts set state = '?'").await;
        assert_eq!(world.findings().await, ["the account cannot be read"]);
        world.tamper("delete from accounts").await;
        assert_eq!(
            world.findings().await,
            ["there are calls, but no account that counts them"]
        );

        let orphans = world.store.check_invariants(NOW.plus_seconds(1)).await.unwrap();
        assert!(
            orphans
                .iter()
                .any(|finding| matches!(finding.fault, Fault::OrphanHold { .. })),
            "{orphans:?}"
        );
    })
    .await;
}

impl World {
    pub async fn tamper(&self, statement: &'static str) {
        let mut connection = self.connection().await;
        let changed = sqlx::query(statement).execute(&mut connection).await.unwrap();
        assert!(changed.rows_affected() > 0, "{statement}");
    }

    async fn findings(&self) -> Vec<String> {
        let findings = self.store.check_invariants(NOW).await.unwrap();
        let told = findings.iter().map(ToString::to_string);
        told.map(|text| text.split_once(": ").unwrap().1.to_owned()).collect()
    }
}
