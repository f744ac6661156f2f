//! What a caller is told of its own grant: models, providers, limits and calls.

use std::sync::Arc;

use aipassport_providers::adapter;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::{
    TestBroker,
    grant::{MODEL, TestGrant, access_to, chat},
    http::Answer,
    ledger::eventually,
    provider::{Step, TestProvider, completion, json_answer},
};

async fn get(broker: &TestBroker, grant: &TestGrant, path: &str) -> Answer {
    broker.get(path, &[("authorization", &grant.bearer())]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_models_path_lists_what_the_grant_covers_and_costs_nothing() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;

    let list = get(&broker, &grant, "/openai/v1/models").await;
    let one = get(&broker, &grant, &format!("/openai/v1/models/{MODEL}")).await;
    let encoded = get(
        &broker,
        &grant,
        &format!("/openai/v1/models/{}", MODEL.replace('-', "%2D")),
    )
    .await;
    let other = get(&broker, &grant, "/openai/v1/models/gpt-4o").await;

    assert_eq!((list.status, one.status, other.status), (200, 200, 404));
    assert_eq!((encoded.status, encoded.json()), (200, one.json()));
    let ids: Vec<_> = list.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].clone())
        .collect();
    assert_eq!(ids, [MODEL]);
    assert_eq!(one.json()["id"], MODEL);
    assert!(other.json()["error"].is_object());
    assert_eq!(list.header("cache-control"), "no-store");
    assert!(provider.received().is_empty() && broker.held(&grant).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_on_one_provider_lists_no_models_of_another() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;

    assert_eq!(get(&broker, &grant, "/anthropic/v1/models").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_and_models_are_the_grants_own_or_without_a_credential_the_brokers() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;

    let own_providers = get(&broker, &grant, "/providers").await.json();
    let own_models = get(&broker, &grant, "/models").await.json();
    let providers = broker.get("/providers", &[]).await.json();
    let models = broker.get("/models", &[]).await.json();
    let wrong = broker.get("/models", &[("authorization", "Bearer nonsense")]).await;

    assert_eq!(
        own_providers["providers"],
        json!([{
            "id": "openai", "name": "OpenAI", "base_url": broker.url("/openai"), "capabilities": ["chat"],
        }])
    );
    assert_eq!(own_models["models"].as_array().unwrap().len(), 1);
    assert_eq!(own_models["models"][0]["id"], MODEL);
    assert_eq!(providers["providers"].as_array().unwrap().len(), adapter::all().len());
    assert!(models["models"].as_array().unwrap().len() > 10);
    assert_eq!((wrong.status, wrong.json()["code"].as_str()), (401, Some("credential")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_passport_shows_limits_use_and_holds_to_the_nano_dollar() {
    let provider = TestProvider::start().await;
    let broker = Arc::new(TestBroker::before(&provider).await);
    let grant = Arc::new(broker.granted().await);
    provider.then_json(200, &completion(1_000, 500));
    broker.chat(&grant, &chat(600)).await;
    broker.settled().await;
    let gate = Arc::new(Semaphore::new(0));
    provider.then([
        Step::Wait(Arc::clone(&gate)),
        Step::Send(json_answer(200, &completion(1, 1))),
    ]);
    let under_way = tokio::spawn({
        let (broker, grant) = (Arc::clone(&broker), Arc::clone(&grant));
        async move { broker.chat(&grant, &chat(100)).await.status }
    });
    eventually(async || provider.received().len() == 2).await;

    let passport = get(&broker, &grant, "/passport/self").await;

    assert_eq!(passport.status, 200, "{}", passport.text());
    let passport = passport.json();
    assert_eq!(
        (&passport["grant_id"], &passport["status"]),
        (&json!(grant.id()), &json!("approved"))
    );
    let limits = passport["limits"].as_array().unwrap();
    let limit = |rule: &str| limits.iter().find(|limit| limit["rule"] == rule).unwrap();
    let budget = limit("budget");
    let held = broker.held(&grant).await.last().unwrap().1;
    assert_eq!(
        (&budget["limit"], &budget["used"], &budget["reserved"]),
        (&json!("5.00"), &json!("0.00045"), &json!(held))
    );
    assert_eq!((&budget["currency"], &budget["window"]), (&json!("USD"), &json!("P1M")));
    assert_eq!(
        (&limit("requests")["used"], &limit("requests")["reserved"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(limit("concurrency")["used"], 1);
    let forecast = &passport["forecast"][0];
    assert_eq!(
        (&forecast["window"], &forecast["currency"]),
        (&json!("P1M"), &json!("USD"))
    );
    // All within the first hour, which counts as one: 24 times as much a day.
    assert_eq!(
        (&forecast["per_day"], forecast.get("stops_at")),
        (&json!("0.0108"), None)
    );
    gate.add_permits(1);
    assert_eq!(under_way.await.unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_has_no_passport() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    assert_eq!(get(&broker, &grant, "/passport/self").await.status, 200);

    broker.revoke(&grant).await;
    broker.app.gateway.grant_changed(grant.id());

    let refused = get(&broker, &grant, "/passport/self").await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    assert!(refused.header("www-authenticate").starts_with("Bearer "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_shown_to_the_client_that_made_it_and_the_user_who_paid() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = broker.user("kim").await;
    broker.credential(&user, "openai", None).await;
    let grant = broker.grant(&user, vec![access_to(&broker, "openai")]).await;
    let (stranger, other_grant) = (broker.user("lee").await, broker.granted().await);
    provider.then_json(200, &completion(1_000, 500));
    let answer = broker.chat(&grant, &chat(600)).await;
    broker.settled().await;
    let path = format!("/api/calls/{}", answer.header("aipassport-request-id"));

    let to_client = get(&broker, &grant, &path).await;
    let by_user = |bearer: String| async move { format!("Bearer {bearer}") };
    let to_user = broker
        .get(&path, &[("authorization", &by_user(user.bearer.clone()).await)])
        .await;
    let to_stranger = broker
        .get(&path, &[("authorization", &by_user(stranger.bearer.clone()).await)])
        .await;
    let to_other_client = get(&broker, &other_grant, &path).await;
    let to_nobody = broker.get(&path, &[]).await;

    assert_eq!((to_client.status, to_user.status), (200, 200), "{}", to_user.text());
    assert_eq!(to_client.json(), to_user.json());
    let call = to_client.json();
    assert_eq!((&call["cost"], &call["label"]), (&json!("0.00045"), &json!("reported")));
    assert_eq!(
        (&call["usage"]["input_tokens"], &call["usage"]["output_tokens"]),
        (&json!(1_000), &json!(500))
    );
    let rates = &call["rates"]["per_million_tokens"];
    assert_eq!((&rates["input"], &rates["output"]), (&json!("0.15"), &json!("0.60")));
    assert!(call["price_digest"].as_str().unwrap().starts_with("sha256:"));
    let refused = (to_stranger.status, to_other_client.status, to_nobody.status);
    assert_eq!(refused, (404, 404, 401));
}
