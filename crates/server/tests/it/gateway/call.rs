//! One call, from the client to the provider and back: what is sent, what comes out, what it costs.

use serde_json::json;

use crate::support::{
    CANARY_KEY, TestBroker,
    grant::{MODEL, chat, streamed_chat},
    provider::{TestProvider, completion, delta, last_chunk, stream_head, usage_and_done},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_reaches_the_provider_with_the_users_key_and_its_answer_comes_back() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    provider.then_json(200, &completion(10, 5));

    let answer = broker.chat(&grant, &chat(100)).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json(), completion(10, 5));
    assert_eq!(answer.header("cache-control"), "no-store");
    let sent = provider.only_request();
    assert!(sent.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_eq!(
        sent.header("authorization"),
        Some(format!("Bearer {CANARY_KEY}").as_str())
    );
    assert_eq!(sent.header("host"), Some(provider.address.to_string().as_str()));
    assert_eq!(sent.header("accept-encoding"), Some("identity"));
    assert_eq!(sent.json()["model"], MODEL);
    assert!(!sent.head.contains(&grant.token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_through_and_usage_that_only_we_asked_for_is_hidden() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    provider.then([
        stream_head(),
        delta("Hel"),
        delta("lo"),
        usage_and_done(10, 5),
        last_chunk(),
    ]);

    let answer = broker.chat(&grant, &streamed_chat(100)).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("Hel") && answer.text().ends_with("data: [DONE]\n\n"));
    assert!(!answer.text().contains("usage"));
    assert_eq!(
        provider.only_request().json()["stream_options"],
        json!({"include_usage": true})
    );
}
