//! Gemini over OpenAI's format, from the client to the provider and back.

use aipassport_domain::{audit::CallOutcome, usage::TruthLabel};
use serde_json::{Value, json};

use super::{chat, events, granted};
use crate::support::{
    TestBroker,
    provider::{TestProvider, chunk, last_chunk, stream_head},
};

const GEMINI: &str = "gemini-2.5-flash";

fn contents(text: &str, reason: Option<&str>, output_tokens: u64) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 1_000, "candidatesTokenCount": output_tokens,
            "totalTokenCount": 1_000 + output_tokens},
        "modelVersion": GEMINI})
}

fn hello(is_stream: bool) -> Value {
    json!({"model": format!("gemini/{GEMINI}"), "max_tokens": 600, "stream": is_stream, "reasoning_effort": "none",
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Say hello"}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_reaches_gemini_in_its_words_and_comes_back_in_openais() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("gemini", &[GEMINI])]).await;
    provider.then_json(200, &contents("Hello there", Some("STOP"), 500));

    let answer = chat(&broker, &grant, &hello(false)).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = provider.only_request();
    assert!(
        sent.head
            .starts_with("POST /v1beta/models/gemini-2.5-flash:generateContent HTTP/1.1\r\n"),
        "{}",
        sent.head
    );
    assert_eq!(
        sent.json()["contents"],
        json!([{"role": "user", "parts": [{"text": "Say hello"}]}])
    );
    assert_eq!(sent.json()["generationConfig"]["maxOutputTokens"], 600);
    let choice = &answer.json()["choices"][0];
    assert_eq!(
        (&choice["message"]["content"], &choice["finish_reason"]),
        (&json!("Hello there"), &json!("stop"))
    );
    assert_eq!(answer.json()["usage"]["total_tokens"], 1_500);
    // 1,000 at $0.30 and 500 at $2.50 the million.
    assert_eq!(answer.header("aipassport-cost"), "0.00155");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_geminis_ends_as_openais_does() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("gemini", &[GEMINI])]).await;
    let event = |event: Value| chunk(&format!("data: {event}\r\n\r\n"));
    provider.then([
        stream_head(),
        event(contents("Hel", None, 1)),
        event(contents("lo", Some("STOP"), 500)),
        last_chunk(),
    ]);

    let answer = chat(&broker, &grant, &hello(true)).await;

    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    let said: String = events(&answer)
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, "Hello");
    let path = provider.only_request().head.lines().next().unwrap().to_owned();
    assert!(path.contains(":streamGenerateContent?alt=sse "), "{path}");
    let settled = broker.only_settled(&grant).await;
    assert_eq!(
        (settled.outcome, settled.label),
        (CallOutcome::Completed, TruthLabel::Reported)
    );
    assert_eq!(settled.cost.to_string(), "0.00155");
}

/// `security.md` 111: the model stands in the path that the translation makes.
#[tokio::test(flavor = "multi_thread")]
async fn a_models_name_cannot_become_another_path() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("gemini", &[GEMINI])]).await;

    for model in [
        "../openai",
        "x:countTokens?key=1#",
        "gemini-2.5-flash:countTokens",
        "gemini-2.5-flash%3AcountTokens",
    ] {
        let mut body = hello(false);
        body["model"] = json!(format!("gemini/{model}"));
        let answer = chat(&broker, &grant, &body).await;
        assert!([400, 403, 404].contains(&answer.status), "{model}: {}", answer.text());
    }
    assert!(provider.received().is_empty());
}
