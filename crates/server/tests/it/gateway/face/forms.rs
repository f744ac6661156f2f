//! Forms with files on `/v1`: they pass as they come, but for the provider in their model's name.

use aipassport_domain::authorization_details::{AiAccess, Capability, Choice};
use serde_json::json;

use super::access;
use crate::support::{
    TestBroker,
    grant::TestGrant,
    http::{
        Part::{self, Field, File},
        form,
    },
    provider::TestProvider,
};

const WHISPER: &str = "whisper-1";
const PATH: &str = "/v1/audio/transcriptions";

async fn granted_audio(broker: &TestBroker) -> TestGrant {
    let user = broker.user("robin").await;
    broker.credential(&user, "openai", None).await;
    let details = AiAccess {
        capabilities: Choice::of([Capability::Audio]),
        ..access(broker, "openai", &[WHISPER])
    };
    broker.grant(&user, vec![details]).await
}

fn parts<'a>(model: &'a str, file: &'a [u8]) -> [Part<'a>; 3] {
    [Field("model", model), Field("language", "en"), File("file", file)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_passes_without_the_provider_in_its_models_name() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_audio(&broker).await;
    let sound = vec![7; 200_000];
    for _ in 0..2 {
        provider.then_json(
            200,
            &json!({"text": "Hello", "usage": {"type": "duration", "seconds": 9}}),
        );
    }

    let named = broker.upload(&grant, PATH, &parts("openai/whisper-1", &sound)).await;
    let bare = broker.upload(&grant, PATH, &parts(WHISPER, &sound)).await;

    assert_eq!((named.status, bare.status), (200, 200), "{}", named.text());
    let plain = form(&parts(WHISPER, &sound));
    for sent in provider.received() {
        assert!(
            sent.head.starts_with("POST /v1/audio/transcriptions HTTP/1.1\r\n"),
            "{}",
            sent.head
        );
        assert!(sent.body == plain, "the bytes of the form");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_for_what_the_grant_does_not_cover_is_refused_and_nothing_is_sent() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted_audio(&broker).await;

    let other = broker
        .upload(&grant, PATH, &parts("openai/gpt-4o-transcribe", b"x"))
        .await;
    let twice = [
        Field("model", WHISPER),
        Field("model", "gpt-4o-transcribe"),
        File("file", b"x"),
    ];
    let twice = broker.upload(&grant, PATH, &twice).await;
    let nameless = broker.upload(&grant, PATH, &[File("file", b"x")]).await;

    assert_eq!(
        (other.status, twice.status, nameless.status),
        (403, 400, 403),
        "{}",
        nameless.text()
    );
    assert!(other.json()["error"]["message"].is_string());
    assert!(provider.received().is_empty());
}
