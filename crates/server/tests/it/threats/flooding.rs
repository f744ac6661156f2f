//! Questions without end by those whom nobody knows (`security.md` 183): each would be a row.

use serde_json::json;

use crate::support::{
    TestBroker,
    http::Answer,
    oauth::{CALLBACK, answer_parameter, good_request},
};

const MOST: usize = 60;
/// Comes through a proxy that the operator named.
const ELSEWHERE: (&str, &str) = ("x-forwarded-for", "192.0.2.7");

async fn behind_a_proxy() -> TestBroker {
    TestBroker::start_with(|config| config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await
}

async fn ask(broker: &TestBroker, app: usize, headers: &[(&str, &str)]) -> Answer {
    let asked = json!({
        "appName": format!("App {app}"), "appUrl": "https://app.example", "reason": "To ask",
        "scope": {"provider": "openai"},
    });
    broker.post_json("/grant-requests", headers, &asked).await
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_183_apps_that_only_name_themselves_ask_so_often_from_one_place() {
    let broker = behind_a_proxy().await;

    let mut answers = Vec::new();
    for app in 0..=MOST {
        answers.push(ask(&broker, app, &[ELSEWHERE]).await);
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
    let registered = ask(&broker, 0, &[ELSEWHERE, ("authorization", &basic)]).await;
    assert_eq!(registered.status, 201);

    broker
        .clock
        .advance_seconds(refused.header("retry-after").parse().unwrap());
    assert_eq!(ask(&broker, 0, &[ELSEWHERE]).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_183_browsers_without_a_user_are_taken_down_so_often_from_one_place() {
    let broker = behind_a_proxy().await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(good_request(&client))
        .finish();
    let path = format!("/oauth/authorize?{query}");

    for _ in 0..MOST {
        let answer = broker.get(&path, &[ELSEWHERE]).await;
        assert!(
            answer.header("location").starts_with("/login"),
            "{}",
            answer.header("location")
        );
    }

    let refused = broker.get(&path, &[ELSEWHERE]).await;
    assert_eq!(
        answer_parameter(&refused, "error").as_deref(),
        Some("temporarily_unavailable")
    );
    let cookie = broker.browser(&broker.user("alice").await).await;
    let signed_in = broker.get(&path, &[ELSEWHERE, ("cookie", &cookie)]).await;
    assert!(signed_in.header("location").starts_with("/consent/"));
}

/// The demo, a tool or a test run on the machine itself.
#[tokio::test(flavor = "multi_thread")]
async fn apps_on_this_machine_ask_as_often_as_they_like() {
    for broker in [TestBroker::start().await, behind_a_proxy().await] {
        for app in 0..=MOST {
            assert_eq!(ask(&broker, app, &[]).await.status, 201, "{app}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_says_how_often_strangers_may_ask() {
    let broker = TestBroker::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.strangers.requests = 1;
        config.strangers.per_seconds = 5;
    })
    .await;
    assert_eq!(ask(&broker, 0, &[ELSEWHERE]).await.status, 201);

    let refused = ask(&broker, 1, &[ELSEWHERE]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "5"));
}
