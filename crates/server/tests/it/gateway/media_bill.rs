//! What is no conversation, billed by the sandbox and by the broker: to the nano-dollar the same.

use serde_json::json;

use crate::support::{
    TestBroker,
    http::Part::{Field, File},
    sandbox::TestSandbox,
};

const MODELS: [&str; 7] = [
    "text-embedding-3-small",
    "gpt-image-2",
    "gpt-image-2.5-flare",
    "tts-1",
    "gpt-4o-mini-tts",
    "whisper-1",
    "gpt-4o-transcribe",
];

/// Two seconds: 16,000 samples a second of two bytes.
fn wave() -> Vec<u8> {
    let mut sound =
        b"RIFF\x24\xfa\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\xfa\0\0".to_vec();
    sound.resize(64_000, 0);
    sound
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_cost_what_the_sandbox_bills() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "openai").await;
    let grant = broker.granted_models("openai", &MODELS).await;
    let image = |more: serde_json::Value| {
        let mut body = json!({"prompt": "A cat", "quality": "low", "size": "1536x864"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };

    for (path, body) in [
        (
            "embeddings",
            json!({"model": "text-embedding-3-small", "input": "The food was good"}),
        ),
        (
            "embeddings",
            json!({"model": "text-embedding-3-small", "input": [[1, 2], [3]], "encoding_format": "base64"}),
        ),
        ("images/generations", image(json!({"model": "gpt-image-2"}))),
        (
            "images/generations",
            image(json!({"model": "gpt-image-2.5-flare", "n": 3})),
        ),
        (
            "images/generations",
            image(json!({"model": "gpt-image-2", "stream": true, "partial_images": 3})),
        ),
        (
            "audio/speech",
            json!({"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Grüße", "stream_format": "sse"}),
        ),
    ] {
        broker
            .billed_call(&sandbox, &grant, &format!("/openai/v1/{path}"), &body)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_cost_what_the_sandbox_bills() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "openai").await;
    let grant = broker.granted_models("openai", &MODELS).await;
    let sound = wave();
    let (file, whisper) = (File("file", &sound), Field("model", "whisper-1"));
    let by_token = Field("model", "gpt-4o-transcribe");
    let image = File("image[]", b"png");
    let edit = [
        Field("prompt", "A hat"),
        Field("model", "gpt-image-2"),
        Field("quality", "low"),
    ];

    for (count, (path, parts, label)) in [
        ("audio/transcriptions", vec![file, whisper], "reported"),
        (
            "audio/transcriptions",
            vec![whisper, Field("response_format", "verbose_json"), file],
            "reported",
        ),
        // The length of this sound is proven by its bytes, so that the hold is the bill.
        (
            "audio/transcriptions",
            vec![whisper, Field("response_format", "srt"), file],
            "worst_case",
        ),
        ("audio/translations", vec![file, whisper], "worst_case"),
        (
            "audio/transcriptions",
            vec![by_token, file, Field("prompt", "Names: Robin")],
            "reported",
        ),
        (
            "audio/transcriptions",
            vec![file, by_token, Field("stream", "true")],
            "reported",
        ),
        ("images/edits", [&[image][..], &edit].concat(), "reported"),
        (
            "images/edits",
            [&edit[..], &[image, image, File("mask", b"png"), Field("n", "2")]].concat(),
            "reported",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = broker.upload(&grant, &format!("/openai/v1/{path}"), &parts).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(broker.billed(&sandbox, &grant, count).await, label, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_that_tells_nothing_never_costs_less_than_the_sandbox_bills() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "openai").await;
    let by_character = broker.granted_models("openai", &MODELS).await;
    let by_token = broker.granted_models("openai", &MODELS).await;
    let mut body = json!({"model": "tts-1", "voice": "alloy", "input": "Grüße 👋 aus dem Norden"});

    broker.call(&by_character, "/openai/v1/audio/speech", &body).await;
    assert_eq!(broker.billed(&sandbox, &by_character, 0).await, "derived");
    body["model"] = "gpt-4o-mini-tts".into();
    broker.call(&by_token, "/openai/v1/audio/speech", &body).await;

    let estimated = broker.only_settled(&by_token).await;
    assert_eq!(estimated.label.as_str(), "estimated");
    let billed = sandbox.last_cost();
    assert!(
        estimated.cost >= billed && estimated.cost < billed.saturating_add(billed),
        "{}",
        estimated.cost
    );
}
