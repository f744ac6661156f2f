//! `POST /proxy/chat`: a call through 0.2's own face.

use serde_json::{Value, json};

use super::refusal;
use crate::support::{
    TestBroker, TestUser,
    http::Answer,
    provider::{TestProvider, completion, delta, last_chunk, stream_head, usage_and_done},
};

const MODEL: &str = "gpt-4o-mini";

/// A user with a key at `provider`, and the token of an app that they granted `model`.
async fn granted(
    broker: &TestBroker,
    upstream: &TestProvider,
    provider: &str,
    model: &str,
) -> (TestUser, String, String) {
    let user = broker.user("ana").await;
    broker.credential(&user, provider, Some(upstream.base_url())).await;
    let mut request = super::with("/scope/provider", json!(provider));
    request["scope"]["models"] = json!([model]);
    let asked = broker.post_json("/grant-requests", &[], &request).await.json();
    let id = asked["grant"]["id"].as_str().unwrap().to_owned();
    broker.act(&user, &id, "approve", &json!({})).await;
    let secret = asked["requestSecret"].clone();
    let token = broker
        .post_json("/tokens", &[], &json!({"grantId": id, "requestSecret": secret}))
        .await;
    (user, id, token.json()["token"].as_str().unwrap().to_owned())
}

async fn chat(broker: &TestBroker, token: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    broker
        .post_json("/proxy/chat", &[("authorization", &bearer)], body)
        .await
}

fn hello(model: &str) -> Value {
    json!({"model": model, "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hello"},
    ], "max_tokens": 100, "temperature": 0.5})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_call_reaches_openai_as_it_came() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (user, id, token) = granted(&broker, &provider, "openai", MODEL).await;
    provider.then_json(200, &completion(1000, 500));

    let answer = chat(&broker, &token, &hello(MODEL)).await;
    broker.settled().await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json(), completion(1000, 500));
    let sent = provider.only_request();
    assert!(
        sent.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{}",
        sent.head
    );
    for member in ["model", "messages", "max_tokens", "temperature"] {
        assert_eq!(sent.json()[member], hello(MODEL)[member], "{member}");
    }
    let grant = broker.see(&user, &format!("/grants/{id}")).await.json();
    assert_eq!(
        (&grant["usageCount"], &grant["usageBudgetCents"]),
        (&json!(1), &json!(1)),
        "rounded up"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apps_call_reaches_anthropic_with_its_system_message_in_place() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let model = "claude-haiku-4-5";
    let (_, _, token) = granted(&broker, &provider, "anthropic", model).await;
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 5}});
    provider.then_json(200, &message);

    let answer = chat(&broker, &token, &hello(model)).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json(), message);
    let sent = provider.only_request();
    assert!(sent.head.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{}", sent.head);
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(sent.json()["system"], json!([{"type": "text", "text": "Be short."}]));
    assert_eq!(sent.json()["messages"], json!([{"role": "user", "content": "Hello"}]));
    assert_eq!(sent.json()["temperature"], 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_through() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (_, _, token) = granted(&broker, &provider, "openai", MODEL).await;
    provider.then([
        stream_head(),
        delta("Hel"),
        delta("lo"),
        usage_and_done(10, 5),
        last_chunk(),
    ]);

    let mut body = hello(MODEL);
    body["stream"] = json!(true);
    let answer = chat(&broker, &token, &body).await;

    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("Hel") && answer.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_status_is_kept() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (user, id, token) = granted(&broker, &provider, "openai", MODEL).await;
    let error = json!({"error": {"message": "Too many requests", "type": "requests", "code": "rate_limit_exceeded"}});
    provider.then_json(429, &error);

    let answer = chat(&broker, &token, &hello(MODEL)).await;
    broker.settled().await;

    assert_eq!((answer.status, answer.json()), (429, error));
    let grant = broker.see(&user, &format!("/grants/{id}")).await.json();
    assert_eq!(grant["usageCount"], 0, "a failed call consumes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_plain_json_and_nothing_is_sent() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (user, id, token) = granted(&broker, &provider, "openai", MODEL).await;

    let other_model = chat(&broker, &token, &hello("gpt-4o")).await;
    let not_json = broker
        .post_json(
            "/proxy/chat",
            &[("authorization", &format!("Bearer {token}"))],
            &json!([]),
        )
        .await;
    let nobody = broker.post_json("/proxy/chat", &[], &hello(MODEL)).await;
    let stranger = chat(&broker, "unknown", &hello(MODEL)).await;
    broker.patch(&user, &id, &json!({"scope": {"maxRequests": 0}})).await;
    let used_up = chat(&broker, &token, &hello(MODEL)).await;
    let shown = broker.see(&user, &format!("/grants/{id}")).await.json();
    broker.act(&user, &id, "revoke", &json!({})).await;
    let revoked = chat(&broker, &token, &hello(MODEL)).await;

    assert_eq!(refusal(&other_model), (403, "model".to_owned()));
    assert_eq!(refusal(&not_json).0, 400);
    assert_eq!(refusal(&nobody).0, 401);
    assert_eq!(refusal(&stranger).0, 401);
    assert_eq!(refusal(&used_up).0, 402, "0.2 said 429");
    assert_eq!(shown["status"], "exhausted");
    assert_eq!(refusal(&revoked).0, 401);
    assert!(nobody.header("www-authenticate").starts_with("Bearer"));
    assert!(provider.received().is_empty());
}
