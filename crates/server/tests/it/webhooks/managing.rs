//! Adding webhooks, testing and removing them: by a person, and by a program.

use serde_json::{Value, json};

use super::{answer, is_signed_with, messages};
use crate::support::{TestBroker, provider::TestProvider};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_adds_a_webhook_tests_and_removes_it() {
    let receiver = TestProvider::start().await;
    let broker = TestBroker::telling(&receiver).await;
    let user = broker.user("ana").await;
    let mut browser = broker.browser_of(&user).await;
    let url = receiver.base_url();

    let wrong = browser
        .fill("/settings", "/settings/webhooks", &[("url", "http://hooks.example")])
        .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("Write an https address") && wrong.text().contains("http://hooks.example"));
    let added = browser
        .fill(
            "/settings",
            "/settings/webhooks",
            &[("url", &url), ("description", "Pager")],
        )
        .await;
    let page = added.text();
    let secret = page.split(r#"id="secret">"#).nth(1).unwrap().split('<').next().unwrap();
    assert!(secret.starts_with("whsec_"), "{secret}");
    let listed = browser.page("/settings").await;
    assert!(listed.contains("Pager") && listed.contains("Nothing was sent to it yet.") && !listed.contains("whsec_"));

    let webhooks = broker.api(&user, "GET", "/api/webhooks", &Value::Null).await.json();
    let path = |what: &str| format!("/settings/webhooks/{}/{what}", webhooks[0]["id"].as_str().unwrap());
    receiver.then(answer(500));
    let failed = browser.fill("/settings", &path("test"), &[]).await;
    assert_eq!(failed.status, 422);
    assert!(
        failed
            .text()
            .contains("The test did not arrive at 127.0.0.1: it answered 500.")
    );
    broker.clock.advance_seconds(1);
    let arrived = browser.fill("/settings", &path("test"), &[]).await;
    assert_eq!(arrived.header("location"), "/settings?done=webhook-tested#webhooks");
    assert!(is_signed_with(&messages(&receiver)[1], secret));
    assert!(
        browser
            .page("/settings")
            .await
            .contains("The last message arrived just now.")
    );

    let removed = browser.fill("/settings", &path("remove"), &[]).await;
    assert_eq!(removed.status, 303);
    assert_eq!(
        broker.api(&user, "GET", "/api/webhooks", &Value::Null).await.json(),
        json!([])
    );
    let activity = browser.page("/activity").await;
    for sentence in [
        "You had alerts sent to 127.0.0.1.",
        "You sent a test to the webhook at 127.0.0.1.",
        "You removed the webhook at 127.0.0.1.",
    ] {
        assert!(activity.contains(sentence), "{sentence}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_secret_signs_beside_the_new_one_for_a_day() {
    let receiver = TestProvider::start().await;
    let broker = TestBroker::telling(&receiver).await;
    let user = broker.user("ana").await;
    let webhook = broker.webhook(&user, &receiver.base_url()).await;
    let path = format!("/api/webhooks/{}/replace-secret", webhook.id);

    let replaced = broker.api(&user, "POST", &path, &Value::Null).await.json();
    let new = replaced["secret"].as_str().unwrap();
    broker.failure_of_test(&user, &webhook).await;
    broker.clock.advance_seconds(86_400);
    broker.failure_of_test(&user, &webhook).await;

    let messages = messages(&receiver);
    assert!(is_signed_with(&messages[0], new) && is_signed_with(&messages[0], &webhook.secret));
    assert!(is_signed_with(&messages[1], new) && !is_signed_with(&messages[1], &webhook.secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_what_is_wrong_or_too_much() {
    let receiver = TestProvider::start().await;
    let broker = TestBroker::telling(&receiver).await;
    let user = broker.user("ana").await;
    for wrong in [
        json!({"url": "http://hooks.example"}),
        json!({"url": "https://ana:secret@hooks.example"}),
        json!({"url": "https://hooks.example", "description": "x".repeat(201)}),
        json!({"url": "https://hooks.example", "user_id": "another"}),
        json!({}),
    ] {
        let refused = broker.api(&user, "POST", "/api/webhooks", &wrong).await;
        assert_eq!(refused.status, 400, "{wrong}");
    }

    let webhook = broker.webhook(&user, &receiver.base_url()).await;
    for number in 0..4 {
        broker.webhook(&user, &format!("https://hooks.example/{number}")).await;
    }
    let one_more = json!({"url": "https://hooks.example"});
    assert_eq!(broker.api(&user, "POST", "/api/webhooks", &one_more).await.status, 400);

    for _ in 0..6 {
        assert_eq!(broker.failure_of_test(&user, &webhook).await, None);
    }
    let path = format!("/api/webhooks/{}/test", webhook.id);
    assert_eq!(broker.api(&user, "POST", &path, &Value::Null).await.status, 429);
    broker.clock.advance_seconds(60);
    assert_eq!(broker.api(&user, "POST", &path, &Value::Null).await.status, 200);

    let removed = format!("/api/webhooks/{}", webhook.id);
    assert_eq!(broker.api(&user, "DELETE", &removed, &Value::Null).await.status, 204);
    assert_eq!(broker.api(&user, "DELETE", &removed, &Value::Null).await.status, 404);
}
