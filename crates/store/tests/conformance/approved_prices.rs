//! What a grant's models cost when it was approved, and pausing it because they have become dearer.

use aipassport_domain::{
    audit::{AuditEvent, Happened, PauseReason},
    fixtures::NOW,
    grant::{Grant, GrantState},
    ids::TenantId,
};

use crate::support::{World, decision, event, on_both_engines};

fn risen() -> AuditEvent {
    event(Happened::GrantPaused {
        reason: PauseReason::PriceRise,
    })
}

async fn resumed(world: &World, grant: &Grant, prices: Option<&str>) -> Grant {
    let resumed = event(Happened::GrantResumed);
    let grant = world.store.resume_grant(&grant.id, prices, &resumed).await;
    grant.unwrap().unwrap()
}

#[tokio::test]
async fn a_grant_keeps_what_its_models_cost_until_its_user_says_otherwise() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        let store = &world.store;
        let prices = async || store.approved_prices(&world.tenant, &grant.id).await.unwrap();
        assert_eq!(prices().await, Some(decision().prices));

        let complete = async |before: Option<&str>, after: &str| {
            let completed = store.complete_approved_prices(&world.tenant, &grant.id, before, after);
            completed.await.unwrap()
        };
        assert!(!complete(None, "more").await);
        assert!(complete(Some(&decision().prices), "more").await);
        assert_eq!(prices().await.as_deref(), Some("more"));

        store.pause_for_prices(&grant.id, "more", &risen()).await.unwrap();
        assert_eq!(resumed(&world, &grant, Some("dearer")).await.state, GrantState::Active);
        assert_eq!(prices().await.as_deref(), Some("dearer"));
        resumed(&world, &grant, Some("not paused")).await;
        assert_eq!(prices().await.as_deref(), Some("dearer"));
    })
    .await;
}

#[tokio::test]
async fn dearer_models_pause_a_grant_once_and_say_why() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        let approved = decision().prices;

        for _ in 0..2 {
            let paused = world.store.pause_for_prices(&grant.id, &approved, &risen()).await;
            let paused = paused.unwrap().unwrap();
            let state = GrantState::Paused {
                at: NOW,
                reason: PauseReason::PriceRise,
            };
            assert_eq!((paused.state, paused.version), (state, grant.version + 1));
        }

        let resumed = resumed(&world, &grant, None).await;
        assert_eq!(
            (resumed.state, resumed.version),
            (GrantState::Active, grant.version + 2)
        );
        let by_user = event(Happened::GrantPaused {
            reason: PauseReason::ByUser,
        });
        let paused = world.store.pause_grant(&grant.id, &by_user).await.unwrap().unwrap();
        let state = GrantState::Paused {
            at: NOW,
            reason: PauseReason::ByUser,
        };
        assert_eq!(paused.state, state);
        assert_eq!(world.times("grant_paused").await, 2);
    })
    .await;
}

#[tokio::test]
async fn what_was_seen_before_its_user_allowed_other_prices_pauses_nothing() {
    on_both_engines(async |world| {
        let (grant, seen) = (world.granted("one").await, decision().prices);
        let store = &world.store;
        store.pause_for_prices(&grant.id, &seen, &risen()).await.unwrap();
        resumed(&world, &grant, Some("allowed")).await;

        let late = store.pause_for_prices(&grant.id, &seen, &risen()).await.unwrap();

        assert_eq!(late.unwrap().state, GrantState::Active);
    })
    .await;
}

#[tokio::test]
async fn the_prices_of_a_grant_are_its_tenants_own() {
    on_both_engines(async |world| {
        let (grant, prices) = (world.granted("one").await, decision().prices);
        let (store, other) = (&world.store, TenantId::new("other"));
        let theirs = AuditEvent {
            tenant_id: other.clone(),
            ..risen()
        };

        assert_eq!(store.approved_prices(&other, &grant.id).await.unwrap(), None);
        let completed = store.complete_approved_prices(&other, &grant.id, Some(&prices), "theirs");
        assert!(!completed.await.unwrap());
        assert_eq!(store.pause_for_prices(&grant.id, &prices, &theirs).await.unwrap(), None);
        assert_eq!(world.version(&grant.id).await, grant.version);
    })
    .await;
}
