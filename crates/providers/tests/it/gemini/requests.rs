//! What a body asks for, whatever its spelling, and where the cap goes.

use aipassport_domain::policy::CallCost;
use aipassport_providers::request::{ReadError, ReadRequest};
use serde_json::{Value, json};

use super::{BATCH, COUNT, EMBED, FLASH, STREAM, read, read_text, with, with_part};
use crate::support::ceiling;

fn features(request: &ReadRequest) -> Vec<&'static str> {
    let used = request
        .call
        .features
        .named()
        .into_iter()
        .filter(|(_, is_used)| *is_used);
    used.map(|(name, _)| name).collect()
}

fn sent(request: ReadRequest, output_cap: u64) -> Value {
    serde_json::from_slice(&request.body.with_output_cap(output_cap)).unwrap()
}

#[test]
fn threat_109_a_member_in_both_of_its_spellings_is_refused() {
    let start = r#"{"contents":[{"parts":[{"text":"Hi"}]}]"#;
    for end in [
        r#","generationConfig":{},"generation_config":{}}"#,
        r#","generationConfig":{"maxOutputTokens":5,"max_output_tokens":9000}}"#,
        r#","generation_config":{"max_output_tokens":5,"MaxOutputTokens":9000}}"#,
        r#","generationConfig":{"candidateCount":1,"candidate_count":8}}"#,
        r#","generationConfig":{"maxOutputTokens":5,"max\u004futputTokens":9000}}"#,
        r#","generationConfig":{"responseModalities":["TEXT"],"response_modalities":["IMAGE"]}}"#,
        r#","tools":[{"googleSearch":{},"google_search":{}}]}"#,
        r#","serviceTier":"standard","service_tier":"priority"}"#,
        r#","contents":[]}"#,
        r#","Contents":[]}"#,
    ] {
        let refused = read_text(FLASH, &format!("{start}{end}")).expect_err(end);
        assert!(matches!(refused, ReadError::NotPlainJson { .. }), "{end}: {refused}");
    }
    let part = r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":""},"inline_data":{}}]}]}"#;
    assert!(read_text(FLASH, part).is_err());
}

#[test]
fn threat_111_google_dispatches_on_the_path_and_no_body_names_another_model() {
    for (path, body) in [
        (FLASH, json!({"model": "models/gemini-2.5-pro", "contents": []})),
        (FLASH, json!({"model": "gemini-2.5-flash-lite", "contents": []})),
        (FLASH, json!({"model": "models/gemini-2.5-flash ", "contents": []})),
        (
            COUNT,
            json!({"generateContentRequest": {"model": "models/gemini-2.5-pro", "contents": []}}),
        ),
        (
            EMBED,
            json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "a"}]}}),
        ),
        (
            BATCH,
            json!({"requests": [
                {"model": "models/gemini-embedding-2", "content": {"parts": [{"text": "a"}]}},
                {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "b"}]}},
            ]}),
        ),
        (BATCH, json!({"requests": [{"content": {"parts": [{"text": "a"}]}}]})),
        (BATCH, json!({"requests": {"content": {"parts": [{"text": "a"}]}}})),
    ] {
        let refused = read(path, &body).unwrap_err();
        assert!(
            refused.to_string().contains("must be the model of the path"),
            "{body}: {refused}"
        );
    }
    for (member, value) in [
        (
            "routingConfig",
            json!({"autoMode": {"modelRoutingPreference": "PRIORITIZE_QUALITY"}}),
        ),
        (
            "model_selection_config",
            json!({"featureSelectionPreference": "PRIORITIZE_QUALITY"}),
        ),
    ] {
        assert!(
            with(FLASH, &json!({"generationConfig": {member: value}})).is_err(),
            "{member}"
        );
    }
    let named = read(FLASH, &json!({"model": "models/gemini-2.5-flash", "contents": []})).unwrap();
    assert_eq!(named.call.model, "gemini-2.5-flash");
}

