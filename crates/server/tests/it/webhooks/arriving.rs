//! What arrives, and how often it is tried.

use std::time::Duration;

use aipassport_domain::audit::Happened;
use serde_json::Value;

use super::{after_the_call, answer, is_signed_with, messages, nth_message};
use crate::support::{
    CANARY_KEY, NOW, TestBroker, TestUser,
    ledger::eventually,
    provider::{Step, TestProvider},
};

/// Waits until it is written down what came of an attempt: until then the lease is what is due.
async fn noted(broker: &TestBroker, user: &TestUser, attempt: usize) {
    let lease_end = broker.app.clock.now().plus_seconds(60).to_string();
    eventually(async || {
        let last = broker.last_delivery(user).await;
        last["attempts"] == attempt && last["next_attempt_at"] != lease_end
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_arrives_signed_and_says_what_the_api_says() {
    let receiver = TestProvider::start().await;
    let broker = TestBroker::telling(&receiver).await;
    let user = broker.user("ana").await;
    broker.credential(&user, "openai", None).await;
    let webhook = broker
        .webhook(&user, &format!("{}/in?to=ana", receiver.base_url()))
        .await;

    let alert = broker.alert(&user).await;
    let message = nth_message(&receiver, 1).await;

    assert!(
        message.head.starts_with("POST /in?to=ana HTTP/1.1\r\n"),
        "{}",
        message.head
    );
    assert_eq!(message.header("webhook-id"), Some(alert.as_str()));
    assert_eq!(
        message.header("webhook-timestamp"),
        Some(NOW.seconds().to_string().as_str())
    );
    assert_eq!(message.header("content-type"), Some("application/json"));
    assert!(is_signed_with(&message, &webhook.secret));
    let body = message.json();
    assert_eq!(
        (&body["type"], &body["timestamp"]),
        (&"alert.requests".into(), &NOW.to_string().into())
    );
    let shown = broker.api(&user, "GET", "/api/alerts", &Value::Null).await.json();
    for (name, value) in shown[0]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "seen_at")
    {
        assert_eq!(&body["data"][name], value, "{name}");
    }
    let grant = body["data"]["grant_id"].as_str().unwrap();
    assert_eq!(body["data"]["client_name"], "Notes");
    assert_eq!(body["data"]["link"], broker.url(&format!("/apps/{grant}")));
    let text = message.head.clone() + &body.to_string();
    assert!(!text.contains(CANARY_KEY) && !text.contains(&webhook.secret), "{text}");

    eventually(async || !broker.last_delivery(&user).await["delivered_at"].is_null()).await;
    assert_eq!(messages(&receiver).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_twice_is_sent_the_same_message_a_third_time() {
    let receiver = TestProvider::start().await;
    let broker = TestBroker::telling(&receiver).await;
    let user = broker.user("ana").await;
    broker.credential(&user, "openai", None).await;
    let webhook = broker.webhook(&user, &receiver.base_url()).await;
    after_the_call(&receiver, [answer(500), vec![Step::Close]]);
    let alert = broker.alert(&user).await;

    let mut attempts = Vec::new();
    for (attempt, wait) in [(1, 6), (2, 331), (3, 0)] {
        attempts.push(nth_message(&receiver, attempt).await);
        noted(&broker, &user, attempt).await;
        broker.clock.advance_seconds(wait);
    }

    for message in &attempts {
        assert_eq!(message.header("webhook-id"), Some(alert.as_str()));
        assert_eq!(message.body, attempts[0].body);
        assert!(is_signed_with(message, &webhook.secret));
    }
    let at = |attempt: usize| {
        attempts[attempt]
            .header("webhook-timestamp")
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    assert_eq!(
        (at(0), at(1), at(2)),
        (NOW.seconds(), NOW.seconds() + 6, NOW.seconds() + 337)
    );
    assert!(!broker.last_delivery(&user).await["delivered_at"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_177_a_receiver_that_hangs_or_drips_holds_up_nobody_else() {
    let (hanging, receiver) = (TestProvider::start().await, TestProvider::start().await);
    let allowed = [hanging.address.to_string(), receiver.address.to_string()];
    let broker = TestBroker::before_with(&receiver, |config| {
        config.webhooks.allow.extend(allowed);
        config.webhooks.answer_timeout = Duration::from_millis(100);
    })
    .await;
    let (mallory, ana) = (broker.user("mallory").await, broker.user("ana").await);
    broker.webhook(&mallory, &hanging.base_url()).await;
    broker.webhook(&ana, &receiver.base_url()).await;
    hanging.then([Step::Send(b"HTTP/1.1 200 OK\r\nx: ".to_vec()), Step::Hang]);
    for user in [&mallory, &ana] {
        broker.credential(user, "openai", None).await;
        broker.alert(user).await;
    }

    nth_message(&receiver, 1).await;
    eventually(async || broker.last_delivery(&mallory).await["failure"] == "it took too long").await;
    assert!(broker.last_delivery(&ana).await["failure"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stops_gives_back_what_it_was_about_to_send() {
    let receiver = TestProvider::start().await;
    let mut broker = TestBroker::telling(&receiver).await;
    let user = broker.user("ana").await;
    broker.credential(&user, "openai", None).await;
    broker.webhook(&user, &receiver.base_url()).await;
    after_the_call(&receiver, [vec![Step::Hang]]);
    broker.alert(&user).await;
    nth_message(&receiver, 1).await;

    tokio::time::timeout(Duration::from_secs(5), broker.stop())
        .await
        .unwrap();

    let store = aipassport_store::Store::open(&broker.app.config.database, "the test")
        .await
        .unwrap();
    let due = store.due_webhooks(&broker.app.tenant_id, NOW, 9).await.unwrap();
    let webhook = store.webhook(&broker.app.tenant_id, &due[0]).await.unwrap().unwrap();
    assert_eq!(store.last_delivery(&webhook).await.unwrap().unwrap().attempts, 0);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_says_it_is_gone_is_sent_nothing_more_until_a_test_arrives() {
    let receiver = TestProvider::start().await;
    let broker = TestBroker::telling(&receiver).await;
    let user = broker.user("ana").await;
    broker.credential(&user, "openai", None).await;
    let webhook = broker.webhook(&user, &receiver.base_url()).await;
    after_the_call(&receiver, [answer(410)]);
    broker.alert(&user).await;
    nth_message(&receiver, 1).await;
    let browser = broker.browser_of(&user).await;
    let told = "Alerts are no longer sent to 127.0.0.1: it answered that it is gone for good.";
    eventually(async || browser.page("/apps").await.contains(told)).await;
    assert!(browser.page("/settings").await.contains("Stopped just now"));

    broker.alert(&user).await;
    broker.clock.advance_seconds(7 * 86_400);
    assert_eq!(broker.failure_of_test(&user, &webhook).await, None);
    assert_eq!(messages(&receiver).len(), 2, "one alert and the test");

    // The session of before ended with the week.
    let browser = broker.browser_of(&user).await;
    assert!(!browser.page("/apps").await.contains(told));
    broker.alert(&user).await;
    nth_message(&receiver, 3).await;
    let events = broker.app.store.events(&broker.app.tenant_id, 0, 1_000).await.unwrap();
    let times = |is: fn(&Happened) -> bool| events.iter().filter(|record| is(&record.event.what)).count();
    assert_eq!(times(|what| matches!(what, Happened::WebhookStopped { .. })), 1);
    assert_eq!(times(|what| matches!(what, Happened::WebhookResumed { .. })), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_never_arrived_in_three_days_stops_its_webhook() {
    let receiver = TestProvider::start().await;
    let broker = TestBroker::telling(&receiver).await;
    let user = broker.user("ana").await;
    broker.credential(&user, "openai", None).await;
    broker.webhook(&user, &receiver.base_url()).await;
    after_the_call(&receiver, (0..10).map(|_| answer(503)));
    broker.alert(&user).await;

    for attempt in 1..=10 {
        nth_message(&receiver, attempt).await;
        noted(&broker, &user, attempt).await;
        broker.clock.advance_seconds(27 * 3_600);
    }

    let webhooks = broker.api(&user, "GET", "/api/webhooks", &Value::Null).await.json();
    assert_eq!(webhooks[0]["stopped_because"], "undelivered");
    assert!(webhooks[0]["last_delivery"]["next_attempt_at"].is_null());
}
