//! OpenAI over its own format: nothing but the model's name changes.

use serde_json::{Value, json};

use super::{chat, granted, post};
use crate::support::{
    TestBroker,
    grant::MODEL,
    provider::{TestProvider, completion, delta, last_chunk, stream_head, usage_and_done},
};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_provider_is_taken_off_the_models_name() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("openai", &[MODEL])]).await;
    provider.then_json(200, &completion(1_000, 500));
    let body = json!({"unknown": [1, 2.50, "x"], "model": format!("openai/{MODEL}"), "max_tokens": 600,
        "service_tier": "default", "messages": [{"role": "user", "content": "Say hello"}]});

    let answer = chat(&broker, &grant, &body).await;

    assert_eq!(
        (answer.status, answer.json()),
        (200, completion(1_000, 500)),
        "{}",
        answer.text()
    );
    let sent = provider.only_request();
    assert!(
        sent.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{}",
        sent.head
    );
    let expected = body.to_string().replace("openai/", "");
    assert_eq!(String::from_utf8(sent.body).unwrap(), expected);
    assert_eq!(answer.header("aipassport-not-carried"), "");
    assert!(!answer.header("aipassport-cost").is_empty() && !answer.header("x-request-id").is_empty());
    // 1,000 at $0.15 and 500 at $0.60 the million.
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.00045");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_the_providers_own() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("openai", &[MODEL])]).await;
    provider.then([
        stream_head(),
        delta("Hel"),
        delta("lo"),
        usage_and_done(10, 5),
        last_chunk(),
    ]);

    let body = json!({"model": MODEL, "stream": true, "messages": [{"role": "user", "content": "Hi"}]});
    let answer = chat(&broker, &grant, &body).await;

    assert!(
        answer.text().contains("Hel") && answer.text().ends_with("data: [DONE]\n\n"),
        "{}",
        answer.text()
    );
    assert!(!answer.text().contains("usage"));
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_openais_own() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("openai", &[MODEL])]).await;
    let response = json!({"id": "resp_1", "object": "response", "status": "completed", "model": MODEL, "output": [],
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}});
    provider.then_json(200, &response);

    let body = json!({"model": format!("openai/{MODEL}"), "input": "Hi"});
    let answer = post(&broker, &grant, "/v1/responses", &body).await;

    assert_eq!((answer.status, answer.json()), (200, response), "{}", answer.text());
    assert_eq!(provider.only_request().json()["model"], MODEL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_in_openais_shape_and_nothing_is_sent() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("openai", &[MODEL])]).await;
    let hello = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});

    let nobody = broker.post_json("/v1/chat/completions", &[], &hello(MODEL)).await;
    let other_model = chat(&broker, &grant, &hello("openai/gpt-4o")).await;
    let unknown_model = chat(&broker, &grant, &hello("gpt-4o")).await;
    let no_model = chat(&broker, &grant, &json!({"messages": []})).await;
    let twice = format!(r#"{{"model":"{MODEL}","model":"gpt-4o","messages":[]}}"#);
    let bearer = grant.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let twice = broker
        .send(broker.request("POST", "/v1/chat/completions", &headers, twice.into()))
        .await;
    let elsewhere = post(&broker, &grant, "/v1/assistants", &hello(MODEL)).await;
    let query = post(&broker, &grant, "/v1/chat/completions?model=gpt-4o", &hello(MODEL)).await;

    let refused = |answer: &crate::support::http::Answer| {
        let body = answer.json();
        let rule = body["aipassport"]["rule"].as_str().unwrap().to_owned();
        assert!(body["error"]["message"].is_string(), "{body}");
        (answer.status, rule)
    };
    assert_eq!(refused(&nobody), (401, "credential".to_owned()));
    let challenge = nobody.header("www-authenticate").to_owned();
    assert!(
        challenge.ends_with(r#"/.well-known/oauth-protected-resource""#),
        "{challenge}"
    );
    assert_eq!(refused(&other_model), (403, "model".to_owned()));
    assert_eq!(refused(&unknown_model), (403, "model".to_owned()));
    assert_eq!(unknown_model.json()["error"]["code"], "model_not_found");
    assert_eq!(refused(&no_model), (400, "request".to_owned()));
    assert_eq!(refused(&twice), (400, "request".to_owned()));
    assert_eq!(refused(&elsewhere), (404, "path".to_owned()));
    assert_eq!(refused(&query), (404, "path".to_owned()));
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_cap_is_refused_as_openai_refuses_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker
        .granted_with(|access| access.limits.requests = [(None, 1)].into())
        .await;
    let body = json!({"model": MODEL, "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]});

    let first = chat(&broker, &grant, &body).await;
    let second = chat(&broker, &grant, &body).await;

    assert_eq!((first.status, second.status), (200, 402), "{}", first.text());
    let refused: Value = second.json();
    assert_eq!(refused["error"]["type"], "insufficient_quota");
    assert_eq!(refused["aipassport"]["rule"], "requests");
}
