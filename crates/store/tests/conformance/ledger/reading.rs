//! Calls and refusals as they are shown.

use aipassport_domain::{
    fixtures::NOW,
    ids::{CallId, UserId},
    ledger::Settlement,
    money::Money,
    time::Timestamp,
    usage::Usage,
};
use aipassport_store::{CallPage, CallRecord, CallsOf, Ledger, RefusalCount};

use super::{SettleNow, budget, cost, permit};
use crate::support::{World, on_both_engines};

const ALL: CallPage = CallPage {
    before: None,
    limit: 1_000,
};

impl World {
    pub async fn call(&self, id: &str) -> CallRecord {
        let call = self.store.call(&self.tenant, &CallId::new(id)).await.unwrap();
        call.unwrap()
    }

    pub async fn calls_not_settled(&self, user: &UserId) -> Vec<CallRecord> {
        let calls = self
            .store
            .calls_of(&self.tenant, CallsOf::User(user), &ALL)
            .await
            .unwrap();
        calls.into_iter().filter(|call| call.settled.is_none()).collect()
    }
}

#[tokio::test]
async fn calls_are_read_page_by_page_with_the_newest_first() {
    on_both_engines(async |world| {
        let one = world.granted_with("one", budget(1_000)).await;
        let other = world.granted_with("other", budget(1_000)).await;
        for (number, grant) in [&one, &other, &one, &one, &other].into_iter().enumerate() {
            // Two at a time, so that the id decides between them.
            let at = NOW.plus_seconds(i64::try_from(number / 2).unwrap());
            let call = permit(grant, &format!("call {number}"), 1);
            world.store.reserve(call, at).await.unwrap();
        }

        let user = UserId::new("user");
        let mut read = Vec::new();
        let mut page = CallPage { before: None, limit: 2 };
        loop {
            let calls = world
                .store
                .calls_of(&world.tenant, CallsOf::User(&user), &page)
                .await
                .unwrap();
            let Some(last) = calls.last() else { break };
            page.before = Some((last.held.at, last.id.clone()));
            read.extend(calls.iter().map(|call| call.id.to_string()));
        }
        let of_one = world
            .store
            .calls_of(&world.tenant, CallsOf::Grant(&one.id), &ALL)
            .await
            .unwrap();

        assert_eq!(read, ["call 4", "call 3", "call 2", "call 1", "call 0"]);
        assert_eq!(of_one.len(), 3);
        assert_eq!(
            world.store.call(&world.tenant, &CallId::new("none")).await.unwrap(),
            None
        );
    })
    .await;
}

#[tokio::test]
async fn spending_is_added_up_by_the_days_of_the_users_zone() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(1_000)).await;
        // Midnight in Kathmandu, which is 5 hours and 45 minutes ahead.
        let midnight: Timestamp = "2026-11-20T18:15:00Z".parse().unwrap();
        let mut held = Vec::new();
        for (id, seconds) in [("before", -1), ("first", 0), ("second", 3600), ("open", 7200)] {
            let call = permit(&grant, id, 100);
            held.push(world.store.reserve(call, midnight.plus_seconds(seconds)).await.unwrap());
        }
        for (held, nanos) in held.iter().zip([1, 20, 300]) {
            world.store.settle_now(cost(held, nanos), midnight).await.unwrap();
        }

        let user = UserId::new("user");
        let since = midnight.plus_seconds(-3600);
        let days = world
            .store
            .spend_by_day(&world.tenant, CallsOf::User(&user), since, "Asia/Kathmandu")
            .await
            .unwrap();

        let told: Vec<_> = days
            .iter()
            .map(|day| (day.day, day.cost.nanos(), day.held, day.requests))
            .collect();
        let day_before = midnight.plus_seconds(-86_400);
        assert_eq!(
            told,
            [
                (day_before, 1, Money::ZERO, 1),
                (midnight, 320, Money::from_nanos(100), 2)
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn refusals_of_one_minute_are_one_row() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(1)).await;
        let refusal = |seconds, model: &str, count| RefusalCount {
            tenant_id: world.tenant.clone(),
            grant_id: grant.id.clone(),
            minute: NOW.plus_seconds(seconds),
            rule: "budget".to_owned(),
            model: model.to_owned(),
            count,
        };
        let long = "\u{fc}".repeat(300);

        let batch = [refusal(0, "a", 3), refusal(59, "a", 4), refusal(60, "a", 1)];
        world.store.record_refusals(&batch).await.unwrap();
        world
            .store
            .record_refusals(&[refusal(1, "a", 10), refusal(1, "nul\0", 1), refusal(1, &long, 1)])
            .await
            .unwrap();

        let read = world
            .store
            .refusals_of(&world.tenant, &grant.id, NOW, 10)
            .await
            .unwrap();
        let shortened = "\u{fc}".repeat(100);
        assert_eq!(
            read,
            [
                refusal(60, "a", 1),
                refusal(0, "a", 17),
                refusal(0, "nul\u{fffd}", 1),
                refusal(0, &shortened, 1),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn usage_is_read_as_it_was_settled_in_every_class() {
    on_both_engines(async |world| {
        let grant = world.granted_with("one", budget(1_000)).await;
        let mut of_all = Usage::default();
        for (place, (_, count)) in of_all.rarer_mut().into_iter().enumerate() {
            *count = 7 + place as u64;
        }
        let image = Usage {
            images: u64::MAX,
            ..Usage::default()
        };
        let usages = [Usage::default(), of_all, image];
        let mut held = Vec::new();
        for number in 0..usages.len() {
            let call = permit(&grant, &format!("call {number}"), 1);
            held.push(world.store.reserve(call, NOW).await.unwrap());
        }

        // At once, so that they may share a batch.
        let settle = |number: usize| {
            let settlement = Settlement {
                usage: usages[number],
                ..cost(&held[number], 1)
            };
            world.store.settle_now(settlement, NOW)
        };
        let settled = tokio::join!(settle(0), settle(1), settle(2));

        assert!(settled.0.is_ok() && settled.1.is_ok() && settled.2.is_ok());
        for (number, usage) in usages.iter().enumerate() {
            let call = world.call(&format!("call {number}")).await;
            assert_eq!(call.settled.unwrap().usage, *usage);
        }
    })
    .await;
}
