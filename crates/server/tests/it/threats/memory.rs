//! Bodies that take all the memory there is (`security.md` 122).

use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{
    TestBroker,
    grant::{TestGrant, chat},
    ledger::eventually,
    provider::TestProvider,
};

const LARGEST: usize = 128 * 1024;

/// A chat request that breaks off just before its end.
async fn unfinished(broker: &TestBroker, grant: &TestGrant) -> TcpStream {
    let mut stream = TcpStream::connect(broker.address).await.unwrap();
    let head = format!(
        "POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
         content-type: application/json\r\ncontent-length: {LARGEST}\r\n\r\n",
        grant.bearer()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; LARGEST - 1]).await.unwrap();
    stream
}

async fn large_chat(broker: &TestBroker, grant: &TestGrant) -> u16 {
    let mut body = chat(5);
    body["user"] = "x".repeat(LARGEST * 3 / 4).into();
    broker.chat(grant, &body).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_122_an_app_takes_no_more_than_its_share_of_the_memory() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| config.requests.body_limit = LARGEST).await;
    let (greedy, other) = (broker.granted().await, broker.granted().await);
    assert_eq!(large_chat(&broker, &greedy).await, 200);

    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(unfinished(&broker, &greedy).await);
    }

    eventually(async || large_chat(&broker, &greedy).await == 503).await;
    assert_eq!(broker.chat(&greedy, &chat(5)).await.status, 200, "a small one has room");
    assert_eq!(large_chat(&broker, &other).await, 200, "another app's has room");
    drop(held);
    eventually(async || large_chat(&broker, &greedy).await == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_122_all_apps_together_take_no_more_than_there_is() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| config.requests.body_limit = LARGEST).await;
    let last = broker.granted().await;

    let mut held = Vec::new();
    for _ in 0..4 {
        let grant = broker.granted().await;
        for _ in 0..4 {
            held.push(unfinished(&broker, &grant).await);
        }
    }

    eventually(async || large_chat(&broker, &last).await == 503).await;
    assert_eq!(broker.chat(&last, &chat(5)).await.status, 200, "a small one has room");
    drop(held);
    eventually(async || large_chat(&broker, &last).await == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_122_outside_the_providers_paths_no_large_body_is_read() {
    let broker = TestBroker::start().await;
    let user = broker.user("alice").await;
    let (bearer, origin) = (format!("Bearer {}", user.bearer), broker.url(""));
    let json = json!({"name": "x".repeat(300 * 1024)}).to_string();
    let form = format!("token={}", "x".repeat(300 * 1024));

    for (path, kind, body) in [
        ("/api/credentials", "application/json", &json),
        ("/api/clients", "application/json", &json),
        ("/grant-requests", "application/json", &json),
        ("/tokens", "application/json", &json),
        ("/oauth/token", "application/x-www-form-urlencoded", &form),
        ("/oauth/revoke", "application/x-www-form-urlencoded", &form),
        ("/oauth/introspect", "application/x-www-form-urlencoded", &form),
        ("/login", "application/x-www-form-urlencoded", &form),
    ] {
        let headers = [("content-type", kind), ("origin", &origin), ("authorization", &bearer)];
        let request = broker.request("POST", path, &headers, body.clone().into());
        let refused = broker.send(request).await;
        let expected = if path.starts_with("/api/") { 413 } else { 400 };
        assert_eq!(refused.status, expected, "{path}: {}", refused.text());
        assert!(refused.body.len() < 4096, "{path} repeats what it was sent");
    }
}
