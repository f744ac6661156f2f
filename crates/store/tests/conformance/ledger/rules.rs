//! Reserving and settling, one at a time.

use std::time::Duration;

use aipassport_domain::{
    audit::{CallOutcome, Happened, PauseReason, RevocationReason},
    authorization_details::{Choice, ModelPattern},
    fixtures::{self, NOW},
    grant::Grant,
    ids::{CallId, CredentialId, GrantId, ProviderId, UserId},
    ledger::LimitRule,
    policy::{Call, Permit, authorize},
    time::Period,
    usage::TruthLabel,
};
use aipassport_store::{Ledger, ReserveError};
use tokio::time::timeout;

use super::{Balance, SettleNow, budget, cost, permit, requests};
use crate::support::{World, event, on_both_engines};

#[tokio::test]
async fn a_hold_is_written_with_its_intent_and_replaced_by_the_cost() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;

        let held = world.store.reserve(permit(&grant, "call", 80), NOW).await.unwrap();
        let open = world.call("call").await;
        assert_eq!((open.settled, open.held), (None, held.held));
        assert_eq!(world.balance(&grant.id).await.reserved, 80);
        assert_eq!(world.kinds().await.last().unwrap(), "call_reserved");
        let settlement = cost(&held, 25);
        world
            .store
            .settle_now(settlement.clone(), NOW.plus_seconds(1))
            .await
            .unwrap();

        let settled = world.call("call").await.settled.unwrap();
        assert_eq!((settled.cost, settled.label), (settlement.cost, settlement.label));
        assert_eq!((settled.outcome, settled.usage), (settlement.outcome, settlement.usage));
        assert_eq!(
            (settled.at, settled.price_digest),
            (NOW.plus_seconds(1), "digest".to_owned())
        );
        assert_eq!(
            world.balance(&grant.id).await,
            Balance {
                used: 25,
                reserved: 0,
                in_flight: 0
            }
        );
        assert_eq!(world.kinds().await.last().unwrap(), "call_settled");
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn settling_twice_charges_once() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let held = world.store.reserve(permit(&grant, "call", 80), NOW).await.unwrap();

        world.store.settle_now(cost(&held, 25), NOW).await.unwrap();
        world.store.settle_now(cost(&held, 25), NOW).await.unwrap();
        world.store.settle_now(cost(&held, 99), NOW).await.unwrap();

        assert_eq!(world.balance(&grant.id).await.used, 25);
        assert_eq!(world.call("call").await.settled.unwrap().cost.nanos(), 25);
        assert_eq!(world.times("call_settled").await, 1);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn settling_what_was_never_held_or_is_held_elsewhere_changes_nothing() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let other = world.granted_with("other", budget(100)).await;
        let held = world.store.reserve(permit(&grant, "call", 80), NOW).await.unwrap();
        let mut unknown = cost(&held, 10);
        unknown.call_id = CallId::new("unknown");
        let mut elsewhere = cost(&held, 10);
        elsewhere.grant_id = other.id.clone();

        world.store.settle_now(unknown, NOW).await.unwrap();
        world.store.settle_now(elsewhere, NOW).await.unwrap();

        assert_eq!(world.balance(&grant.id).await.reserved, 80);
        assert_eq!(world.balance(&other.id).await.used, 0);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_call_holds_nothing_and_writes_nothing() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        world.store.reserve(permit(&grant, "call", 80), NOW).await.unwrap();
        let before = world.kinds().await;

        let refusal = world.store.reserve(permit(&grant, "more", 21), NOW).await;

        let Err(ReserveError::Limit(reached)) = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!((reached.rule, reached.retryable), (LimitRule::Budget, true));
        assert_eq!(
            world.store.call(&world.tenant, &CallId::new("more")).await.unwrap(),
            None
        );
        assert_eq!(world.kinds().await, before);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn a_failed_call_gives_everything_back() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", requests(1)).await;
        let held = world.store.reserve(permit(&grant, "call", 80), NOW).await.unwrap();
        assert!(world.store.reserve(permit(&grant, "second", 1), NOW).await.is_err());

        world.store.settle_now(held.released(), NOW).await.unwrap();

        assert!(world.store.reserve(permit(&grant, "third", 1), NOW).await.is_ok());
        assert_eq!(
            world
                .call("call")
                .await
                .settled
                .map(|settled| (settled.outcome, settled.label)),
            Some((CallOutcome::NotSent, TruthLabel::Derived))
        );
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn whatever_changes_a_grant_makes_earlier_permits_stale() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(1_000)).await.id;
        let mut earlier = Vec::new();

        world.only_the_present_version_is_admitted(&grant, &mut earlier).await;
        world.add_credential("key", "user", "openai", NOW).await;
        world.only_the_present_version_is_admitted(&grant, &mut earlier).await;
        let removed = event(Happened::CredentialRemoved {
            credential_id: CredentialId::new("key"),
            provider: ProviderId::new("openai"),
        });
        let key = CredentialId::new("key");
        world.store.remove_credential(&key, &removed).await.unwrap();
        world.only_the_present_version_is_admitted(&grant, &mut earlier).await;
        let present = world.store.grant(&world.tenant, &grant).await.unwrap().unwrap();
        world.limited(&present, budget(2_000)).await;
        world.only_the_present_version_is_admitted(&grant, &mut earlier).await;
        let paused = event(Happened::GrantPaused {
            reason: PauseReason::ByUser,
        });
        world.store.pause_grant(&grant, &paused).await.unwrap();
        let resumed = event(Happened::GrantResumed);
        world.store.resume_grant(&grant, None, &resumed).await.unwrap();
        world.only_the_present_version_is_admitted(&grant, &mut earlier).await;
        let revoked = event(Happened::AccessTokenRevoked { jti: "jti".to_owned() });
        let end = NOW.plus_seconds(60);
        world
            .store
            .revoke_access_token(&grant, "jti", end, &revoked)
            .await
            .unwrap();
        world.only_the_present_version_is_admitted(&grant, &mut earlier).await;

        world.assert_sound().await;
    })
    .await;
}

