//! Embeddings, from the client to the provider and back.

use aipassport_domain::{authorization_details::Capability, usage::TruthLabel};
use serde_json::json;

use crate::support::{TestBroker, provider::TestProvider};

const MODEL: &str = "text-embedding-3-small";
const PATH: &str = "/openai/v1/embeddings";

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_reach_the_provider_and_cost_what_was_read() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_capability(Capability::Embeddings, MODEL).await;
    let embedded = json!({
        "object": "list", "model": MODEL, "usage": {"prompt_tokens": 8, "total_tokens": 8},
        "data": [{"object": "embedding", "index": 0, "embedding": "AACAPwAAAEA="}],
    });
    provider.then_json(200, &embedded);

    let body = json!({"model": MODEL, "input": ["The food was good"], "encoding_format": "base64", "x": 1.5});
    let answer = broker.call(&grant, PATH, &body).await;

    assert_eq!((answer.status, answer.json()), (200, embedded), "{}", answer.text());
    let sent = provider.only_request();
    assert!(sent.head.starts_with("POST /v1/embeddings HTTP/1.1\r\n"));
    assert_eq!(sent.json(), body);
    let settled = broker.only_settled(&grant).await;
    // 8 at $0.02 the million.
    assert_eq!(
        (settled.cost.to_string().as_str(), settled.label),
        ("0.00000016", TruthLabel::Reported)
    );
    assert_eq!(answer.header("aipassport-cost"), "0.00000016");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_of_chat_does_not_embed_nor_one_of_embeddings_chat() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let chats = broker.granted_capability(Capability::Chat, MODEL).await;
    let embeds = broker.granted_capability(Capability::Embeddings, "gpt-4o-mini").await;

    let refused = broker.call(&chats, PATH, &json!({"model": MODEL, "input": "x"})).await;
    let also = broker.chat(&embeds, &crate::support::grant::chat(5)).await;

    assert_eq!((refused.status, also.status), (403, 403));
    assert_eq!(refused.json()["aipassport"]["rule"], "capability");
    assert_eq!(also.json()["aipassport"]["rule"], "capability");
    assert!(provider.received().is_empty());
}
