//! Mistral's adapter: what is open, what is read, what is held for, and how it refuses.

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
    translate::{FaceOperation, Way},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{ceiling, limit, read_at, used};

const CHAT: &str = "/v1/chat/completions";
const FIM: &str = "/v1/fim/completions";
const EMBEDDINGS: &str = "/v1/embeddings";
const OCR: &str = "/v1/ocr";
const PATHS: [&str; 4] = [CHAT, FIM, EMBEDDINGS, OCR];

fn mistral() -> &'static dyn ProviderAdapter {
    adapter::by_id("mistral").unwrap()
}

fn read(path: &str, body: &str) -> Result<ReadRequest, ReadError> {
    read_at(mistral(), path, body)
}

/// A request with these further members.
fn with(path: &str, members: &str) -> Result<ReadRequest, ReadError> {
    let start = match path {
        CHAT => r#"{"model":"mistral-large-latest","messages":[{"role":"user","content":"Hi"}]"#,
        FIM => r#"{"model":"codestral-latest","prompt":"def f("#,
        EMBEDDINGS => r#"{"model":"mistral-embed","input":"Hi""#,
        _ => r#"{"model":"mistral-ocr-latest","document":{"type":"document_url","document_url":"https://x"}"#,
    };
    let quote = if path == FIM { "\"" } else { "" };
    read(path, &format!("{start}{quote},{members}}}"))
}

fn content(chunk: &Value) -> ReadRequest {
    let body = json!({"model": "mistral-large-latest", "max_tokens": 9,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}, chunk]}]});
    read(CHAT, &body.to_string()).unwrap()
}

#[test]
fn every_template_leads_to_its_operation() {
    for (path, capability, operation) in [
        (CHAT, Capability::Chat, Operation::ChatCompletions),
        (FIM, Capability::Code, Operation::FimCompletions),
        (EMBEDDINGS, Capability::Embeddings, Operation::Embeddings),
        (OCR, Capability::Chat, Operation::Ocr),
    ] {
        let route = mistral().route(&Method::POST, path, None).unwrap();
        assert_eq!(
            (route.kind, route.upstream_path.as_str()),
            (RouteKind::Call(capability, operation), path)
        );
    }
    let list = mistral().route(&Method::GET, "/v1/models", None).unwrap();
    assert_eq!(list.kind, RouteKind::ListModels);
    let one = mistral()
        .route(&Method::GET, "/v1/models/ft:open-mistral-7b:1:2:3", None)
        .unwrap();
    assert_eq!(one.kind, RouteKind::GetModel("ft:open-mistral-7b:1:2:3".to_owned()));
}

#[test]
fn threat_113_threat_114_threat_115_nothing_else_of_mistral_is_open() {
    for path in [
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "/v1/chat/completions#stream",
        "/v1/fim/completions%00",
        "/v1/Embeddings",
        "/v1/ocr;x",
        "/v1/ocr/../files",
        "/v1/models/..",
        "/v1/agents/completions",
        "/v1/agents/ag_1",
        "/v1/conversations",
        "/v1/conversations/conv_1/messages",
        "/v1/files",
        "/v1/files/file_1/content",
        "/v1/batch/jobs",
        "/v1/fine_tuning/models/ft_1",
        "/v1/libraries/lib_1/documents",
        "/v1/connectors",
        "/v1/moderations",
        "/v1/chat/moderations",
        "/v1/classifications",
        "/v1/chat/classifications",
        "/v1/audio/transcriptions",
        "/v1/responses",
        "/v1/workflows",
        "/v1/observability/logs/search",
        "/v1/users/me",
        "/v1/whoami",
        "/v1/service-accounts",
        "/v1/webhooks",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(mistral().route(&method, path, None), None, "{method} {path}");
        }
    }
}

#[test]
fn threat_116_threat_117_no_other_method_and_no_query() {
    for path in PATHS {
        for method in ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(mistral().route(&method, path, None), None, "{method} {path}");
        }
        for query in ["key=x", "model=mistral-large-latest", "stream=true", "&"] {
            assert_eq!(mistral().route(&Method::POST, path, Some(query)), None, "{query}");
        }
    }
    assert_eq!(mistral().route(&Method::GET, "/v1/models", Some("key=x")), None);
}

