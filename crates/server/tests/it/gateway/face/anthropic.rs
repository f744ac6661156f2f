//! Anthropic over OpenAI's format, from the client to the provider and back.

use aipassport_domain::{audit::CallOutcome, usage::TruthLabel};
use serde_json::{Value, json};

use super::{chat, events, granted};
use crate::support::{
    TestBroker,
    grant::TestGrant,
    provider::{TestProvider, chunk, last_chunk, stream_head},
};

const CLAUDE: &str = "claude-sonnet-4-5";

async fn granted_claude(broker: &TestBroker) -> TestGrant {
    granted(broker, &[("anthropic", &[CLAUDE])]).await
}

fn message(content: &Value, stop_reason: &str) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": CLAUDE, "content": content,
        "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {"input_tokens": 100, "cache_read_input_tokens": 1_000, "cache_creation_input_tokens": 0,
            "output_tokens": 50}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_reaches_anthropic_in_its_words_and_comes_back_in_openais() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_claude(&broker).await;
    provider.then_json(
        200,
        &message(&json!([{"type": "text", "text": "Hello there"}]), "end_turn"),
    );

    let body = json!({"model": format!("anthropic/{CLAUDE}"), "max_tokens": 100, "seed": 7, "user": "kim",
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Say hello"}]});
    let answer = chat(&broker, &grant, &body).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = provider.only_request();
    assert!(sent.head.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{}", sent.head);
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(sent.header("x-stainless-lang"), None);
    assert_eq!(
        sent.json(),
        json!({"service_tier": "standard_only", "model": CLAUDE, "max_tokens": 100,
            "system": [{"type": "text", "text": "Be short."}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello"}]}]})
    );
    let id = answer.header("aipassport-request-id").to_owned();
    let created = answer.json()["created"].clone();
    assert_eq!(
        answer.json(),
        json!({"id": format!("chatcmpl-{id}"), "object": "chat.completion", "created": created, "model": CLAUDE,
            "choices": [{"index": 0, "logprobs": null, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Hello there", "refusal": null}}],
            "usage": {"prompt_tokens": 1_100, "completion_tokens": 50, "total_tokens": 1_150,
                "prompt_tokens_details": {"cached_tokens": 1_000, "cache_write_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0}}})
    );
    assert_eq!(created, broker.app.clock.now().millis() / 1000);
    assert_eq!(answer.header("aipassport-not-carried"), "seed, user");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-request-id"), id);
    // 100 at $3, 1,000 cached at $0.30, 50 at $15 the million.
    assert_eq!(answer.header("aipassport-cost"), "0.00135");
    let settled = broker.only_settled(&grant).await;
    assert_eq!(
        (settled.cost.to_string().as_str(), settled.label),
        ("0.00135", TruthLabel::Reported)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_tools_comes_back_as_openais_chunks() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_claude(&broker).await;
    let event = |event: Value| {
        chunk(&format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap()
        ))
    };
    let tool = json!({"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}});
    let usage = json!({"input_tokens": 100, "output_tokens": 1});
    provider.then([
        stream_head(),
        event(json!({"type": "message_start", "message": {"id": "msg_1", "model": CLAUDE, "content": [], "usage": usage}})),
        event(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
        event(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let me see."}})),
        event(json!({"type": "content_block_stop", "index": 0})),
        event(json!({"type": "content_block_start", "index": 1, "content_block": tool})),
        event(json!({"type": "content_block_delta", "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": "{\"city\": \"Rome\"}"}})),
        event(json!({"type": "content_block_stop", "index": 1})),
        event(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 40}})),
        event(json!({"type": "message_stop"})),
        last_chunk(),
    ]);

    let body = json!({"model": CLAUDE, "stream": true, "max_tokens": 100,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "The weather in Rome?"}],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]});
    let answer = chat(&broker, &grant, &body).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    let chunks = events(&answer);
    let deltas: Vec<&Value> = chunks.iter().filter_map(|chunk| chunk["choices"].get(0)).collect();
    let deltas: Vec<(&Value, &Value)> = deltas
        .iter()
        .map(|choice| (&choice["delta"], &choice["finish_reason"]))
        .collect();
    assert_eq!(
        deltas,
        [
            (&json!({"role": "assistant", "content": "Let me see."}), &Value::Null),
            (
                &json!({"tool_calls": [{"index": 0, "id": "toolu_1", "type": "function",
                    "function": {"name": "weather", "arguments": ""}}]}),
                &Value::Null
            ),
            (
                &json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"city\": \"Rome\"}"}}]}),
                &Value::Null
            ),
            (&json!({}), &json!("tool_calls")),
        ]
    );
    assert_eq!(chunks.last().unwrap()["usage"]["total_tokens"], 140);
    let settled = broker.only_settled(&grant).await;
    assert_eq!(
        (settled.outcome, settled.label),
        (CallOutcome::Completed, TruthLabel::Reported)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_carried_is_refused_by_name_before_anything_is_held() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_claude(&broker).await;
    let body = json!({"model": CLAUDE, "n": 2, "messages": [{"role": "user", "content": "Hi"}]});

    let answer = chat(&broker, &grant, &body).await;

    assert_eq!(answer.status, 400);
    assert_eq!(
        (&answer.json()["error"]["param"], &answer.json()["error"]["code"]),
        (&json!("n"), &json!("unsupported_value"))
    );
    assert!(provider.received().is_empty() && broker.held(&grant).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_errors_keep_their_status_and_take_openais_shape() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_claude(&broker).await;
    let hello = json!({"model": CLAUDE, "messages": [{"role": "user", "content": "Hi"}]});
    let overloaded =
        json!({"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}, "request_id": "r"});
    provider.then_json(429, &overloaded);
    provider.then_json(200, &json!({"not": ["a", "message"], "content": 7}));

    let limited = chat(&broker, &grant, &hello).await;
    let nonsense = chat(&broker, &grant, &hello).await;
    broker.settled().await;

    assert_eq!(limited.status, 429);
    assert_eq!(
        limited.json(),
        json!({"error": {"message": "Slow down", "type": "requests", "param": null, "code": "rate_limit_exceeded"}})
    );
    assert_eq!(
        (nonsense.status, nonsense.json()["aipassport"]["rule"].as_str()),
        (502, Some("upstream"))
    );
    let outcomes: Vec<CallOutcome> = broker
        .settled_calls(&grant)
        .await
        .iter()
        .map(|call| call.outcome)
        .collect();
    assert_eq!(outcomes, [CallOutcome::Refused, CallOutcome::UpstreamFailed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_a_stream_is_openais_too() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_claude(&broker).await;
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    provider.then([
        stream_head(),
        chunk(&format!("event: error\ndata: {error}\n\n")),
        last_chunk(),
    ]);

    let body = json!({"model": CLAUDE, "stream": true, "messages": [{"role": "user", "content": "Hi"}]});
    let answer = chat(&broker, &grant, &body).await;

    assert_eq!(
        events(&answer),
        [json!({"error": {"message": "Overloaded", "type": "server_error",
        "param": null, "code": "overloaded"}})]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_grant_ends_a_translated_stream_with_openais_error() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_claude(&broker).await;
    let start = json!({"type": "message_start", "message": {"model": CLAUDE, "content": [],
        "usage": {"input_tokens": 1, "output_tokens": 1}}});
    let text = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}});
    provider.then([
        stream_head(),
        chunk(&format!("data: {start}\n\ndata: {text}\n\n")),
        crate::support::provider::Step::Hang,
    ]);
    let body = json!({"model": CLAUDE, "stream": true, "messages": [{"role": "user", "content": "Hi"}]});

    let streaming = chat(&broker, &grant, &body);
    let (answer, ()) = tokio::join!(streaming, async {
        crate::support::ledger::eventually(async || !provider.received().is_empty()).await;
        broker.revoke(&grant).await;
        broker.app.gateway.grant_changed(grant.id());
    });

    let last = events(&answer).pop().unwrap_or_else(|| answer.json());
    assert_eq!(last["aipassport"]["rule"], "grant_revoked", "{}", answer.text());
    assert!(last["error"]["message"].is_string());
}
