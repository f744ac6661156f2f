//! What a client may send: paths, bodies and headers, read strictly and forwarded exactly.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    CANARY_KEY, TestBroker,
    grant::{TestGrant, chat},
    http::Answer,
    provider::TestProvider,
};

const PATH: &str = "/openai/v1/chat/completions";

async fn post(broker: &TestBroker, grant: &TestGrant, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let bearer = grant.bearer();
    let headers = [headers, &[("authorization", &bearer)]].concat();
    broker
        .send(broker.request("POST", path, &headers, body.to_owned().into()))
        .await
}

async fn post_json_text(broker: &TestBroker, grant: &TestGrant, body: &str) -> u16 {
    post(broker, grant, PATH, &[("content-type", "application/json")], body)
        .await
        .status
}

/// The head of a request with a body of `length`, and whatever else.
fn raw_head(grant: &TestGrant, more: &str) -> String {
    format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-type: application/json\r\n{more}\r\n",
        grant.bearer()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_109_a_body_that_two_readers_read_differently_is_refused() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let messages = r#""messages":[{"role":"user","content":"x"}],"max_tokens":5"#;

    for body in [
        format!(r#"{{"model":"gpt-4o-mini","model":"gpt-5",{messages}}}"#),
        format!(r#"{{"model":"gpt-4o-mini","mod\u0065l":"gpt-5",{messages}}}"#),
        format!(r#"{{"model":"gpt-4o-mini",{messages},"max_tokens":100000}}"#),
    ] {
        assert_eq!(post_json_text(&broker, &grant, &body).await, 400, "{body}");
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_110_what_is_not_plain_json_is_refused() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let start = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}],"max_tokens":5"#;

    for end in [
        r#","temperature":NaN}"#,
        r#","temperature":Infinity}"#,
        r#","temperature":1e400}"#,
        r#","user":"\ud800"}"#,
        ",/* note */}",
        ",}",
        "",
    ] {
        assert_eq!(
            post_json_text(&broker, &grant, &format!("{start}{end}")).await,
            400,
            "{end}"
        );
    }
    assert_eq!(
        post_json_text(&broker, &grant, &format!("\u{feff}{start}}}")).await,
        400
    );
    assert_eq!(post_json_text(&broker, &grant, "[]").await, 400);
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_111_the_model_checked_is_the_model_dispatched() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;

    for model in [
        "gpt-4o-mini ",
        "GPT-4o-mini",
        "gpt-4o-mini-2024-07-18",
        "openai/gpt-4o-mini",
        "gpt-4o",
        "gpt-4o-mini\u{200b}",
    ] {
        let mut body = chat(5);
        body["model"] = json!(model);
        let refused = broker.chat(&grant, &body).await;
        assert!([400, 403].contains(&refused.status), "{model}: {}", refused.status);
    }
    broker.chat(&grant, &chat(5)).await;
    assert_eq!(provider.only_request().json()["model"], "gpt-4o-mini");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_112_what_costs_more_or_reaches_further_is_refused_unless_granted() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted_with(|access| access.features.tools = false).await;

    for (member, value) in [
        (
            "tools",
            json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]),
        ),
        ("web_search_options", json!({})),
        ("store", json!(true)),
        ("modalities", json!(["text", "audio"])),
    ] {
        let mut body = chat(5);
        body[member] = value;
        let refused = broker.chat(&grant, &body).await;
        assert!([400, 403].contains(&refused.status), "{member}: {}", refused.text());
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_113_what_another_grant_left_at_the_provider_cannot_be_named() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;

    for (member, value) in [
        ("previous_response_id", json!("resp_of_another")),
        ("conversation", json!("conv_of_another")),
        ("prompt", json!({"id": "pmpt_of_another"})),
        ("input", json!([{"type": "item_reference", "id": "msg_of_another"}])),
        (
            "input",
            json!([{"role": "user", "content": [{"type": "input_file", "file_id": "file_of_another"}]}]),
        ),
    ] {
        let mut body = json!({"model": "gpt-4o-mini", "max_output_tokens": 5, "input": "x"});
        body[member] = value;
        let json = [("content-type", "application/json")];
        let refused = post(&broker, &grant, "/openai/v1/responses", &json, &body.to_string()).await;
        assert!([400, 403].contains(&refused.status), "{member}: {}", refused.text());
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_114_only_the_path_templates_pass() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let bearer = grant.bearer();

    for path in [
        "/openai/v1/chat/completions/",
        "/openai/v1/chat//completions",
        "/openai//v1/chat/completions",
        "/openai/v1/./chat/completions",
        "/openai/v1/../v1/chat/completions",
        "/openai/v1/%2e%2e/v1/chat/completions",
        "/openai/v1/chat%2fcompletions",
        "/openai/v1/chat%2Fcompletions",
        "/openai/v1/chat%252fcompletions",
        "/openai/v1/chat/completions;x=1",
        "/openai/v1/chat/completions%00",
        "/openai/v1/chat/completions.",
        "/openai/v1/Chat/completions",
        "/OpenAI/v1/chat/completions",
        "/openai/chat/completions",
        "/openaix/v1/chat/completions",
        "/openai/v1/chat\\completions",
        "/openai/",
        "/openai",
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\ncontent-type: application/json\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        let answer = broker.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
    }
    for target in ["http://evil.example/openai/v1/chat/completions", "*"] {
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\ncontent-type: application/json\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        assert!(
            broker.raw(request.as_bytes()).await.starts_with("HTTP/1.1 40"),
            "{target}"
        );
    }
    let connect = "CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com:443\r\nconnection: close\r\n\r\n";
    assert!(broker.raw(connect.as_bytes()).await.starts_with("HTTP/1.1 40"));
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_115_the_providers_account_is_out_of_reach() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let bearer = grant.bearer();

    for path in [
        "/openai/v1/organization/admin_api_keys",
        "/openai/v1/organization/costs",
        "/openai/v1/files",
        "/openai/v1/fine_tuning/jobs",
        "/openai/v1/assistants",
        "/openai/v1/threads",
        "/openai/v1/batches",
        "/openai/v1/responses/resp_123",
        "/openai/v1/chat/completions/chatcmpl-1",
        "/anthropic/v1/organizations/api_keys",
        "/anthropic/v1/messages/batches",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let request = broker.request(method, path, &[("authorization", &bearer)], "".into());
            assert_eq!(broker.send(request).await.status, 404, "{method} {path}");
        }
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_116_no_other_method_and_no_upgrade() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let bearer = grant.bearer();

    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
        let overriding = [("authorization", bearer.as_str()), ("x-http-method-override", "POST")];
        let request = broker.request(method, PATH, &overriding, "".into());
        assert_eq!(broker.send(request).await.status, 404, "{method}");
    }
    // Overriding what is allowed changes nothing.
    let headers = [
        ("content-type", "application/json"),
        ("x-http-method-override", "DELETE"),
        ("x-method-override", "GET"),
    ];
    assert_eq!(
        post(&broker, &grant, PATH, &headers, &chat(5).to_string()).await.status,
        200
    );
    assert!(provider.only_request().head.starts_with("POST "));
    assert_eq!(provider.only_request().header("x-http-method-override"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_127_an_upgrade_is_refused() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;

    for upgrade in ["websocket", "h2c"] {
        let body = chat(5).to_string();
        let more = format!(
            "connection: upgrade, close\r\nupgrade: {upgrade}\r\ncontent-length: {}\r\n",
            body.len()
        );
        let answer = broker
            .raw(format!("{}{body}", raw_head(&grant, &more)).as_bytes())
            .await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{upgrade}: {answer}");
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_117_a_query_passes_only_where_it_is_known() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;

    for query in ["?api-version=1", "?model=gpt-5", "?beta=true&beta=false", "?%6bey=1"] {
        let json = [("content-type", "application/json")];
        let refused = post(&broker, &grant, &format!("{PATH}{query}"), &json, &chat(5).to_string()).await;
        assert_eq!(refused.status, 404, "{query}");
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_118_hop_by_hop_headers_go_no_further_and_cannot_drop_ours() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let headers = [
        ("content-type", "application/json"),
        ("connection", "authorization, x-api-key, host"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("proxy-authorization", "Basic eDp5"),
        ("proxy-connection", "keep-alive"),
    ];

    assert_eq!(
        post(&broker, &grant, PATH, &headers, &chat(5).to_string()).await.status,
        200
    );

    let sent = provider.only_request();
    assert_eq!(
        sent.header("authorization"),
        Some(format!("Bearer {CANARY_KEY}").as_str())
    );
    for name in [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "proxy-authorization",
        "proxy-connection",
    ] {
        assert_eq!(sent.header(name), None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_119_headers_that_name_another_account_or_origin_go_no_further() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let headers = [
        ("content-type", "application/json"),
        ("cookie", "session=1"),
        ("openai-organization", "org-evil"),
        ("openai-project", "proj-evil"),
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-host", "evil.example"),
        ("x-real-ip", "1.2.3.4"),
        ("x-base-url", "https://evil.example"),
        ("x-openai-endpoint", "https://evil.example"),
        ("accept-encoding", "gzip, br"),
        ("x-stainless-lang", "python"),
    ];

    assert_eq!(
        post(&broker, &grant, PATH, &headers, &chat(5).to_string()).await.status,
        200
    );

    let sent = provider.only_request();
    for name in headers.iter().skip(1).map(|(name, _)| *name) {
        let passed = sent.header(name);
        let expected = (name == "accept-encoding").then_some("identity");
        assert!(passed == expected || name == "x-stainless-lang", "{name}: {passed:?}");
    }
    assert!(!sent.head.contains("evil") && !sent.head.contains("1.2.3.4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_91_a_client_cannot_steer_where_the_key_goes() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;

    for member in ["base_url", "api_base", "api_key", "organization"] {
        let mut body = chat(5);
        body[member] = json!("https://evil.example");
        let before = provider.received().len();
        let answer = broker.chat(&grant, &body).await;
        let was_sent = provider.received().len() > before;
        assert!(
            answer.status == 400 && !was_sent || answer.status == 200 && was_sent,
            "{member}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_120_a_request_whose_framing_is_unclear_is_refused_and_nothing_follows_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let body = chat(5).to_string();
    let length = body.len();
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let second = format!(
        "GET /openai/v1/models HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\r\n",
        grant.bearer()
    );

    for (framing, body) in [
        (
            format!("content-length: {length}\r\ncontent-length: {}\r\n", length + 1),
            body.clone(),
        ),
        (format!("content-length: +{length}\r\n"), body.clone()),
        (format!("content-length: {length}, {length}x\r\n"), body.clone()),
        (format!("content-length : {length}\r\n"), body.clone()),
        ("transfer-encoding: chunked, identity\r\n".to_owned(), chunked.clone()),
        ("transfer-encoding: xchunked\r\n".to_owned(), chunked.clone()),
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            format!("fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        ),
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            format!("-1\r\n{body}\r\n0\r\n\r\n"),
        ),
        (
            format!("x-folded: a\r\n b\r\ncontent-length: {length}\r\n"),
            body.clone(),
        ),
        (format!("x-nul: a\0b\r\ncontent-length: {length}\r\n"), body.clone()),
    ] {
        let request = format!("{}{body}{second}", raw_head(&grant, &framing));
        let answer = broker.raw(request.as_bytes()).await;
        let statuses: Vec<&str> = answer.matches("HTTP/1.1 ").collect();
        assert!(
            answer.starts_with("HTTP/1.1 4") && statuses.len() == 1,
            "{framing:?}: {answer}"
        );
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_120_of_length_and_chunks_only_one_is_believed() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let body = chat(5).to_string();
    let framing = "content-length: 4\r\ntransfer-encoding: chunked\r\n";
    let request = format!("{}{:x}\r\n{body}\r\n0\r\n\r\n", raw_head(&grant, framing), body.len());

    let answer = broker.raw(request.as_bytes()).await;

    // RFC 9112, section 6.3: either refused, or read as chunks with the connection closed after it.
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
    for sent in provider.received() {
        assert_eq!(sent.json()["model"], "gpt-4o-mini");
        assert_eq!(sent.header("transfer-encoding"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_122_what_is_too_large_is_refused_quickly() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| config.requests.body_limit = 64 * 1024).await;
    let grant = broker.granted().await;

    let announced = raw_head(&grant, "content-length: 10000000\r\n");
    assert!(broker.raw(announced.as_bytes()).await.starts_with("HTTP/1.1 413"));

    let chunk = format!("{:x}\r\n{}\r\n", 32 * 1024, "x".repeat(32 * 1024));
    let unannounced = format!(
        "{}{}",
        raw_head(&grant, "transfer-encoding: chunked\r\n"),
        chunk.repeat(4)
    );
    assert!(broker.raw(unannounced.as_bytes()).await.starts_with("HTTP/1.1 413"));

    let nested = format!(
        r#"{{"model":"gpt-4o-mini","messages":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(post_json_text(&broker, &grant, &nested).await, 400);

    let many = "x-more: 1\r\n".repeat(200);
    assert!(
        broker
            .raw(raw_head(&grant, &many).as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
    let long = format!("GET /openai/{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(100_000));
    assert!(broker.raw(long.as_bytes()).await.starts_with("HTTP/1.1 4"));
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_123_a_compressed_body_and_a_foreign_type_are_refused() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let json = ("content-type", "application/json");

    for headers in [
        vec![json, ("content-encoding", "gzip")],
        vec![json, ("content-encoding", "gzip, gzip")],
        vec![json, ("content-encoding", "br")],
        vec![("content-type", "text/plain")],
        vec![("content-type", "application/x-www-form-urlencoded")],
        vec![("content-type", "multipart/form-data; boundary=x")],
        vec![("content-type", "application/json; charset=utf-16")],
        vec![json, json],
        vec![],
    ] {
        let refused = post(&broker, &grant, PATH, &headers, &chat(5).to_string()).await;
        assert_eq!(refused.status, 415, "{headers:?}");
    }
    let usual = [("content-type", "application/json; charset=UTF-8")];
    assert_eq!(
        post(&broker, &grant, PATH, &usual, &chat(5).to_string()).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_125_a_client_that_expects_100_is_told_to_go_on_or_refused_at_once() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| config.requests.body_limit = 64 * 1024).await;
    let grant = broker.granted().await;
    let body = chat(5).to_string();

    let more = format!(
        "expect: 100-continue\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    let mut client = TcpStream::connect(broker.address).await.unwrap();
    client.write_all(raw_head(&grant, &more).as_bytes()).await.unwrap();
    let mut first = [0; 25];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(body.as_bytes()).await.unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert!(rest.starts_with("HTTP/1.1 200"));

    let too_large = raw_head(&grant, "expect: 100-continue\r\ncontent-length: 1000000\r\n");
    assert!(broker.raw(too_large.as_bytes()).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_125_a_body_that_does_not_come_is_a_timeout() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| {
        config.requests.body_timeout = Duration::from_millis(100);
    })
    .await;
    let grant = broker.granted().await;

    let slow = format!("{}{{\"model\":", raw_head(&grant, "content-length: 1000\r\n"));
    let answer = broker.raw(slow.as_bytes()).await;

    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(broker.held(&grant).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_126_a_refused_request_does_not_shift_the_one_behind_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let smuggled = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\r\n",
        grant.bearer()
    );

    let refused = format!(
        "POST /openai/v1/nothing HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n{smuggled}",
        grant.bearer(),
        smuggled.len()
    );
    let next = format!(
        "GET /openai/v1/models HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\nconnection: close\r\n\r\n",
        grant.bearer()
    );
    let answer = broker.raw(format!("{refused}{next}").as_bytes()).await;

    let statuses: Vec<&str> = answer
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| answer.get(..3).unwrap())
        .collect();
    assert!(statuses == ["404", "200"] || statuses == ["404"], "{answer}");
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_133_no_cache_keeps_an_answer_and_no_precondition_goes_upstream() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let headers = [
        ("content-type", "application/json"),
        ("if-none-match", "\"1\""),
        ("range", "bytes=0-1"),
    ];

    let answer = post(&broker, &grant, PATH, &headers, &chat(5).to_string()).await;

    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("etag"), "");
    let sent = provider.only_request();
    assert_eq!((sent.header("if-none-match"), sent.header("range")), (None, None));
}