#[test]
fn threat_109_threat_110_a_body_has_one_reading_on_every_path() {
    for path in PATHS {
        let model = with(path, r#""x":1"#).unwrap().call.model;
        for members in [
            &*format!(r#""model":"{model}""#),
            r#""mod\u0065l":"mistral-tiny""#,
            r#""temperature":NaN"#,
            r#""x":{"y":[1e400]}"#,
            r#""metadata":{"a":"\ud800"}"#,
            r#""x":1,"#,
        ] {
            let error = with(path, members).unwrap_err();
            assert!(
                matches!(error, ReadError::NotPlainJson { .. }),
                "{path} {members}: {error}"
            );
        }
        assert!(read(path, "[]").is_err() && read(path, "{}").is_err());
        assert!(read(path, r#"{"model":null}"#).is_err());
        assert!(read(path, r#"{"model":["mistral-embed"]}"#).is_err());
    }
    for pages in [r#""1-x""#, r#""""#, r#""3-1""#, r#""0,,1""#, "true"] {
        assert!(with(OCR, &format!(r#""pages":{pages}"#)).is_err(), "{pages}");
    }
}

#[test]
fn threat_111_a_model_is_its_exact_id_on_every_path() {
    for path in PATHS {
        let known = with(path, r#""x":1"#).unwrap();
        assert!(matches!(known.call.cost, CallCost::AtMost(_)), "{path}");
        for model in ["mistral-large-latest ", "Mistral-large-latest", "mistral/mistral-embed"] {
            let body = json!({"model": model, "messages": [], "input": "x", "prompt": "x", "document": {}});
            let read = read(path, &body.to_string()).unwrap();
            assert_eq!((read.call.model.as_str(), read.call.cost), (model, CallCost::Unpriced));
        }
    }
}

#[test]
fn threat_112_each_feature_is_seen() {
    let cases: &[(&str, &str, &[&str])] = &[
        (CHAT, r#""tools":[],"stream":null"#, &[]),
        (
            CHAT,
            r#""tools":[{"type":"function","function":{"name":"f"}}]"#,
            &["tools"],
        ),
        (CHAT, r#""stream":true"#, &["streaming"]),
        (CHAT, r#""tools":[{"type":"web_search"}]"#, &["web_search"]),
        (CHAT, r#""tools":[{"type":"web_search_premium"}]"#, &["web_search"]),
        (CHAT, r#""tools":[{"type":"code_interpreter"}]"#, &["code_execution"]),
        (CHAT, r#""tools":[{"type":"image_generation"}]"#, &["server_tools"]),
        (
            CHAT,
            r#""tools":[{"type":"document_library","library_ids":[]}]"#,
            &["server_tools"],
        ),
        (
            CHAT,
            r#""tools":[{"type":"connector","connector_id":"c"}]"#,
            &["server_tools"],
        ),
        (FIM, r#""stream":true"#, &["streaming"]),
        (EMBEDDINGS, r#""output_dtype":"int8""#, &[]),
        (OCR, r#""include_image_base64":true"#, &[]),
    ];
    for (path, members, expected) in cases {
        assert_eq!(used(&with(path, members).unwrap()), *expected, "{members}");
    }
}

#[test]
fn threat_112_what_the_provider_runs_itself_is_refused_after_its_feature() {
    for kind in [
        "web_search",
        "code_interpreter",
        "image_generation",
        "document_library",
        "connector",
    ] {
        let read = with(CHAT, &format!(r#""tools":[{{"type":"{kind}"}}]"#)).unwrap();
        assert!(matches!(read.call.cost, CallCost::Unbounded(_)), "{kind}");
    }
}

#[test]
fn threat_113_what_is_kept_at_the_provider_is_a_feature() {
    for chunk in [
        json!({"type": "file", "file_id": "file_of_another"}),
        json!({"type": "document_url", "file_id": "file_of_another"}),
        json!({"type": "resource_link", "uri": "library://another"}),
    ] {
        assert_eq!(used(&content(&chunk)), ["stored_state"], "{chunk}");
    }
    let ocr = |document: &Value| {
        let body = json!({"model": "mistral-ocr-latest", "document": document});
        read(OCR, &body.to_string()).unwrap()
    };
    assert_eq!(used(&ocr(&json!({"type": "file", "file_id": "f"}))), ["stored_state"]);
    assert_eq!(
        used(&ocr(&json!({"type": "image_url", "file_id": "f"}))),
        ["stored_state"]
    );
}

#[test]
fn threat_112_what_raises_the_price_is_covered_or_refused() {
    for members in [
        r#""guardrails":[{"block_on_error":true}]"#,
        r#""service_tier":"priority""#,
        r#""n":1.5"#,
        r#""max_tokens":-1"#,
    ] {
        assert!(with(CHAT, members).is_err(), "{members}");
    }
    let sound = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":"AA"}]}]}"#;
    assert!(read(CHAT, sound).is_err());
    assert!(with(CHAT, r#""guardrails":null,"service_tier":null"#).is_ok());
}

#[test]
fn choices_and_predictions_are_held_for() {
    let plain = ceiling(&with(CHAT, r#""max_tokens":10"#).unwrap());
    let several = ceiling(&with(CHAT, r#""max_tokens":10,"n":3"#).unwrap());
    let prediction = "x".repeat(1_000);
    let predicted = format!(r#""max_tokens":10,"prediction":{{"type":"content","content":"{prediction}"}}"#);
    let predicted = ceiling(&with(CHAT, &predicted).unwrap());

    assert_eq!((plain.choices, several.choices), (1, 3));
    // At least the thousand bytes as output, at $1.50 / M.
    assert!(predicted.fixed >= plain.fixed.saturating_add(Money::from_nanos(1_500_000)));
}

#[test]
fn an_output_cap_is_the_clients_own_or_the_largest_of_the_model() {
    let cap = |path, members| ceiling(&with(path, members).unwrap()).output_cap;

    assert_eq!(cap(CHAT, r#""max_tokens":20"#), OutputCap::Asked(20));
    assert_eq!(cap(CHAT, r#""max_tokens":null"#), OutputCap::LargestUpTo(262_144));
    assert_eq!(cap(FIM, r#""stop":[]"#), OutputCap::LargestUpTo(128_000));
    assert_eq!(cap(EMBEDDINGS, r#""x":1"#), OutputCap::Asked(0));
}

#[test]
fn an_image_is_held_for_by_its_size_and_a_document_as_a_full_context() {
    let image = |bytes: usize| {
        let url = format!("data:image/png;base64,{}", "A".repeat(bytes));
        ceiling(&content(&json!({"type": "image_url", "image_url": url}))).fixed
    };
    assert_eq!(image(10), image(1_000_000));
    // 12,210 tokens at $0.50 / M.
    assert!(image(10) > Money::from_nanos(6_105_000));

    // 262,144 tokens at $0.50 / M.
    let context = Money::from_nanos(131_072_000);
    for chunk in [
        json!({"type": "document_url", "document_url": "https://files.example/a.pdf"}),
        json!({"type": "new_thing"}),
        json!({"type": "resource", "uri": "x", "content": {"type": "document_url", "document_url": "x"}}),
    ] {
        assert!(ceiling(&content(&chunk)).fixed >= context, "{chunk}");
    }
    for chunk in [
        json!({"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}),
        json!({"type": "reference", "reference_ids": [1]}),
        json!({"type": "resource", "uri": "x", "content": {"type": "text", "text": "x"}}),
    ] {
        assert!(ceiling(&content(&chunk)).fixed < context, "{chunk}");
    }
}

#[test]
fn pages_are_held_for_by_what_was_chosen_or_the_most_there_can_be() {
    let held = |members: &str| ceiling(&with(OCR, members).unwrap()).fixed.to_string();

    assert_eq!(held(r#""x":1"#), "4.00");
    assert_eq!(held(r#""pages":[]"#), "4.00");
    assert_eq!(held(r#""pages":[0,7]"#), "0.008");
    assert_eq!(held(r#""pages":"0, 2-4""#), "0.016");
    assert_eq!(
        held(r#""pages":"0-99999999999999999999""#.replace("99999999999999999999", "9999").as_str()),
        "4.00"
    );
    assert_eq!(
        held(r#""pages":"0","bbox_annotation_format":{"type":"json_schema"}"#),
        "0.005"
    );
    let image = r#"{"model":"mistral-ocr-latest","document":{"type":"image_url","image_url":"https://x"}}"#;
    assert_eq!(ceiling(&read(OCR, image).unwrap()).fixed.to_string(), "0.004");
}

#[test]
fn threat_119_no_header_of_a_client_steers_whose_account_pays() {
    let names = [
        "authorization",
        "x-api-key",
        "cookie",
        "x-forwarded-for",
        "idempotency-key",
        "mistral-organization",
        "accept",
        "content-type",
        "user-agent",
    ];
    let sent: HeaderMap = names
        .iter()
        .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("value")))
        .collect();

    let mut passed: Vec<String> = mistral()
        .request_headers(&sent)
        .keys()
        .map(ToString::to_string)
        .collect();
    passed.sort();

    assert_eq!(passed, ["accept", "content-type", "user-agent"]);
}

#[test]
fn a_refusal_is_in_mistrals_shape() {
    let (budget, rate) = (limit(LimitRule::Budget), limit(LimitRule::Rate));
    let model = Denial::ModelNotGranted("x".to_owned());
    let invalid = ReadError::Invalid {
        member: "pages",
        problem: "must be numbers",
    };
    for (reason, status, kind, code) in [
        (Reason::Unauthenticated("expired"), 401, "unauthorized", "credential"),
        (Reason::Denied(&budget), 402, "insufficient_quota", "budget"),
        (Reason::Denied(&rate), 429, "rate_limited", "rate"),
        (Reason::Denied(&model), 403, "invalid_model", "model"),
        (
            Reason::Denied(&Denial::CostUnbounded("x")),
            403,
            "forbidden",
            "cost_unbounded",
        ),
        (Reason::Unreadable(&invalid), 400, "invalid_request_error", "request"),
        (Reason::NotFound, 404, "not_found", "path"),
        (Reason::UpstreamFailed, 502, "internal_server_error", "upstream"),
        (Reason::Unavailable, 503, "unreachable_backend", "unavailable"),
    ] {
        let refusal = Refusal {
            reason,
            request_id: "call_1",
            retry_after_seconds: None,
            raise_url: None,
        };
        let (given, body) = mistral().refusal(&refusal);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (given.as_u16(), &body["raw_status_code"]),
            (status, &json!(status)),
            "{body}"
        );
        assert_eq!(
            (&body["object"], &body["type"]),
            (&json!("error"), &json!(kind)),
            "{body}"
        );
        assert_eq!(
            (&body["code"], &body["aipassport"]["rule"]),
            (&json!(code), &json!(code)),
            "{body}"
        );
        assert!(body["message"].is_string() && body.get("param").is_some());
    }
}

#[test]
fn a_stream_that_is_ended_early_ends_with_one_event_in_mistrals_shape() {
    let refusal = Refusal {
        reason: Reason::Denied(&Denial::GrantRevoked),
        request_id: "call_1",
        retry_after_seconds: None,
        raise_url: None,
    };
    let event = mistral().stream_refusal(&refusal, StreamForm::Events, true);
    let event = String::from_utf8(event.to_vec()).unwrap();
    let data = event.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();

    assert_eq!(
        (&data["object"], &data["type"]),
        (&json!("error"), &json!("unauthorized"))
    );
    assert_eq!(data["aipassport"]["rule"], "grant_revoked");
}

#[test]
fn an_upstream_that_complains_about_our_credential_is_recognised() {
    let is_ours = |status| mistral().is_credential_error(StatusCode::from_u16(status).unwrap(), b"{}");

    assert!(is_ours(401) && is_ours(402) && is_ours(403));
    assert!(!is_ours(400) && !is_ours(422) && !is_ours(429) && !is_ours(500));
}

#[test]
fn models_are_listed_in_mistrals_shape() {
    let list: Value = serde_json::from_slice(&mistral().model_list(&["a", "b"])).unwrap();

    assert_eq!((&list["object"], &list["data"][1]["id"]), (&json!("list"), &json!("b")));
    assert_eq!(list["data"][0]["type"], "base");
    assert!(list["data"][0]["capabilities"].is_object());
}

#[test]
fn a_client_of_v1_sees_the_usage_of_a_stream_that_it_asks_for_alone() {
    for (options, hides) in [
        ("", true),
        (r#","stream_options":null"#, true),
        (r#","stream_options":{"include_usage":false}"#, true),
        (r#","stream_options":{"include_usage":true}"#, false),
    ] {
        let body = format!(r#"{{"model":"mistral-small-latest","messages":[],"stream":true{options}}}"#);
        let way = FaceOperation::ChatCompletions.to_provider("mistral", Bytes::from(body));
        let Ok(Way::AsItIs { hides_usage, .. }) = way else {
            unreachable!("{way:?}")
        };
        assert_eq!(hides_usage, hides, "{options}");
    }
}

#[test]
fn usage_beside_the_last_choice_is_hidden_and_counted_wherever_the_stream_is_cut() {
    let mut metering = with(CHAT, r#""stream":true"#).unwrap().metering;
    metering.hide_usage();
    let last = r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}]"#;
    let usage = r#","usage":{"prompt_tokens":7,"total_tokens":12,"completion_tokens":5}"#;
    let (start, end) = (
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n",
        "}\n\ndata: [DONE]\n\n",
    );
    let stream = [start, last, usage, end].concat();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));

    for cut in 0..=stream.len() {
        let (first, second) = stream.as_bytes().split_at(cut);
        let mut meter = metering.meter(&headers);
        let mut shown = meter.feed(Bytes::copy_from_slice(first)).to_vec();
        shown.extend_from_slice(&meter.feed(Bytes::copy_from_slice(second)));
        shown.extend_from_slice(&meter.rest());

        assert_eq!(
            String::from_utf8(shown).unwrap(),
            [start, last, end].concat(),
            "cut at {cut}"
        );
        let seen = meter.metered();
        let usage = seen.usage.unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (7, 5));
        assert!(seen.is_usage_final && seen.is_complete);
    }
}
