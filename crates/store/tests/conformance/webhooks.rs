//! Webhooks: each alert queued once, each attempt made by one, and nobody else's to see.

use aipassport_domain::{
    audit::{Happened, WebhookStop},
    fixtures::NOW,
    ids::{TenantId, UserId, WebhookId},
    secret::Sealed,
    time::Timestamp,
};
use aipassport_store::{DatabaseUrl, FormerSecret, LeasedDelivery, Ledger, LimitsOf, Message, Webhook};
use sqlx::Connection;

use crate::{
    ledger::{SettleNow, budget, cost, permit, requests},
    support::{World, event, in_parallel, on_both_engines},
};

const HOST: &str = "hooks.example";
const LEASE: i64 = 60;

fn webhook(id: &str, user: &str) -> Webhook {
    Webhook {
        id: WebhookId::new(id),
        tenant_id: TenantId::first(),
        user_id: UserId::new(user),
        url: format!("https://{HOST}/{id}"),
        description: "Told at work".to_owned(),
        sealed: Sealed(vec![0, 1, 2, 255]),
        former: None,
        created_at: NOW,
        stopped: None,
    }
}

fn added(id: &str) -> Happened {
    Happened::WebhookAdded {
        webhook_id: WebhookId::new(id),
        host: HOST.to_owned(),
    }
}

fn resumed(id: &str) -> Happened {
    Happened::WebhookResumed {
        webhook_id: WebhookId::new(id),
        host: HOST.to_owned(),
    }
}

impl World {
    async fn add_webhook(&self, id: &str, user: &str) -> Webhook {
        let webhook = webhook(id, user);
        assert!(self.store.add_webhook(&webhook, 9, &event(added(id))).await.unwrap());
        webhook
    }

    /// Queues one alert, by using up half of the budget of a new grant.
    async fn alert(&self, grant: &str) {
        let grant = self.granted_with(grant, budget(100)).await;
        let held = self.store.reserve(permit(&grant, grant.id.as_str(), 50), NOW).await;
        self.store.settle_now(cost(&held.unwrap(), 50), NOW).await.unwrap();
    }

    async fn lease(&self, id: &str, now: Timestamp) -> Option<LeasedDelivery> {
        let (id, until) = (WebhookId::new(id), now.plus_seconds(LEASE));
        let leased = self.store.lease_delivery(&self.tenant, &id, now, until);
        leased.await.unwrap()
    }

    async fn due(&self, now: Timestamp) -> Vec<String> {
        let due = self.store.due_webhooks(&self.tenant, now, 100).await.unwrap();
        let mut due: Vec<String> = due.iter().map(ToString::to_string).collect();
        due.sort();
        due
    }

    async fn deliver(&self, leased: &LeasedDelivery, at: Timestamp) {
        let mut resumed = event(resumed(leased.webhook.id.as_str()));
        resumed.at = at;
        self.store.delivered(leased, &resumed).await.unwrap();
    }

    async fn give_up(&self, leased: &LeasedDelivery, because: WebhookStop) {
        let stopped = event(Happened::WebhookStopped {
            webhook_id: leased.webhook.id.clone(),
            host: HOST.to_owned(),
            reason: because,
        });
        self.store
            .give_up_delivery(leased, "answered 500", Some((because, &stopped)))
            .await
            .unwrap();
    }

    async fn is_stopped(&self, id: &str) -> Option<WebhookStop> {
        let webhook = self.store.webhook(&self.tenant, &WebhookId::new(id)).await.unwrap();
        webhook.unwrap().stopped.map(|(_, because)| because)
    }
}