#[test]
fn threat_112_each_feature_of_googles_requests_is_seen() {
    let functions = json!([{"functionDeclarations": [{"name": "f"}]}]);
    for (more, expected) in [
        (json!({"tools": functions}), vec!["tools"]),
        (
            json!({"tools": {"function_declarations": {"name": "f"}}}),
            vec!["tools"],
        ),
        (
            json!({"tools": [{"computerUse": {"environment": "ENVIRONMENT_BROWSER"}}]}),
            vec!["tools"],
        ),
        (json!({"tools": [{"codeExecution": {}}]}), vec!["code_execution"]),
        (json!({"tools": [{"google_search": {}}]}), vec!["web_search"]),
        (json!({"tools": [{"googleSearchRetrieval": {}}]}), vec!["web_search"]),
        (json!({"tools": [{"urlContext": {}}]}), vec!["server_tools"]),
        (json!({"tools": [{"googleMaps": {}}]}), vec!["server_tools"]),
        (
            json!({"tools": [{"mcpServers": [{"name": "m"}]}]}),
            vec!["server_tools"],
        ),
        (json!({"tools": [{"somethingNew": {}}]}), vec!["server_tools"]),
        (
            json!({"tools": [{"codeExecution": {}}, {"googleSearch": {}}]}),
            vec!["web_search", "code_execution"],
        ),
        (json!({"store": true}), vec!["stored_state"]),
        (json!({"tools": [], "store": false}), vec![]),
        (json!({"tools": [{"codeExecution": null}]}), vec![]),
    ] {
        let request = with(FLASH, &more).unwrap();
        assert_eq!(features(&request), expected, "{more}");
    }
    assert_eq!(features(&with(STREAM, &json!({})).unwrap()), ["streaming"]);
}

#[test]
fn threat_112_googles_own_tools_without_a_bound_are_refused_after_their_feature() {
    for tool in [
        json!({"googleMaps": {}}),
        json!({"mcpServers": []}),
        json!({"somethingNew": {}}),
        json!({"googleSearch": {"searchTypes": {"imageSearch": {}}}}),
    ] {
        let cost = with(FLASH, &json!({"tools": [tool]})).unwrap().call.cost;
        assert!(matches!(cost, CallCost::Unbounded(_)), "{tool}: {cost:?}");
    }
    let newer = "/v1beta/models/gemini-3.8-flash:generateContent";
    let cost = with(newer, &json!({"tools": [{"googleSearch": {}}]}))
        .unwrap()
        .call
        .cost;
    assert!(
        matches!(cost, CallCost::Unbounded(_)),
        "each of its searches is billed: {cost:?}"
    );
}

#[test]
fn threat_112_threat_113_what_is_kept_at_google_cannot_be_named() {
    for more in [
        json!({"cachedContent": "cachedContents/abc"}),
        json!({"cached_content": "cachedContents/abc"}),
        json!({"continuationToken": "abc"}),
        json!({"tools": [{"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/a"]}}]}),
        json!({"systemInstruction": {"parts": [{"fileData": {"fileUri": "files/abc"}}]}}),
    ] {
        let refused = with(FLASH, &more).unwrap_err();
        assert!(matches!(refused, ReadError::NotSupported { .. }), "{more}: {refused}");
    }
    for uri in [
        "https://generativelanguage.googleapis.com/v1beta/files/abc",
        "HTTPS://generativelanguage.googleapis.com/v1beta/files/abc",
        "https://user@generativelanguage.googleapis.com/v1beta/files/abc",
        "gs://bucket/file",
        "files/abc",
        "https://www.youtube.com.example/watch?v=a",
        "",
    ] {
        assert!(with_part(&json!({"fileData": {"fileUri": uri}})).is_err(), "{uri}");
        let inside =
            json!({"functionResponse": {"name": "f", "response": {}, "parts": [{"file_data": {"file_uri": uri}}]}});
        assert!(with_part(&inside).is_err(), "{uri} in a function's response");
    }
    assert!(with_part(&json!({"fileData": {"fileUri": "https://youtu.be/abc"}})).is_ok());
}

