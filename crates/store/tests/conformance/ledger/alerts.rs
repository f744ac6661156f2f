//! What users are told of their limits: once, in the transaction that brought it about.

use aipassport_domain::{
    audit::Happened,
    fixtures::NOW,
    grant::Grant,
    ids::{ProviderId, UserId},
    ledger::{Amount, Level, LimitRule},
    money::Money,
    time::{Period, Timestamp},
};
use aipassport_store::{AccountOf, AlertRecord, AlertsOf, Ledger, LimitsOf};

use super::{
    SettleNow, budget, cost,
    levels::{app, user},
    permit, requests,
};
use crate::support::{World, in_parallel, on_both_engines};

impl World {
    pub async fn alerts(&self, user_id: &str, and_tenant: bool) -> Vec<AlertRecord> {
        let user_id = UserId::new(user_id);
        let of = AlertsOf {
            user_id: &user_id,
            and_tenant,
        };
        self.store.alerts_of(&self.tenant, of, true, 100).await.unwrap()
    }

    async fn spend(&self, grant: &Grant, id: &str, nanos: i64) {
        let held = self.store.reserve(permit(grant, id, nanos), NOW).await.unwrap();
        for _ in 0..2 {
            self.store.settle_now(cost(&held, nanos), NOW).await.unwrap();
        }
    }

    async fn see(&self, user_id: &str, id: &str) -> bool {
        let user_id = UserId::new(user_id);
        let of = AlertsOf {
            user_id: &user_id,
            and_tenant: false,
        };
        self.store.see_alert(&self.tenant, of, id, NOW).await.unwrap()
    }
}

fn thresholds(alerts: &[AlertRecord]) -> Vec<(Level, u8)> {
    let level = |alert: &AlertRecord| match &alert.account {
        AccountOf::Grant(..) => Level::Grant,
        AccountOf::Above(of) => of.level(),
    };
    let mut told: Vec<_> = alerts.iter().map(|alert| (level(alert), alert.threshold)).collect();
    told.sort_unstable();
    told
}

