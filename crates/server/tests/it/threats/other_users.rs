//! Other users' ids (`security.md` 161), on every route of the API that takes one.

use serde_json::{Value, json};

use crate::support::{TestBroker, grant::chat, http::Answer, provider::TestProvider};

/// Every (method, path) in the description of the API that has an id in its path.
fn routes_with_ids() -> Vec<(String, String)> {
    let description: Value = serde_json::from_str(include_str!("../../../../../docs/openapi.json")).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        let methods = methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| name.as_str() != "parameters");
        routes.extend(
            methods
                .filter(|_| path.contains('{'))
                .map(|method| (method.to_uppercase(), path.clone())),
        );
    }
    assert!(routes.len() > 10, "{routes:?}");
    routes
}

async fn ask(broker: &TestBroker, bearer: &str, method: &str, path: &str) -> Answer {
    let authorization = format!("Bearer {bearer}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let body = if method == "GET" {
        String::new()
    } else {
        "{}".to_owned()
    };
    broker.send(broker.request(method, path, &headers, body.into())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_161_another_users_id_is_answered_like_one_that_does_not_exist() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (alice, mallory) = (broker.user("alice").await, broker.user("mallory").await);
    let credential = broker.credential(&alice, "openai", None).await;
    let grant = broker
        .grant(&alice, vec![crate::support::grant::access_to(&broker, "openai")])
        .await;
    let called = broker.chat(&grant, &chat(5)).await;
    let call = called.header("aipassport-request-id").to_owned();
    broker.settled().await;
    let alert = broker.alert(&alice).await;
    let webhook = broker.webhook(&alice, "https://hooks.example").await.id;
    let key = broker.app_key(&alice, "openai").await;
    let of_mallory = broker
        .grant(&mallory, vec![crate::support::grant::access_to(&broker, "openai")])
        .await;

    for (method, route) in routes_with_ids() {
        let theirs = match route.as_str() {
            // Not an id: whoever holds a token may know what it is worth.
            "/tokens/{token}/inspect" => continue,
            _ if route.starts_with("/api/credentials/{id}") => credential.as_str(),
            _ if route.starts_with("/api/app-keys/{grant_id}") => grant.id().as_str(),
            _ if route.starts_with("/api/calls/{id}") => call.as_str(),
            _ if route.starts_with("/api/grants/{id}") || route.starts_with("/grants/{id}") => grant.id().as_str(),
            _ if route.starts_with("/api/app-keys/{grant_id}") => key.as_str(),
            _ if route.starts_with("/api/alerts/{id}") => alert.as_str(),
            _ if route.starts_with("/api/webhooks/{id}") => webhook.as_str(),
            _ if route.starts_with("/api/limits/{client_id}") => grant.grant.client_id.as_str(),
            other => panic!("whose are the ids of {other}? Say so here"),
        };
        let path = |id: &str| {
            let names = ["{id}", "{grant_id}", "{client_id}"];
            names.iter().fold(route.clone(), |path, name| path.replace(name, id))
        };

        // A user, an app that the other user allowed something, and nobody.
        for (who, bearer) in [
            ("mallory", &mallory.bearer),
            ("an app", &of_mallory.token),
            ("nobody", &"x".to_owned()),
        ] {
            let answer = ask(&broker, bearer, &method, &path(theirs)).await;
            for id in [
                "unknown",
                "01900000-0000-7000-8000-000000000000",
                "%00",
                "' or 1=1 --".replace(' ', "%20").as_str(),
            ] {
                let unknown = ask(&broker, bearer, &method, &path(id)).await;
                assert_eq!(
                    (answer.status, answer.text()),
                    (unknown.status, unknown.text()),
                    "{who}: {method} {route} of {id}"
                );
            }
            let expected = if who == "mallory" { 404 } else { 401 };
            let is_of_an_app = who == "an app" && route == "/api/calls/{id}";
            assert_eq!(
                answer.status,
                if is_of_an_app { 404 } else { expected },
                "{who}: {method} {route}"
            );
        }
    }

    assert_eq!(broker.grant_status(grant.id()).await, "approved");
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
    let mine = ask(&broker, &alice.bearer, "GET", &format!("/api/calls/{call}")).await;
    assert_eq!(mine.status, 200, "its own user sees the call");
}

/// Lists are of one's own things alone.
#[tokio::test(flavor = "multi_thread")]
async fn threat_161_no_list_has_another_users_things() {
    let broker = TestBroker::start().await;
    let (alice, mallory) = (broker.user("alice").await, broker.user("mallory").await);
    broker.credential(&alice, "openai", None).await;
    broker
        .grant(&alice, vec![crate::support::grant::access_to(&broker, "openai")])
        .await;

    for path in ["/api/credentials", "/api/grants", "/grants"] {
        assert_eq!(
            ask(&broker, &mallory.bearer, "GET", path).await.json(),
            json!([]),
            "{path}"
        );
        assert_eq!(
            ask(&broker, &alice.bearer, "GET", path)
                .await
                .json()
                .as_array()
                .unwrap()
                .len(),
            1,
            "{path}"
        );
    }
    let seen = ask(&broker, &mallory.bearer, "GET", "/api/audit?limit=200")
        .await
        .text();
    assert!(!seen.contains(alice.id.as_str()), "{seen}");
}