impl World {
    /// Refuses the permits made `earlier`, admits one made now, and leaves another for later.
    async fn only_the_present_version_is_admitted(&self, grant: &GrantId, earlier: &mut Vec<Permit>) {
        for permit in earlier.iter() {
            let refused = self.store.reserve(permit.clone(), NOW).await;
            assert_eq!(refused, Err(ReserveError::Stale));
        }
        let grant = self.store.grant(&self.tenant, grant).await.unwrap().unwrap();
        let call = permit(&grant, &format!("on version {}", grant.version), 1);
        self.store.reserve(call, NOW).await.unwrap();
        earlier.push(permit(&grant, &format!("not on version {}", grant.version), 1));
    }
}

#[tokio::test]
async fn a_revoked_grant_admits_nothing_and_its_open_calls_are_settled() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let held = world.store.reserve(permit(&grant, "open", 80), NOW).await.unwrap();

        let revoked = event(Happened::GrantRevoked {
            reason: RevocationReason::ByUser,
        });
        world.store.revoke_grant(&grant.id, &revoked).await.unwrap();
        let refused = world.store.reserve(permit(&grant, "next", 1), NOW).await;
        world.store.settle_now(cost(&held, 30), NOW).await.unwrap();

        assert_eq!(refused, Err(ReserveError::Stale));
        assert_eq!(world.balance(&grant.id).await.used, 30);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_does_not_exist_admits_nothing() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let unknown = Grant {
            id: GrantId::new("unknown"),
            ..grant
        };

        let refused = world.store.reserve(permit(&unknown, "call", 1), NOW).await;

        assert_eq!(refused, Err(ReserveError::Stale));
    })
    .await;
}

