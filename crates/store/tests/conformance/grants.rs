//! Grants: every change counts, once, and is seen by whoever decided on the version before.

use std::collections::BTreeMap;

use aipassport_domain::{
    audit::{Happened, PauseReason, RevocationReason},
    fixtures::{self, NOW},
    grant::{Grant, GrantState},
    ids::{GrantId, TenantId, UserId},
    money::Money,
};

use crate::support::{World, decision, event, in_parallel, on_both_engines};

fn revoked() -> aipassport_domain::audit::AuditEvent {
    event(Happened::GrantRevoked {
        reason: RevocationReason::ByUser,
    })
}

impl World {
    async fn live_jtis(&self, grant: &Grant) -> Vec<String> {
        let live = self.store.live_grant(&self.tenant, &grant.id).await.unwrap().unwrap();
        live.revoked_jtis
    }
}

#[tokio::test]
async fn grants_are_listed_newest_first_by_user_and_by_tenant() {
    on_both_engines(async |world| {
        let one = world.granted("one").await;
        let two = world.granted("two").await;
        let (nobody, elsewhere) = (UserId::new("nobody"), TenantId::new("elsewhere"));

        assert_eq!(
            world.store.grants_of(&world.tenant, &one.user_id).await.unwrap(),
            [one.clone(), two.clone()]
        );
        assert_eq!(world.store.grants(&world.tenant).await.unwrap(), [one.clone(), two]);
        assert_eq!(world.store.grants_of(&world.tenant, &nobody).await.unwrap(), []);
        assert_eq!(world.store.grants_of(&elsewhere, &one.user_id).await.unwrap(), []);
        assert_eq!(world.store.grant(&elsewhere, &one.id).await.unwrap(), None);
        assert_eq!(world.store.live_grant(&elsewhere, &one.id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_live_grant_comes_with_the_newest_credential_of_each_provider() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        world.add_credential("old", "user", "openai", NOW).await;
        let new = world.add_credential("new", "user", "openai", NOW.plus_seconds(2)).await;
        let other = world
            .add_credential("other", "user", "anthropic", NOW.plus_seconds(1))
            .await;

        let live = world.store.live_grant(&world.tenant, &grant.id).await.unwrap().unwrap();

        assert_eq!(live.credentials, [new, other]);
        assert_eq!(live.grant, Grant { version: 4, ..grant });
        assert_eq!((live.client_disabled_at, live.user_suspended_at), (None, None));
        assert!(live.revoked_jtis.is_empty());
    })
    .await;
}

#[tokio::test]
async fn revoking_twice_revokes_once() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;

        let first = world.store.revoke_grant(&grant.id, &revoked()).await.unwrap().unwrap();
        let again = world.store.revoke_grant(&grant.id, &revoked()).await.unwrap().unwrap();

        assert_eq!((first.state, first.version), (GrantState::Revoked { at: NOW }, 2));
        assert_eq!(again, first);
        assert_eq!(world.times("grant_revoked").await, 1);
        let unknown = world.store.revoke_grant(&GrantId::new("unknown"), &revoked()).await;
        assert_eq!(unknown.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_pause_begins_once_and_ends_once() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        let (paused, resumed) = (
            event(Happened::GrantPaused {
                reason: PauseReason::ByUser,
            }),
            event(Happened::GrantResumed),
        );
        let pause = async || world.store.pause_grant(&grant.id, &paused).await.unwrap().unwrap();
        let resume = async || {
            world
                .store
                .resume_grant(&grant.id, None, &resumed)
                .await
                .unwrap()
                .unwrap()
        };

        assert_eq!(resume().await, grant);
        for _ in 0..2 {
            let now = pause().await;
            let by_user = GrantState::Paused {
                at: NOW,
                reason: PauseReason::ByUser,
            };
            assert_eq!((now.state, now.version), (by_user, 2));
        }
        for _ in 0..2 {
            let now = resume().await;
            assert_eq!((now.state, now.version), (GrantState::Active, 3));
        }
        assert_eq!(
            (world.times("grant_paused").await, world.times("grant_resumed").await),
            (1, 1)
        );
        let unknown = GrantId::new("unknown");
        assert_eq!(world.store.pause_grant(&unknown, &paused).await.unwrap(), None);
        assert_eq!(world.store.resume_grant(&unknown, None, &resumed).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_revoked_grant_is_neither_paused_nor_resumed_nor_changed() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        world
            .store
            .pause_grant(
                &grant.id,
                &event(Happened::GrantPaused {
                    reason: PauseReason::ByUser,
                }),
            )
            .await
            .unwrap();
        let grant = world.store.revoke_grant(&grant.id, &revoked()).await.unwrap().unwrap();

        let paused = world
            .store
            .pause_grant(
                &grant.id,
                &event(Happened::GrantPaused {
                    reason: PauseReason::ByUser,
                }),
            )
            .await
            .unwrap();
        let resumed = world
            .store
            .resume_grant(&grant.id, None, &event(Happened::GrantResumed))
            .await
            .unwrap();
        let changed = world
            .store
            .change_grant(&grant.id, &decision().approved, &revoked())
            .await
            .unwrap();

        assert_eq!(
            (paused, resumed, changed),
            (Some(grant.clone()), Some(grant.clone()), None)
        );
        assert_eq!(world.store.grant(&world.tenant, &grant.id).await.unwrap(), Some(grant));
    })
    .await;
}

#[tokio::test]
async fn a_change_is_in_force_and_raises_the_version() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        let mut lower = decision().approved;
        lower.expires_at = NOW.plus_seconds(60);
        for access in &mut lower.authorization_details {
            access.limits.budget = BTreeMap::from([(None, Money::from_cents(1))]);
        }
        let changed = event(Happened::GrantChanged {
            authorization_details: serde_json::to_value(&lower.authorization_details).unwrap(),
            expires_at: lower.expires_at,
            revoke_when_used_up: false,
        });

        let after = world
            .store
            .change_grant(&grant.id, &lower, &changed)
            .await
            .unwrap()
            .unwrap();

        assert_eq!(after.authorization_details, lower.authorization_details);
        assert_eq!((after.expires_at, after.version), (lower.expires_at, 2));
        assert_eq!(world.store.grant(&world.tenant, &grant.id).await.unwrap(), Some(after));
        assert_eq!(world.times("grant_changed").await, 1);
        let unknown = world
            .store
            .change_grant(&GrantId::new("unknown"), &lower, &changed)
            .await;
        assert_eq!(unknown.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn versions_are_told_for_any_number_of_grants() {
    on_both_engines(async |world| {
        let one = world.granted("one").await;
        let two = world.granted("two").await;
        world.revoke(&two.id).await;
        let mut asked: Vec<GrantId> = (0..1_200).map(|number| GrantId::new(format!("no {number}"))).collect();
        asked.insert(0, one.id.clone());
        asked.push(two.id.clone());

        let versions = world.store.versions(&world.tenant, &asked).await.unwrap();

        assert_eq!(versions, [(one.id, 1), (two.id, 2)]);
        assert_eq!(world.store.versions(&world.tenant, &[]).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn an_access_token_is_revoked_once_and_forgotten_after_its_end() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        let revoke = async |jti: &str, seconds| {
            let mut revoked = event(Happened::AccessTokenRevoked { jti: jti.to_owned() });
            revoked.at = NOW.plus_seconds(seconds);
            let end = revoked.at.plus_seconds(600);
            world
                .store
                .revoke_access_token(&grant.id, jti, end, &revoked)
                .await
                .unwrap()
        };

        assert!(revoke("one", 0).await);
        assert!(!revoke("one", 0).await);
        assert_eq!(
            (world.live_jtis(&grant).await, world.version(&grant.id).await),
            (vec!["one".to_owned()], 2)
        );
        assert!(revoke("two", 600).await);
        assert_eq!(world.live_jtis(&grant).await, ["two"]);
        assert_eq!(world.times("access_token_revoked").await, 2);

        let gone = event(Happened::AccessTokenRevoked { jti: "x".to_owned() });
        let unknown = world
            .store
            .revoke_access_token(&GrantId::new("unknown"), "x", NOW, &gone)
            .await;
        assert!(!unknown.unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_each_raise_the_version() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;

        in_parallel(40, |number| {
            let (store, id) = (world.store.clone(), grant.id.clone());
            async move {
                let jti = number.to_string();
                let revoked = event(Happened::AccessTokenRevoked { jti: jti.clone() });
                assert!(
                    store
                        .revoke_access_token(&id, &jti, NOW.plus_seconds(600), &revoked)
                        .await
                        .unwrap()
                );
            }
        })
        .await;

        assert_eq!(world.version(&grant.id).await, 41);
        assert_eq!(world.live_jtis(&grant).await.len(), 40);
    })
    .await;
}

#[tokio::test]
async fn a_grant_shows_its_client_as_it_is_named() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;

        assert_eq!(grant.client_name, fixtures::client().name);
        assert_eq!(grant.client_address, fixtures::client().address);
    })
    .await;
}
