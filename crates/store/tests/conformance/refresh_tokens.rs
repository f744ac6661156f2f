//! Refresh tokens: used once each, never past their grant, and never on two branches.

use aipassport_domain::{
    audit::{AuditEvent, Happened, RevocationReason},
    fixtures::NOW,
    grant::GrantState,
    ids::{ClientId, GrantId, TenantId},
    time::Timestamp,
};
use aipassport_store::{NewRefreshToken, RefreshToken, Rotation};

use crate::support::{World, event, hash, in_parallel, new_refresh_token, on_both_engines, tokens_issued};

impl World {
    async fn refresh_token(&self, name: &str) -> RefreshToken {
        self.store
            .refresh_token(&self.tenant, &hash(name))
            .await
            .unwrap()
            .unwrap()
    }

    async fn state_of(&self, id: &GrantId) -> GrantState {
        self.store.grant(&self.tenant, id).await.unwrap().unwrap().state
    }

    pub async fn revoke(&self, id: &GrantId) {
        let revoked = event(Happened::GrantRevoked {
            reason: RevocationReason::ByUser,
        });
        self.store.revoke_grant(id, &revoked).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn rotating_issues_a_successor_of_the_same_family() {
    on_both_engines(async |world| {
        let grant = world.granted("first").await;
        let first = world.refresh_token("first").await;
        let later = NOW.plus_seconds(600);

        let Rotation::Rotated(second) = world.rotate("first", "second", later).await else {
            panic!("not rotated")
        };

        assert_eq!(world.refresh_token("second").await, second);
        assert_eq!((&second.family_id, &second.grant_id), (&first.family_id, &grant.id));
        assert_eq!(
            (second.created_at, second.rotated_at, second.revoked_at),
            (later, None, None)
        );
        assert_eq!(second.client_id, grant.client_id);
        assert_eq!(world.refresh_token("first").await.rotated_at, Some(later));
        assert_eq!(world.times("tokens_issued").await, 1);
        assert!(matches!(
            world.rotate("second", "third", later).await,
            Rotation::Rotated(_)
        ));
    })
    .await;
}

/// `security.md` 98: whoever uses a refresh token again ends its grant.
#[tokio::test]
async fn threat_98_a_reused_refresh_token_revokes_its_grant() {
    on_both_engines(async |world| {
        let grant = world.granted("first").await;
        let other = world.granted("other").await;
        assert!(matches!(
            world.rotate("first", "second", NOW).await,
            Rotation::Rotated(_)
        ));

        assert_eq!(world.rotate("first", "stolen", NOW).await, Rotation::Reused);

        assert_eq!(world.state_of(&grant.id).await, GrantState::Revoked { at: NOW });
        assert_eq!(world.version(&grant.id).await, grant.version + 1);
        assert_eq!(world.rotate("second", "third", NOW).await, Rotation::Gone);
        assert_eq!(world.refresh_token("second").await.revoked_at, Some(NOW));
        assert_eq!(world.rotate("first", "again", NOW).await, Rotation::Gone);
        assert_eq!(world.state_of(&other.id).await, GrantState::Active);
        let kinds = world.kinds().await;
        assert_eq!(kinds[kinds.len() - 2..], ["refresh_token_reused", "grant_revoked"]);
    })
    .await;
}

/// `security.md` 98, in parallel: one of 50 wins, and the others end what it won.
#[tokio::test(flavor = "multi_thread")]
async fn threat_98_many_rotations_at_once_never_leave_two_branches() {
    on_both_engines(async |world| {
        let grant = world.granted("first").await;

        let outcomes = in_parallel(50, |number| {
            let store = world.store.clone();
            async move {
                let next = new_refresh_token(&format!("next {number}"));
                store
                    .rotate_refresh_token(&hash("first"), &next, &tokens_issued())
                    .await
                    .unwrap()
            }
        })
        .await;

        let won = |outcome: &&Rotation| matches!(outcome, Rotation::Rotated(_));
        assert_eq!(outcomes.iter().filter(won).count(), 1);
        assert_eq!(
            outcomes.iter().filter(|outcome| **outcome == Rotation::Reused).count(),
            1
        );
        assert_eq!(world.state_of(&grant.id).await, GrantState::Revoked { at: NOW });
        for number in 0..50 {
            let next = world
                .store
                .refresh_token(&world.tenant, &hash(&format!("next {number}")))
                .await
                .unwrap();
            assert!(next.is_none_or(|token| token.revoked_at.is_some()));
        }
        assert_eq!(world.times("refresh_token_reused").await, 1);
    })
    .await;
}

/// `security.md` 103: revoking while refreshing leaves no survivor.
#[tokio::test(flavor = "multi_thread")]
async fn threat_103_a_grant_revoked_while_it_is_refreshed_has_no_token_left() {
    on_both_engines(async |world| {
        for round in 0..10 {
            let name = format!("round {round}");
            let grant = world.granted(&name).await;

            let (store, id) = (world.store.clone(), grant.id.clone());
            in_parallel(2, |number| {
                let (store, id, name) = (store.clone(), id.clone(), name.clone());
                async move {
                    if number == 0 {
                        let next = new_refresh_token(&format!("{name} next"));
                        store
                            .rotate_refresh_token(&hash(&name), &next, &tokens_issued())
                            .await
                            .unwrap();
                    } else {
                        let revoked = event(Happened::GrantRevoked {
                            reason: RevocationReason::ByClient,
                        });
                        store.revoke_grant(&id, &revoked).await.unwrap().unwrap();
                    }
                }
            })
            .await;

            for token in [name.clone(), format!("{name} next")] {
                let token = world.store.refresh_token(&world.tenant, &hash(&token)).await.unwrap();
                assert!(token.is_none_or(|token| token.revoked_at.is_some()));
            }
        }
    })
    .await;
}

/// `security.md` 99: a refresh token is worth nothing without its grant and its client.
#[tokio::test]
async fn threat_99_a_refresh_token_dies_with_its_grant_and_its_client() {
    on_both_engines(async |world| {
        let revoked = world.granted("of a revoked grant").await;
        let expired = world.granted("of an expired grant").await;
        world.granted("of a disabled client").await;

        world.revoke(&revoked.id).await;
        assert_eq!(world.rotate("of a revoked grant", "a", NOW).await, Rotation::Gone);
        assert_eq!(
            world.rotate("of an expired grant", "b", expired.expires_at).await,
            Rotation::Gone
        );
        let disabled = event(Happened::ClientDisabled {
            client_id: ClientId::new("notes"),
        });
        world
            .store
            .disable_client(&ClientId::new("notes"), &disabled)
            .await
            .unwrap();
        assert_eq!(world.rotate("of a disabled client", "c", NOW).await, Rotation::Gone);

        assert_eq!(world.rotate("unknown", "d", NOW).await, Rotation::Gone);
        let elsewhere = AuditEvent {
            tenant_id: TenantId::new("elsewhere"),
            ..tokens_issued()
        };
        let (old, new) = (hash("of an expired grant"), new_refresh_token("e"));
        let foreign = world.store.rotate_refresh_token(&old, &new, &elsewhere).await.unwrap();
        assert_eq!(foreign, Rotation::Gone);
        assert_eq!(world.times("tokens_issued").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_ends_when_idle_and_never_outlives_its_grant() {
    on_both_engines(async |world| {
        let grant = world.granted("first").await;
        let idle_end = world.refresh_token("first").await.expires_at;

        assert_eq!(world.rotate("first", "late", idle_end).await, Rotation::Gone);
        assert_eq!(world.refresh_token("first").await.rotated_at, None);

        let endless = NewRefreshToken {
            hash: hash("second"),
            expires_at: Timestamp::from_millis(i64::MAX),
        };
        let rotated = world
            .store
            .rotate_refresh_token(&hash("first"), &endless, &tokens_issued())
            .await
            .unwrap();
        assert!(matches!(rotated, Rotation::Rotated(token) if token.expires_at == grant.expires_at));
    })
    .await;
}

/// The rule that every order of rotations is tried with (`single_use/`) is the one in SQL.
#[tokio::test]
async fn a_token_is_rotated_exactly_when_the_rule_says_so() {
    on_both_engines(async |world| {
        let unused = world.granted("unused").await;
        world.granted("rotated").await;
        let revoked = world.granted("revoked").await;
        assert!(matches!(
            world.rotate("rotated", "successor", NOW).await,
            Rotation::Rotated(_)
        ));
        world.revoke(&revoked.id).await;

        for name in ["unused", "rotated", "revoked"] {
            let before = world.refresh_token(name).await;
            let rotated = world.rotate(name, &format!("after {name}"), NOW).await;
            let is_rotated = matches!(rotated, Rotation::Rotated(_));
            assert_eq!(is_rotated, before.can_be_rotated(), "{name}");
        }
        assert_eq!(world.state_of(&unused.id).await, GrantState::Active);
    })
    .await;
}
