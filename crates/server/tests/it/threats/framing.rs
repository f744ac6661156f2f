//! Requests that two readers could cut differently (`security.md` 120): what hides in one of them
//! is never carried out as another.

use std::time::Duration;

use crate::support::{
    TestBroker,
    grant::{TestGrant, chat},
    provider::TestProvider,
};

const PATH: &str = "/openai/v1/chat/completions";

/// A chat request with this framing and payload.
fn request(grant: &TestGrant, version: &str, framing: &str, payload: &str) -> String {
    format!(
        "POST {PATH} HTTP/{version}\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/json\r\n{framing}\r\n{payload}",
        grant.bearer()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_120_what_hides_in_a_request_is_not_carried_out() {
    let provider = TestProvider::start().await;
    // So that connections that wait for more are not waited for.
    let broker = TestBroker::before_with(&provider, |config| {
        config.requests.header_timeout = Duration::from_millis(200);
        config.requests.body_timeout = Duration::from_millis(200);
    })
    .await;
    let grant = broker.granted().await;
    let body = chat(5).to_string();
    let hidden = request(&grant, "1.1", &format!("content-length: {}\r\n", body.len()), &body);

    let after_no_chunks = format!("0\r\n\r\n{hidden}");
    let all = |payload: &str| format!("content-length: {}\r\n", payload.len());
    let with = |framing: &str| format!("{}{framing}", all(&after_no_chunks));
    let in_one_chunk = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    for (framing, payload) in [
        (with("transfer-encoding: chunked\r\n"), &after_no_chunks),
        (with("transfer-encoding:\r\n chunked\r\n"), &after_no_chunks),
        (with("transfer-encoding : chunked\r\n"), &after_no_chunks),
        (with("transfer-encoding\t: chunked\r\n"), &after_no_chunks),
        (with("transfer-encoding: \u{b}chunked\r\n"), &after_no_chunks),
        (with("transfer-encoding: xchunked\r\n"), &after_no_chunks),
        (with("transfer-encoding: identity\r\n"), &after_no_chunks),
        (
            with("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n"),
            &after_no_chunks,
        ),
        (with("x: y\ntransfer-encoding: chunked\r\n"), &after_no_chunks),
        (with("x: y\rtransfer-encoding: chunked\r\n"), &after_no_chunks),
        (with("x: y\0\r\ntransfer-encoding: chunked\r\n"), &after_no_chunks),
        (format!("content-length: 0\r\n{}", all(&hidden)), &hidden),
        (format!("content-length: 0, {}\r\n", hidden.len()), &hidden),
        (format!("content-length: 0{}\r\n", hidden.len()), &hidden),
        (
            format!("content-length: {}\r\ncontent-length : 0\r\n", hidden.len()),
            &hidden,
        ),
        ("transfer-encoding: chunked\r\n".to_owned(), &in_one_chunk),
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            &format!("0x0\r\n\r\n{hidden}"),
        ),
        ("transfer-encoding: chunked\r\n".to_owned(), &format!("0\n\n{hidden}")),
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            &format!("0;a=\"\n\"\r\n{hidden}"),
        ),
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            &format!("10000000000000000\r\n\r\n{hidden}"),
        ),
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            &format!("0\r\nx: y\r\n {hidden}"),
        ),
    ] {
        for version in ["1.1", "1.0"] {
            let answer = broker.raw(request(&grant, version, &framing, payload).as_bytes()).await;

            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1."),
                "{framing:?}: {answer}"
            );
            assert!(
                provider.received().is_empty(),
                "{version} {framing:?} {payload:?}: {answer}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_120_a_request_that_is_whole_counts_once() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let body = chat(5).to_string();
    let (start, end) = body.split_at(10);
    let chunks = format!("a\r\n{start}\r\n{:x};a=b;c=\"d\"\r\n{end}\r\n", end.len());
    let length = format!("content-length: {}\r\n", body.len());

    for (count, (framing, payload)) in [
        (length.clone(), body.clone()),
        (format!("{length}{length}"), body.clone()),
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            format!("{chunks}0\r\n\r\n"),
        ),
        // Trailers are read past, and say nothing.
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            format!("{chunks}0\r\nauthorization: Bearer x\r\ncontent-length: 5\r\n\r\n"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let framing = format!("connection: close\r\n{framing}");
        let answer = broker.raw(request(&grant, "1.1", &framing, &payload).as_bytes()).await;

        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.matches("HTTP/1.1 ").count() == 1,
            "{framing:?}: {answer}"
        );
        assert_eq!(provider.received().len(), count + 1, "{framing:?}");
        assert_eq!(provider.received()[count].body.len(), provider.received()[0].body.len());
    }
}

/// RFC 9112, section 3.2. What we write ourselves follows `public_url` alone.
#[tokio::test(flavor = "multi_thread")]
async fn threat_120_a_request_names_one_host_and_no_host_of_a_clients_is_repeated() {
    let broker = TestBroker::start().await;
    let metadata = "/.well-known/oauth-authorization-server";

    for hosts in ["", "host: a\r\nhost: b\r\n", "host: a\r\nhost: a\r\n"] {
        let answer = broker
            .raw(format!("GET {metadata} HTTP/1.1\r\n{hosts}connection: close\r\n\r\n").as_bytes())
            .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{hosts:?}: {answer}");
    }
    let evil = "host: evil.example\r\nx-forwarded-host: evil.example\r\nx-forwarded-proto: https\r\nforwarded: host=evil.example\r\n";
    for target in [
        metadata,
        "http://evil.example/.well-known/oauth-authorization-server",
        "/login",
        "/apps",
        "/openai/v1/models",
    ] {
        let answer = broker
            .raw(format!("GET {target} HTTP/1.1\r\n{evil}connection: close\r\n\r\n").as_bytes())
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 ") && !answer.contains("evil"),
            "{target}: {answer}"
        );
    }
}

/// A form in parts can say everything twice; where one is read, that is refused, and nowhere else is one.
#[tokio::test(flavor = "multi_thread")]
async fn threat_124_a_body_in_parts_that_says_a_thing_twice_is_believed_nowhere() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let bearer = grant.bearer();
    let part =
        |name: &str, value: &str| format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let body = format!(
        "{}{}{}--x--\r\n",
        part("model", "gpt-4o-mini"),
        part("model", "gpt-5"),
        part("file", "x")
    );

    for (path, expected) in [
        (PATH, &[415][..]),
        ("/openai/v1/responses", &[415]),
        ("/openai/v1/audio/transcriptions", &[400, 415]),
        ("/openai/v1/images/edits", &[400, 415]),
        ("/openai/v1/files", &[404]),
    ] {
        for kind in [
            "multipart/form-data; boundary=x",
            "multipart/form-data; boundary=\"x\"; charset=utf-7",
            "multipart/mixed; boundary=x",
        ] {
            let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
            let refused = broker
                .send(broker.request("POST", path, &headers, body.clone().into()))
                .await;
            assert!(expected.contains(&refused.status), "{path} {kind}: {}", refused.text());
        }
    }
    for path in ["/oauth/token", "/grant-requests", "/tokens", "/login"] {
        let origin = broker.url("");
        let headers = [
            ("origin", origin.as_str()),
            ("content-type", "multipart/form-data; boundary=x"),
        ];
        let refused = broker
            .send(broker.request("POST", path, &headers, body.clone().into()))
            .await;
        assert!([400, 415].contains(&refused.status), "{path}: {}", refused.status);
    }
    assert!(provider.received().is_empty());
}
