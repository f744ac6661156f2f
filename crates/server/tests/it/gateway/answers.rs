//! What a provider may answer: passed on exactly, cleaned of what is not the client's affair, or
//! turned into a clean error.

use aipassport_domain::{
    audit::{CallOutcome, Happened},
    ids::ProviderId,
    money::Money,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::support::{
    CANARY_KEY, TestBroker,
    grant::{chat, streamed_chat},
    ledger::eventually,
    provider::{Step, TestProvider, chunk, completion, delta, last_chunk, stream_head, usage_and_done},
};

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_128_headers_about_the_account_and_the_connection_stay_behind() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let head = "200 OK\r\ncontent-type: application/json\r\nset-cookie: __cf_bm=1\r\nserver: cloudflare\r\n\
                openai-organization: org-secret\r\nopenai-project: proj-secret\r\nx-request-id: req_upstream\r\n\
                alt-svc: h3\r\naccess-control-allow-origin: *\r\netag: \"1\"\r\nkeep-alive: timeout=5\r\n\
                connection: x-secret\r\nx-secret: 1\r\nstrict-transport-security: max-age=1\r\nvia: 1.1 x";
    provider.then([Step::Send(answer(head, &completion(1, 1).to_string()))]);

    let answer = broker.chat(&grant, &chat(5)).await;

    assert_eq!(answer.status, 200);
    for name in [
        "set-cookie",
        "server",
        "openai-organization",
        "openai-project",
        "alt-svc",
        "access-control-allow-origin",
        "etag",
        "keep-alive",
        "connection",
        "x-secret",
        "strict-transport-security",
        "via",
    ] {
        assert_eq!(answer.header(name), "", "{name}");
    }
    assert_eq!(answer.header("x-request-id"), answer.header("aipassport-request-id"));
    assert_eq!(
        answer.header("aipassport-request-id"),
        broker.held(&grant).await[0].0.as_str()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_129_what_is_no_answer_of_an_api_is_a_clean_502_and_its_connection_is_not_used_again() {
    let json = "content-type: application/json";
    let endless_head = format!("HTTP/1.1 200 OK\r\n{}", "x-more: 1\r\n".repeat(10_000));
    let huge_header = format!("HTTP/1.1 200 OK\r\nx-more: {}\r\n\r\n", "x".repeat(200_000));
    for (name, bytes) in [
        (
            "a redirect",
            answer(&format!("307 X\r\n{json}\r\nlocation: https://evil.example/"), "{}"),
        ),
        (
            "switching protocols",
            b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec(),
        ),
        ("a page", answer("200 OK\r\ncontent-type: text/html", "<h1>Hello</h1>")),
        (
            "an error page",
            answer("503 X\r\ncontent-type: text/html", "<h1>Down</h1>"),
        ),
        ("no type", answer("200 OK", "{}")),
        (
            "gzip",
            answer(&format!("200 OK\r\n{json}\r\ncontent-encoding: gzip"), "\u{1f}"),
        ),
        ("an endless head", endless_head.into_bytes()),
        ("a huge header", huge_header.into_bytes()),
        (
            "wrong chunks",
            format!("HTTP/1.1 200 OK\r\n{json}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{{}}").into_bytes(),
        ),
        (
            "two lengths",
            format!("HTTP/1.1 200 OK\r\n{json}\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{{}}").into_bytes(),
        ),
        ("not HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec()),
        (
            "a short body",
            format!("HTTP/1.1 200 OK\r\n{json}\r\ncontent-length: 90\r\n\r\n{{}}").into_bytes(),
        ),
    ] {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before(&provider).await;
        let grant = broker.granted().await;
        provider.then([Step::Send(bytes), Step::Close]);

        let refused = broker.chat(&grant, &chat(5)).await;

        assert_eq!(refused.status, 502, "{name}: {}", refused.text());
        assert!(refused.json()["error"].is_object(), "{name}");
        assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200, "{name}");
        assert_eq!(provider.connections(), 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_129_interim_answers_are_skipped() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(20).into_bytes();
    let real = answer(
        "200 OK\r\ncontent-type: application/json",
        &completion(1, 1).to_string(),
    );
    provider.then([Step::Send(interim), Step::Send(real)]);

    assert_eq!(broker.chat(&grant, &chat(5)).await.json(), completion(1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_129_what_follows_an_answer_is_not_taken_for_the_next_one() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let json = "200 OK\r\ncontent-type: application/json";
    let mut garbage = answer(json, &completion(1, 1).to_string());
    garbage.extend(answer(json, r#"{"planted":true}"#));
    provider.then([Step::Send(garbage)]);

    let first = broker.chat(&grant, &chat(5)).await;
    let second = broker.chat(&grant, &chat(5)).await;

    assert_eq!((first.json(), second.status), (completion(1, 1), 200));
    assert!(!second.text().contains("planted"));
    assert_eq!(provider.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_85_a_redirect_is_not_followed() {
    let evil = TestProvider::start().await;
    for status in [301, 302, 303, 307, 308] {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before_with(&provider, |config| {
            config.upstreams.allow.push(evil.address.to_string());
        })
        .await;
        let grant = broker.granted().await;
        let head = format!(
            "{status} X\r\ncontent-type: application/json\r\nlocation: {}/v1",
            evil.base_url()
        );
        provider.then([Step::Send(answer(&head, "{}"))]);

        let refused = broker.chat(&grant, &chat(5)).await;

        assert_eq!((refused.status, refused.header("location")), (502, ""));
    }
    assert!(evil.received().is_empty() && evil.connections() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_provider_refuses_is_the_users_affair_and_not_the_clients() {
    for status in [401, 403] {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before(&provider).await;
        let grant = broker.granted().await;
        let error = json!({"error": {
            "message": format!("Incorrect API key provided: {CANARY_KEY}"), "type": "invalid_request_error",
            "param": null, "code": "invalid_api_key",
        }});
        provider.then_json(status, &error);

        let refused = broker.chat(&grant, &chat(5)).await;

        assert_eq!(refused.status, 502, "{}", refused.text());
        assert!(!refused.text().contains("invalid_api_key") && !refused.text().contains("Incorrect"));
        assert_eq!(broker.only_settled(&grant).await.cost, Money::ZERO);
        let expected = Happened::CredentialRefusedByProvider {
            provider: ProviderId::new("openai"),
        };
        eventually(async || broker.happened(&grant).await.contains(&expected)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_131_a_key_echoed_in_a_body_a_header_or_a_stream_is_redacted_and_the_user_is_told() {
    let encoded = BASE64_STANDARD.encode(format!("Bearer {CANARY_KEY}"));
    let (first, second) = CANARY_KEY.split_at(11);
    let echo = |text: &str| completion(1, 1).to_string().replace("Hello there", text);
    let json = "content-type: application/json";
    let split = chunk(&format!("data: {{\"x\":\"{first}"));
    for (name, script) in [
        (
            "plain",
            vec![Step::Send(answer(&format!("200 OK\r\n{json}"), &echo(CANARY_KEY)))],
        ),
        (
            "base64",
            vec![Step::Send(answer(&format!("200 OK\r\n{json}"), &echo(&encoded)))],
        ),
        (
            "an error",
            vec![Step::Send(answer(
                &format!("500 X\r\n{json}"),
                &format!(r#"{{"error":"{CANARY_KEY}"}}"#),
            ))],
        ),
        (
            "a header",
            vec![Step::Send(answer(
                &format!("429 X\r\n{json}\r\nretry-after: {CANARY_KEY}"),
                r#"{"error":{}}"#,
            ))],
        ),
        (
            "a stream, split",
            vec![
                stream_head(),
                delta("Hi"),
                split,
                chunk(&format!("{second}\"}}\n\n")),
                usage_and_done(1, 1),
                last_chunk(),
            ],
        ),
    ] {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before(&provider).await;
        let grant = broker.granted().await;
        provider.then(script);

        let answer = broker.chat(&grant, &streamed_chat(5)).await;

        let seen = format!("{:?} {}", answer.headers, answer.text());
        assert!(
            !seen.contains(CANARY_KEY) && !seen.contains("Y2FuYXJ5"),
            "{name}: {seen}"
        );
        assert!(seen.contains("*****"), "{name}: {seen}");
        let expected = Happened::CredentialEchoRedacted {
            provider: ProviderId::new("openai"),
        };
        let told = async || {
            broker
                .happened(&grant)
                .await
                .into_iter()
                .filter(|what| *what == expected)
                .count()
        };
        eventually(async || told().await == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_130_an_odd_stream_passes_as_it_is() {
    let huge = format!("data: {}\n\n", "x".repeat(2 * 1024 * 1024));
    for (name, body) in [
        ("carriage returns", "data: {\"a\":1}\r\rdata: [DONE]\r\r".to_owned()),
        ("both", "data: {\"a\":1}\r\n\r\ndata: [DONE]\r\n\r\n".to_owned()),
        ("a mark first", "\u{feff}data: {\"a\":1}\n\n".to_owned()),
        ("comments", ": ping\n\ndata: {\"a\":1}\n\n".to_owned()),
        ("a huge event", huge),
        (
            "an error event",
            "data: {\"error\":{\"message\":\"overloaded\"}}\n\n".to_owned(),
        ),
    ] {
        let provider = TestProvider::start().await;
        let broker = TestBroker::before(&provider).await;
        let grant = broker.granted().await;
        provider.then([stream_head(), chunk(&body), last_chunk()]);

        let answer = broker.chat(&grant, &streamed_chat(100)).await;

        assert!(answer.text() == body, "{name}: {:.200}", answer.text());
        assert!(
            broker.only_settled(&grant).await.cost <= broker.only_held(&grant).await,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_event_in_a_stream_is_a_failure_of_the_provider() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    provider.then([
        stream_head(),
        delta("Hi"),
        chunk("data: {\"error\":{\"message\":\"overloaded\"}}\n\n"),
        last_chunk(),
    ]);

    broker.chat(&grant, &streamed_chat(100)).await;

    assert_eq!(broker.only_settled(&grant).await.outcome, CallOutcome::UpstreamFailed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_too_large_to_hold_passes_as_it_comes() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let large = completion(10, 5)
        .to_string()
        .replace("Hello there", &"x".repeat(3 * 1024 * 1024));
    provider.then([Step::Send(answer("200 OK\r\ncontent-type: application/json", &large))]);

    let answer = broker.chat(&grant, &chat(100)).await;

    assert!(answer.text() == large);
    assert_eq!(answer.header("aipassport-cost"), "");
    assert_eq!(broker.only_settled(&grant).await.outcome, CallOutcome::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_132_a_retry_of_the_sdks_costs_what_reached_the_provider_and_no_more() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let overloaded = json!({"error": {"message": "overloaded", "type": "server_error"}});
    provider.then_json(503, &overloaded);
    provider.then_json(503, &overloaded);
    provider.then_json(200, &completion(1_000, 500));

    for _ in 0..3 {
        broker.chat(&grant, &chat(600)).await;
    }

    broker.settled().await;
    let costs: Vec<String> = broker
        .settled_calls(&grant)
        .await
        .iter()
        .map(|call| call.cost.to_string())
        .collect();
    assert_eq!(costs, ["0.00", "0.00", "0.00045"]);
    assert_eq!(provider.received().len(), 3);
}
