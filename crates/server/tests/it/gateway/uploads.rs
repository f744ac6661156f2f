//! Forms that pass through: what is decided before they do, and what cuts them off.

use std::time::Duration;

use aipassport_domain::{audit::CallOutcome, authorization_details::Capability, money::Money};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    TestBroker,
    grant::TestGrant,
    http::{
        FORM_TYPE,
        Part::{self, Field, File},
        form,
    },
    ledger::eventually,
    provider::TestProvider,
};

const MODEL: &str = "whisper-1";
const PATH: &str = "/openai/v1/audio/transcriptions";
const LARGE: usize = 3 * 1024 * 1024;

fn transcript() -> Value {
    json!({"text": "Hello", "usage": {"type": "duration", "seconds": 9}})
}

struct Setting {
    provider: TestProvider,
    broker: TestBroker,
    grant: TestGrant,
}

async fn setting() -> Setting {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_capability(Capability::Audio, MODEL).await;
    Setting {
        provider,
        broker,
        grant,
    }
}

/// The head of a request with a body of this length.
fn head(grant: &TestGrant, length: usize) -> String {
    format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {}\r\ncontent-type: {FORM_TYPE}\r\n\
         content-length: {length}\r\n\r\n",
        grant.bearer()
    )
}

/// Sends `body` in two, the second part once the provider has been connected to.
async fn send_in_two(setting: &Setting, body: &[u8], at: usize) -> String {
    let Setting {
        provider,
        broker,
        grant,
    } = setting;
    let mut stream = TcpStream::connect(broker.address).await.unwrap();
    stream.write_all(head(grant, body.len()).as_bytes()).await.unwrap();
    let (first, second) = body.split_at(at);
    stream.write_all(first).await.unwrap();
    eventually(async || provider.connections() == 1).await;
    // The broker may have hung up by now.
    let _ = stream.write_all(second).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_passes_while_it_comes_where_the_model_comes_first() {
    let setting = setting().await;
    setting.provider.then_json(200, &transcript());
    let sound: Vec<u8> = (0..=255).cycle().take(LARGE).collect();
    let body = form(&[
        Field("model", MODEL),
        File("file", &sound),
        Field("response_format", "json"),
    ]);

    let answer = send_in_two(&setting, &body, LARGE / 2).await;

    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let sent = setting.provider.only_request();
    assert_eq!(sent.header("content-length"), Some(body.len().to_string().as_str()));
    assert!(sent.body == body);
    assert_eq!(
        setting.broker.only_settled(&setting.grant).await.cost.to_string(),
        "0.0009"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_124_a_part_that_decides_after_a_large_file_cuts_the_upload() {
    for late in [
        Field("stream", "true"),
        Field("model", "gpt-4o-transcribe"),
        Field("chunking_strategy", "auto"),
    ] {
        let setting = setting().await;
        let sound = vec![0; LARGE];
        let body = form(&[Field("model", MODEL), File("file", &sound), late]);

        let answer = send_in_two(&setting, &body, LARGE / 2).await;

        assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{answer}");
        assert!(
            setting.provider.received().is_empty(),
            "the provider never had the whole of it"
        );
        let settled = setting.broker.only_settled(&setting.grant).await;
        assert_eq!((settled.cost, settled.outcome), (Money::ZERO, CallOutcome::NotSent));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_in_the_middle_of_its_upload_pays_nothing() {
    let setting = setting().await;
    let sound = vec![0; LARGE];
    let body = form(&[Field("model", MODEL), File("file", &sound)]);

    let mut stream = TcpStream::connect(setting.broker.address).await.unwrap();
    stream
        .write_all(head(&setting.grant, body.len()).as_bytes())
        .await
        .unwrap();
    stream.write_all(&body[..LARGE / 2]).await.unwrap();
    eventually(async || setting.provider.connections() == 1).await;
    drop(stream);

    let settled = setting.broker.only_settled(&setting.grant).await;
    assert_eq!(settled.cost, Money::ZERO);
    assert!(setting.provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_before_the_model_is_kept_until_the_call_is_decided() {
    let setting = setting().await;
    setting.provider.then_json(200, &transcript());
    let sound = vec![0; LARGE];
    let parts = [
        File("file", &sound),
        Field("model", MODEL),
        Field("response_format", "json"),
    ];

    let answer = setting.broker.upload(&setting.grant, PATH, &parts).await;

    assert_eq!((answer.status, answer.json()), (200, transcript()), "{}", answer.text());
    assert!(setting.provider.only_request().body == form(&parts));
    let not_granted = [File("file", &sound), Field("model", "gpt-4o-transcribe")];
    let refused = setting.broker.upload(&setting.grant, PATH, &not_granted).await;
    assert_eq!(refused.status, 403);
    assert_eq!(setting.provider.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_109_a_form_that_two_readers_could_read_in_two_ways_is_refused() {
    let setting = setting().await;
    let file = File("file", b"RIFF");
    let refused: [&[Part<'_>]; 6] = [
        &[Field("model", MODEL), Field("model", "gpt-4o-transcribe"), file],
        &[Field("model[]", MODEL), file],
        &[Field("MODEL", MODEL), file],
        &[File("model", MODEL.as_bytes()), file],
        &[Field("model", MODEL), file, file],
        &[Field("mod\\el", MODEL), file],
    ];
    for parts in refused {
        let answer = setting.broker.upload(&setting.grant, PATH, parts).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.json()["aipassport"]["rule"], "request");
    }
    for body in [
        form(&[Field("model", MODEL), file]).repeat(2),
        b"--xx\r\n".to_vec(),
        Vec::new(),
    ] {
        let bearer = setting.grant.bearer();
        let headers = [("authorization", bearer.as_str()), ("content-type", FORM_TYPE)];
        let request = setting.broker.request("POST", PATH, &headers, body.into());
        assert_eq!(setting.broker.send(request).await.status, 400);
    }
    assert!(setting.provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_form_of_a_size_that_is_taken_is_read() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| config.requests.upload_limit = 100_000).await;
    let grant = broker.granted_capability(Capability::Audio, MODEL).await;
    let bearer = grant.bearer();
    let sound = vec![0; 100_000];
    let form = form(&[Field("model", MODEL), File("file", &sound)]);

    let large = broker
        .upload(&grant, PATH, &[Field("model", MODEL), File("file", &sound)])
        .await;
    let json = broker.call(&grant, PATH, &json!({"model": MODEL})).await;
    let encoded = [
        ("authorization", bearer.as_str()),
        ("content-type", FORM_TYPE),
        ("content-encoding", "gzip"),
    ];
    let encoded = broker
        .send(broker.request("POST", PATH, &encoded, "--xx--".into()))
        .await;
    let chunked = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {bearer}\r\ncontent-type: {FORM_TYPE}\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        form.len(),
        String::from_utf8(form).unwrap()
    );

    assert_eq!((large.status, json.status, encoded.status), (413, 415, 415));
    assert!(broker.raw(chunked.as_bytes()).await.starts_with("HTTP/1.1 413"));
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_stands_still_ends_in_time() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| {
        config.requests.body_timeout = Duration::from_millis(300);
    })
    .await;
    let grant = broker.granted_capability(Capability::Audio, MODEL).await;
    let sound = vec![0; LARGE];
    let body = form(&[Field("model", MODEL), File("file", &sound)]);

    let mut stream = TcpStream::connect(broker.address).await.unwrap();
    stream.write_all(head(&grant, body.len()).as_bytes()).await.unwrap();
    stream.write_all(&body[..LARGE / 2]).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;

    assert!(
        String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 4"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert_eq!(broker.only_settled(&grant).await.cost, Money::ZERO);
}
