//! Mistral over OpenAI's format, which it nearly speaks itself.

use serde_json::json;

use super::{chat, granted};
use crate::support::{
    TestBroker,
    provider::{TestProvider, completion},
};

const MISTRAL: &str = "mistral-small-latest";

#[tokio::test(flavor = "multi_thread")]
async fn what_mistral_would_refuse_is_left_behind_and_said() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("mistral", &[MISTRAL])]).await;
    provider.then_json(200, &completion(10, 5));

    let body = json!({"model": format!("mistral/{MISTRAL}"), "max_completion_tokens": 100, "seed": 7, "user": "kim",
        "messages": [{"role": "developer", "content": "Be short."}, {"role": "user", "content": "Hi"}]});
    let answer = chat(&broker, &grant, &body).await;

    assert_eq!(
        (answer.status, answer.json()),
        (200, completion(10, 5)),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("aipassport-not-carried"), "user");
    let sent = provider.only_request().json();
    assert_eq!(
        (&sent["model"], &sent["max_tokens"], &sent["random_seed"]),
        (&json!(MISTRAL), &json!(100), &json!(7))
    );
    assert_eq!(sent["messages"][0]["role"], "system");
    assert_eq!(sent.get("user"), None);
}
