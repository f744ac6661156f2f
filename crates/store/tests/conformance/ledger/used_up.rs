//! Grants that are revoked when their money is used up, because their users chose that.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened, RevocationReason},
    consent::Approved,
    fixtures::NOW,
    grant::{Grant, GrantState},
    ids::{AppKeyId, GrantId},
    ledger::{LimitRule, Reservation},
    limits::Limits,
    money::Money,
    time::Period,
};
use aipassport_store::{Decision, Ledger, NewAppKey, NewTool, ReserveError, Rotation, Store};

use super::{SettleNow, account, budget, cost, levels::user, permit};
use crate::support::{
    World, approval, decision, event, hash, in_parallel, new_code, new_refresh_token, on_both_engines, tokens_issued,
};

const CALLERS: usize = 64;

fn used_up() -> Happened {
    Happened::GrantRevoked {
        reason: RevocationReason::UsedUp,
    }
}

impl World {
    /// A grant under these limits alone, to be revoked when its money is used up.
    pub async fn granted_until_used_up(&self, id: &str, limits: Limits) -> Grant {
        let grant = self.granted_with(id, limits).await;
        self.choose(&grant, true).await
    }

    async fn choose(&self, grant: &Grant, revoke_when_used_up: bool) -> Grant {
        let changed = Approved {
            authorization_details: grant.authorization_details.clone(),
            expires_at: grant.expires_at,
            revoke_when_used_up,
        };
        let event = event(Happened::GrantChanged {
            authorization_details: serde_json::to_value(&changed.authorization_details).unwrap(),
            expires_at: changed.expires_at,
            revoke_when_used_up,
        });
        let grant = self.store.change_grant(&grant.id, &changed, &event).await;
        grant.unwrap().unwrap()
    }

    async fn now(&self, grant: &Grant) -> Grant {
        self.store.grant(&self.tenant, &grant.id).await.unwrap().unwrap()
    }

    /// How often a grant was revoked, whoever did it.
    async fn revocations(&self, grant: &Grant) -> usize {
        let events = self.store.events(&self.tenant, 0, 100_000).await.unwrap();
        let of_grant = events.iter().map(|record| &record.event);
        of_grant
            .filter(|event| event.grant_id.as_ref() == Some(&grant.id))
            .filter(|event| matches!(event.what, Happened::GrantRevoked { .. }))
            .count()
    }

    pub async fn assert_revoked_if_used_up(&self, grant: &Grant) {
        let is_revoked = matches!(self.now(grant).await.state, GrantState::Revoked { .. });
        assert_eq!(self.revocations(grant).await, usize::from(is_revoked));
        assert!(is_revoked || !account(&self.store, &grant.id).await.is_used_up_for_good());
    }
}

