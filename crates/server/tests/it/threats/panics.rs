//! A fault of ours (`security.md` 182): it is one request's, and not its neighbours'.

use std::time::Duration;

use aipassport::serve::{Listening, serve};
use axum::{Router, http::StatusCode, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn threat_182_a_panic_is_a_500_and_others_are_served() {
    async fn faulty() -> StatusCode {
        panic!("as the test wants it")
    }
    let router = Router::new().route("/faulty", get(faulty)).route("/", get(|| async {}));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let listening = Listening {
        tls: None,
        header_timeout: PATIENCE,
        stall_timeout: PATIENCE,
        most_connections: 1,
        connections_per_address_percent: 100,
        proxies: Vec::new(),
        drain_timeout: PATIENCE,
    };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, router, listening, stop.clone()));

    let both = "GET /faulty HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    client.write_all(both.as_bytes()).await.unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.unwrap();

    assert!(
        answers.starts_with("HTTP/1.1 500") && answers.contains("HTTP/1.1 200"),
        "{answers}"
    );
    assert!(!answers.contains("as the test wants it"), "{answers}");
    stop.cancel();
    serving.await.unwrap();
}
