//! Alerts at addresses of users: signed, until they arrive, and nowhere inside.

mod arriving;
mod forbidden;
mod managing;

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::support::{
    TestBroker, TestUser,
    http::Answer,
    ledger::eventually,
    provider::{Received, Step, TestProvider, completion, json_answer},
};

/// A webhook as its user was told of it.
pub(crate) struct TestWebhook {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl TestBroker {
    /// A broker whose users may have alerts sent to `receiver`.
    async fn telling(receiver: &TestProvider) -> Self {
        let address = receiver.address.to_string();
        Self::before_with(receiver, |config| config.webhooks.allow.push(address)).await
    }

    pub(crate) async fn webhook(&self, user: &TestUser, url: &str) -> TestWebhook {
        let added = self.api(user, "POST", "/api/webhooks", &json!({ "url": url })).await;
        assert_eq!(added.status, 201, "{}", added.text());
        let added = added.json();
        TestWebhook {
            id: added["id"].as_str().unwrap().to_owned(),
            secret: added["secret"].as_str().unwrap().to_owned(),
        }
    }

    async fn api(&self, user: &TestUser, method: &str, path: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {}", user.bearer);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        self.send(self.request(method, path, &headers, body.to_string().into()))
            .await
    }

    /// What became of the last message for the only webhook of `user`.
    async fn last_delivery(&self, user: &TestUser) -> Value {
        let webhooks = self.api(user, "GET", "/api/webhooks", &Value::Null).await.json();
        webhooks[0]["last_delivery"].clone()
    }

    /// Sends a test, and says why it did not arrive.
    async fn failure_of_test(&self, user: &TestUser, webhook: &TestWebhook) -> Option<String> {
        let path = format!("/api/webhooks/{}/test", webhook.id);
        let sent = self.api(user, "POST", &path, &Value::Null).await;
        assert_eq!(sent.status, 200, "{}", sent.text());
        let sent = sent.json();
        assert_eq!(sent["delivered"].as_bool().unwrap(), sent["failure"].is_null());
        sent["failure"].as_str().map(str::to_owned)
    }
}

/// The messages among all that `receiver` was sent: it is the provider, too.
fn messages(receiver: &TestProvider) -> Vec<Received> {
    receiver
        .received()
        .into_iter()
        .filter(|request| request.header("webhook-id").is_some())
        .collect()
}

async fn nth_message(receiver: &TestProvider, nth: usize) -> Received {
    eventually(async || messages(receiver).len() >= nth).await;
    messages(receiver).remove(nth - 1)
}

/// What `receiver` does once it, as the provider, has answered the call that brings an alert about.
fn after_the_call(receiver: &TestProvider, scripts: impl IntoIterator<Item = Vec<Step>>) {
    receiver.then_json(200, &completion(3, 2));
    for script in scripts {
        receiver.then(script);
    }
}

fn answer(status: u16) -> Vec<Step> {
    vec![Step::Send(json_answer(status, &json!({}))), Step::Close]
}

/// Whether a message is signed with `secret`, as its receiver would check it.
fn is_signed_with(message: &Received, secret: &str) -> bool {
    let header = |name: &str| message.header(name).unwrap();
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [
        header("webhook-id").as_bytes(),
        b".",
        header("webhook-timestamp").as_bytes(),
        b".",
        &message.body,
    ]
    .concat();
    header("webhook-signature").split(' ').any(|signature| {
        let tag = signature.strip_prefix("v1,").unwrap();
        hmac::verify(&key, &signed, &BASE64_STANDARD.decode(tag).unwrap()).is_ok()
    })
}
