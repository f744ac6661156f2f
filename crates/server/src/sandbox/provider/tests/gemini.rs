use http::StatusCode;
use serde_json::{Value, json};

use super::*;

const GENERATE: &str = "/gemini/v1beta/models/gemini-2.5-flash:generateContent";
const ARRAY: &str = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent";
const EVENTS: &str = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";

fn contents(config: &Value) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Summarise this."}]}], "generationConfig": config})
}

/// The pieces of a stream, in whichever form it is.
fn pieces(answered: &Answered) -> Vec<Value> {
    if answered.text().starts_with('[') {
        serde_json::from_slice(&answered.body).unwrap()
    } else {
        answered.events()
    }
}

/// The text of the first candidates of some pieces.
fn text(pieces: &[Value]) -> String {
    let parts = pieces
        .iter()
        .flat_map(|piece| piece["candidates"][0]["content"]["parts"].as_array().unwrap());
    parts.map(|part| part["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_stream_in_either_form_says_what_the_answer_in_one_piece_says() {
    let caller = Caller::start().await;
    let body = contents(&json!({"maxOutputTokens": 50}));

    for switches in ["tokens=7; text=unicode", "thinking=3; tokens=60", "input=13; cached=3"] {
        let whole = caller.call(GENERATE, switches, &body).await.json();
        for path in [EVENTS, ARRAY] {
            let stream = caller.call(path, switches, &body).await;
            let pieces = pieces(&stream);
            let last = pieces.last().unwrap();

            assert_eq!(text(&pieces), text(std::slice::from_ref(&whole)), "{switches}");
            assert_eq!(last["usageMetadata"], whole["usageMetadata"], "{switches}");
            assert_eq!(
                last["candidates"][0]["finishReason"],
                whole["candidates"][0]["finishReason"]
            );
            assert!(
                pieces
                    .iter()
                    .all(|piece| piece["usageMetadata"]["promptTokenCount"].is_u64())
            );
            let kind = if path == EVENTS {
                "text/event-stream"
            } else {
                "application/json; charset=UTF-8"
            };
            assert_eq!(stream.headers["content-type"], kind);
        }
    }
}

#[tokio::test]
async fn thoughts_are_counted_beside_the_candidates_and_shown_where_they_are_asked_for() {
    let caller = Caller::start().await;
    let shown = contents(&json!({"thinking_config": {"include_thoughts": true}}));

    let hidden = caller
        .call(GENERATE, "thinking=5; tokens=10; input=13", &contents(&json!({})))
        .await
        .json();
    let row = caller.only_row().await;
    let shown = caller.call(GENERATE, "thinking=5; tokens=10", &shown).await.json();
    let none = caller
        .call(
            GENERATE,
            "",
            &contents(&json!({"thinkingConfig": {"thinkingBudget": 0}})),
        )
        .await
        .json();

    let usage = &hidden["usageMetadata"];
    assert_eq!(
        (&usage["candidatesTokenCount"], &usage["thoughtsTokenCount"]),
        (&json!(10), &json!(5))
    );
    assert_eq!(usage["totalTokenCount"], 13 + 10 + 5);
    // 13 input and 15 output tokens at 300 and 2,500 nano-dollars.
    assert_eq!(row.cost_nanos, 13 * 300 + 15 * 2_500);
    assert_eq!(hidden["candidates"][0]["content"]["parts"].as_array().unwrap().len(), 1);
    assert_eq!(shown["candidates"][0]["content"]["parts"][0]["thought"], true);
    assert_eq!(none["usageMetadata"].get("thoughtsTokenCount"), None);
}

#[tokio::test]
async fn a_call_of_googles_comes_whole_in_one_piece_of_a_stream() {
    let caller = Caller::start().await;
    let mut body = contents(&json!({"thinkingConfig": {"thinkingBudget": 0}}));
    body["tools"] = json!([{"function_declarations": [
        {"name": "weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}, "days": {"type": "INTEGER"}}}},
    ]}]);
    body["toolConfig"] = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}});

    let pieces = caller.call(EVENTS, "", &body).await.events();

    let call = &pieces[0]["candidates"][0]["content"]["parts"][0]["functionCall"];
    assert_eq!(call["name"], "weather");
    assert_eq!(call["args"], json!({"city": "Lisbon", "days": 7}));
    assert_eq!(pieces.last().unwrap()["candidates"][0]["finishReason"], "STOP");
}

#[tokio::test]
async fn a_stream_that_fails_ends_validly_in_either_form() {
    let caller = Caller::start().await;

    for path in [EVENTS, ARRAY] {
        for switches in ["error-at=0", "error-at=3"] {
            let body = contents(&json!({"thinkingConfig": {"thinkingBudget": 0}}));
            let pieces = pieces(&caller.call(path, switches, &body).await);
            assert_eq!(
                pieces.last().unwrap()["error"]["status"],
                "UNAVAILABLE",
                "{path} {switches}"
            );
        }
    }
}

