//! To which provider a request goes, by the name of its model.

use serde_json::json;

use super::{chat, granted};
use crate::support::{TestBroker, grant::MODEL, provider::TestProvider};

const CLAUDE: &str = "claude-sonnet-4-5";

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_model_id_goes_where_the_grant_covers_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("openai", &[MODEL]), ("anthropic", &[CLAUDE])]).await;
    let hello = |model: &str| json!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});

    chat(&broker, &grant, &hello(CLAUDE)).await;
    chat(&broker, &grant, &hello(MODEL)).await;

    let paths: Vec<String> = provider
        .received()
        .iter()
        .map(|request| request.head.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["/v1/messages", "/v1/chat/completions"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_model_id_of_two_providers_is_refused_and_both_are_named() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("openai", &[MODEL]), ("anthropic", &[MODEL])]).await;
    let hello = |model: &str| json!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});

    let ambiguous = chat(&broker, &grant, &hello(MODEL)).await;
    let named = chat(&broker, &grant, &hello(&format!("openai/{MODEL}"))).await;

    assert_eq!((ambiguous.status, named.status), (400, 200), "{}", named.text());
    let message = ambiguous.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("openai/gpt-4o-mini, anthropic/gpt-4o-mini"),
        "{message}"
    );
    assert_eq!(provider.received().len(), 1);
}

/// `security.md` 109: what is checked is what is sent, whatever the client calls it.
#[tokio::test(flavor = "multi_thread")]
async fn the_model_that_is_sent_is_the_model_that_was_checked() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("openai", &[MODEL])]).await;

    for model in [
        "openai/openai/gpt-4o-mini",
        "openai/ gpt-4o-mini",
        "OpenAI/gpt-4o-mini",
        "/gpt-4o-mini",
        "openai/",
    ] {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
        let answer = chat(&broker, &grant, &body).await;
        assert!([400, 403].contains(&answer.status), "{model}: {}", answer.text());
    }
    assert!(provider.received().is_empty());
}