#[tokio::test]
async fn threat_142_a_window_that_ended_is_charged_for_its_own_calls() {
    on_both_engines(async |world| {
        let mut limits = budget(1_000);
        limits.requests.insert(Some(Period::DAY), 1);
        let grant = world.granted_with("one", limits).await;
        let tomorrow = NOW.plus_seconds(86_400);

        let held = world.store.reserve(permit(&grant, "today", 10), NOW).await.unwrap();
        world
            .store
            .reserve(permit(&grant, "tomorrow", 10), tomorrow)
            .await
            .unwrap();
        let stepped_back = world.store.reserve(permit(&grant, "today again", 10), NOW).await;
        world.store.settle_now(cost(&held, 5), tomorrow).await.unwrap();

        assert!(matches!(stepped_back, Err(ReserveError::Limit(_))), "{stepped_back:?}");
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn threat_144_limits_lowered_below_what_is_spent_stop_the_next_call_and_settle_the_open_one() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let held = world.store.reserve(permit(&grant, "open", 80), NOW).await.unwrap();

        let lowered = world.limited(&grant, budget(10)).await;
        world.assert_sound().await;
        assert!(world.store.reserve(permit(&lowered, "next", 1), NOW).await.is_err());
        world.store.settle_now(cost(&held, 70), NOW).await.unwrap();
        world.assert_sound().await;
        let raised = world.limited(&lowered, budget(71)).await;

        assert!(world.store.reserve(permit(&raised, "last", 1), NOW).await.is_ok());
        assert!(world.store.reserve(permit(&raised, "more", 1), NOW).await.is_err());
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn threat_147_a_limit_that_is_used_up_is_audited_once() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let mut held = Vec::new();
        for id in ["one", "two"] {
            held.push(world.store.reserve(permit(&grant, id, 50), NOW).await.unwrap());
        }

        for held in &held {
            world.store.settle_now(cost(held, 50), NOW).await.unwrap();
            world.store.settle_now(cost(held, 50), NOW).await.unwrap();
        }
        assert!(world.store.reserve(permit(&grant, "three", 1), NOW).await.is_err());

        assert_eq!(world.times("limit_reached").await, 1);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn threat_163_a_model_name_that_cannot_be_stored_fails_nobody_else() {
    on_both_engines(async |world| {
        let mut limits = budget(100);
        limits.concurrency = Some(10);
        let grant = world.granted_with("one", limits).await;
        let mut wide = grant.clone();
        let any = ModelPattern::Prefix {
            prefix: "gpt".to_owned(),
        };
        wide.authorization_details[0].models = Choice::of([any]);
        let call = Call {
            model: "gpt\0".to_owned(),
            ..fixtures::call()
        };
        let unstorable = authorize(&wide, &call, CallId::new("nul"), NOW).unwrap();

        let (refused, admitted) = tokio::join!(
            world.store.reserve(unstorable, NOW),
            world.store.reserve(permit(&grant, "call", 1), NOW),
        );

        assert_eq!(refused, Err(ReserveError::Unavailable));
        assert!(admitted.is_ok());
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn an_account_that_cannot_be_read_refuses_its_own_calls_alone() {
    on_both_engines(async |world| {
        let broken = world.granted_with("broken", budget(100)).await;
        let sound = world.granted_with("sound", budget(100)).await;
        let held = world.store.reserve(permit(&broken, "held", 10), NOW).await.unwrap();
        sqlx::query("update accounts set state = '?' where subject = $1")
            .bind(broken.id.as_str())
            .execute(&mut world.connection().await)
            .await
            .unwrap();

        let (refused, admitted, settled) = tokio::join!(
            world.store.reserve(permit(&broken, "refused", 1), NOW),
            world.store.reserve(permit(&sound, "admitted", 1), NOW),
            world.store.settle_now(cost(&held, 5), NOW),
        );

        assert_eq!(refused, Err(ReserveError::Unavailable));
        assert!(admitted.is_ok() && settled.is_ok());
        let cost = world.call("held").await.settled.map(|settled| settled.cost.nanos());
        assert_eq!(cost, Some(5));
    })
    .await;
}

#[tokio::test]
async fn whoever_calls_again_finds_the_call_before_settled_though_nobody_waited_for_it() {
    on_both_engines(async |world| {
        let mut limits = budget(1_000);
        limits.concurrency = Some(1);
        let grant = world.granted_with("one", limits).await;

        for number in 0..100 {
            let call = permit(&grant, &format!("call {number}"), 900);
            let held = world.store.reserve(call, NOW).await.unwrap();
            world.store.settle(cost(&held, 1), NOW);
        }

        world.store.settled().await.unwrap();
        assert_eq!(world.balance(&grant.id).await.used, 100);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn a_settlement_that_no_call_comes_after_is_durable_a_moment_later() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let held = world.store.reserve(permit(&grant, "last", 80), NOW).await.unwrap();

        world.store.settle(cost(&held, 5), NOW);

        let settled = async { while world.balance(&grant.id).await.reserved > 0 {} };
        timeout(Duration::from_secs(10), settled).await.unwrap();
        world.assert_sound().await;
    })
    .await;
}

/// A client that hangs up while its call waits to be admitted.
#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_hold() {
    on_both_engines(async |world| {
        let mut limits = budget(1_000_000);
        limits.concurrency = Some(1_000);
        let grant = world.granted_with("one", limits).await;
        for call in 0..200 {
            let reserving = world.store.reserve(permit(&grant, &format!("gone {call}"), 1_000), NOW);
            // Some are not admitted yet, some just were, and the answer of some is on its way.
            if let Ok(answered) = timeout(Duration::from_micros(call * 10), reserving).await {
                world.store.settle_now(answered.unwrap().released(), NOW).await.unwrap();
            }
        }

        // Whatever was dropped without being taken goes back with the next batch at the latest.
        let held = world.store.reserve(permit(&grant, "stays", 1_000), NOW).await.unwrap();
        world.store.settle_now(cost(&held, 1), NOW).await.unwrap();
        let held = world
            .store
            .reserve(permit(&grant, "stays too", 1_000), NOW)
            .await
            .unwrap();

        let balance = world.balance(&grant.id).await;
        assert_eq!((balance.in_flight, balance.reserved), (1, 1_000), "{balance:?}");
        world.store.settle_now(cost(&held, 1), NOW).await.unwrap();
        world.assert_sound().await;
        let user = UserId::new("user");
        assert!(world.calls_not_settled(&user).await.is_empty());
    })
    .await;
}
