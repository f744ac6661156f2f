//! Where a key may go.

use std::{process::Command, time::Duration};

use aipassport_domain::money::Money;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{
    CANARY_KEY, TestBroker,
    grant::{TestGrant, access_to, chat},
    provider::{TestProvider, completion, json_answer},
};

/// A grant whose credential names `base_url`.
async fn granted_at(broker: &TestBroker, base_url: &str) -> TestGrant {
    let user = broker.user(&broker.app.random.id(broker.app.clock.now())).await;
    broker.credential(&user, "openai", Some(base_url.to_owned())).await;
    broker.grant(&user, vec![access_to(broker, "openai")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_83_a_credential_for_an_address_that_was_not_allowed_is_not_sent() {
    let provider = TestProvider::start().await;
    let port = provider.address.port();
    let broker = TestBroker::start().await;

    for base_url in [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://[::1]:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        format!("http://0.0.0.0:{port}"),
        format!("http://2130706433:{port}"),
        format!("http://0x7f000001:{port}"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://10.0.0.1".to_owned(),
        "https://192.168.1.1".to_owned(),
    ] {
        let grant = granted_at(&broker, &base_url).await;
        let refused = broker.chat(&grant, &chat(5)).await;
        assert_eq!(refused.status, 502, "{base_url}: {}", refused.text());
        assert_eq!(broker.only_settled(&grant).await.cost, Money::ZERO);
    }
    assert_eq!(provider.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_83_only_the_exact_host_and_port_are_allowed() {
    let (allowed, other) = (TestProvider::start().await, TestProvider::start().await);
    let broker = TestBroker::start_with(|config| config.upstreams.allow.push(allowed.address.to_string())).await;
    let right = granted_at(&broker, &allowed.base_url()).await;
    let wrong_port = granted_at(&broker, &other.base_url()).await;
    let wrong_name = granted_at(&broker, &format!("http://localhost:{}", allowed.address.port())).await;

    assert_eq!(broker.chat(&right, &chat(5)).await.status, 200);
    assert_eq!(broker.chat(&wrong_port, &chat(5)).await.status, 502);
    assert_eq!(broker.chat(&wrong_name, &chat(5)).await.status, 502);
    assert_eq!((allowed.received().len(), other.connections()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_url_with_a_path_is_put_before_the_providers_own() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::start_with(|config| config.upstreams.allow.push(provider.address.to_string())).await;
    let grant = granted_at(&broker, &format!("{}/proxy/openai", provider.base_url())).await;

    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
    let sent = provider.only_request();
    assert!(
        sent.head
            .starts_with("POST /proxy/openai/v1/chat/completions HTTP/1.1\r\n"),
        "{}",
        sent.head
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_90_an_upstream_that_does_not_prove_who_it_is_gets_no_key() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let broker = TestBroker::start_with(|config| config.upstreams.allow.push(address.to_string())).await;
    let grant = granted_at(&broker, &format!("https://{address}")).await;
    let received = tokio::spawn(async move {
        // It speaks plain HTTP where TLS was asked for.
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&json_answer(200, &completion(1, 1))).await.unwrap();
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        received
    });

    let refused = broker.chat(&grant, &chat(5)).await;

    assert_eq!(refused.status, 502);
    let received = received.await.unwrap();
    assert!(!String::from_utf8_lossy(&received).contains(CANARY_KEY));
    assert_eq!(broker.only_settled(&grant).await.cost, Money::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_177_an_upstream_that_hangs_in_the_tls_handshake_runs_into_a_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let broker = TestBroker::start_with(|config| {
        config.upstreams.allow.push(address.to_string());
        config.upstreams.connect_timeout = Duration::from_millis(200);
    })
    .await;
    let grant = granted_at(&broker, &format!("https://{address}")).await;

    let refused = broker.chat(&grant, &chat(5)).await;

    assert_eq!(refused.status, 504, "{}", refused.text());
    assert_eq!(broker.only_settled(&grant).await.cost, Money::ZERO);
    drop(listener);
}

#[test]
fn threat_93_proxies_that_the_environment_names_have_no_say() {
    let call = "gateway::call::a_call_reaches_the_provider_with_the_users_key_and_its_answer_comes_back";
    let mut again = Command::new(std::env::current_exe().unwrap());
    for variable in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        // Nothing listens there.
        again.env(variable, "http://127.0.0.1:1");
    }

    let run = again.args(["--exact", call]).output().unwrap();

    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}
