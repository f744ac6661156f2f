//! `GET /v1/models`: what the caller's grant would admit.

use serde_json::{Value, json};

use super::granted;
use crate::support::{TestBroker, grant::MODEL, provider::TestProvider};

const CLAUDE: &str = "claude-sonnet-4-5";

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_what_the_grant_would_admit_with_limits_and_prices() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(
        &broker,
        &[("openai", &[MODEL, "no-such-model"]), ("anthropic", &[CLAUDE])],
    )
    .await;
    let bearer = grant.bearer();

    let list = broker.get("/v1/models", &[("authorization", &bearer)]).await;

    assert_eq!(list.status, 200, "{}", list.text());
    let list = list.json();
    let ids: Vec<&Value> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(ids, ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5"]);
    let mini = &list["data"][0];
    assert_eq!(
        (&mini["object"], &mini["owned_by"]),
        (&json!("model"), &json!("openai"))
    );
    let shown = &mini["aipassport"];
    assert_eq!(shown["capabilities"], json!(["chat"]));
    assert_eq!(shown["context_tokens"], 128_000);
    let most = broker
        .app
        .config
        .grants
        .limits
        .output_tokens_per_request
        .unwrap_or(u64::MAX);
    assert_eq!(shown["max_output_tokens"], 16_384.min(most));
    let prices = &shown["prices"]["per_million_tokens"];
    assert_eq!((&prices["input"], &prices["output"]), (&json!("0.15"), &json!("0.60")));
    broker.settled().await;
    let methods: Vec<String> = provider
        .received()
        .iter()
        .map(|sent| sent.head[..4].to_owned())
        .collect();
    assert_eq!(
        methods,
        ["GET ", "GET "],
        "each provider was asked which models the key has"
    );
    assert!(broker.held(&grant).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_the_key_has_a_model_is_said_once_its_provider_has_been_asked() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("openai", &[MODEL, "gpt-4o"])]).await;
    let bearer = grant.bearer();
    let models = async |path: &str| broker.get(path, &[("authorization", &bearer)]).await.json()["models"].clone();
    provider.then_json(
        200,
        &json!({"object": "list", "data": [{"id": MODEL, "object": "model"}]}),
    );

    let before = models("/models").await;
    broker.settled().await;
    let after = models("/models").await;
    broker.settled().await;

    let listed = |models: &Value| -> Vec<(Value, Value)> {
        let models = models.as_array().unwrap().iter();
        models
            .map(|model| (model["id"].clone(), model["listed_for_key"].clone()))
            .collect()
    };
    assert_eq!(
        listed(&before),
        [(json!("gpt-4o"), Value::Null), (json!(MODEL), Value::Null)]
    );
    assert_eq!(
        listed(&after),
        [(json!("gpt-4o"), json!(false)), (json!(MODEL), json!(true))]
    );
    let asked = provider.only_request();
    assert!(asked.head.starts_with("GET /v1/models HTTP/1.1\r\n"), "{}", asked.head);
    assert!(!asked.head.contains(&grant.token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_found_by_its_address_and_where_it_is_alone_by_its_id() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker, &[("openai", &[MODEL])]).await;
    let bearer = grant.bearer();
    let get = async |path: &str| broker.get(path, &[("authorization", &bearer)]).await;

    for found in ["openai/gpt-4o-mini", "openai%2Fgpt-4o-mini", "gpt-4o-mini"] {
        let answer = get(&format!("/v1/models/{found}")).await;
        assert_eq!(
            (answer.status, &answer.json()["id"]),
            (200, &json!("openai/gpt-4o-mini")),
            "{found}"
        );
    }
    for missing in ["openai/gpt-4o", "gpt-4o", "anthropic/gpt-4o-mini", "%6Fpenai"] {
        let answer = get(&format!("/v1/models/{missing}")).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (404, &json!("model_not_found")),
            "{missing}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_the_list_is_the_brokers_and_with_a_wrong_one_there_is_none() {
    let broker = TestBroker::start().await;

    let every = broker.get("/v1/models", &[]).await;
    let wrong = broker.get("/v1/models", &[("authorization", "Bearer nonsense")]).await;

    assert!(every.json()["data"].as_array().unwrap().len() > 50, "{}", every.text());
    assert_eq!(
        (wrong.status, &wrong.json()["error"]["code"]),
        (401, &json!("invalid_api_key"))
    );
}
