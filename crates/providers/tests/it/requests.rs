//! How a body is read, and which of its bytes change on the way.

use aipassport_domain::policy::CallCost;
use aipassport_providers::request::ReadError;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{CHAT, MESSAGES, PATHS, RESPONSES, read, refused, with};

fn sent(path: &str, members: &str, output_cap: u64) -> String {
    let body = with(path, members).expect(members).body.with_output_cap(output_cap);
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn threat_109_the_model_that_is_checked_is_the_one_that_is_dispatched() {
    for path in PATHS {
        for body in [
            r#"{"model":"gpt-4o-mini","messages":[],"model":"gpt-5"}"#,
            r#"{"model":"gpt-4o-mini","messages":[],"mod\u0065l":"gpt-5"}"#,
        ] {
            let error = read(path, body).unwrap_err();
            assert!(matches!(error, ReadError::NotPlainJson { .. }), "{error}");
        }
        let call = with(path, r#""Model":"gpt-5","x":{"model":"o3"}"#).unwrap().call;
        assert!(["gpt-4o-mini", "claude-haiku-4-5"].contains(&call.model.as_str()));
    }
    // A part that says twice what it is could be a text for us and a document for the provider.
    let part = r#"{"type":"text","text":"","type":"file"}"#;
    let body = format!(r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":[{part}]}}]}}"#);
    assert!(read(CHAT, &body).is_err());
}

#[test]
fn threat_110_what_only_some_parsers_accept_is_refused_wherever_it_stands() {
    for path in PATHS {
        for members in [
            r#""temperature":NaN"#,
            r#""x":{"y":[1e400]}"#,
            r#""metadata":{"a":"\ud800"}"#,
            r#""tools":[{"type":"function","function":{"name":"\udc00"}}]"#,
            r#""x":1,"#,
        ] {
            let error = refused(path, members);
            assert!(
                matches!(error, ReadError::NotPlainJson { .. }),
                "{path} {members}: {error}"
            );
        }
        assert!(read(path, "[]").is_err());
        assert!(read(path, "{}").is_err());
        assert!(read(path, r#"{"model":null}"#).is_err());
        assert!(read(path, r#"{"model":""}"#).is_err());
        assert!(read(path, r#"{"model":["gpt-4o-mini"]}"#).is_err());
    }
}

#[test]
fn threat_111_a_model_is_its_exact_id() {
    for model in [
        "gpt-4o-mini ",
        " gpt-4o-mini",
        "GPT-4o-mini",
        "gpt-4o\u{200b}-mini",
        "openai/gpt-4o-mini",
    ] {
        let read = read(CHAT, &json!({"model": model, "messages": []}).to_string()).unwrap();
        assert_eq!((read.call.model.as_str(), read.call.cost), (model, CallCost::Unpriced));
    }
    let read = read(CHAT, r#"{"model":"gpt-4o\u002dmini","messages":[]}"#).unwrap();
    assert_eq!(read.call.model, "gpt-4o-mini");
    assert!(matches!(read.call.cost, CallCost::AtMost(_)));
}

#[test]
fn threat_112_what_raises_the_price_is_covered_or_refused() {
    for (path, members) in [
        (CHAT, r#""audio":{"voice":{"id":"voice_1"},"format":"mp3"}"#),
        (CHAT, r#""modalities":["text","video"]"#),
        (CHAT, r#""prediction":{"type":"content","content":"x"}"#),
        (CHAT, r#""service_tier":"scale""#),
        (RESPONSES, r#""service_tier":"ultrafast""#),
        (RESPONSES, r#""reasoning":{"mode":"pro"}"#),
        (RESPONSES, r#""context_management":[{"type":"compaction"}]"#),
        (MESSAGES, r#""speed":"fast""#),
        (MESSAGES, r#""service_tier":"priority""#),
        (MESSAGES, r#""fallbacks":"default""#),
        (MESSAGES, r#""fallbacks":[{"model":"claude-opus-5"}]"#),
        (MESSAGES, r#""billing_policy":{"type":"billing_policy"}"#),
        (MESSAGES, r#""compaction":{"type":"summarize"}"#),
        (
            MESSAGES,
            r#""context_management":{"edits":[{"type":"compact_20260112"}]}"#,
        ),
    ] {
        let error = refused(path, members);
        assert!(matches!(error, ReadError::NotSupported { .. }), "{members}: {error}");
    }
    let unpriced = with(
        CHAT,
        r#""modalities":["text","audio"],"audio":{"voice":"alloy","format":"mp3"}"#,
    );
    assert_eq!(unpriced.unwrap().call.cost, CallCost::Unpriced);
    for (path, members) in [
        (CHAT, r#""modalities":["text"]"#),
        (CHAT, r#""audio":null,"prediction":null"#),
        (MESSAGES, r#""speed":"standard","fallbacks":null"#),
        (
            MESSAGES,
            r#""context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}"#,
        ),
    ] {
        assert!(with(path, members).is_ok(), "{members}");
    }
}

#[test]
fn the_output_cap_is_written_where_it_is_missing_or_too_high() {
    let start = r#"{"service_tier":"default","#;
    let rest = r#""model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}],"#;

    for (members, expected) in [
        (r#""a":1"#, format!(r#"{start}"max_completion_tokens":7,{rest}"a":1}}"#)),
        (r#""max_tokens": 7 "#, format!(r#"{start}{rest}"max_tokens": 7 }}"#)),
        (r#""max_tokens": 8 "#, format!(r#"{start}{rest}"max_tokens": 7 }}"#)),
        (
            r#""max_completion_tokens":null,"max_tokens":null"#,
            format!(r#"{start}{rest}"max_completion_tokens":7,"max_tokens":null}}"#),
        ),
        (
            r#""max_tokens":9,"max_completion_tokens":null"#,
            format!(r#"{start}{rest}"max_tokens":7,"max_completion_tokens":null}}"#),
        ),
    ] {
        assert_eq!(sent(CHAT, members, 7), expected);
    }
}

#[test]
fn usage_is_asked_for_in_a_stream_and_only_there() {
    for (options, expected) in [
        ("null", r#"{"include_usage":true}"#),
        ("{}", r#"{"include_usage":true}"#),
        (r#"{ "a":1}"#, r#"{"include_usage":true, "a":1}"#),
        (r#"{"include_usage":false}"#, r#"{"include_usage":true}"#),
        (r#"{"include_usage": null }"#, r#"{"include_usage": true }"#),
        (r#"{"include_usage":true,"a":1}"#, r#"{"include_usage":true,"a":1}"#),
    ] {
        let sent = sent(CHAT, &format!(r#""stream":true,"stream_options":{options}"#), 7);
        assert!(sent.contains(&format!(r#""stream_options":{expected}"#)), "{sent}");
    }
    assert!(!sent(CHAT, r#""stream":false"#, 7).contains("include_usage"));
}

#[test]
fn a_response_is_not_stored_unless_the_client_says_so() {
    assert!(sent(RESPONSES, r#""a":1"#, 7).contains(r#""store":false"#));
    assert!(sent(RESPONSES, r#""store":null"#, 7).contains(r#""store":false"#));
    assert!(sent(RESPONSES, r#""store":true"#, 7).contains(r#""store":true"#));
    assert!(!sent(RESPONSES, r#""background":true"#, 7).contains("store"));
    assert!(!sent(CHAT, r#""a":1"#, 7).contains("store"));
}

#[test]
fn no_setting_of_the_account_raises_the_price() {
    for (path, asked, expected) in [
        (CHAT, "null", "default"),
        (CHAT, r#""auto""#, "default"),
        (RESPONSES, r#""auto""#, "default"),
        (CHAT, r#""flex""#, "flex"),
        (MESSAGES, r#""auto""#, "standard_only"),
        (MESSAGES, r#""standard_only""#, "standard_only"),
    ] {
        let body = if asked == r#""flex""# {
            read(path, r#"{"model":"gpt-5","messages":[],"service_tier":"flex"}"#)
                .unwrap()
                .body
                .with_output_cap(7)
        } else {
            sent(path, &format!(r#""service_tier":{asked}"#), 7).into()
        };
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["service_tier"], expected, "{path} {asked}");
    }
}

proptest! {
    #[test]
    fn the_body_sent_says_what_the_client_said_and_what_we_add(
        extra in prop::collection::btree_map("[a-z]{1,3}|x\"\\\\|é", json_value(), 0..6),
        path in prop::sample::select(PATHS.as_slice()),
        is_pretty: bool,
        asked in prop::option::of(0..200_u64),
        output_cap in 0..200_u64,
        is_stream in prop::option::of(any::<bool>()),
    ) {
        let cap_member = match path {
            RESPONSES => "max_output_tokens",
            MESSAGES => "max_tokens",
            _ => "max_completion_tokens",
        };
        let mut request: Map<String, Value> = extra.into_iter().filter(|(name, _)| name != "n").collect();
        request.insert("model".to_owned(), "gpt-4o-mini".into());
        if let Some(asked) = asked {
            request.insert(cap_member.to_owned(), asked.into());
        }
        if let Some(is_stream) = is_stream {
            request.insert("stream".to_owned(), is_stream.into());
        }
        let body = if is_pretty { serde_json::to_string_pretty(&request) } else { serde_json::to_string(&request) };

        let sent = read(path, &body.unwrap()).unwrap().body.with_output_cap(output_cap);

        let tier = if path == MESSAGES { "standard_only" } else { "default" };
        request.insert("service_tier".to_owned(), tier.into());
        request.insert(cap_member.to_owned(), asked.map_or(output_cap, |asked| asked.min(output_cap)).into());
        if path == RESPONSES {
            request.insert("store".to_owned(), false.into());
        }
        if path == CHAT && is_stream == Some(true) {
            request.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        prop_assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), Value::Object(request));
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"]{0,3}", inner, 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}
