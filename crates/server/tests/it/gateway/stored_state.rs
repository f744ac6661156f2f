//! What is kept at the provider: whose it is, and who may ask for it again.

use std::sync::Arc;

use aipassport_domain::{authorization_details::Capability, money::Money};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{
    TestBroker,
    grant::{MODEL, TestGrant},
    http::Answer,
    provider::{Step, TestProvider, chunk, last_chunk, stream_head},
};

const PATH: &str = "/openai/v1/responses";

fn response(id: &str) -> Value {
    json!({
        "id": id, "object": "response", "status": "completed", "model": MODEL, "output": [{"id": "msg_1"}],
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
    })
}

fn asked(more: &Value) -> Value {
    let mut body = json!({"model": MODEL, "max_output_tokens": 100, "input": "Say hello"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn send(broker: &TestBroker, grant: &TestGrant, method: &str, path: &str) -> Answer {
    let bearer = grant.bearer();
    let headers = [("authorization", bearer.as_str())];
    broker
        .send(broker.request(method, path, &headers, Vec::new().into()))
        .await
}

/// Two apps that a user has let keep state at the provider, with the same key.
async fn two_apps(broker: &TestBroker) -> (TestGrant, TestGrant) {
    let user = broker.user("robin").await;
    broker.credential(&user, "openai", None).await;
    let mut access = crate::support::grant::access_to(broker, "openai");
    access.features.stored_state = true;
    (
        broker.grant(&user, vec![access.clone()]).await,
        broker.grant(&user, vec![access]).await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_113_a_stored_response_is_the_grants_that_made_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (app, other) = two_apps(&broker).await;
    provider.then_json(200, &response("resp_1"));
    let made = broker.call(&app, PATH, &asked(&json!({"store": true}))).await;
    assert_eq!((made.status, made.json()), (200, response("resp_1")), "{}", made.text());

    for (method, path) in [
        ("GET", "/openai/v1/responses/resp_1"),
        ("GET", "/openai/v1/responses/resp_1/input_items?limit=5"),
        ("POST", "/openai/v1/responses/resp_1/cancel"),
        ("DELETE", "/openai/v1/responses/resp_1"),
    ] {
        provider.then_json(200, &response("resp_1"));
        let own = send(&broker, &app, method, path).await;
        let anothers = send(&broker, &other, method, path).await;
        let nobodys = send(&broker, &app, method, &path.replace("resp_1", "resp_2")).await;

        assert_eq!(
            (own.status, anothers.status, nobodys.status),
            (200, 404, 404),
            "{method} {path}"
        );
        assert_eq!(anothers.json()["aipassport"]["rule"], "object");
        let sent = provider.received().pop().unwrap();
        let upstream_path = path.strip_prefix("/openai").unwrap();
        assert!(
            sent.head.starts_with(&format!("{method} {upstream_path} HTTP/1.1\r\n")),
            "{}",
            sent.head
        );
        assert!(sent.body.is_empty());
    }
    assert_eq!(provider.received().len(), 5, "nothing of another grant's was asked for");
    broker.settled().await;
    let costs: Vec<Money> = broker.settled_calls(&app).await.iter().map(|call| call.cost).collect();
    assert!(
        costs[0] > Money::ZERO && costs[1..].iter().all(|cost| *cost == Money::ZERO),
        "{costs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_113_a_conversation_goes_on_where_its_own_grant_left_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (app, other) = two_apps(&broker).await;
    provider.then_json(200, &response("resp_1"));
    broker.call(&app, PATH, &asked(&json!({}))).await;
    assert!(
        provider.only_request().json().get("store").is_none(),
        "the provider's default stands"
    );

    provider.then_json(200, &response("resp_2"));
    let next = asked(&json!({"previous_response_id": "resp_1"}));
    let own = broker.call(&app, PATH, &next).await;
    let anothers = broker.call(&other, PATH, &next).await;
    let unknown = broker
        .call(&app, PATH, &asked(&json!({"previous_response_id": "resp_9"})))
        .await;

    assert_eq!(
        (own.status, anothers.status, unknown.status),
        (200, 404, 404),
        "{}",
        own.text()
    );
    assert_eq!(provider.received().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_113_what_no_call_through_here_makes_is_nobodys() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (app, _) = two_apps(&broker).await;

    for more in [
        json!({"conversation": "conv_1"}),
        json!({"conversation": {"id": "conv_1"}, "store": true}),
        json!({"input": [{"type": "item_reference", "id": "msg_1"}]}),
        json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]}),
        json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]}], "store": true}),
    ] {
        let refused = broker.call(&app, PATH, &asked(&more)).await;
        assert_eq!(refused.status, 404, "{more}: {}", refused.text());
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_stored_state_nothing_is_kept_and_nothing_is_asked_for_again() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_capability(Capability::Chat, MODEL).await;

    for more in [
        json!({"store": true}),
        json!({"background": true}),
        json!({"previous_response_id": "resp_1"}),
    ] {
        let refused = broker.call(&grant, PATH, &asked(&more)).await;
        assert_eq!(
            (refused.status, &refused.json()["aipassport"]["rule"]),
            (403, &json!("feature")),
            "{more}"
        );
    }
    assert_eq!(
        send(&broker, &grant, "GET", "/openai/v1/responses/resp_1").await.status,
        404
    );
    for more in [
        json!({}),
        json!({"store": null}),
        json!({"store": false, "background": false}),
    ] {
        provider.then_json(200, &response("resp_1"));
        assert_eq!(broker.call(&grant, PATH, &asked(&more)).await.status, 200);
        assert_eq!(provider.received().pop().unwrap().json()["store"], false, "{more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_response_is_its_grants_before_its_id_is_shown() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (app, other) = two_apps(&broker).await;
    let created = json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}});
    let completed = json!({"type": "response.completed", "response": response("resp_1")});
    let gate = Arc::new(Semaphore::new(0));
    provider.then([
        stream_head(),
        chunk(&format!("event: response.created\ndata: {created}\n\n")),
        Step::Wait(Arc::clone(&gate)),
        chunk(&format!("event: response.completed\ndata: {completed}\n\n")),
        last_chunk(),
    ]);

    let bearer = app.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = asked(&json!({"stream": true, "store": true})).to_string();
    let mut stream = broker
        .open(broker.request("POST", PATH, &headers, body.into()))
        .await
        .into_body();
    let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("resp_1"));
    provider.then_json(200, &response("resp_1"));
    let own = send(&broker, &app, "GET", "/openai/v1/responses/resp_1").await;
    let anothers = send(&broker, &other, "GET", "/openai/v1/responses/resp_1").await;
    gate.add_permits(1);
    let rest = stream.collect().await.unwrap().to_bytes();

    assert_eq!((own.status, anothers.status), (200, 404));
    let whole = format!("{}{}", String::from_utf8_lossy(&first), String::from_utf8_lossy(&rest));
    assert_eq!(whole.matches("event: ").count(), 2, "{whole}");
}
