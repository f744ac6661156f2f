//! Gemini over OpenAI's format, from the client to the provider and back.

use aipassport_domain::{
    audit::CallOutcome,
    authorization_details::{AiAccess, Capability, Choice},
    usage::TruthLabel,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{access, chat, events, granted, post};
use crate::support::{
    TestBroker,
    grant::TestGrant,
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

const PAINTER: &str = "gemini-2.5-flash-image";
const SPEAKER: &str = "gemini-3.8-flash-tts";

/// A grant of images and sound, by a user of this name.
async fn granted_media(broker: &TestBroker, name: &str) -> TestGrant {
    let user = broker.user(name).await;
    broker.credential(&user, "gemini", None).await;
    let details = AiAccess {
        capabilities: Choice::of([Capability::Images, Capability::Audio]),
        ..access(broker, "gemini", &[PAINTER, SPEAKER])
    };
    broker.grant(&user, vec![details]).await
}

/// What was made, of which the provider counts `tokens`.
fn made(kind: &str, data: &str, (modality, tokens): (&str, u64)) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": [{"inlineData": {"mimeType": kind, "data": data}}]},
            "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": tokens, "totalTokenCount": 10 + tokens,
            "candidatesTokensDetails": [{"modality": modality, "tokenCount": tokens}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_any_size_comes_in_openais_shape_and_costs_its_tokens() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    for (name, size) in [("robin", 1_000), ("kim", 3_000_000)] {
        let grant = granted_media(&broker, name).await;
        let image = "A".repeat(size);
        provider.then_json(200, &made("image/png", &image, ("IMAGE", 1_290)));

        let body = json!({"model": format!("gemini/{PAINTER}"), "prompt": "A fox", "size": "1536x1024"});
        let answer = post(&broker, &grant, "/v1/images/generations", &body).await;

        assert_eq!(answer.status, 200, "{}", answer.text());
        let images = answer.json();
        assert!(images["data"][0]["b64_json"] == image.as_str(), "the image");
        assert_eq!(images["usage"]["output_tokens_details"]["image_tokens"], 1_290);
        assert_eq!(answer.header("aipassport-not-carried"), "size");
        let sent = provider.received().pop().unwrap();
        assert!(
            sent.head
                .starts_with("POST /v1beta/models/gemini-2.5-flash-image:generateContent ")
        );
        assert_eq!(sent.json()["generationConfig"]["imageConfig"]["aspectRatio"], "3:2");
        let settled = broker.only_settled(&grant).await;
        // 10 at $0.30 and 1,290 at $30 the million.
        assert_eq!(
            (settled.cost.to_string().as_str(), settled.label),
            ("0.038703", TruthLabel::Reported)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_image_is_made_the_client_is_told_why_and_pays_for_what_was_read() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_media(&broker, "robin").await;
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 10, "totalTokenCount": 10}});
    provider.then_json(200, &blocked);

    let body = json!({"model": PAINTER, "prompt": "x"});
    let answer = post(&broker, &grant, "/v1/images/generations", &body).await;

    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (400, &json!("moderation_blocked"))
    );
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.000003");
}

#[tokio::test(flavor = "multi_thread")]
async fn speech_comes_as_a_sound_and_a_refusal_of_it_as_json() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    for (name, seconds) in [("robin", 1_u64), ("kim", 40)] {
        let grant = granted_media(&broker, name).await;
        let samples = vec![7; usize::try_from(seconds).unwrap() * 48_000];
        let tokens = 25 * seconds;
        let said = made(
            "audio/L16;codec=pcm;rate=24000",
            &STANDARD.encode(&samples),
            ("AUDIO", tokens),
        );
        provider.then_json(200, &said);
        provider.then_json(
            400,
            &json!({"error": {"code": 400, "message": "no such voice", "status": "INVALID_ARGUMENT"}}),
        );

        let body = json!({"model": SPEAKER, "input": "Hello", "voice": "Kore", "response_format": "wav"});
        let spoken = post(&broker, &grant, "/v1/audio/speech", &body).await;
        let refused = post(&broker, &grant, "/v1/audio/speech", &body).await;

        assert_eq!(
            (spoken.status, spoken.header("content-type")),
            (200, "audio/wav"),
            "{seconds} seconds"
        );
        assert!(spoken.body.starts_with(b"RIFF") && spoken.body.ends_with(&samples));
        assert_eq!(
            (refused.status, refused.header("content-type")),
            (400, "application/json")
        );
        assert_eq!(refused.json()["error"]["message"], "no such voice");
        broker.settled().await;
        // 10 at $0.50 and 25 a second at $9 the million; a refusal is free.
        let costs: Vec<i64> = broker
            .settled_calls(&grant)
            .await
            .iter()
            .map(|call| call.cost.nanos())
            .collect();
        assert_eq!(costs, [5_000 + i64::try_from(tokens).unwrap() * 9_000, 0]);
    }
}
