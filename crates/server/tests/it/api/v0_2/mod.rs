//! AIPassport 0.2's surface: what it promised, and what it should not have done.

use aipassport_domain::client::Client;
use serde_json::{Value, json};

use crate::support::{TestBroker, TestUser, http::Answer};

mod decisions;
mod grant_requests;
mod own_grants;
mod proxy_chat;
mod proxy_others;
mod tokens;

/// What every app of these tests asks for, before a test changes it.
fn good_request() -> Value {
    json!({
        "appName": "Repo mood",
        "appUrl": "https://mood.example/",
        "reason": "A word for the mood of your repository",
        "scope": {
            "provider": "openai",
            "models": ["gpt-4o-mini"],
            "capabilities": ["chat"],
            "maxBudgetCents": 500,
            "maxRequests": 20,
            "rateLimit": 6,
        },
    })
}

/// The same request with the member at `pointer` changed.
fn with(pointer: &str, value: Value) -> Value {
    let mut request = good_request();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    request.pointer_mut(parent).unwrap()[name] = value;
    request
}

/// An app that has asked.
struct Asked {
    grant_id: String,
    request_secret: String,
    answer: Value,
}

impl TestBroker {
    async fn ask_for_grant(&self) -> Asked {
        let answer = self.post_json("/grant-requests", &[], &good_request()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let answer = answer.json();
        Asked {
            grant_id: answer["grant"]["id"].as_str().unwrap().to_owned(),
            request_secret: answer["requestSecret"].as_str().unwrap().to_owned(),
            answer,
        }
    }

    /// What a user's program does with a grant.
    async fn act(&self, user: &TestUser, grant_id: &str, verb: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", user.bearer);
        let path = format!("/grants/{grant_id}/{verb}");
        self.post_json(&path, &[("authorization", &bearer)], body).await
    }

    async fn patch(&self, user: &TestUser, grant_id: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", user.bearer);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let request = self.request(
            "PATCH",
            &format!("/grants/{grant_id}"),
            &headers,
            body.to_string().into(),
        );
        self.send(request).await
    }

    async fn see(&self, user: &TestUser, path: &str) -> Answer {
        self.get(path, &[("authorization", &format!("Bearer {}", user.bearer))])
            .await
    }

    async fn asked_and_granted(&self, user: &TestUser) -> Asked {
        let asked = self.ask_for_grant().await;
        let approved = self.act(user, &asked.grant_id, "approve", &json!({})).await;
        assert_eq!(approved.status, 200, "{}", approved.text());
        asked
    }

    async fn token_of(&self, asked: &Asked) -> Answer {
        let body = json!({"grantId": asked.grant_id, "requestSecret": asked.request_secret});
        self.post_json("/tokens", &[], &body).await
    }

    /// The client of a grant.
    async fn client_of(&self, grant_id: &str) -> Client {
        let id = aipassport_domain::ids::GrantId::new(grant_id);
        let request = self
            .app
            .store
            .authorization_request_by_grant(&self.app.tenant_id, &id)
            .await;
        let client_id = request.unwrap().unwrap().client_id;
        self.app
            .store
            .client(&self.app.tenant_id, &client_id)
            .await
            .unwrap()
            .unwrap()
    }
}

/// Status and code of a refusal, which always is JSON with a text.
fn refusal(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    assert!(body["error"].is_string(), "{body}");
    (answer.status, body["code"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_as_it_was() {
    let broker = TestBroker::start().await;

    let answer = broker.get("/health", &[]).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({"status": "ok", "service": "aipassport-broker"}));
}
