//! Cohere over OpenAI's format, from the client to the provider and back.

use aipassport_domain::{audit::CallOutcome, usage::TruthLabel};
use serde_json::{Value, json};

use super::{chat, events, granted};
use crate::support::{
    TestBroker,
    provider::{TestProvider, chunk, last_chunk, stream_head},
};

const COHERE: &str = "command-a-03-2025";

fn hello(is_stream: bool) -> Value {
    json!({"model": format!("cohere/{COHERE}"), "max_tokens": 100, "stream": is_stream,
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Say hello"}]})
}

fn usage() -> Value {
    json!({"billed_units": {"input_tokens": 10, "output_tokens": 5}, "tokens": {"input_tokens": 20, "output_tokens": 5}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_reaches_cohere_in_its_words_and_comes_back_in_openais() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("cohere", &[COHERE])]).await;
    let message = json!({"role": "assistant", "content": [{"type": "text", "text": "Hello there"}]});
    provider.then_json(
        200,
        &json!({"id": "c1", "finish_reason": "COMPLETE", "message": message, "usage": usage()}),
    );

    let answer = chat(&broker, &grant, &hello(false)).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = provider.only_request();
    assert!(sent.head.starts_with("POST /v2/chat HTTP/1.1\r\n"), "{}", sent.head);
    assert_eq!(
        sent.json()["messages"][0],
        json!({"role": "system", "content": [{"type": "text", "text": "Be short."}]})
    );
    let choice = &answer.json()["choices"][0];
    assert_eq!(
        (&choice["message"]["content"], &choice["finish_reason"]),
        (&json!("Hello there"), &json!("stop"))
    );
    assert_eq!(
        (&answer.json()["model"], &answer.json()["usage"]["total_tokens"]),
        (&json!(COHERE), &json!(25))
    );
    // What is billed: 10 at $2.50 and 5 at $10 the million.
    assert_eq!(answer.header("aipassport-cost"), "0.000075");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_coheres_ends_as_openais_does() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("cohere", &[COHERE])]).await;
    let event = |event: Value| {
        chunk(&format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap()
        ))
    };
    let text =
        |text: &str| json!({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}});
    provider.then([
        stream_head(),
        event(json!({"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": []}}})),
        event(text("Hel")),
        event(text("lo")),
        event(json!({"type": "message-end", "delta": {"finish_reason": "MAX_TOKENS", "usage": usage()}})),
        last_chunk(),
    ]);

    let answer = chat(&broker, &grant, &hello(true)).await;

    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    let chunks = events(&answer);
    let said: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(
        (said.as_str(), &chunks.last().unwrap()["choices"][0]["finish_reason"]),
        ("Hello", &json!("length"))
    );
    let settled = broker.only_settled(&grant).await;
    assert_eq!(
        (settled.outcome, settled.label),
        (CallOutcome::Completed, TruthLabel::Reported)
    );
    assert_eq!(settled.cost.to_string(), "0.000075");
}