#[tokio::test]
async fn the_settlement_that_uses_up_the_money_revokes_the_grant_and_its_tokens() {
    on_both_engines(async |world| {
        let grant = world.granted_until_used_up("one", budget(100)).await;

        world.spend(&grant, "first", 60).await;
        assert_eq!(world.now(&grant).await, grant);
        world.spend(&grant, "last", 40).await;

        let now = world.now(&grant).await;
        assert_eq!(
            (now.state, now.version),
            (GrantState::Revoked { at: NOW }, grant.version + 1)
        );
        let events = world.store.events(&world.tenant, 0, 100).await.unwrap();
        let [.., settled, told, revoked] = events.as_slice() else {
            panic!("three events")
        };
        assert_eq!(settled.event.what.kind(), "call_settled");
        assert_eq!(told.event.what.kind(), "limit_reached");
        assert_eq!(
            (&revoked.event.what, &revoked.event.actor),
            (&used_up(), &Actor::Broker)
        );
        assert_eq!(
            (&revoked.event.user_id, &revoked.event.grant_id),
            (&Some(grant.user_id.clone()), &Some(grant.id.clone()))
        );
        let late = world.store.reserve(permit(&grant, "late", 0), NOW).await;
        assert_eq!(late.unwrap_err(), ReserveError::Stale);
        assert_eq!(world.rotate("one", "two", NOW).await, Rotation::Gone);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn a_remnant_that_no_call_fits_into_is_used_up_by_the_call_that_is_refused() {
    on_both_engines(async |world| {
        let grant = world.granted_until_used_up("one", budget(100)).await;
        world.spend(&grant, "first", 96).await;
        assert_eq!(world.now(&grant).await.state, GrantState::Active);

        let refused = world.store.reserve(permit(&grant, "refused", 5), NOW).await;

        assert!(matches!(refused, Err(ReserveError::Limit(limit)) if limit.rule == LimitRule::Budget));
        assert_eq!(world.now(&grant).await.state, GrantState::Revoked { at: NOW });
        assert_eq!(world.revocations(&grant).await, 1);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn nothing_else_that_is_used_up_revokes_a_grant() {
    on_both_engines(async |world| {
        let not_chosen = world.granted_with("not chosen", budget(100)).await;
        let monthly = Limits {
            budget: [(Some(Period::MONTH), Money::from_nanos(100))].into(),
            ..Limits::default()
        };
        let monthly = world.granted_until_used_up("monthly", monthly).await;
        for grant in [&not_chosen, &monthly] {
            world.spend(grant, grant.id.as_str(), 100).await;
        }
        let of_user = world.granted_until_used_up("of user", budget(10_000)).await;
        world.limit(&user("user"), &budget(300)).await;
        let of_user = world.now(&of_user).await;
        world.spend(&of_user, "of user", 100).await;

        for grant in [not_chosen, monthly, of_user] {
            let grant = world.now(&grant).await;
            let refused = world.store.reserve(permit(&grant, "refused", 1), NOW).await;
            assert!(matches!(refused, Err(ReserveError::Limit(_))), "{refused:?}");
            assert_eq!(world.now(&grant).await, grant);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_chosen_later_holds_for_the_next_call_that_finds_no_money() {
    on_both_engines(async |world| {
        let grant = world.granted_until_used_up("one", budget(100)).await;
        let grant = world.choose(&grant, false).await;
        world.spend(&grant, "all", 100).await;
        assert_eq!(world.now(&grant).await, grant);

        let grant = world.choose(&grant, true).await;
        assert_eq!(grant.state, GrantState::Active);
        let refused = world.store.reserve(permit(&grant, "refused", 1), NOW).await;

        assert!(matches!(refused, Err(ReserveError::Limit(_))));
        assert_eq!(world.revocations(&grant).await, 1);
    })
    .await;
}

#[tokio::test]
async fn of_64_settlements_that_use_up_the_money_one_revokes() {
    on_both_engines(async |world| {
        let instances = world.instances().await;
        for round in 0..10 {
            let limits = budget(CALLERS.try_into().unwrap());
            let grant = world.granted_until_used_up(&format!("{round}"), limits).await;
            let held: Vec<Reservation> = reserved(&instances, &grant).await;

            let stores = instances.clone();
            let settled = in_parallel(CALLERS, move |caller| {
                let settlement = cost(&held[caller], 1);
                let store = stores[caller % stores.len()].clone();
                async move { store.settle_now(settlement, NOW).await }
            })
            .await;

            assert!(settled.iter().all(Result::is_ok), "{settled:?}");
            let now = world.now(&grant).await;
            assert_eq!(
                (now.state, now.version),
                (GrantState::Revoked { at: NOW }, grant.version + 1)
            );
            assert_eq!(world.revocations(&grant).await, 1);
        }
        world.assert_sound().await;
    })
    .await;
}

async fn reserved(instances: &[Store], grant: &Grant) -> Vec<Reservation> {
    let (stores, grant) = (instances.to_vec(), grant.clone());
    let held = in_parallel(CALLERS, move |caller| {
        let permit = permit(&grant, &format!("{} {caller}", grant.id), 1);
        let store = stores[caller % stores.len()].clone();
        async move { store.reserve(permit, NOW).await.unwrap() }
    });
    held.await
}

/// Settlements take the grant's row before its account's, as whoever changes the grant does.
#[tokio::test]
async fn using_up_revoking_changing_and_refreshing_at_once_wait_for_each_other_but_never_in_a_ring() {
    on_both_engines(async |world| {
        let instances = world.instances().await;
        for round in 0..10 {
            let id = format!("{round}");
            let limits = budget(CALLERS.try_into().unwrap());
            let grant = world.granted_until_used_up(&id, limits).await;
            let held = reserved(&instances, &grant).await;

            let (stores, changed) = (instances.clone(), grant.clone());
            let outcomes = in_parallel(CALLERS + 8, move |caller| {
                let store = stores[caller % stores.len()].clone();
                let (settlement, grant, id) = (held.get(caller).map(|held| cost(held, 1)), changed.clone(), id.clone());
                async move {
                    match (settlement, caller % 4) {
                        (Some(settlement), _) => store.settle_now(settlement, NOW).await,
                        (None, 0) => {
                            let by_user = AuditEvent {
                                grant_id: Some(grant.id.clone()),
                                ..event(Happened::GrantRevoked {
                                    reason: RevocationReason::ByUser,
                                })
                            };
                            store.revoke_grant(&grant.id, &by_user).await.map(drop)
                        }
                        (None, 1) => {
                            let same = Approved {
                                authorization_details: grant.authorization_details.clone(),
                                expires_at: grant.expires_at,
                                revoke_when_used_up: true,
                            };
                            let changed = event(Happened::GrantChanged {
                                authorization_details: serde_json::json!([]),
                                expires_at: grant.expires_at,
                                revoke_when_used_up: true,
                            });
                            store.change_grant(&grant.id, &same, &changed).await.map(drop)
                        }
                        (None, _) => {
                            let new = new_refresh_token(&format!("{id} {caller}"));
                            let (old, issued) = (hash(&id), tokens_issued());
                            let rotated = store.rotate_refresh_token(&old, &new, &issued);
                            rotated.await.map(drop)
                        }
                    }
                }
            })
            .await;

            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
            assert_eq!(world.revocations(&grant).await, 1);
        }
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn what_a_dead_instance_held_last_uses_up_the_money_once() {
    on_both_engines(async |world| {
        let grant = world.granted_until_used_up("one", budget(100)).await;
        let dying = Store::open(&world.url, "dying").await.unwrap();
        dying.reserve(permit(&grant, "orphan", 100), NOW).await.unwrap();

        for _ in 0..2 {
            world.store.recover_all_others(NOW).await.unwrap();
        }

        assert_eq!(world.now(&grant).await.state, GrantState::Revoked { at: NOW });
        assert_eq!(world.revocations(&grant).await, 1);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn what_the_user_chose_comes_with_the_grant_through_every_door() {
    on_both_engines(async |world| {
        let chosen = Decision {
            approved: decision().approved.revoked_when_used_up(true),
            ..decision()
        };
        let store = &world.store;
        let by_code = world.asked("by code").await;
        let code = new_code("by code");
        let won = store
            .approve_request(&by_code.id, &chosen, &code, &approval(&by_code))
            .await;
        assert!(won.unwrap());
        world.redeem(&code.hash, "by code").await;
        let door = crate::consent::grant_request();
        let at_once = world.asked_through("at once", door).await;
        let granted = store
            .approve_grant_request(&at_once.id, &chosen, &approval(&at_once))
            .await;
        assert!(granted.unwrap().unwrap().revoke_when_used_up);
        let tool = NewTool {
            user_id: &chosen.by,
            client: &crate::app_keys::tool(),
            grant_id: &GrantId::new("by hand"),
            approved: &chosen.approved,
            prices: "{}",
        };
        let key = NewAppKey {
            hash: hash("key"),
            id: AppKeyId::new("key"),
            last_four: "0000".to_owned(),
        };
        let made = store.make_app_key(&key, tool, &approval(&by_code)).await;
        assert!(made.unwrap().unwrap().revoke_when_used_up);

        let by_code = store.grant(&world.tenant, &by_code.grant_id).await.unwrap();
        assert!(by_code.unwrap().revoke_when_used_up);
        let otherwise = world.granted("otherwise").await;
        assert!(!otherwise.revoke_when_used_up);
    })
    .await;
}
