//! One call, from the client to the provider and back: what is sent, what comes out, what it costs.

use aipassport_domain::{
    audit::CallOutcome,
    authorization_details::{Choice, ModelPattern},
    money::Money,
};
use serde_json::{Value, json};

use crate::support::{
    CANARY_KEY, TestBroker,
    grant::{MODEL, TestGrant, access_to, chat, streamed_chat},
    http::Answer,
    provider::{TestProvider, chunk, completion, delta, last_chunk, stream_head, usage_and_done},
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

const CLAUDE: &str = "claude-sonnet-4-5";

/// A grant of chat with Claude.
async fn granted_claude(broker: &TestBroker) -> TestGrant {
    let user = broker.user("robin").await;
    broker.credential(&user, "anthropic", None).await;
    let mut access = access_to(broker, "anthropic");
    access.models = Choice::of([ModelPattern::Exact(CLAUDE.to_owned())]);
    broker.grant(&user, vec![access]).await
}

async fn to_claude(broker: &TestBroker, grant: &TestGrant, path: &str, body: &Value) -> Answer {
    let headers = [
        ("x-api-key", grant.token.as_str()),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "fine-grained-tool-streaming-2025-05-14"),
    ];
    broker.post_json(path, &headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_anthropic_with_the_users_key_where_anthropic_looks_for_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_claude(&broker).await;
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": CLAUDE, "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 1000, "output_tokens": 500},
    });
    provider.then_json(200, &message);

    let body = json!({"model": CLAUDE, "max_tokens": 600, "messages": [{"role": "user", "content": "Say hello"}]});
    let answer = to_claude(&broker, &grant, "/anthropic/v1/messages", &body).await;

    assert_eq!((answer.status, answer.json()), (200, message), "{}", answer.text());
    let sent = provider.only_request();
    assert!(sent.head.starts_with("POST /v1/messages HTTP/1.1\r\n"));
    assert_eq!(sent.header("x-api-key"), Some(CANARY_KEY));
    assert_eq!(sent.header("authorization"), None);
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(
        sent.header("anthropic-beta"),
        Some("fine-grained-tool-streaming-2025-05-14")
    );
    // 1,000 at $3 and 500 at $15 the million.
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.0105");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_anthropics_passes_byte_for_byte_and_ends_with_its_usage() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_claude(&broker).await;
    let events = [
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"usage":{"input_tokens":1000,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":500}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let text: Vec<String> = events
        .iter()
        .map(|data| {
            let kind = serde_json::from_str::<Value>(data).unwrap()["type"]
                .as_str()
                .unwrap()
                .to_owned();
            format!("event: {kind}\ndata: {data}\n\n")
        })
        .collect();
    provider.then(
        [stream_head()]
            .into_iter()
            .chain(text.iter().map(|event| chunk(event)))
            .chain([last_chunk()]),
    );

    let body = json!({
        "model": CLAUDE, "max_tokens": 600, "stream": true, "messages": [{"role": "user", "content": "Say hello"}],
    });
    let answer = to_claude(&broker, &grant, "/anthropic/v1/messages", &body).await;

    assert_eq!(answer.text(), text.concat());
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.0105");
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_tokens_goes_the_same_way_and_costs_nothing() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_claude(&broker).await;
    provider.then_json(200, &json!({"input_tokens": 12}));

    let body = json!({"model": CLAUDE, "messages": [{"role": "user", "content": "Say hello"}]});
    let answer = to_claude(&broker, &grant, "/anthropic/v1/messages/count_tokens", &body).await;

    assert_eq!((answer.status, answer.json()), (200, json!({"input_tokens": 12})));
    let settled = broker.only_settled(&grant).await;
    assert_eq!((settled.cost, settled.outcome), (Money::ZERO, CallOutcome::Completed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_of_openais_newer_api_is_forwarded_without_being_stored() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let response = json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": MODEL, "output": [],
        "usage": {
            "input_tokens": 10, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 500, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 510,
        },
    });
    provider.then_json(200, &response);

    let body = json!({"model": MODEL, "max_output_tokens": 600, "input": "Say hello"});
    let bearer = grant.bearer();
    let answer = broker
        .post_json("/openai/v1/responses", &[("authorization", &bearer)], &body)
        .await;

    assert_eq!((answer.status, answer.json()), (200, response), "{}", answer.text());
    assert_eq!(provider.only_request().json()["store"], false);
    // 10 at $0.15 and 500 at $0.60 the million.
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.0003015");
}
