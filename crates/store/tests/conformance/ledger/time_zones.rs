//! A user's limits follow the user's clock, also when that is another one.

use aipassport_domain::{
    audit::{AuditEvent, Happened},
    fixtures::NOW,
    grant::Grant,
    ids::UserId,
    ledger::{Account, Amount},
    limits::Limits,
    money::Money,
    time::{Period, Timestamp},
};
use aipassport_store::{Ledger, LimitsOf};

use super::{
    SettleNow, account, cost,
    levels::{app, user},
    permit,
};
use crate::support::{World, event, in_parallel, on_both_engines};

fn moved_to(time_zone: &str) -> AuditEvent {
    let time_zone = time_zone.to_owned();
    event(Happened::TimeZoneChanged { time_zone })
}

impl World {
    async fn move_to(&self, time_zone: &str) {
        let (user, event) = (UserId::new("user"), moved_to(time_zone));
        assert!(self.store.set_time_zone(&user, time_zone, &event).await.unwrap());
    }

    async fn spent(&self, grant: &Grant, id: &str, nanos: i64, at: Timestamp) {
        let held = self.store.reserve(permit(grant, id, nanos), at).await.unwrap();
        self.store.settle_now(cost(&held, nanos), at).await.unwrap();
    }

    async fn todays(&self, of: &LimitsOf) -> (Amount, Amount) {
        today(&self.store.limits_of(&self.tenant, of).await.unwrap().unwrap())
    }
}

fn daily(nanos: i64) -> Limits {
    Limits {
        budget: [(Some(Period::DAY), Money::from_nanos(nanos))].into(),
        ..Limits::default()
    }
}

/// What is used and held of the day's budget.
fn today(account: &Account) -> (Amount, Amount) {
    let state = &account.limits_at(NOW)[0];
    (state.used, state.reserved)
}

fn nanos(used: i64, held: i64) -> (Amount, Amount) {
    let money = |nanos| Amount::Money(Money::from_nanos(nanos));
    (money(used), money(held))
}

/// `security.md` 142: a spend is never lost on the way to another zone and back.
#[tokio::test]
async fn threat_142_a_day_by_another_clock_counts_every_call_that_falls_into_it() {
    on_both_engines(async |world| {
        let hours_ago = |hours: i64| NOW.plus_seconds(-3600 * hours);
        let grant = world.granted("one").await;
        let grant = world.limited_at(&grant, daily(1_000), hours_ago(24)).await;
        world.spent(&grant, "yesterday afternoon", 40, hours_ago(20)).await;
        world.spent(&grant, "this night", 20, hours_ago(10)).await;
        let open = world
            .store
            .reserve(permit(&grant, "open", 7), hours_ago(1))
            .await
            .unwrap();
        let levels = [app("user", "notes"), user("user"), LimitsOf::Tenant];
        for of in &levels {
            world.limit(of, &daily(1_000)).await;
        }

        for (zone, expected) in [
            ("Asia/Tokyo", nanos(60, 7)),
            ("Pacific/Kiritimati", nanos(0, 7)),
            ("Europe/Berlin", nanos(20, 7)),
        ] {
            world.move_to(zone).await;

            assert_eq!(today(&account(&world.store, &grant.id).await), expected, "{zone}");
            assert_eq!(world.todays(&levels[0]).await, expected, "{zone}");
            assert_eq!(world.todays(&levels[1]).await, expected, "{zone}");
            assert_eq!(
                world.todays(&levels[2]).await,
                nanos(20, 7),
                "the tenant has a clock of its own"
            );
            world.assert_sound().await;
        }

        world.store.settle_now(cost(&open, 5), NOW).await.unwrap();
        assert_eq!(world.todays(&levels[1]).await, nanos(25, 0));
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn the_clock_of_one_user_is_nobody_elses() {
    on_both_engines(async |world| {
        world.add_user("other").await;
        let others = world.granted_by("other", "notes", "others").await;
        world.limit(&app("other", "notes"), &daily(100)).await;
        let before = (
            account(&world.store, &others.id).await,
            world.todays(&app("other", "notes")).await,
        );

        world.move_to("Asia/Tokyo").await;
        world.move_to("Asia/Tokyo").await;
        let nobody = UserId::new("nobody");
        let moved = world.store.set_time_zone(&nobody, "UTC", &moved_to("UTC")).await;

        assert!(!moved.unwrap());
        assert_eq!(world.times("time_zone_changed").await, 1);
        let user = world.store.user(&world.tenant, &UserId::new("user")).await.unwrap();
        assert_eq!(user.unwrap().time_zone, "Asia/Tokyo");
        let after = (
            account(&world.store, &others.id).await,
            world.todays(&app("other", "notes")).await,
        );
        assert_eq!(before, after);
    })
    .await;
}

#[tokio::test]
async fn calls_that_are_made_while_the_clock_moves_are_counted() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", daily(1_000_000)).await;
        world.limit(&app("user", "notes"), &daily(1_000_000)).await;
        world.limit(&user("user"), &daily(1_000_000)).await;

        in_parallel(24, |number| {
            let (store, grant) = (world.store.clone(), grant.clone());
            async move {
                if number % 8 == 0 {
                    let zone = ["Asia/Tokyo", "UTC", "Pacific/Kiritimati"][number / 8];
                    let moved = store.set_time_zone(&grant.user_id, zone, &moved_to(zone)).await;
                    assert!(moved.unwrap());
                    return;
                }
                let held = store
                    .reserve(permit(&grant, &number.to_string(), 10), NOW)
                    .await
                    .unwrap();
                if number % 2 == 0 {
                    store.settle_now(cost(&held, 3), NOW).await.unwrap();
                }
            }
        })
        .await;

        world.assert_sound().await;
        world.move_to("Asia/Tokyo").await;
        assert_eq!(world.todays(&user("user")).await, nanos(27, 120));
        world.assert_sound().await;
    })
    .await;
}