#[tokio::test]
async fn images_and_speech_are_told_from_text_and_billed_at_their_own_price() {
    let caller = Caller::start().await;
    let call = async |model: &str, method: &str, config: Value| {
        let path = format!("/gemini/v1beta/models/{model}:{method}");
        pieces(&caller.call(&path, "tokens=4; input=10", &contents(&config)).await)
    };
    let last = |pieces: &[Value]| pieces.last().unwrap()["usageMetadata"].clone();

    let whole = caller
        .call(
            "/gemini/v1beta/models/gemini-2.5-flash-image:generateContent",
            "tokens=4; input=10",
            &contents(&json!({"maxOutputTokens": 1_300})),
        )
        .await
        .json();
    let image = call("gemini-2.5-flash-image", "streamGenerateContent", json!({})).await;
    let none = call(
        "gemini-2.5-flash-image",
        "streamGenerateContent",
        json!({"maxOutputTokens": 9}),
    )
    .await;
    let speech = call(
        "gemini-3.8-flash-tts",
        "streamGenerateContent",
        json!({"responseModalities": ["AUDIO"]}),
    )
    .await;

    let part = &whole["candidates"][0]["content"]["parts"][1]["inlineData"];
    assert_eq!(part["mimeType"], "image/png");
    assert_eq!(last(&image), whole["usageMetadata"]);
    assert_eq!(
        last(&image)["candidatesTokensDetails"],
        json!([{"modality": "IMAGE", "tokenCount": 1_290}])
    );
    assert_eq!(last(&none)["candidatesTokenCount"], 4);
    assert_eq!(
        last(&speech)["candidatesTokensDetails"],
        json!([{"modality": "AUDIO", "tokenCount": 48}])
    );
    assert_eq!(speech.last().unwrap()["candidates"][0]["finishReason"], "STOP");
    let costs: Vec<i128> = caller.sandbox.bill().rows.iter().map(|row| row.cost_nanos).collect();
    // 10 input tokens at 300, 4 of text at 2,500 and 1,290 of an image at 30,000; speech at 9,000.
    let (text, image) = (10 * 300 + 4 * 2_500, 1_290 * 30_000);
    assert_eq!(costs, [text + image, text + image, text, 10 * 500 + 48 * 9_000]);
}

#[tokio::test]
async fn older_embeddings_report_no_usage_and_are_billed_all_the_same() {
    let caller = Caller::start().await;
    let path = "/gemini/v1beta/models/gemini-embedding-001:batchEmbedContents";
    let request = json!({
        "model": "models/gemini-embedding-001", "content": {"parts": [{"text": "Hello"}]}, "outputDimensionality": 3,
    });
    let mut other = request.clone();
    other["model"] = "models/gemini-embedding-2".into();

    let refused = caller.call(path, "", &json!({"requests": [request, other]})).await;
    let answered = caller
        .call(path, "input=20", &json!({"requests": [request, request]}))
        .await
        .json();

    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(answered["embeddings"].as_array().unwrap().len(), 2);
    assert_eq!(answered["embeddings"][0]["values"].as_array().unwrap().len(), 3);
    assert_eq!(answered.get("usageMetadata"), None);
    let row = caller.only_row().await;
    assert_eq!((row.cost_nanos, row.usage_reported), (20 * 150, false));
}

#[tokio::test]
async fn googles_errors_have_a_code_a_status_and_details() {
    let caller = Caller::with(SandboxOptions {
        required_keys: vec!["another".to_owned()],
        ..SandboxOptions::default()
    })
    .await;
    let refused = caller.call(GENERATE, "", &contents(&json!({}))).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["error"]["status"], "INVALID_ARGUMENT");
    assert_eq!(refused.json()["error"]["details"][0]["reason"], "API_KEY_INVALID");

    let caller = Caller::start().await;
    for (path, switches, status, name) in [
        ("/gemini/v1beta/models/gemini-9:generateContent", "", 404, "NOT_FOUND"),
        ("/gemini/v1beta/cachedContents", "", 404, "NOT_FOUND"),
        (GENERATE, "status=429", 429, "RESOURCE_EXHAUSTED"),
        (EVENTS, "status=503", 503, "UNAVAILABLE"),
        (ARRAY, "status=500", 500, "INTERNAL"),
    ] {
        let refused = caller.call(path, switches, &contents(&json!({}))).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["error"]["status"].as_str()),
            (status, Some(name)),
            "{path}"
        );
        assert_eq!(refused.json()["error"]["code"], status);
    }
    assert!(caller.sandbox.bill().rows.is_empty());
}

#[tokio::test]
async fn counting_and_listing_cost_nothing_at_google() {
    let caller = Caller::start().await;
    let count = "/gemini/v1beta/models/gemini-2.5-flash:countTokens";
    let whole = json!({"generateContentRequest": contents(&json!({}))});

    let by_itself = caller.call(count, "", &contents(&json!({}))).await.json();
    let in_its_request = caller.call(count, "", &whole).await.json();
    let list = caller.call("/gemini/v1beta/models", "", &Value::Null).await.json();

    assert_eq!(by_itself, in_its_request);
    assert!(by_itself["totalTokens"].as_u64().unwrap() > 0);
    assert!(
        list["models"]
            .as_array()
            .unwrap()
            .iter()
            .any(|model| model["name"] == "models/gemini-2.5-flash")
    );
    assert!(caller.sandbox.bill().rows.is_empty());
}