#[tokio::test]
async fn an_alert_of_64_parallel_settlements_is_queued_once_for_each_webhook_of_its_user() {
    on_both_engines(async |world| {
        world.add_user("other").await;
        for (id, user) in [("one", "user"), ("two", "user"), ("another's", "other")] {
            world.add_webhook(id, user).await;
        }
        let grant = world.granted_with("grant", requests(64)).await;
        let mut open = Vec::new();
        for number in 0..64 {
            let permit = permit(&grant, &format!("call {number}"), 1);
            open.push(world.store.reserve(permit, NOW).await.unwrap());
        }

        in_parallel(64, |number| {
            let (store, settlement) = (world.store.clone(), cost(&open[number], 1));
            async move { store.settle_now(settlement, NOW).await.unwrap() }
        })
        .await;

        assert_eq!(world.due(NOW).await, ["one", "two"]);
        for id in ["one", "two"] {
            let mut told = Vec::new();
            while let Some(leased) = world.lease(id, NOW).await {
                let Message::Alert(alert) = leased.message else {
                    panic!("a test that nobody asked for");
                };
                assert_eq!(leased.id, alert.id);
                told.push(alert.threshold);
            }
            told.sort_unstable();
            // One batch may come to several thresholds at once, and tells the highest.
            assert_eq!(told.last(), Some(&100), "{told:?}");
            told.dedup();
            assert_eq!(told.len(), world.alerts("user", false).await.len());
        }
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn an_alert_of_the_tenants_limits_is_queued_for_its_admins() {
    on_both_engines(async |world| {
        let admin = world.add_admin("admin").await;
        world.add_webhook("of a user", "user").await;
        world.add_webhook("of an admin", admin.id.as_str()).await;
        world.limit(&LimitsOf::Tenant, &budget(60)).await;

        world.alert("grant").await;

        assert_eq!(world.due(NOW).await, ["of a user", "of an admin"]);
        let of_user = world.lease("of a user", NOW).await.unwrap();
        let of_admin = world.lease("of an admin", NOW).await.unwrap();
        let threshold = |leased: LeasedDelivery| match leased.message {
            Message::Alert(alert) => alert.threshold,
            Message::Test => 0,
        };
        assert_eq!((threshold(of_user), threshold(of_admin)), (50, 80));
        assert_eq!(world.due(NOW).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn an_attempt_is_made_by_one_and_by_another_once_its_lease_has_ended() {
    on_both_engines(async |world| {
        world.add_webhook("one", "user").await;
        world.alert("grant").await;

        let leased = in_parallel(16, |_| {
            let (store, tenant) = (world.store.clone(), world.tenant.clone());
            async move {
                let id = WebhookId::new("one");
                let leased = store.lease_delivery(&tenant, &id, NOW, NOW.plus_seconds(LEASE));
                leased.await.unwrap()
            }
        });
        let leased: Vec<LeasedDelivery> = leased.await.into_iter().flatten().collect();

        assert_eq!((leased.len(), leased[0].attempts), (1, 1));
        assert_eq!(world.lease("one", NOW.plus_seconds(LEASE - 1)).await, None);
        let later = NOW.plus_seconds(LEASE);
        let again = world.lease("one", later).await.unwrap();
        assert_eq!((&again.id, again.attempts), (&leased[0].id, 2));

        // The first has lost its lease, and says nothing of the second's attempt.
        world
            .store
            .try_delivery_again(&leased[0], "timed out", NOW)
            .await
            .unwrap();
        world.give_up(&leased[0], WebhookStop::Undelivered).await;
        assert_eq!(world.due(later).await, Vec::<String>::new());
        assert_eq!(world.is_stopped("one").await, None);

        world.deliver(&again, later).await;
        let last = world.store.last_delivery(&again.webhook).await.unwrap().unwrap();
        assert_eq!((last.delivered_at, last.due_at), (Some(later), None));
        assert_eq!(world.times("webhook_resumed").await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_failed_is_due_when_it_was_said_and_what_was_not_sent_at_once() {
    on_both_engines(async |world| {
        world.add_webhook("one", "user").await;
        world.alert("grant").await;
        let first = world.lease("one", NOW).await.unwrap();

        world.store.release_delivery(&first, NOW).await.unwrap();
        let second = world.lease("one", NOW).await.unwrap();
        assert_eq!(second.attempts, 1);
        let due = NOW.plus_seconds(5);
        world
            .store
            .try_delivery_again(&second, "answered 500", due)
            .await
            .unwrap();

        assert_eq!(world.due(NOW.plus_seconds(4)).await, Vec::<String>::new());
        assert_eq!(world.due(due).await, ["one"]);
        let last = world.store.last_delivery(&first.webhook).await.unwrap().unwrap();
        assert_eq!(last.failure.as_deref(), Some("answered 500"));
        assert_eq!((last.due_at, last.attempts), (Some(due), 1));
    })
    .await;
}

#[tokio::test]
async fn a_webhook_that_took_nothing_is_stopped_until_a_test_comes_through() {
    on_both_engines(async |world| {
        let one = world.add_webhook("one", "user").await;
        world.alert("first").await;
        world.alert("second").await;
        let first = world.lease("one", NOW).await.unwrap();

        world.give_up(&first, WebhookStop::Undelivered).await;
        world.alert("while it is stopped").await;

        assert_eq!(world.is_stopped("one").await, Some(WebhookStop::Undelivered));
        assert_eq!(world.due(NOW.plus_seconds(1_000_000)).await, Vec::<String>::new());
        assert_eq!(world.times("webhook_stopped").await, 1);

        let tested = event(Happened::WebhookTested {
            webhook_id: one.id.clone(),
            host: HOST.to_owned(),
        });
        let until = NOW.plus_seconds(LEASE);
        let test = world.store.lease_test(&one, "test", (NOW, 9), until, &tested).await;
        world.deliver(&test.unwrap().unwrap(), NOW).await;
        assert_eq!(world.is_stopped("one").await, None);
        assert_eq!(world.times("webhook_resumed").await, 1);
        world.alert("afterwards").await;
        assert_eq!(world.due(NOW).await, ["one"]);
    })
    .await;
}

#[tokio::test]
async fn one_message_that_is_never_taken_stops_no_webhook_that_takes_others_but_gone_does() {
    on_both_engines(async |world| {
        world.add_webhook("one", "user").await;
        for grant in ["first", "second", "third"] {
            world.alert(grant).await;
        }
        let (first, second) = (
            world.lease("one", NOW).await.unwrap(),
            world.lease("one", NOW).await.unwrap(),
        );
        world.deliver(&second, NOW).await;

        world.give_up(&first, WebhookStop::Undelivered).await;
        assert_eq!(world.is_stopped("one").await, None);

        let third = world.lease("one", NOW).await.unwrap();
        world.give_up(&third, WebhookStop::Gone).await;
        assert_eq!(world.is_stopped("one").await, Some(WebhookStop::Gone));
    })
    .await;
}

#[tokio::test]
async fn a_user_has_so_many_webhooks_and_tests_so_often_whatever_comes_at_once() {
    on_both_engines(async |world| {
        let added_ones = in_parallel(8, |number| {
            let store = world.store.clone();
            let id = format!("webhook {number}");
            async move {
                let webhook = webhook(&id, "user");
                store.add_webhook(&webhook, 3, &event(added(&id))).await.unwrap()
            }
        });
        assert_eq!(added_ones.await.iter().filter(|is_added| **is_added).count(), 3);
        assert_eq!(world.times("webhook_added").await, 3);

        let user = UserId::new("user");
        let webhooks = world.store.webhooks_of(&world.tenant, &user).await.unwrap();
        let tests = in_parallel(8, |number| {
            let (store, webhook) = (world.store.clone(), webhooks[number % 3].clone());
            async move {
                let mut tested = event(Happened::WebhookTested {
                    webhook_id: webhook.id.clone(),
                    host: HOST.to_owned(),
                });
                tested.user_id = Some(webhook.user_id.clone());
                let (id, since) = (format!("test {number}"), (NOW.plus_seconds(-60), 2));
                let test = store.lease_test(&webhook, &id, since, NOW, &tested);
                test.await.unwrap().is_some()
            }
        });
        assert_eq!(tests.await.iter().filter(|is_leased| **is_leased).count(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_replaced_by_one_and_the_former_kept() {
    on_both_engines(async |world| {
        let one = world.add_webhook("one", "user").await;
        let replaced = event(Happened::WebhookSecretReplaced {
            webhook_id: one.id.clone(),
            host: HOST.to_owned(),
        });
        let (new, former) = (Sealed(vec![7]), Sealed(vec![8]));
        let replace = async || {
            let replacing = world.store.replace_webhook_secret(&one, &new, &former, &replaced);
            replacing.await.unwrap()
        };

        assert!(replace().await);
        assert!(!replace().await, "it has another secret by now");

        let after = world.store.webhook(&world.tenant, &one.id).await.unwrap().unwrap();
        let expected = Webhook {
            sealed: new,
            former: Some(FormerSecret {
                sealed: former,
                replaced_at: NOW,
            }),
            ..one
        };
        assert_eq!(after, expected);
        assert_eq!(world.times("webhook_secret_replaced").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_removed_while_alerts_are_queued_fails_none_of_them() {
    on_both_engines(async |world| {
        for number in 0..8 {
            world.add_webhook(&format!("webhook {number}"), "user").await;
        }
        let mut open = Vec::new();
        for number in 0..8 {
            let grant = world.granted_with(&format!("grant {number}"), budget(100)).await;
            let permit = permit(&grant, &format!("call {number}"), 50);
            open.push(world.store.reserve(permit, NOW).await.unwrap());
        }

        in_parallel(8, |number| {
            let (store, settlement) = (world.store.clone(), cost(&open[number], 50));
            async move {
                let id = format!("webhook {number}");
                let removed = event(Happened::WebhookRemoved {
                    webhook_id: WebhookId::new(&id),
                    host: HOST.to_owned(),
                });
                let id = WebhookId::new(id);
                let (settled, removed) =
                    tokio::join!(store.settle_now(settlement, NOW), store.remove_webhook(&id, &removed));
                settled.unwrap();
                assert!(removed.unwrap());
            }
        })
        .await;

        assert_eq!(world.alerts("user", false).await.len(), 8);
        assert_eq!(world.due(NOW).await, Vec::<String>::new());
        assert_eq!(world.times("webhook_removed").await, 8);
        world.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn an_alert_waits_for_the_removal_of_a_webhook_and_is_not_queued_for_it() {
    on_both_engines(async |world| {
        if matches!(world.url, DatabaseUrl::Sqlite(_)) {
            // It has one writer at a time.
            return;
        }
        world.add_webhook("one", "user").await;
        let grant = world.granted_with("grant", budget(100)).await;
        let held = world.store.reserve(permit(&grant, "call", 50), NOW).await.unwrap();
        let mut connection = world.connection().await;
        let mut removal = connection.begin().await.unwrap();
        sqlx::query("delete from webhooks")
            .execute(&mut *removal)
            .await
            .unwrap();

        let mut watching = world.connection().await;
        let commit = async {
            let waiting =
                "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
            while sqlx::query(waiting)
                .fetch_optional(&mut watching)
                .await
                .unwrap()
                .is_none()
            {}
            removal.commit().await.unwrap();
        };
        let (settled, ()) = tokio::join!(world.store.settle_now(cost(&held, 50), NOW), commit);

        settled.unwrap();
        assert_eq!(world.alerts("user", false).await.len(), 1);
        assert_eq!(world.due(NOW).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn threat_161_another_tenants_and_another_users_webhooks_are_not_there() {
    on_both_engines(async |world| {
        let one = world.add_webhook("one", "user").await;
        world.alert("grant").await;
        let elsewhere = TenantId::new("elsewhere");
        let (user, other) = (UserId::new("user"), UserId::new("other"));

        let mut removed = event(Happened::WebhookRemoved {
            webhook_id: one.id.clone(),
            host: HOST.to_owned(),
        });
        removed.tenant_id = elsewhere.clone();

        assert_eq!(
            world.store.webhooks_of(&world.tenant, &user).await.unwrap(),
            std::slice::from_ref(&one)
        );
        assert_eq!(world.store.webhooks_of(&world.tenant, &other).await.unwrap(), []);
        assert_eq!(world.store.webhooks_of(&elsewhere, &user).await.unwrap(), []);
        assert_eq!(world.store.webhook(&elsewhere, &one.id).await.unwrap(), None);
        assert_eq!(world.store.due_webhooks(&elsewhere, NOW, 9).await.unwrap(), []);
        let leased = world.store.lease_delivery(&elsewhere, &one.id, NOW, NOW).await;
        assert_eq!(leased.unwrap(), None);
        assert!(!world.store.remove_webhook(&one.id, &removed).await.unwrap());
        assert_eq!(world.due(NOW).await, ["one"]);
    })
    .await;
}

#[tokio::test]
async fn what_was_sent_is_swept_away_after_a_month_and_what_waits_is_not() {
    on_both_engines(async |world| {
        world.add_webhook("one", "user").await;
        world.alert("first").await;
        world.alert("second").await;
        let first = world.lease("one", NOW).await.unwrap();
        world.deliver(&first, NOW).await;

        let month = 31 * 86_400;
        let before = world.store.sweep(&world.tenant, NOW.plus_seconds(month - 1)).await;
        let after = world.store.sweep(&world.tenant, NOW.plus_seconds(month)).await;

        assert_eq!((before.unwrap(), after.unwrap()), (0, 1));
        assert_eq!(world.due(NOW).await, ["one"]);
    })
    .await;
}
