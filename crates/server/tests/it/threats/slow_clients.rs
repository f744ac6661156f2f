//! Clients that take their time, so that nobody else gets any (`security.md` 125).

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::TestBroker;

/// How long the broker of these tests waits for a client.
const PATIENCE: Duration = Duration::from_millis(300);
/// Far more than it should take; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(20);

async fn impatient_broker() -> TestBroker {
    TestBroker::start_with(|config| {
        config.requests.body_timeout = PATIENCE;
        config.requests.header_timeout = PATIENCE;
        config.requests.most_connections = 1;
    })
    .await
}

/// Sends `bytes`, then nothing, and waits to be hung up on.
async fn is_hung_up_on(broker: &TestBroker, bytes: &str) -> bool {
    timeout(LONG, broker.raw(bytes.as_bytes())).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_125_a_head_that_does_not_come_is_given_up() {
    let broker = impatient_broker().await;

    for slow in ["", "GET / HT", "GET /health HTTP/1.1\r\nhost: x\r\na: b"] {
        assert!(is_hung_up_on(&broker, slow).await, "{slow:?}");
    }
    assert_eq!(broker.get("/health", &[]).await.status, 200);
}

/// On every path that reads a body; the providers' paths have a test of their own.
#[tokio::test(flavor = "multi_thread")]
async fn threat_125_a_body_that_does_not_come_is_given_up() {
    let broker = impatient_broker().await;
    let user = broker.user("alice").await;

    for (path, kind) in [
        ("/login", "application/x-www-form-urlencoded"),
        ("/oauth/token", "application/x-www-form-urlencoded"),
        ("/oauth/introspect", "application/x-www-form-urlencoded"),
        ("/oauth/revoke", "application/x-www-form-urlencoded"),
        ("/grant-requests", "application/json"),
        ("/tokens", "application/json"),
        ("/api/credentials", "application/json"),
        ("/api/clients", "application/json"),
    ] {
        let slow = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\norigin: {}\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\n\
             content-length: 100\r\n\r\na",
            broker.url(""),
            user.bearer
        );
        assert!(is_hung_up_on(&broker, &slow).await, "{path}");
    }
    assert_eq!(broker.get("/health", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_125_a_client_that_reads_none_of_its_answers_is_given_up() {
    let broker = impatient_broker().await;
    let mut stream = TcpStream::connect(broker.address).await.unwrap();
    let request = b"GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";

    // Until there is no room left for answers, nor for requests.
    while let Ok(written) = timeout(PATIENCE, stream.write_all(request)).await {
        if written.is_err() {
            break;
        }
    }
    tokio::time::sleep(PATIENCE * 3).await;

    // What was on its way arrives, and nothing more: the broker has hung up.
    let mut answers = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut answers)).await;
    assert!(read.is_ok(), "still answering after {} bytes", answers.len());
    assert_eq!(broker.get("/health", &[]).await.status, 200);
}
