//! Cohere's adapter: what is open, what is read, what is held for, and how it refuses.

use aipassport_domain::{
    authorization_details::Capability,
    ledger::LimitRule,
    money::Money,
    policy::{CallCost, Denial, OutputCap},
};
use aipassport_providers::{
    adapter::{self, Operation, ProviderAdapter, RouteKind},
    meter::StreamForm,
    refusal::{Reason, Refusal},
    request::{ReadError, ReadRequest},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{ceiling, limit, read_at, used};

const CHAT: &str = "/v2/chat";
const CHAT_V1: &str = "/v1/chat";
const EMBED: &str = "/v2/embed";
const RERANK: &str = "/v2/rerank";
const PATHS: [&str; 6] = [CHAT, CHAT_V1, EMBED, "/v1/embed", RERANK, "/v1/rerank"];

fn cohere() -> &'static dyn ProviderAdapter {
    adapter::by_id("cohere").unwrap()
}

fn read(path: &str, body: &str) -> Result<ReadRequest, ReadError> {
    read_at(cohere(), path, body)
}

/// A request with these further members.
fn with(path: &str, members: &str) -> Result<ReadRequest, ReadError> {
    let start = match path {
        CHAT => r#"{"model":"command-a-03-2025","messages":[{"role":"user","content":"Hi"}]"#,
        CHAT_V1 => r#"{"model":"command-r-08-2024","message":"Hi""#,
        EMBED | "/v1/embed" => r#"{"model":"embed-v4.0","input_type":"search_query""#,
        _ => r#"{"model":"rerank-v3.5","query":"heron""#,
    };
    read(path, &format!("{start},{members}}}"))
}

fn held(path: &str, body: &Value) -> Money {
    ceiling(&read(path, &body.to_string()).unwrap()).fixed
}

#[test]
fn every_template_leads_to_its_operation() {
    for (path, capability, operation) in [
        (CHAT, Capability::Chat, Operation::CohereChat),
        (CHAT_V1, Capability::Chat, Operation::CohereChatV1),
        (EMBED, Capability::Embeddings, Operation::Embed),
        ("/v1/embed", Capability::Embeddings, Operation::Embed),
        (RERANK, Capability::Embeddings, Operation::Rerank),
        ("/v1/rerank", Capability::Embeddings, Operation::Rerank),
    ] {
        let route = cohere().route(&Method::POST, path, None).unwrap();
        assert_eq!(
            (route.kind, route.upstream_path.as_str()),
            (RouteKind::Call(capability, operation), path)
        );
    }
    for path in ["/v1/tokenize", "/v1/detokenize"] {
        let route = cohere().route(&Method::POST, path, None).unwrap();
        assert_eq!(route.kind, RouteKind::CountTokens);
    }
    let one = cohere()
        .route(&Method::GET, "/v1/models/command-a-03-2025", None)
        .unwrap();
    assert_eq!(one.kind, RouteKind::GetModel("command-a-03-2025".to_owned()));
}

#[test]
fn threat_113_threat_114_threat_115_nothing_else_of_cohere_is_open() {
    for path in [
        "/v2/chat/",
        "/v2//chat",
        "/v2/Chat",
        "/v3/chat",
        "/v2/chat%2f",
        "/v2/../v1/chat",
        "/v1/rerank;x",
        "/v2/models",
        "/v1/models/..",
        "/v1/datasets",
        "/v1/datasets/usage",
        "/v1/connectors",
        "/v1/connectors/c/oauth/authorize",
        "/v1/embed-jobs",
        "/v1/finetuning/finetuned-models",
        "/v2/batches",
        "/v2/parse",
        "/v2/audio/transcriptions",
        "/v1/generate",
        "/v1/summarize",
        "/v1/classify",
        "/v1/check-api-key",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(cohere().route(&method, path, None), None, "{method} {path}");
        }
    }
}

