//! The database is away, or in somebody's hands: nothing is admitted, and it goes on afterwards.

use std::time::Duration;

use aipassport_domain::{fixtures::NOW, ids::TenantId};
use aipassport_store::{DatabaseUrl, Ledger, ReserveError, Store};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use tokio::time::timeout;

use super::{SettleNow, budget, cost, permit};
use crate::{
    postgres,
    support::{World, in_parallel, on_both_engines},
};

impl World {
    async fn run(&self, statement: &'static str) {
        sqlx::raw_sql(statement)
            .execute(&mut self.connection().await)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn threat_171_a_call_whose_intent_cannot_be_audited_is_not_admitted() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let held = world.store.reserve(permit(&grant, "before", 10), NOW).await.unwrap();

        world.run("alter table audit_events rename to audit_events_away").await;
        let refused = world.store.reserve(permit(&grant, "during", 10), NOW).await;
        assert_eq!(refused, Err(ReserveError::Unavailable));
        assert!(world.store.settle_now(cost(&held, 5), NOW).await.is_err());
        world.assert_sound().await;
        assert_eq!(world.balance(&grant.id).await.reserved, 10);
        world.run("alter table audit_events_away rename to audit_events").await;

        world.store.reserve(permit(&grant, "after", 20), NOW).await.unwrap();
        let balance = world.balance(&grant.id).await;
        assert_eq!(
            (balance.used, balance.reserved),
            (5, 20),
            "it was settled with the next call"
        );
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn a_call_waits_for_a_change_of_its_grant_that_is_under_way_and_is_then_stale() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        // Its statements are prepared before it has to be quick.
        world.store.reserve(permit(&grant, "before", 1), NOW).await.unwrap();

        let mut connection = world.connection().await;
        let begin = match world.url {
            DatabaseUrl::Sqlite(_) => "begin immediate",
            DatabaseUrl::Postgres(_) => "begin",
        };
        let mut change = connection.begin_with(begin).await.unwrap();
        sqlx::query("update grants set version = version + 1")
            .execute(&mut *change)
            .await
            .unwrap();
        let reserving = world.store.reserve(permit(&grant, "during", 1), NOW);
        tokio::pin!(reserving);
        let early = timeout(Duration::from_millis(100), &mut reserving).await;
        change.commit().await.unwrap();

        assert!(early.is_err(), "{early:?}");
        assert_eq!(reserving.await, Err(ReserveError::Stale));
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn threat_141_an_account_that_somebody_keeps_locked_admits_nothing_and_recovers() {
    on_both_engines(async |world| {
        if matches!(world.url, DatabaseUrl::Sqlite(_)) {
            // It has one lock for all; the writer's own tests keep that.
            return;
        }
        let grant = world.granted_with("one", budget(100)).await;
        let mut connection = world.connection().await;
        let mut lock = connection.begin().await.unwrap();
        sqlx::query("select state from accounts for update")
            .execute(&mut *lock)
            .await
            .unwrap();

        let refused = world.store.reserve(permit(&grant, "during", 1), NOW).await;
        lock.rollback().await.unwrap();

        assert_eq!(refused, Err(ReserveError::Unavailable));
        world.store.reserve(permit(&grant, "after", 1), NOW).await.unwrap();
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn threat_141_a_postgresql_that_goes_away_admits_nothing_and_is_used_again_when_it_is_back() {
    on_both_engines(async |world| {
        let DatabaseUrl::Postgres(url) = &world.url else {
            return;
        };
        let grant = world.granted_with("one", budget(100)).await;
        let held = world.store.reserve(permit(&grant, "before", 10), NOW).await.unwrap();
        let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();

        on_server(format!("alter database {name} allow_connections false")).await;
        on_server(format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        ))
        .await;
        let refused = world.store.reserve(permit(&grant, "during", 10), NOW).await;
        let unsettled = world.store.settle_now(cost(&held, 5), NOW).await;
        on_server(format!("alter database {name} allow_connections true")).await;

        assert_eq!(refused, Err(ReserveError::Unavailable));
        assert!(unsettled.is_err());
        world.store.reserve(permit(&grant, "after", 10), NOW).await.unwrap();
        // The other connections of the store find out one by one that they were cut.
        while world.store.heartbeat(NOW).await.is_err() {}
        world.assert_sound().await;
        assert_eq!(world.balance(&grant.id).await.used, 5);
    })
    .await;
}

/// A server that was restarted overnight must not fail the first calls of the morning.
#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_was_restarted_while_nobody_asked_fails_nobody() {
    on_both_engines(async |world| {
        let DatabaseUrl::Postgres(url) = &world.url else {
            return;
        };
        let grant = world.granted_with("one", budget(100)).await;
        let held = world.store.reserve(permit(&grant, "before", 10), NOW).await.unwrap();
        let users = async |store: Store| store.users(&TenantId::first()).await.unwrap();
        in_parallel(8, |_| users(world.store.clone())).await;
        let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();

        on_server(format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        ))
        .await;
        // A connection in steady use is not looked at: the pool's own time has to pass.
        tokio::time::sleep(Duration::from_millis(1_100)).await;

        world.store.settle_now(cost(&held, 5), NOW).await.unwrap();
        world.add_user("ana").await;
        let found = in_parallel(8, |_| users(world.store.clone())).await;
        assert!(found.iter().all(|users| users.len() == 2));
        world.assert_sound().await;
    })
    .await;
}

async fn on_server(statement: String) {
    let mut server = AnyConnection::connect(postgres::server_url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut server)
        .await
        .unwrap();
}
