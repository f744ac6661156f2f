use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::*;

/// Two seconds: 16,000 samples a second of two bytes.
fn wave() -> Vec<u8> {
    let mut sound =
        b"RIFF\x24\xfa\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\xfa\0\0".to_vec();
    sound.resize(64_000, 0);
    sound
}

async fn upload(caller: &Caller, path: &str, fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Answered {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    for (name, content) in files {
        let head = format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n");
        body.extend(head.bytes().chain(content.iter().copied()).chain(*b"\r\n"));
    }
    body.extend(b"--xx--\r\n");
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("content-type", "multipart/form-data; boundary=xx");
    Answered::of(caller.send_body(request, body.into()).await).await
}

#[tokio::test]
async fn embeddings_are_billed_for_what_is_read() {
    let caller = Caller::start().await;

    let body = json!({"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 3});
    let answered = caller.call("/openai/v1/embeddings", "input=8", &body).await;

    let row = caller.only_row().await;
    assert_eq!(answered.json()["data"][1]["embedding"].as_array().unwrap().len(), 3);
    assert_eq!(answered.json()["usage"], json!({"prompt_tokens": 8, "total_tokens": 8}));
    assert_eq!((row.cost_nanos, row.usage_reported), (160, true));
}

#[tokio::test]
async fn images_are_billed_by_the_tokens_of_their_size() {
    let caller = Caller::start().await;

    let body = json!({
        "model": "gpt-image-2", "prompt": "A cat", "size": "1024x1024", "quality": "low", "stream": true,
        "partial_images": 2,
    });
    let answered = caller.call("/openai/v1/images/generations", "input=10", &body).await;

    let row = caller.only_row().await;
    let kinds = ["image_generation.partial_image", "image_generation.completed"];
    assert_eq!(answered.kinds(), kinds);
    let usage = &answered.events()[2]["usage"];
    assert_eq!(usage["output_tokens"], 396);
    // 10 at $5 and 396 at $30 the million.
    assert_eq!(row.cost_nanos, 50_000 + 11_880_000);
}

#[tokio::test]
async fn an_edit_is_billed_for_the_images_it_reads() {
    let caller = Caller::start().await;

    let fields = [
        ("model", "gpt-image-2.5-flare"),
        ("prompt", "A hat"),
        ("quality", "max"),
    ];
    let answered = upload(
        &caller,
        "/openai/v1/images/edits",
        &fields,
        &[("image[]", b"1"), ("image[]", b"2")],
    )
    .await;

    let row = caller.only_row().await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.text());
    assert_eq!(row.usage.image_input_tokens, 2 * 1_024);
    assert_eq!(row.usage.image_output_tokens, 7_024);
}

#[tokio::test]
async fn speech_is_a_sound_and_billed_by_what_its_model_counts() {
    let caller = Caller::start().await;
    let mut body = json!({"model": "tts-1", "voice": "alloy", "input": "Grüße 👋"});

    let spoken = caller.call("/openai/v1/audio/speech", "", &body).await;
    let by_character = caller.only_row().await;
    caller.sandbox.reset();
    body["model"] = "gpt-4o-mini-tts".into();
    body["stream_format"] = "sse".into();
    let stream = caller.call("/openai/v1/audio/speech", "input=5", &body).await;
    let by_token = caller.only_row().await;

    assert_eq!(spoken.headers["content-type"], "audio/mpeg");
    assert_eq!((spoken.body.len() % 192, by_character.cost_nanos), (0, 7 * 15_000));
    assert!(!by_character.usage_reported && by_token.usage_reported);
    assert_eq!(stream.kinds(), ["speech.audio.delta", "speech.audio.done"]);
    // 5 at $0.60 and 9 at $12 the million.
    assert_eq!(by_token.cost_nanos, 3_000 + 108_000);
}

#[tokio::test]
async fn a_transcript_is_billed_by_the_length_of_its_sound() {
    let caller = Caller::start().await;
    let path = "/openai/v1/audio/transcriptions";
    let sound = wave();

    let by_second = upload(&caller, path, &[("model", "whisper-1")], &[("file", &sound)]).await;
    let row = caller.only_row().await;
    assert_eq!(by_second.json()["usage"], json!({"type": "duration", "seconds": 2}));
    assert_eq!((row.cost_nanos, row.usage_reported), (200_000, true));

    caller.sandbox.reset();
    let fields = [("model", "whisper-1"), ("response_format", "text")];
    let text = upload(&caller, path, &fields, &[("file", &sound)]).await;
    let row = caller.only_row().await;
    assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!((row.cost_nanos, row.usage_reported), (200_000, false));

    caller.sandbox.reset();
    let fields = [("model", "gpt-4o-transcribe"), ("stream", "true")];
    let stream = upload(&caller, path, &fields, &[("file", &sound)]).await;
    let row = caller.only_row().await;
    assert_eq!(stream.kinds(), ["transcript.text.delta", "transcript.text.done"]);
    assert_eq!(row.usage.audio_input_tokens, 20);
    // 20 at $6 and 32 at $10 the million.
    assert_eq!(row.cost_nanos, 120_000 + 320_000);
}

#[tokio::test]
async fn a_response_can_be_asked_for_again_and_costs_nothing() {
    let caller = Caller::start().await;

    let again = caller.call("/openai/v1/responses/resp_1", "", &Value::Null).await;
    let unknown = caller.call("/openai/v1/responses/file_1", "", &Value::Null).await;

    assert_eq!((again.status, &again.json()["id"]), (StatusCode::OK, &json!("resp_1")));
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(caller.sandbox.bill().rows.is_empty());
}
