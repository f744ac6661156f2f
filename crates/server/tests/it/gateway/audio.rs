//! Speech, transcripts and translations.

use aipassport_domain::{authorization_details::Capability, usage::TruthLabel};
use serde_json::json;

use crate::support::{
    TestBroker,
    http::Part::{Field, File},
    ledger::Settled,
    provider::{Step, TestProvider, chunk, last_chunk, stream_head},
};

const SPEECH: &str = "/openai/v1/audio/speech";
const TRANSCRIPTIONS: &str = "/openai/v1/audio/transcriptions";

/// An answer of this type.
fn medium(kind: &str, body: &[u8]) -> Step {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Step::Send([head.as_bytes(), body].concat())
}

/// Two seconds of nothing: 16,000 samples a second of two bytes.
fn wave() -> Vec<u8> {
    let mut sound =
        b"RIFF\x24\xfa\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\0\xfa\0\0".to_vec();
    sound.resize(64_000, 0);
    sound
}

/// What a settlement is compared with.
fn cost_and_label(settled: &Settled) -> (String, TruthLabel) {
    (settled.cost.to_string(), settled.label)
}

#[tokio::test(flavor = "multi_thread")]
async fn speech_by_the_character_passes_as_it_comes_and_its_price_is_known_before() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_capability(Capability::Audio, "tts-1").await;
    let sound: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    provider.then([medium("audio/mpeg", &sound)]);

    let body = json!({"model": "tts-1", "voice": "alloy", "input": "Grüße 👋"});
    let answer = broker.call(&grant, SPEECH, &body).await;

    assert_eq!((answer.status, answer.header("content-type")), (200, "audio/mpeg"));
    assert_eq!(answer.body, sound);
    // 7 characters at $15 the million.
    let settled = broker.only_settled(&grant).await;
    assert_eq!(cost_and_label(&settled), ("0.000105".to_owned(), TruthLabel::Derived));
    assert_eq!(settled.cost, broker.only_held(&grant).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn speech_by_the_token_is_charged_by_its_length_or_by_what_its_stream_reports() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let by_length = broker.granted_capability(Capability::Audio, "gpt-4o-mini-tts").await;
    let by_report = broker.granted_capability(Capability::Audio, "gpt-4o-mini-tts").await;
    provider.then([medium("audio/wav", &wave())]);
    let done =
        json!({"type": "speech.audio.done", "usage": {"input_tokens": 9, "output_tokens": 50, "total_tokens": 59}});
    provider.then([stream_head(), chunk(&format!("data: {done}\n\n")), last_chunk()]);

    let mut body = json!({"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello", "response_format": "wav"});
    let sound = broker.call(&by_length, SPEECH, &body).await;
    body["stream_format"] = "sse".into();
    let stream = broker.call(&by_report, SPEECH, &body).await;

    assert_eq!(sound.body, wave());
    assert!(stream.text().contains("speech.audio.done"));
    let settled = broker.only_settled(&by_length).await;
    assert_eq!(settled.label, TruthLabel::Estimated);
    // 2 seconds are 50 tokens at most, at $12 the million.
    assert!(
        settled.cost.nanos() > 600_000 && settled.cost.nanos() < 700_000,
        "{}",
        settled.cost
    );
    // 9 at $0.60 and 50 at $12 the million.
    let settled = broker.only_settled(&by_report).await;
    assert_eq!(cost_and_label(&settled), ("0.0006054".to_owned(), TruthLabel::Reported));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_is_transcribed_and_costs_its_seconds() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_capability(Capability::Audio, "whisper-1").await;
    let transcript = json!({"text": "Hello", "usage": {"type": "duration", "seconds": 2}});
    provider.then_json(200, &transcript);

    let sound = wave();
    let parts = [
        File("file", &sound),
        Field("model", "whisper-1"),
        Field("language", "en"),
    ];
    let answer = broker.upload(&grant, TRANSCRIPTIONS, &parts).await;

    assert_eq!((answer.status, answer.json()), (200, transcript), "{}", answer.text());
    assert_eq!(provider.only_request().body, crate::support::http::form(&parts));
    let settled = broker.only_settled(&grant).await;
    assert_eq!(cost_and_label(&settled), ("0.0002".to_owned(), TruthLabel::Reported));
    assert_eq!(answer.header("aipassport-cost"), "0.0002");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_text_says_nothing_of_its_price_whatever_words_it_has() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_capability(Capability::Audio, "whisper-1").await;
    let text = br#"{"text": "", "usage": {"type": "duration", "seconds": 0}}"#;
    provider.then([medium("text/plain; charset=utf-8", text)]);

    let sound = wave();
    let parts = [
        Field("model", "whisper-1"),
        Field("response_format", "text"),
        File("file", &sound),
    ];
    let answer = broker.upload(&grant, "/openai/v1/audio/translations", &parts).await;

    assert_eq!((answer.status, answer.body.as_ref()), (200, text.as_slice()));
    let settled = broker.only_settled(&grant).await;
    // The length of the sound is proven by its bytes.
    assert_eq!(cost_and_label(&settled), ("0.0002".to_owned(), TruthLabel::WorstCase));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_streams_only_where_streams_are_granted() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let model = "gpt-4o-mini-transcribe";
    let grant = broker.granted_capability(Capability::Audio, model).await;
    let done = json!({"type": "transcript.text.done", "text": "Hello", "usage": {
        "type": "tokens", "input_tokens": 20, "input_token_details": {"text_tokens": 0, "audio_tokens": 20},
        "output_tokens": 4, "total_tokens": 24,
    }});
    provider.then([stream_head(), chunk(&format!("data: {done}\n\n")), last_chunk()]);

    let sound = wave();
    let parts = [File("file", &sound), Field("model", model), Field("stream", "true")];
    let answer = broker.upload(&grant, TRANSCRIPTIONS, &parts).await;
    let still = broker
        .granted_with(|access| {
            access.models = aipassport_domain::authorization_details::Choice::of([
                aipassport_domain::authorization_details::ModelPattern::Exact(model.to_owned()),
            ]);
            access.capabilities = aipassport_domain::authorization_details::Choice::of([Capability::Audio]);
            access.features.streaming = false;
        })
        .await;
    let refused = broker.upload(&still, TRANSCRIPTIONS, &parts).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    // 20 at $3 and 4 at $5 the million.
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.00008");
    assert_eq!(
        (refused.status, &refused.json()["aipassport"]["rule"]),
        (403, &json!("feature"))
    );
    assert_eq!(provider.received().len(), 1);
}
