//! `/v1`: OpenAI's formats over every provider of a grant.

mod addresses;
mod anthropic;
mod cohere;
mod embeddings;
mod forms;
mod gemini;
mod mistral;
mod models;
mod openai;

use aipassport_domain::authorization_details::{AiAccess, Choice, ModelPattern};
use serde_json::Value;

use crate::support::{
    TestBroker,
    grant::{TestGrant, access_to},
    http::Answer,
};

/// Access of chat to `models` at `provider`.
fn access(broker: &TestBroker, provider: &str, models: &[&str]) -> AiAccess {
    let models = models.iter().map(|model| ModelPattern::Exact((*model).to_owned()));
    AiAccess {
        models: Choice::of(models),
        ..access_to(broker, provider)
    }
}

/// A grant of chat with `models`, by a user with a key at each of their providers.
async fn granted(broker: &TestBroker, models: &[(&str, &[&str])]) -> TestGrant {
    let user = broker.user("robin").await;
    let mut details = Vec::new();
    for (provider, models) in models {
        broker.credential(&user, provider, None).await;
        details.push(access(broker, provider, models));
    }
    broker.grant(&user, details).await
}

async fn post(broker: &TestBroker, grant: &TestGrant, path: &str, body: &Value) -> Answer {
    let headers = [
        ("authorization", grant.bearer()),
        ("x-stainless-lang", "python".to_owned()),
    ];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    broker.post_json(path, &headers, body).await
}

async fn chat(broker: &TestBroker, grant: &TestGrant, body: &Value) -> Answer {
    post(broker, grant, "/v1/chat/completions", body).await
}

/// The data of every event of a stream, `[DONE]` aside.
fn events(answer: &Answer) -> Vec<Value> {
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}