#[test]
fn threat_112_what_raises_googles_price_is_held_for_or_refused() {
    let refused = |config: Value| {
        with(FLASH, &json!({"generationConfig": config}))
            .unwrap_err()
            .to_string()
    };

    assert!(refused(json!({"maxOutputTokens": 0})).contains("at least 1"));
    assert!(refused(json!({"maxOutputTokens": "100"})).contains("plain digits"));
    assert!(refused(json!({"maxOutputTokens": -1})).contains("plain digits"));
    assert!(refused(json!({"candidateCount": "8"})).contains("plain digits"));
    assert!(refused(json!({"responseModalities": [2]})).contains("must be a string"));
    assert!(refused(json!({"responseModalities": ["VIDEO"]})).contains("not supported"));
    assert!(refused(json!({"responseModalities": ["IMAGE", "AUDIO"]})).contains("not supported"));
    assert!(with(FLASH, &json!({"serviceTier": "express"})).is_err());
    assert!(with(STREAM, &json!({"generationConfig": {"candidateCount": 2}})).is_err());
    assert!(with_part(&json!({"text": "a", "mediaProcessing": "AGENTIC"})).is_err());

    let twice = ceiling(&with(FLASH, &json!({"generationConfig": {"candidateCount": 2}})).unwrap());
    assert_eq!(twice.choices, 2);
    let standard = ceiling(&with(FLASH, &json!({})).unwrap());
    let priority = ceiling(&with(FLASH, &json!({"serviceTier": "PRIORITY"})).unwrap());
    assert!(priority.output_rate > standard.output_rate);
}

#[test]
fn the_cap_goes_into_the_configuration_wherever_and_however_that_stands() {
    for (config, expected) in [
        (json!({}), json!({"generationConfig": {"maxOutputTokens": 7}})),
        (
            json!({"generationConfig": null}),
            json!({"generationConfig": {"maxOutputTokens": 7}}),
        ),
        (
            json!({"generationConfig": {}}),
            json!({"generationConfig": {"maxOutputTokens": 7}}),
        ),
        (
            json!({"generation_config": {}}),
            json!({"generation_config": {"maxOutputTokens": 7}}),
        ),
        (
            json!({"generationConfig": {"topK": 3}}),
            json!({"generationConfig": {"maxOutputTokens": 7, "topK": 3}}),
        ),
        (
            json!({"generationConfig": {"maxOutputTokens": null, "topK": 3}}),
            json!({"generationConfig": {"maxOutputTokens": 7, "topK": 3}}),
        ),
        (
            json!({"generation_config": {"max_output_tokens": 100}}),
            json!({"generation_config": {"max_output_tokens": 7}}),
        ),
        (
            json!({"generationConfig": {"maxOutputTokens": 5}}),
            json!({"generationConfig": {"maxOutputTokens": 5}}),
        ),
    ] {
        let sent = sent(with(FLASH, &config).unwrap(), 7);
        let mut expected = expected;
        expected["contents"] = json!([{"role": "user", "parts": [{"text": "Hi"}]}]);
        assert_eq!(sent, expected, "{config}");
    }
}

#[test]
fn what_costs_nothing_and_what_only_reads_goes_upstream_as_it_came() {
    let count = json!({"contents": [{"parts": [{"text": "Hi"}]}]});
    let embed = json!({"content": {"parts": [{"text": "Hi"}]}});

    assert_eq!(sent(read(COUNT, &count).unwrap(), 7), count);
    assert_eq!(read(COUNT, &count).unwrap().call.cost, CallCost::Free);
    assert_eq!(sent(read(EMBED, &embed).unwrap(), 7), embed);
}

#[test]
fn a_request_without_contents_is_refused() {
    for body in ["{}", r#"{"generationConfig":{}}"#] {
        let refused = read_text(FLASH, body).unwrap_err();
        assert_eq!(refused.to_string(), "contents must be there");
    }
}
