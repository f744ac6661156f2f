//! App keys: a tool's calls pass like any app's, within the same limits, until its user stops it.

use serde_json::{Value, json};

use crate::support::{
    TestBroker, TestUser,
    grant::{MODEL, chat, greedy_chat},
    http::Answer,
    provider::{TestProvider, completion},
};

const CHAT: &str = "/openai/v1/chat/completions";

impl TestUser {
    fn bearer_header(&self) -> String {
        format!("Bearer {}", self.bearer)
    }
}

/// Makes a key that may spend so much.
async fn make_key(broker: &TestBroker, user: &TestUser, amount: &str) -> Value {
    make_key_until(broker, user, amount, false).await
}

async fn make_key_until(broker: &TestBroker, user: &TestUser, amount: &str, revoke_when_used_up: bool) -> Value {
    let tool = json!({
        "name": "Editor",
        "revoke_when_used_up": revoke_when_used_up,
        "authorization_details": [{
            "type": "ai_access", "provider": "openai", "models": [MODEL],
            "limits": {"budget": {"amount": amount, "currency": "USD"}},
        }],
    });
    let made = broker
        .post_json("/api/app-keys", &[("authorization", &user.bearer_header())], &tool)
        .await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()
}

async fn call_with(broker: &TestBroker, key: &Value, body: &Value) -> Answer {
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    broker.post_json(CHAT, &[("authorization", &bearer)], body).await
}

async fn change(broker: &TestBroker, user: &TestUser, path: &str) -> Answer {
    broker
        .post_json(path, &[("authorization", &user.bearer_header())], &json!({}))
        .await
}

async fn user_with_key(broker: &TestBroker) -> TestUser {
    let user = broker.user("ana").await;
    broker.credential(&user, "openai", None).await;
    user
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tools_key_stands_where_the_providers_key_stood() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = user_with_key(&broker).await;
    let key = make_key(&broker, &user, "1.00").await;
    for _ in 0..2 {
        provider.then_json(200, &completion(10, 5));
    }

    let as_bearer = call_with(&broker, &key, &chat(100)).await;
    let own_header = [("x-api-key", key["key"].as_str().unwrap())];
    let as_api_key = broker.post_json(CHAT, &own_header, &chat(100)).await;
    let own_limits = broker.get("/passport/self", &own_header).await;

    assert_eq!(
        (as_bearer.status, as_api_key.status),
        (200, 200),
        "{}",
        as_api_key.text()
    );
    assert_eq!(own_limits.json()["grant_id"], key["grant_id"]);
    assert!(provider.received().iter().all(|sent| !sent.head.contains("aip_key_")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tools_key_has_the_limits_of_its_grant() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = user_with_key(&broker).await;
    let key = make_key(&broker, &user, "0.000001").await;

    let too_dear = call_with(&broker, &key, &chat(100)).await;
    let mut other_model = chat(100);
    other_model["model"] = "gpt-4o".into();
    let not_granted = call_with(&broker, &key, &other_model).await;

    assert_eq!(too_dear.status, 402, "{}", too_dear.text());
    assert_eq!(not_granted.status, 403);
    assert_eq!(provider.received().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_replaced_is_refused_on_the_next_call_and_the_new_one_goes_on_where_it_stood() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = user_with_key(&broker).await;
    let old = make_key(&broker, &user, "1.00").await;
    for _ in 0..2 {
        provider.then_json(200, &completion(1_000, 100));
    }
    assert_eq!(call_with(&broker, &old, &chat(100)).await.status, 200);
    broker.settled().await;

    let path = format!("/api/app-keys/{}/replace", old["grant_id"].as_str().unwrap());
    let new = change(&broker, &user, &path).await.json();
    let refused = call_with(&broker, &old, &chat(100)).await;
    let admitted = call_with(&broker, &new, &chat(100)).await;

    assert_eq!((refused.status, admitted.status), (401, 200), "{}", refused.text());
    assert_eq!(old["grant_id"], new["grant_id"]);
    let bearer = format!("Bearer {}", new["key"].as_str().unwrap());
    let left = broker.get("/passport/self", &[("authorization", &bearer)]).await.json();
    assert_ne!(left["limits"][0]["used"], "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tools_key_is_dead_when_its_money_is_used_up_if_its_user_chose_that() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = user_with_key(&broker).await;
    for (is_chosen, status) in [(false, 402), (true, 401)] {
        let key = make_key_until(&broker, &user, "0.001", is_chosen).await;
        let bearer = user.bearer_header();
        let grant = format!("/api/grants/{}", key["grant_id"].as_str().unwrap());
        let shown = broker.get(&grant, &[("authorization", &bearer)]).await.json();
        assert_eq!(shown["revoke_when_used_up"], is_chosen);

        provider.then_json(200, &completion(900_000_000, 900_000_000));
        assert_eq!(call_with(&broker, &key, &greedy_chat()).await.status, 200);
        broker.settled().await;
        // What is left, if anything, pays for no call.
        call_with(&broker, &key, &chat(100)).await;

        assert_eq!(call_with(&broker, &key, &chat(100)).await.status, status);
        let shown = broker.get(&grant, &[("authorization", &bearer)]).await.json();
        assert_eq!(shown["status"], if is_chosen { "revoked" } else { "exhausted" });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_the_tool_stops_its_key_at_once() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = user_with_key(&broker).await;
    let key = make_key(&broker, &user, "1.00").await;
    provider.then_json(200, &completion(10, 5));
    assert_eq!(call_with(&broker, &key, &chat(100)).await.status, 200);

    let path = format!("/api/grants/{}/revoke", key["grant_id"].as_str().unwrap());
    assert_eq!(change(&broker, &user, &path).await.status, 200);

    assert_eq!(call_with(&broker, &key, &chat(100)).await.status, 401);
    assert_eq!(provider.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_161_another_users_keys_are_not_there() {
    let broker = TestBroker::start().await;
    let key = make_key(&broker, &broker.user("ana").await, "1.00").await;
    let other = broker.user("robin").await;

    let path = format!("/api/app-keys/{}/replace", key["grant_id"].as_str().unwrap());
    assert_eq!(change(&broker, &other, &path).await.status, 404);
    let bearer = other.bearer_header();
    let listed = broker.get("/api/app-keys", &[("authorization", &bearer)]).await;
    assert_eq!(listed.json(), json!([]));
    let clients = broker.get("/api/clients", &[("authorization", &bearer)]).await;
    assert!(!clients.text().contains("Editor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_key_is_refused_as_any_wrong_credential_is() {
    let broker = TestBroker::start().await;
    let made_up = json!({"key": format!("aip_key_{}", "A".repeat(43))});

    let answer = call_with(&broker, &made_up, &chat(100)).await;

    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["error"]["code"], "invalid_api_key");
}
