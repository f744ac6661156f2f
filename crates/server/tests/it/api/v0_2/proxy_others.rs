//! `POST /proxy/code`, `/proxy/embeddings`, `/proxy/images` and `/proxy/audio`: the capabilities that
//! 0.2 had words for and no paths.

use aipassport_domain::authorization_details::Capability;
use serde_json::{Value, json};

use crate::support::{
    TestBroker,
    grant::{MODEL, TestGrant},
    http::{
        Answer,
        Part::{Field, File},
        form,
    },
    provider::{TestProvider, completion},
};

async fn send(broker: &TestBroker, grant: &TestGrant, path: &str, body: &Value) -> Answer {
    broker.call(grant, path, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_go_to_the_path_that_their_words_are_for() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    for (capability, path, body, upstream_path) in [
        (
            Capability::Embeddings,
            "/proxy/embeddings",
            json!({"model": "text-embedding-3-small", "input": "Hello"}),
            "/v1/embeddings",
        ),
        (
            Capability::Images,
            "/proxy/images",
            json!({"model": "gpt-image-2", "prompt": "A cat", "quality": "low"}),
            "/v1/images/generations",
        ),
        (
            Capability::Audio,
            "/proxy/audio",
            json!({"model": "tts-1", "voice": "alloy", "input": "Hello"}),
            "/v1/audio/speech",
        ),
    ] {
        let grant = broker
            .granted_capability(capability, body["model"].as_str().unwrap())
            .await;
        let other = broker
            .granted_capability(Capability::Chat, body["model"].as_str().unwrap())
            .await;
        provider.then_json(200, &json!({"an": "answer"}));

        let answer = send(&broker, &grant, path, &body).await;
        let refused = send(&broker, &other, path, &body).await;

        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"an": "answer"})),
            "{path}: {}",
            answer.text()
        );
        let sent = provider.received().pop().unwrap();
        assert!(
            sent.head.starts_with(&format!("POST {upstream_path} HTTP/1.1\r\n")),
            "{}",
            sent.head
        );
        assert_eq!(sent.json(), body, "{path}");
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (403, &json!("capability")),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_edit_images_and_bring_sounds() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let edits = broker.granted_capability(Capability::Images, "gpt-image-2").await;
    let listens = broker.granted_capability(Capability::Audio, "whisper-1").await;
    let edit = [
        File("image", b"png"),
        Field("model", "gpt-image-2"),
        Field("prompt", "A hat"),
    ];
    let sound = [File("file", b"sound"), Field("model", "whisper-1")];

    for (grant, path, parts, upstream_path) in [
        (&edits, "/proxy/images", &edit[..], "/v1/images/edits"),
        (&listens, "/proxy/audio", &sound[..], "/v1/audio/transcriptions"),
    ] {
        provider.then_json(200, &json!({"text": "Hello"}));
        let answer = broker.upload(grant, path, parts).await;

        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let sent = provider.received().pop().unwrap();
        assert!(
            sent.head.starts_with(&format!("POST {upstream_path} HTTP/1.1\r\n")),
            "{}",
            sent.head
        );
        assert_eq!(sent.body, form(parts), "{path}");
    }
    let no_form = broker.upload(&edits, "/proxy/embeddings", &edit).await;
    assert_eq!(no_form.status, 415, "{}", no_form.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_a_chat_for_those_who_may_code() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let codes = broker.granted_capability(Capability::Code, MODEL).await;
    let chats = broker.granted_capability(Capability::Chat, MODEL).await;
    let body = crate::support::grant::chat(100);
    provider.then_json(200, &completion(10, 5));

    let code = send(&broker, &codes, "/proxy/code", &body).await;
    let chat = send(&broker, &codes, "/proxy/chat", &body).await;
    let refused = send(&broker, &chats, "/proxy/code", &body).await;

    assert_eq!((code.status, code.json()), (200, completion(10, 5)), "{}", code.text());
    assert_eq!((chat.status, refused.status), (403, 403));
    assert_eq!(refused.json()["code"], "capability");
    assert!(
        provider
            .only_request()
            .head
            .starts_with("POST /v1/chat/completions HTTP/1.1\r\n")
    );
}