#[test]
fn threat_116_threat_117_no_other_method_and_no_query_but_that_of_a_list() {
    for path in PATHS {
        for method in ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(cohere().route(&method, path, None), None, "{method} {path}");
        }
        for query in ["key=x", "model=command-r", "page_size=5", "&"] {
            assert_eq!(cohere().route(&Method::POST, path, Some(query)), None, "{query}");
        }
    }
    let list = |query| cohere().route(&Method::GET, "/v1/models", Some(query));
    let route = list("page_size=20&endpoint=chat&default_only=true").unwrap();
    assert_eq!(
        (route.kind, route.upstream_path.as_str()),
        (RouteKind::ListModels, "/v1/models")
    );
    for query in [
        "key=x",
        "page_size=1&page_size=2",
        "endpoint=%63hat",
        "endpoint",
        "endpoint=",
    ] {
        assert_eq!(list(query), None, "{query}");
    }
    let one = cohere().route(&Method::GET, "/v1/models/command-r", Some("endpoint=chat"));
    assert_eq!(one, None);
}

#[test]
fn threat_109_threat_110_a_body_has_one_reading_on_every_path() {
    for path in PATHS {
        for members in [
            r#""model":"command-r7b-12-2024""#,
            r#""mod\u0065l":"command-r7b-12-2024""#,
            r#""temperature":NaN"#,
            r#""x":{"y":[1e400]}"#,
            r#""x":"\ud800""#,
            r#""x":1,"#,
        ] {
            let error = with(path, members).unwrap_err();
            assert!(
                matches!(error, ReadError::NotPlainJson { .. }),
                "{path} {members}: {error}"
            );
        }
        assert!(read(path, "[]").is_err());
        assert!(read(path, r#"{"model":["command-r"]}"#).is_err());
    }
}

#[test]
fn threat_111_a_model_is_named_and_is_its_exact_id() {
    for path in PATHS {
        // The first version has a model of its own where none is named; which one changes.
        let no_model = r#"{"message":"Hi","messages":[],"query":"x","documents":[],"texts":[]}"#;
        assert!(matches!(
            read(path, no_model).unwrap_err(),
            ReadError::Invalid { member: "model", .. }
        ));
        for model in ["command-a-03-2025 ", "Command-A-03-2025", "cohere/rerank-v3.5"] {
            let body = json!({"model": model, "message": "Hi", "messages": [], "query": "x", "documents": []});
            let read = read(path, &body.to_string()).unwrap();
            assert_eq!((read.call.model.as_str(), read.call.cost), (model, CallCost::Unpriced));
        }
    }
}

#[test]
fn threat_112_each_feature_is_seen() {
    let cases: &[(&str, &str, &[&str])] = &[
        (CHAT, r#""tools":[],"documents":["x"]"#, &[]),
        (
            CHAT,
            r#""tools":[{"type":"function","function":{"name":"f"}}]"#,
            &["tools"],
        ),
        (CHAT, r#""tools":[{"type":"web_search"}]"#, &["web_search"]),
        (CHAT, r#""tools":[{"type":"new_thing"}]"#, &["server_tools"]),
        (CHAT, r#""stream":true"#, &["streaming"]),
        (CHAT_V1, r#""search_queries_only":true,"force_single_step":true"#, &[]),
        (CHAT_V1, r#""tools":[{"name":"f"}]"#, &["tools"]),
        (CHAT_V1, r#""tools":[],"tool_results":null"#, &[]),
        (CHAT_V1, r#""tool_results":[{"call":{}}]"#, &["tools"]),
        (CHAT_V1, r#""stream":true"#, &["streaming"]),
        (CHAT_V1, r#""connectors":[{"id":"web-search"}]"#, &["web_search"]),
        (CHAT_V1, r#""connectors":[{"id":"mine"}]"#, &["server_tools"]),
        (CHAT_V1, r#""connectors":[]"#, &[]),
        (CHAT_V1, r#""conversation_id":"c""#, &["stored_state"]),
        (CHAT_V1, r#""file_ids":["f"]"#, &["stored_state"]),
        (EMBED, r#""texts":["x"]"#, &[]),
        (RERANK, r#""documents":["x"]"#, &[]),
    ];
    for (path, members, expected) in cases {
        assert_eq!(used(&with(path, members).unwrap()), *expected, "{members}");
    }
}

#[test]
fn threat_112_what_the_provider_looks_up_itself_is_refused_after_its_feature() {
    for connector in ["web-search", "mine"] {
        let read = with(CHAT_V1, &format!(r#""connectors":[{{"id":"{connector}"}}]"#)).unwrap();
        assert!(matches!(read.call.cost, CallCost::Unbounded(_)), "{connector}");
    }
    let embed = r#""inputs":[{"content":[{"type":"document_url","url":"x"}]}]"#;
    assert!(matches!(with(EMBED, embed).unwrap().call.cost, CallCost::Unbounded(_)));
}

#[test]
fn an_output_cap_is_the_clients_own_or_the_largest_of_the_model() {
    let cap = |path, members| ceiling(&with(path, members).unwrap()).output_cap;

    assert_eq!(cap(CHAT, r#""max_tokens":20"#), OutputCap::Asked(20));
    assert_eq!(cap(CHAT, r#""max_tokens":null"#), OutputCap::LargestUpTo(8_000));
    assert_eq!(cap(CHAT_V1, r#""x":1"#), OutputCap::LargestUpTo(4_096));
    // Of what it reads, not of what it writes.
    assert_eq!(cap(EMBED, r#""texts":["x"],"max_tokens":512"#), OutputCap::Asked(0));
    let sent = with(EMBED, r#""texts":["x"],"max_tokens":512"#)
        .unwrap()
        .body
        .with_output_cap(0);
    assert!(
        String::from_utf8(sent.to_vec())
            .unwrap()
            .contains(r#""max_tokens":512"#)
    );
}

#[test]
fn thinking_is_held_for_beside_the_output_cap() {
    let fixed = |members| ceiling(&with(CHAT, members).unwrap()).fixed;
    let disabled = r#""max_tokens":10,"thinking":{"type":"disabled","token_budget":1}"#;
    let enabled = r#""max_tokens":10,"thinking":{"type":"enabled","token_budget":5000}"#;

    // 5,000 tokens at $10 / M.
    assert!(
        fixed(enabled)
            >= fixed(disabled).saturating_add(Money::from_cents(5).saturating_sub(Money::from_nanos(10_000)))
    );
    assert!(fixed(r#""max_tokens":10,"thinking":{"type":"enabled"}"#) > Money::from_cents(32));
    assert!(with(CHAT, r#""thinking":{"type":"enabled","token_budget":-1}"#).is_err());
}

#[test]
fn an_image_is_held_for_by_its_size_and_what_is_unknown_as_a_full_context() {
    let chat = |part: Value| {
        let body = json!({"model": "command-a-03-2025", "max_tokens": 9,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}, part]}]});
        held(CHAT, &body)
    };
    let image = |bytes: usize| {
        let url = format!("data:image/png;base64,{}", "A".repeat(bytes));
        chat(json!({"type": "image_url", "image_url": {"url": url, "detail": "high"}}))
    };

    assert_eq!(image(10), image(1_000_000));
    // 25,000 tokens at $2.50 / M.
    assert!(image(10) > Money::from_nanos(62_500_000));
    // 256,000 tokens at $2.50 / M.
    assert!(chat(json!({"type": "new_thing"})) >= Money::from_cents(64));
    assert!(chat(json!({"type": "document", "document": {"data": {}}})) < Money::from_cents(1));
    let stored = json!({"model": "command-r-08-2024", "message": "Hi", "conversation_id": "c", "max_tokens": 1});
    // 128,000 tokens at $0.15 / M.
    assert!(held(CHAT_V1, &stored) >= Money::from_nanos(19_200_000));
}

#[test]
fn images_of_an_embedding_are_held_for_by_their_own_price() {
    let url = format!("data:image/png;base64,{}", "A".repeat(100_000));
    let by_tokens = json!({"model": "embed-v4.0", "input_type": "image", "images": [url]});
    let mixed = json!({"model": "embed-v4.0", "input_type": "image",
        "inputs": [{"content": [{"type": "image_url", "image_url": {"url": url}}]}]});
    let by_image = json!({"model": "embed-english-v3.0", "input_type": "image", "images": [url]});

    // 25,000 tokens at $0.47 / M, and a little text at $0.12.
    for body in [by_tokens, mixed] {
        let held = held(EMBED, &body);
        assert!(
            held > Money::from_nanos(11_750_000) && held < Money::from_nanos(12_100_000),
            "{held}"
        );
    }
    // One at $0.0001, and a little text at $0.10 / M.
    let held = held("/v1/embed", &by_image);
    assert!(
        held > Money::from_nanos(100_000) && held < Money::from_nanos(350_000),
        "{held}"
    );
    let unpriced = json!({"model": "rerank-v5.0-pro", "input_type": "image", "images": [url]});
    let read = read(EMBED, &unpriced.to_string()).unwrap();
    assert_eq!(read.call.cost, CallCost::Unpriced);
}

#[test]
fn a_search_is_held_for_by_the_documents_and_the_parts_they_may_be_cut_into() {
    let search = |documents: &[String]| {
        let body = json!({"model": "rerank-v3.5", "query": "heron", "documents": documents});
        held(RERANK, &body).to_string()
    };
    let short = |count| vec!["paint".to_owned(); count];

    assert_eq!(search(&[]), "0.002");
    assert_eq!(search(&short(100)), "0.002");
    assert_eq!(search(&short(101)), "0.004");
    // 50,000 bytes, and 489 of them beside the query: 103 parts.
    assert_eq!(search(&["x".repeat(50_000)]), "0.004");
}

/// As the provider counts, for any text in which a token has `bytes_per_token`.
fn searches(query: u64, documents: &[u64], bytes_per_token: u64) -> u64 {
    let query = query.div_ceil(bytes_per_token);
    let room = 500_u64.saturating_sub(query).max(1);
    let parts: u64 = documents
        .iter()
        .map(|document| document.div_ceil(bytes_per_token).div_ceil(room).max(1))
        .sum();
    parts.div_ceil(100).max(1)
}

proptest! {
    #[test]
    fn no_search_costs_more_than_was_held_for_it(
        query in 0..700_usize,
        documents in proptest::collection::vec(0..5_000_usize, 0..150),
        bytes_per_token in 1..8_u64,
    ) {
        let texts: Vec<String> = documents.iter().map(|length| "x".repeat(*length)).collect();
        let body = json!({"model": "rerank-v3.5", "query": "q".repeat(query), "documents": texts});
        let lengths: Vec<u64> = documents.iter().map(|length| *length as u64).collect();

        let billed = searches(query as u64, &lengths, bytes_per_token);
        let billed = Money::from_nanos(i64::try_from(billed).unwrap() * 2_000_000);

        prop_assert!(billed <= held(RERANK, &body));
    }
}

#[test]
fn cutting_a_text_into_tokens_is_free() {
    for path in ["/v1/tokenize", "/v1/detokenize"] {
        let read = read(path, r#"{"model":"command-a-03-2025","text":"Hi","tokens":[1]}"#).unwrap();
        assert_eq!((read.call.cost, read.is_stream), (CallCost::Free, false));
    }
    assert!(read("/v1/tokenize", r#"{"text":"Hi"}"#).is_err());
}

#[test]
fn threat_119_no_header_of_a_client_steers_whose_account_pays() {
    let names = [
        "authorization",
        "x-api-key",
        "cookie",
        "x-forwarded-for",
        "accepts",
        "x-client-name",
        "accept",
        "content-type",
        "user-agent",
    ];
    let sent: HeaderMap = names
        .iter()
        .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("value")))
        .collect();

    let mut passed: Vec<String> = cohere()
        .request_headers(&sent)
        .keys()
        .map(ToString::to_string)
        .collect();
    passed.sort();

    assert_eq!(passed, ["accept", "content-type", "user-agent"]);
}

#[test]
fn a_refusal_is_in_coheres_shape() {
    let (budget, rate) = (limit(LimitRule::Budget), limit(LimitRule::Rate));
    let model = Denial::ModelNotGranted("x".to_owned());
    for (reason, status, rule) in [
        (Reason::Unauthenticated("expired"), 401, "credential"),
        (Reason::Denied(&budget), 402, "budget"),
        (Reason::Denied(&rate), 429, "rate"),
        (Reason::Denied(&model), 403, "model"),
        (Reason::NotFound, 404, "path"),
        (Reason::UpstreamFailed, 502, "upstream"),
        (Reason::Unavailable, 503, "unavailable"),
    ] {
        let refusal = Refusal {
            reason,
            request_id: "call_1",
            retry_after_seconds: None,
            raise_url: None,
        };
        let (given, body) = cohere().refusal(&refusal);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(given.as_u16(), status, "{body}");
        assert_eq!(
            (&body["id"], &body["aipassport"]["rule"]),
            (&json!("call_1"), &json!(rule)),
            "{body}"
        );
        assert!(body["message"].is_string());
    }
}

#[test]
fn a_stream_that_is_ended_early_ends_in_the_shape_of_its_version() {
    let refusal = Refusal {
        reason: Reason::Denied(&Denial::GrantRevoked),
        request_id: "call_1",
        retry_after_seconds: None,
        raise_url: None,
    };
    let last = |form| {
        let last = cohere().stream_refusal(&refusal, form, true);
        String::from_utf8(last.to_vec()).unwrap()
    };
    let (event, line) = (last(StreamForm::Events), last(StreamForm::Lines));

    let data = event
        .strip_prefix("event: message-end\ndata: ")
        .unwrap()
        .strip_suffix("\n\n")
        .unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        (&data["type"], &data["delta"]["finish_reason"]),
        (&json!("message-end"), &json!("ERROR"))
    );
    assert_eq!(data["aipassport"]["rule"], "grant_revoked");
    let line: Value = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
    assert_eq!(
        (&line["event_type"], &line["finish_reason"]),
        (&json!("stream-end"), &json!("ERROR"))
    );
    assert_eq!(line["aipassport"]["rule"], "grant_revoked");
}

#[test]
fn an_upstream_that_complains_about_our_credential_or_account_is_recognised() {
    let is_ours = |status, body: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        cohere().is_credential_error(status, body.as_bytes())
    };

    assert!(is_ours(401, r#"{"message":"invalid api token"}"#));
    assert!(is_ours(402, "") && is_ours(403, "<html>"));
    assert!(is_ours(
        429,
        r#"{"message":"You are using a Trial key, which is limited to 1000 API calls / month."}"#
    ));
    assert!(!is_ours(
        429,
        r#"{"message":"You are using a Trial key, which is limited to 20 API calls / minute."}"#
    ));
    assert!(!is_ours(400, "") && !is_ours(404, "") && !is_ours(422, "") && !is_ours(498, "") && !is_ours(500, ""));
}

#[test]
fn models_are_listed_in_coheres_shape() {
    let list: Value = serde_json::from_slice(&cohere().model_list(&["a", "b"])).unwrap();

    assert_eq!(list["models"][1]["name"], "b");
    assert!(list["models"][0]["endpoints"].is_array());
    let one: Value = serde_json::from_slice(&cohere().model("a")).unwrap();
    assert_eq!(one["name"], "a");
}
