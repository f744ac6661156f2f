use http::StatusCode;
use serde_json::{Value, json};

use super::*;

const CHAT: &str = "/cohere/v2/chat";
const CHAT_V1: &str = "/cohere/v1/chat";

fn chat(more: &Value) -> Value {
    merged(
        json!({"model": "command-a-03-2025", "messages": [{"role": "user", "content": "Summarise this."}]}),
        more,
    )
}

#[tokio::test]
async fn what_is_billed_is_less_than_what_was_processed_and_both_are_told() {
    let caller = Caller::start().await;

    let answered = caller.call(CHAT, "tokens=10; input=13", &chat(&json!({}))).await.json();

    let row = caller.only_row().await;
    let usage = &answered["usage"];
    assert_eq!(usage["billed_units"], json!({"input_tokens": 13, "output_tokens": 10}));
    assert!(usage["tokens"]["input_tokens"].as_u64() > Some(13));
    // 13 × $2.50 / M and 10 × $10 / M.
    assert_eq!(row.cost_nanos, 32_500 + 100_000);
}

#[tokio::test]
async fn the_second_version_streams_events_with_their_names() {
    let caller = Caller::start().await;
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": {}}}]);

    let text = caller.call(CHAT, "tokens=2", &chat(&json!({"stream": true}))).await;
    let answered = caller
        .call(
            CHAT,
            "",
            &chat(&json!({"stream": true, "tools": tools, "tool_choice": "REQUIRED"})),
        )
        .await;

    assert_eq!(
        text.kinds(),
        [
            "message-start",
            "content-start",
            "content-delta",
            "content-end",
            "message-end"
        ]
    );
    for event in text.text().split("\n\n").filter(|event| event.starts_with("event")) {
        let name = event.lines().next().unwrap().strip_prefix("event: ").unwrap();
        assert!(event.contains(&format!(r#""type":"{name}""#)), "{event}");
    }
    let last = text.events().pop().unwrap();
    assert_eq!(last["delta"]["usage"]["billed_units"]["output_tokens"], 2);
    assert_eq!(
        answered.kinds(),
        [
            "message-start",
            "tool-call-start",
            "tool-call-delta",
            "tool-call-end",
            "message-end"
        ]
    );
    assert_eq!(answered.events().pop().unwrap()["delta"]["finish_reason"], "TOOL_CALL");
}

#[tokio::test]
async fn the_first_version_streams_lines() {
    let caller = Caller::start().await;
    let body = json!({"model": "command-r-08-2024", "message": "Summarise this.", "stream": true});

    let answered = caller.call(CHAT_V1, "tokens=2; input=5", &body).await;

    assert_eq!(answered.headers["content-type"], "application/stream+json");
    let lines: Vec<Value> = answered
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["event_type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["stream-start", "text-generation", "text-generation", "stream-end"]
    );
    let end = &lines[3]["response"];
    assert_eq!(
        end["meta"]["billed_units"],
        json!({"input_tokens": 5, "output_tokens": 2})
    );
    assert!(end["chat_history"][0]["message"] == "Summarise this.");
}

#[tokio::test]
async fn embeddings_and_searches_are_billed_in_their_own_units() {
    let caller = Caller::start().await;
    let image = "data:image/png;base64,AAAA";
    for (path, body, units) in [
        (
            "/cohere/v2/embed",
            json!({"model": "embed-v4.0", "input_type": "x", "texts": ["Eight by", "te"]}),
            json!({"input_tokens": 3}),
        ),
        (
            "/cohere/v2/embed",
            json!({"model": "embed-v4.0", "input_type": "x", "images": [image]}),
            json!({"image_tokens": 1610}),
        ),
        (
            "/cohere/v1/embed",
            json!({"model": "embed-english-v3.0", "input_type": "x", "images": [image]}),
            json!({"images": 1}),
        ),
        (
            "/cohere/v2/rerank",
            json!({"model": "rerank-v3.5", "query": "q", "documents": vec!["d"; 101]}),
            json!({"search_units": 2}),
        ),
        (
            "/cohere/v1/rerank",
            json!({"model": "rerank-v5.0-pro", "query": "four", "documents": [{"text": "four"}, "four"]}),
            json!({"input_tokens": 4}),
        ),
    ] {
        let answered = caller.call(path, "", &body).await.json();
        assert_eq!(answered["meta"]["billed_units"], units, "{answered}");
    }
    let costs: Vec<i128> = caller.sandbox.bill().rows.iter().map(|row| row.cost_nanos).collect();
    // 3 × $0.12 / M; 1,610 × $0.47 / M; 1 × $0.0001; 2 × $0.002; 4 × $0.05 / M.
    assert_eq!(costs, [360, 756_700, 100_000, 4_000_000, 200]);
}

#[tokio::test]
async fn errors_are_one_message_and_cutting_into_tokens_is_free() {
    let caller = Caller::start().await;

    let unknown = caller.call(CHAT, "", &chat(&json!({"model": "x"}))).await;
    let extra = caller.call(CHAT, "", &chat(&json!({"stream_options": {}}))).await;
    let limited = caller.call(CHAT, "status=429", &chat(&json!({}))).await;
    let tokens = caller
        .call(
            "/cohere/v1/tokenize",
            "",
            &json!({"model": "command-a-03-2025", "text": "two words"}),
        )
        .await;

    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(
        unknown.json()["message"]
            .as_str()
            .unwrap()
            .starts_with("model 'x' not found")
    );
    assert_eq!(extra.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(limited.json()["message"], "Please wait and try again later");
    assert_eq!(tokens.json()["token_strings"], json!(["two", "words"]));
    assert!(caller.sandbox.bill().rows.is_empty());
}
