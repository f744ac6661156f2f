//! Mistral over OpenAI's format, which it nearly speaks itself.

use aipassport_domain::usage::TruthLabel;
use serde_json::{Value, json};

use super::{chat, events, granted, post};
use crate::support::{
    TestBroker,
    provider::{Step, TestProvider, chunk, completion, last_chunk, stream_head},
};

const MISTRAL: &str = "mistral-small-latest";

#[tokio::test(flavor = "multi_thread")]
async fn what_mistral_would_refuse_is_left_behind_and_said() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("mistral", &[MISTRAL])]).await;
    provider.then_json(200, &completion(10, 5));

    let body = json!({"model": format!("mistral/{MISTRAL}"), "max_completion_tokens": 100, "seed": 7, "user": "kim",
        "messages": [{"role": "developer", "content": "Be short."}, {"role": "user", "content": "Hi"}]});
    let answer = chat(&broker, &grant, &body).await;

    assert_eq!(
        (answer.status, answer.json()),
        (200, completion(10, 5)),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("aipassport-not-carried"), "user");
    let sent = provider.only_request().json();
    assert_eq!(
        (&sent["model"], &sent["max_tokens"], &sent["random_seed"]),
        (&json!(MISTRAL), &json!(100), &json!(7))
    );
    assert_eq!(sent["messages"][0]["role"], "system");
    assert_eq!(sent.get("user"), None);
}

/// A stream as Mistral writes it, with its usage beside the last choice.
fn stream() -> Vec<Value> {
    let written = |content: &str| {
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MISTRAL,
            "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}]})
    };
    let mut last = written("");
    last["choices"][0]["finish_reason"] = "stop".into();
    last["usage"] = json!({"prompt_tokens": 10, "total_tokens": 15, "completion_tokens": 5});
    vec![written("Hel"), written("lo"), last]
}

/// As the provider's next answer.
fn on_wire(chunks: &[Value]) -> Vec<Step> {
    let mut steps = vec![stream_head()];
    steps.extend(chunks.iter().map(|event| chunk(&format!("data: {event}\n\n"))));
    steps.extend([chunk("data: [DONE]\n\n"), last_chunk()]);
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_of_a_stream_is_charged_and_shown_to_who_asks_for_it_alone() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("mistral", &[MISTRAL])]).await;
    let chunks = stream();
    let mut without = chunks.clone();
    without[2].as_object_mut().unwrap().remove("usage");

    for (options, seen) in [(json!(null), &without), (json!({"include_usage": true}), &chunks)] {
        provider.then(on_wire(&chunks));
        let body = json!({"model": MISTRAL, "stream": true, "stream_options": options,
            "messages": [{"role": "user", "content": "Hi"}]});
        let answer = chat(&broker, &grant, &body).await;
        assert_eq!((answer.status, &events(&answer)), (200, seen));
    }
    broker.settled().await;
    for settled in broker.settled_calls(&grant).await {
        // 10 at $0.15 and 5 at $0.60 the million.
        assert_eq!((settled.cost.nanos(), settled.label), (4_500, TruthLabel::Reported));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_a_chat_at_mistral() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("mistral", &[MISTRAL])]).await;
    provider.then(on_wire(&stream()));

    let body = json!({"model": format!("mistral/{MISTRAL}"), "input": "Hi", "stream": true});
    let answer = post(&broker, &grant, "/v1/responses", &body).await;

    let events = events(&answer);
    let last = events.last().unwrap();
    assert_eq!(
        (answer.status, &last["type"]),
        (200, &json!("response.completed")),
        "{}",
        answer.text()
    );
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "Hello");
    assert_eq!(last["response"]["usage"]["total_tokens"], 15);
    assert!(provider.only_request().head.starts_with("POST /v1/chat/completions "));
}
