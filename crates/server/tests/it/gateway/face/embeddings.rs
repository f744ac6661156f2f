//! Embeddings over OpenAI's format.

use aipassport_domain::authorization_details::{AiAccess, Capability, Choice};
use serde_json::json;

use super::{access, post};
use crate::support::{TestBroker, provider::TestProvider};

const EMBED: &str = "embed-v4.0";

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_of_coheres_come_back_as_openais() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = broker.user("robin").await;
    broker.credential(&user, "cohere", None).await;
    let details = AiAccess {
        capabilities: Choice::of([Capability::Embeddings]),
        ..access(&broker, "cohere", &[EMBED])
    };
    let grant = broker.grant(&user, vec![details]).await;
    provider.then_json(
        200,
        &json!({"id": "e", "embeddings": {"float": [[0.5, -2.0]]}, "meta": {"billed_units": {"input_tokens": 1_000}}}),
    );

    let body = json!({"model": EMBED, "input": "Hello", "encoding_format": "base64"});
    let answer = post(&broker, &grant, "/v1/embeddings", &body).await;
    let chat = post(
        &broker,
        &grant,
        "/v1/chat/completions",
        &json!({"model": EMBED, "messages": []}),
    )
    .await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["data"][0]["embedding"], "AAAAPwAAAMA=");
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 1_000);
    let sent = provider.only_request();
    assert!(sent.head.starts_with("POST /v2/embed HTTP/1.1\r\n"), "{}", sent.head);
    assert_eq!(sent.json()["texts"], json!(["Hello"]));
    // 1,000 at $0.12 the million.
    assert_eq!(answer.header("aipassport-cost"), "0.00012");
    assert_eq!(
        (chat.status, &chat.json()["aipassport"]["rule"]),
        (403, &json!("capability"))
    );
}
