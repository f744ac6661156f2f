use http::StatusCode;
use serde_json::{Value, json};

use super::*;

const CHAT: &str = "/mistral/v1/chat/completions";
const FIM: &str = "/mistral/v1/fim/completions";
const EMBEDDINGS: &str = "/mistral/v1/embeddings";
const OCR: &str = "/mistral/v1/ocr";

fn chat(more: &Value) -> Value {
    merged(
        json!({"model": "mistral-large-latest", "messages": [{"role": "user", "content": "Summarise this."}]}),
        more,
    )
}

#[tokio::test]
async fn a_stream_tells_its_usage_in_its_last_chunk_unasked() {
    let caller = Caller::start().await;

    let answered = caller
        .call(CHAT, "tokens=3; input=9; cached=4", &chat(&json!({"stream": true})))
        .await;

    let events = answered.events();
    let row = caller.only_row().await;
    let (last, others) = events.split_last().unwrap();
    assert!(answered.text().ends_with("data: [DONE]\n\n"));
    assert!(others.iter().all(|event| event.get("usage").is_none()));
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["usage"]["prompt_tokens"], 9);
    assert_eq!(last["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
    assert_eq!(last["usage"]["completion_tokens"], row.usage.output_tokens);
    // 5 × $0.50 / M, 4 × $0.05 / M and 3 × $1.50 / M.
    assert_eq!(row.cost_nanos, 2_500 + 200 + 4_500);
    assert!(row.usage_reported);
}

#[tokio::test]
async fn what_is_not_known_is_refused_as_the_validation_words_it() {
    let caller = Caller::start().await;
    for (path, body, kind, place) in [
        (
            CHAT,
            chat(&json!({"stream_options": {}})),
            "extra_forbidden",
            "stream_options",
        ),
        (
            CHAT,
            chat(&json!({"max_completion_tokens": 5})),
            "extra_forbidden",
            "max_completion_tokens",
        ),
        (CHAT, chat(&json!({"max_tokens": 0})), "value_error", "max_tokens"),
        (
            FIM,
            json!({"model": "codestral-latest", "prompt": "x", "messages": []}),
            "extra_forbidden",
            "messages",
        ),
        (
            EMBEDDINGS,
            json!({"model": "mistral-embed", "inputs": "x"}),
            "extra_forbidden",
            "inputs",
        ),
    ] {
        let refused = caller.call(path, "", &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        let detail = &refused.json()["detail"][0];
        assert_eq!(
            (&detail["type"], &detail["loc"]),
            (&json!(kind), &json!(["body", place]))
        );
    }
    let unknown = caller.call(CHAT, "", &chat(&json!({"model": "x"}))).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        (&unknown.json()["type"], &unknown.json()["code"]),
        (&json!("invalid_model"), &json!("1500"))
    );
    let limited = caller.call(CHAT, "status=429; retry-after=7", &chat(&json!({}))).await;
    assert_eq!(
        (limited.status, &limited.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"7".parse().unwrap())
    );
    assert_eq!(limited.json()["object"], "error");
}

#[tokio::test]
async fn thoughts_and_calls_are_shown_as_magistral_and_its_kin_show_them() {
    let caller = Caller::start().await;
    let tools =
        json!([{"type": "function", "function": {"name": "weather", "parameters": {"properties": {"city": {}}}}}]);

    let thought = caller
        .call(CHAT, "thinking=2; tokens=1", &chat(&json!({})))
        .await
        .json();
    let answered = caller
        .call(
            CHAT,
            "",
            &chat(&json!({"stream": true, "tools": tools, "tool_choice": "any"})),
        )
        .await
        .events();

    let content = &thought["choices"][0]["message"]["content"];
    assert_eq!(
        (&content[0]["type"], &content[1]["type"]),
        (&json!("thinking"), &json!("text"))
    );
    let call = answered
        .iter()
        .find_map(|event| event["choices"][0]["delta"]["tool_calls"][0]["function"].as_object())
        .unwrap();
    assert_eq!(
        (&call["name"], &call["arguments"]),
        (&json!("weather"), &json!(r#"{"city":"Lisbon"}"#))
    );
    assert_eq!(answered.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn vectors_cost_what_was_read_and_pages_are_counted() {
    let caller = Caller::start().await;
    let document = json!({"type": "document_url", "document_url": "https://files.example/a.pdf?pages=7"});
    let ocr = |more: &Value| merged(json!({"model": "mistral-ocr-latest", "document": document}), more);

    let embedded = caller
        .call(
            EMBEDDINGS,
            "input=15",
            &json!({"model": "mistral-embed", "input": ["a", "b"]}),
        )
        .await
        .json();
    let seven = caller.call(OCR, "", &ocr(&json!({}))).await.json();
    let two = caller.call(OCR, "", &ocr(&json!({"pages": "0,2"}))).await.json();
    let format = json!({"type": "json_schema"});
    let annotated = caller
        .call(
            OCR,
            "",
            &ocr(&json!({"pages": [1], "document_annotation_format": format})),
        )
        .await
        .json();

    assert_eq!(
        (
            embedded["data"].as_array().unwrap().len(),
            &embedded["usage"]["prompt_tokens"]
        ),
        (2, &json!(15))
    );
    assert_eq!(seven["usage_info"]["pages_processed"], 7);
    assert_eq!(
        (
            two["pages"].as_array().unwrap().len(),
            &two["usage_info"]["pages_processed"]
        ),
        (2, &json!(2))
    );
    assert_eq!(annotated["usage_info"]["pages_processed"], 1);
    let costs: Vec<i128> = caller.sandbox.bill().rows.iter().map(|row| row.cost_nanos).collect();
    // 15 × $0.10 / M; 7 and 2 × $0.004; 1 × $0.005.
    assert_eq!(costs, [1_500, 28_000_000, 8_000_000, 5_000_000]);
}
