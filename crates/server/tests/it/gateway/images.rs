//! Images: made and edited, whole and as they become.

use aipassport_domain::{audit::CallOutcome, authorization_details::Capability, usage::TruthLabel};
use serde_json::{Value, json};

use crate::support::{
    TestBroker,
    http::Part::{Field, File},
    provider::{TestProvider, chunk, last_chunk, stream_head},
};

const MODEL: &str = "gpt-image-2";
const GENERATIONS: &str = "/openai/v1/images/generations";
const EDITS: &str = "/openai/v1/images/edits";

fn usage(text: u64, image: u64, output: u64) -> Value {
    json!({
        "input_tokens": text + image, "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens": output, "total_tokens": text + image + output,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_made_and_costs_what_was_reported_however_large_its_bytes_are() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    for size in [1_000, 3_000_000] {
        let grant = broker.granted_capability(Capability::Images, MODEL).await;
        let made = json!({"created": 1, "data": [{"b64_json": "A".repeat(size)}], "usage": usage(10, 0, 196)});
        provider.then_json(200, &made);

        let body = json!({"model": MODEL, "prompt": "A cat", "size": "1024x1024", "quality": "low"});
        let answer = broker.call(&grant, GENERATIONS, &body).await;

        assert_eq!((answer.status, answer.json()), (200, made));
        let settled = broker.only_settled(&grant).await;
        // 10 at $5 and 196 at $30 the million.
        assert_eq!(settled.cost.to_string(), "0.00593");
        assert_eq!(settled.label, TruthLabel::Reported);
        let held = broker.only_held(&grant).await;
        assert!(held > settled.cost);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_images_pass_as_they_come_and_each_costs_its_tokens() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_capability(Capability::Images, MODEL).await;
    let partial = json!({"type": "image_generation.partial_image", "b64_json": "AAAA", "partial_image_index": 0});
    let completed = json!({"type": "image_generation.completed", "b64_json": "BBBB", "usage": usage(10, 0, 296)});
    let stream = format!("data: {partial}\n\ndata: {completed}\n\n");
    provider.then([stream_head(), chunk(&stream), last_chunk()]);

    let body = json!({
        "model": MODEL, "prompt": "A cat", "size": "1024x1024", "quality": "low", "stream": true, "partial_images": 1,
    });
    let answer = broker.call(&grant, GENERATIONS, &body).await;

    assert_eq!(answer.text(), stream);
    // 10 at $5 and 296 at $30 the million.
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.00893");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_whose_making_is_not_told_costs_the_whole_hold() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_capability(Capability::Images, MODEL).await;
    provider.then_json(200, &json!({"created": 1, "data": [{"b64_json": "AAAA"}]}));

    let body = json!({"model": MODEL, "prompt": "A cat", "size": "1024x1024", "quality": "low"});
    broker.call(&grant, GENERATIONS, &body).await;

    let settled = broker.only_settled(&grant).await;
    assert_eq!(
        (settled.label, settled.outcome),
        (TruthLabel::WorstCase, CallOutcome::Completed)
    );
    assert_eq!(settled.cost, broker.only_held(&grant).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_reaches_the_provider_byte_for_byte() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_capability(Capability::Images, MODEL).await;
    let edited = json!({"created": 1, "data": [{"b64_json": "AAAA"}], "usage": usage(16, 1_024, 196)});
    provider.then_json(200, &edited);

    let parts = [
        File("image[]", b"\x89PNG\r\n\x1a\n--x"),
        File("image[]", b""),
        Field("prompt", "Put a hat on it"),
        Field("model", MODEL),
        Field("quality", "low"),
        Field("size", "1024x1024"),
        Field("input_fidelity", "high"),
    ];
    let answer = broker.upload(&grant, EDITS, &parts).await;

    assert_eq!((answer.status, answer.json()), (200, edited), "{}", answer.text());
    let sent = provider.only_request();
    assert_eq!(sent.body, crate::support::http::form(&parts));
    assert_eq!(sent.header("content-type"), Some("multipart/form-data; boundary=xx"));
    // 16 at $5, 1,024 at $8 and 196 at $30 the million.
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.014152");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_115_what_the_provider_has_beside_the_capabilities_is_not_there() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_capability(Capability::Images, MODEL).await;

    for path in [
        "/openai/v1/images/variations",
        "/openai/v1/files",
        "/openai/v1/uploads",
        "/openai/v1/batches",
        "/openai/v1/threads",
        "/openai/v1/assistants",
        "/openai/v1/vector_stores",
        "/openai/v1/fine_tuning/jobs",
        "/openai/v1/realtime",
        "/openai/v1/realtime/client_secrets",
        "/openai/v1/videos",
        "/openai/v1/audio/voices",
        "/openai/v1/moderations",
        "/openai/v1/organization/costs",
        "/openai/v1/images/generations?api-version=1",
    ] {
        let answer = broker.call(&grant, path, &json!({"model": MODEL})).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert!(provider.received().is_empty());
}