#[tokio::test]
async fn a_settlement_tells_the_user_once_at_every_level_that_came_to_a_threshold() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        world.limit(&app("user", "notes"), &budget(160)).await;
        world.limit(&user("user"), &budget(1_000)).await;

        world.spend(&grant, "first", 81).await;

        let alerts = world.alerts("user", false).await;
        assert_eq!(thresholds(&alerts), [(Level::Grant, 80), (Level::App, 50)]);
        let of_grant = alerts.iter().find(|alert| alert.threshold == 80).unwrap();
        let nanos = |nanos| Amount::Money(Money::from_nanos(nanos));
        let expected = AlertRecord {
            id: of_grant.id.clone(),
            account: AccountOf::Grant(grant.id.clone(), ProviderId::new("openai")),
            rule: LimitRule::Budget,
            window: None,
            window_start: Timestamp::from_millis(0),
            resets_at: None,
            threshold: 80,
            limit: nanos(100),
            used: nanos(81),
            at: NOW,
            seen_at: None,
        };
        assert_eq!(*of_grant, expected);
        assert_eq!(world.times("limit_near").await, 2);
        assert_eq!(world.times("limit_reached").await, 0);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_refusals_tells_the_user_once() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", requests(2)).await;
        world.spend(&grant, "first", 1).await;
        world.spend(&grant, "second", 1).await;
        let again = world.granted_with("two", budget(100)).await;
        world.spend(&again, "third", 90).await;
        let before = world.kinds().await.len();

        let refused = in_parallel(20, |number| {
            let (store, grant, again) = (world.store.clone(), grant.clone(), again.clone());
            async move {
                let of_requests = store.reserve(permit(&grant, &format!("a {number}"), 1), NOW).await;
                let of_budget = store.reserve(permit(&again, &format!("b {number}"), 20), NOW).await;
                of_requests.is_err() && of_budget.is_err()
            }
        });

        assert!(refused.await.into_iter().all(|is_refused| is_refused));
        let told = thresholds(&world.alerts("user", false).await);
        assert_eq!(
            told,
            [
                (Level::Grant, 50),
                (Level::Grant, 80),
                (Level::Grant, 100),
                (Level::Grant, 100)
            ]
        );
        assert_eq!(world.kinds().await[before..], ["limit_reached"]);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn threat_147_what_stopped_a_call_is_told_and_audited_once_by_whatever_comes_first() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(100)).await;
        let mut open = Vec::new();
        for id in ["a", "b", "c", "d"] {
            open.push(world.store.reserve(permit(&grant, id, 25), NOW).await.unwrap());
        }

        in_parallel(8, |number| {
            let (store, grant) = (world.store.clone(), grant.clone());
            let settlement = open.get(number).map(|held| cost(held, 25));
            async move {
                if let Some(settlement) = settlement {
                    store.settle_now(settlement, NOW).await.unwrap();
                    return;
                }
                let refused = store.reserve(permit(&grant, &format!("e {number}"), 10), NOW).await;
                assert!(refused.is_err());
            }
        })
        .await;

        let told = thresholds(&world.alerts("user", false).await);
        assert_eq!(told.iter().filter(|(_, threshold)| *threshold == 100).count(), 1);
        assert_eq!(world.times("limit_reached").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_new_window_and_a_raised_limit_tell_anew() {
    on_both_engines(async |world| {
        let mut daily = requests(100);
        daily.requests = [(Some(Period::DAY), 1)].into();
        let grant = world.granted_with("one", daily.clone()).await;
        world.spend(&grant, "today", 1).await;
        daily.requests = [(Some(Period::DAY), 4)].into();
        let grant = world.limited(&grant, daily).await;
        world.spend(&grant, "raised", 1).await;
        world.spend(&grant, "raised once more", 1).await;
        world.spend(&grant, "raised to the last", 1).await;

        let tomorrow = NOW.plus_seconds(86_400);
        for id in ["one", "two"] {
            let held = world.store.reserve(permit(&grant, id, 1), tomorrow).await.unwrap();
            world.store.settle_now(cost(&held, 1), tomorrow).await.unwrap();
        }

        let alerts = world.alerts("user", false).await;
        let (of_tomorrow, of_today): (Vec<_>, Vec<_>) = alerts.into_iter().partition(|alert| alert.at == tomorrow);
        let told = |alerts: &[AlertRecord]| thresholds(alerts).into_iter().map(|(_, told)| told).collect::<Vec<_>>();
        assert_eq!(told(&of_today), [50, 100, 100]);
        assert_eq!(told(&of_tomorrow), [50]);
    })
    .await;
}

#[tokio::test]
async fn an_alert_is_its_users_to_see_and_the_tenants_its_admins() {
    on_both_engines(async |world| {
        world.add_user("other").await;
        let grant = world.granted_with("one", budget(100)).await;
        world.limit(&LimitsOf::Tenant, &budget(60)).await;
        world.spend(&grant, "first", 50).await;

        let mine = world.alerts("user", false).await;
        assert_eq!(thresholds(&mine), [(Level::Grant, 50)]);
        assert_eq!(world.alerts("other", false).await, []);
        assert_eq!(thresholds(&world.alerts("other", true).await), [(Level::Tenant, 80)]);

        assert!(!world.see("other", &mine[0].id).await);
        assert!(!world.see("user", "unknown").await);
        assert!(world.see("user", &mine[0].id).await && world.see("user", &mine[0].id).await);
        assert_eq!(world.alerts("user", false).await, []);
        let near = Happened::LimitNear {
            level: Level::Tenant,
            rule: "budget".to_owned(),
            percent: 80,
        };
        let events = world.store.events(&world.tenant, 0, 1_000).await.unwrap();
        assert!(events.iter().any(|record| record.event.what == near));
    })
    .await;
}
