//! Questions without end by those whom nobody knows (`security.md` 183): each would be a row.

use serde_json::json;

use crate::support::{
    TestBroker,
    http::Answer,
    oauth::{CALLBACK, answer_parameter, good_request},
};

const MOST: usize = 60;

async fn ask(broker: &TestBroker, app: usize, headers: &[(&str, &str)]) -> Answer {
    let asked = json!({
        "appName": format!("App {app}"), "appUrl": "https://app.example", "reason": "To ask",
        "scope": {"provider": "openai"},
    });
    broker.post_json("/grant-requests", headers, &asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_183_apps_that_only_name_themselves_ask_so_often_from_one_place() {
    let broker = TestBroker::start().await;

    let mut answers = Vec::new();
    for app in 0..=MOST {
        answers.push(ask(&broker, app, &[]).await);
    }

    let refused = answers.pop().unwrap();
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (429, Some("too_many_requests"))
    );
    let clients = broker.app.store.clients(&broker.app.tenant_id).await.unwrap();
    assert_eq!(clients.len(), MOST);

    // An app that proves who it is asks on.
    let client = broker.client("Notes", CALLBACK, Some("secret")).await;
    let basic = format!(
        "Basic {}",
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, format!("{}:secret", client.id))
    );
    assert_eq!(ask(&broker, 0, &[("authorization", &basic)]).await.status, 201);

    broker
        .clock
        .advance_seconds(refused.header("retry-after").parse().unwrap());
    assert_eq!(ask(&broker, 0, &[]).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_183_browsers_without_a_user_are_taken_down_so_often_from_one_place() {
    let broker = TestBroker::start().await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let request = good_request(&client);

    for _ in 0..MOST {
        let answer = broker.authorize("", &request).await;
        assert!(
            answer.header("location").starts_with("/login"),
            "{}",
            answer.header("location")
        );
    }

    let refused = broker.authorize("", &request).await;
    assert_eq!(
        answer_parameter(&refused, "error").as_deref(),
        Some("temporarily_unavailable")
    );
    let cookie = broker.browser(&broker.user("alice").await).await;
    let signed_in = broker.authorize(&cookie, &request).await;
    assert!(signed_in.header("location").starts_with("/consent/"));
}
