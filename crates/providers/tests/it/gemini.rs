//! Google's Gemini: what passes, what it costs at most, and how refusals look.

use aipassport_domain::{
    authorization_details::Capability,
    ids::ProviderId,
    ledger::LimitRule,
    money::Money,
    policy::{CallCost, CostCeiling, Denial, OutputCap},
};
use aipassport_providers::{
    adapter::{self, Operation, ProviderAdapter, Route, RouteKind, Unread},
    meter::StreamForm,
    refusal::{Reason, Refusal},
    request::{ReadError, ReadRequest},
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{PRICES, ceiling, limit};

const FLASH: &str = "/v1beta/models/gemini-2.5-flash:generateContent";
const STREAM: &str = "/v1beta/models/gemini-2.5-flash:streamGenerateContent";
const COUNT: &str = "/v1beta/models/gemini-2.5-flash:countTokens";
const EMBED: &str = "/v1beta/models/gemini-embedding-2:embedContent";
const BATCH: &str = "/v1beta/models/gemini-embedding-2:batchEmbedContents";

fn gemini() -> &'static dyn ProviderAdapter {
    adapter::by_id("gemini").unwrap()
}

fn post(path: &str, query: Option<&str>) -> Option<Route> {
    gemini().route(&Method::POST, path, query)
}

fn read_text(path: &str, body: &str) -> Result<ReadRequest, ReadError> {
    gemini().read(&Unread {
        provider: &ProviderId::new("gemini"),
        route: &post(path, None).expect(path),
        headers: &HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        prices: &PRICES,
    })
}

fn read(path: &str, body: &Value) -> Result<ReadRequest, ReadError> {
    read_text(path, &body.to_string())
}

/// A request with these further members.
fn with(path: &str, more: &Value) -> Result<ReadRequest, ReadError> {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read(path, &body)
}

fn with_part(part: &Value) -> Result<ReadRequest, ReadError> {
    read(
        FLASH,
        &json!({"contents": [{"parts": [{"text": "What is it?"}, part]}]}),
    )
}

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

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

#[test]
fn every_template_of_google_leads_to_its_operation() {
    for version in ["v1beta", "v1"] {
        for (method, capability, operation) in [
            ("generateContent", Capability::Chat, Operation::GenerateContent),
            (
                "streamGenerateContent",
                Capability::Chat,
                Operation::StreamGenerateContent,
            ),
            ("embedContent", Capability::Embeddings, Operation::EmbedContent),
            ("batchEmbedContents", Capability::Embeddings, Operation::EmbedContent),
        ] {
            let path = format!("/{version}/models/gemini-2.5-flash:{method}");
            let route = post(&path, None).unwrap();
            assert_eq!(route.kind, RouteKind::Call(capability, operation));
            assert_eq!(route.model.as_deref(), Some("gemini-2.5-flash"));
            assert_eq!(route.upstream_path, path);
        }
        let get = |path: &str| gemini().route(&Method::GET, path, None).map(|route| route.kind);
        let list = format!("/{version}/models");
        assert_eq!(get(&list), Some(RouteKind::ListModels));
        assert_eq!(get(&format!("{list}/a-1")), Some(RouteKind::GetModel("a-1".to_owned())));
    }
    assert_eq!(post(COUNT, None).unwrap().kind, RouteKind::CountTokens);
}

#[test]
fn threat_114_of_googles_paths_only_templates_pass_to_the_byte() {
    for path in [
        "/v1beta",
        "/v1beta/models/",
        "/v1beta/models/:generateContent",
        "/v1beta/models/a:generateContent/",
        "/v1beta/models/a:generatecontent",
        "/v1beta/models/a:GenerateContent",
        "/v1beta/models/a%3AgenerateContent",
        "/v1beta/models/a:generateContent%20",
        "/v1beta/models/a:generateContent;x=1",
        "/v1beta/models/a/b:generateContent",
        "/v1beta/models/a%2fb:generateContent",
        "/v1beta/models/../models/a:generateContent",
        "/v1beta//models/a:generateContent",
        "/v1beta/models//a:generateContent",
        "/v1beta/models/a:b:generateContent",
        "/v1beta/models/a:generateContent:countTokens",
        "/v1alpha/models/a:generateContent",
        "/v1beta1/models/a:generateContent",
        "/V1beta/models/a:generateContent",
        "/v1beta/Models/a:generateContent",
        "/v1beta/modelsx/a:generateContent",
        "/v1beta/models",
    ] {
        assert_eq!(post(path, None), None, "{path}");
    }
    for path in [
        "/v1beta/models/",
        "/v1beta/models/a:b",
        "/v1beta/models/a/b",
        "/v1beta/modelsx",
    ] {
        assert_eq!(gemini().route(&Method::GET, path, None), None, "{path}");
    }
}

#[test]
fn threat_113_threat_115_nothing_kept_at_google_is_open() {
    for path in [
        "/v1beta/files",
        "/v1beta/files/abc",
        "/upload/v1beta/files",
        "/v1beta/cachedContents",
        "/v1beta/cachedContents/abc",
        "/v1beta/tunedModels",
        "/v1beta/tunedModels/a:generateContent",
        "/v1beta/dynamic/a:generateContent",
        "/v1beta/operations/abc",
        "/v1beta/models/a/operations/abc",
        "/v1beta/batches/abc",
        "/v1beta/models/a:batchGenerateContent",
        "/v1beta/models/a:asyncBatchEmbedContent",
        "/v1beta/models/a:predict",
        "/v1beta/models/a:predictLongRunning",
        "/v1beta/models/a:bidiGenerateContent",
        "/v1beta/models/a:createCachedContent",
        "/v1beta/corpora",
        "/v1beta/fileSearchStores",
        "/v1beta/interactions",
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::PATCH] {
            assert_eq!(gemini().route(&method, path, None), None, "{method} {path}");
        }
    }
}

#[test]
fn threat_116_of_google_another_method_is_no_route() {
    for method in ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(gemini().route(&method, FLASH, None), None, "{method}");
    }
    assert_eq!(post("/v1beta/models/gemini-2.5-flash", None), None);
}

#[test]
fn threat_117_of_googles_queries_only_the_form_of_a_stream_passes() {
    let upstream = |path: &str, query| post(path, Some(query)).map(|route| route.upstream_path);

    assert_eq!(upstream(STREAM, "alt=sse").unwrap(), format!("{STREAM}?alt=sse"));
    assert_eq!(upstream(STREAM, "alt=json").unwrap(), format!("{STREAM}?alt=json"));
    assert_eq!(upstream(FLASH, "").unwrap(), FLASH);
    for query in [
        "key=x",
        "$key=x",
        "alt=sse&key=x",
        "alt=sse&alt=json",
        "alt=media",
        "alt=proto",
        "alt=",
        "Alt=sse",
        "alt=SSE",
        "$alt=sse",
        "%24alt=sse",
        "alt=s%73e",
        "prettyPrint=false",
        "fields=candidates",
        "callback=f",
        "model=gemini-2.5-pro",
        "access_token=x",
        "&",
    ] {
        for path in [STREAM, FLASH, EMBED, COUNT] {
            assert_eq!(upstream(path, query), None, "{path} {query}");
        }
    }
    assert_eq!(upstream(FLASH, "alt=sse"), None);
    let list = |query| gemini().route(&Method::GET, "/v1beta/models", Some(query));
    assert_eq!(
        list("pageSize=50&pageToken=abc").unwrap().upstream_path,
        "/v1beta/models"
    );
    assert_eq!(list("pageSize=50&key=x"), None);
    assert_eq!(list("filter=x"), None);
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
        let refused = read(path, &body).expect_err(&body.to_string());
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
        let request = with(FLASH, &more).expect(&more.to_string());
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
        let refused = with(FLASH, &more).expect_err(&more.to_string());
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

#[test]
fn threat_136_text_is_held_for_by_its_bytes_and_what_has_no_size_by_the_context() {
    let fixed = |part: &Value| ceiling(&with_part(part).expect(&part.to_string())).fixed;
    let blob = |kind: &str| json!({"inlineData": {"mimeType": kind, "data": "A".repeat(100_000)}});
    // The whole context of 1,048,576 tokens at $0.30 the million, and at $1 where it can be sound.
    let as_text = usd("0.3145728");
    let as_sound = usd("1.048576");

    // 100,000 bytes, the request around them and 1,024 hidden tokens, at $0.30 the million.
    let text = fixed(&blob("text/csv"));
    assert!((usd("0.0303")..usd("0.0305")).contains(&text), "{text}");
    assert_eq!(fixed(&blob("application/pdf")), as_text);
    for part in [
        blob("audio/wav"),
        blob("video/mp4"),
        json!({"inlineData": {"data": "AAAA"}}),
        json!({"fileData": {"fileUri": "https://www.youtube.com/watch?v=abc", "mimeType": "video/mp4"}}),
        json!({"somethingNew": {"of": "any size"}}),
        json!({"toolResponse": {"response": {}}}),
    ] {
        assert_eq!(fixed(&part), as_sound, "{part}");
    }
    // 16,384 tokens, whatever its bytes.
    let image = fixed(&blob("image/png"));
    assert!((usd("0.0052")..usd("0.0054")).contains(&image), "{image}");
    let counted =
        json!({"inlineData": {"mimeType": "image/png", "data": "AA"}, "mediaResolution": {"numTokens": 90_000}});
    assert_eq!(fixed(&counted), as_text);
}

#[test]
fn threat_136_what_googles_tools_read_is_held_for_by_the_context_and_a_search_by_its_fee() {
    let fixed = |tool: Value| ceiling(&with(FLASH, &json!({"tools": [tool]})).unwrap()).fixed;

    // 1,048,576 tokens at $0.30 the million.
    assert_eq!(fixed(json!({"codeExecution": {}})), usd("0.3145728"));
    assert_eq!(fixed(json!({"urlContext": {}})), usd("0.3145728"));
    // And one fee of $35 the thousand.
    assert_eq!(fixed(json!({"googleSearch": {}})), usd("0.3495728"));
}

#[test]
fn threat_136_images_are_held_for_at_their_own_price_and_are_a_capability_of_their_own() {
    let maker = "/v1beta/models/gemini-2.5-flash-image:generateContent";
    let modalities = |names: Value| with(maker, &json!({"generationConfig": {"responseModalities": names}})).unwrap();
    let dearest = |request: &ReadRequest| ceiling(request).output_rate.nanos_per_million();

    for request in [
        with(maker, &json!({})).unwrap(),
        modalities(json!([])),
        modalities(json!(["Text", "Image"])),
        modalities(json!("IMAGE")),
    ] {
        assert_eq!(request.call.capability, Capability::Images);
        assert_eq!(dearest(&request), 30_000_000_000);
    }
    let text = modalities(json!(["TEXT"]));
    assert_eq!(
        (text.call.capability, dearest(&text)),
        (Capability::Chat, 2_500_000_000)
    );
    let no_maker = with(FLASH, &json!({"generationConfig": {"responseModalities": ["IMAGE"]}})).unwrap();
    assert_eq!(no_maker.call.cost, CallCost::Unpriced);
}

#[test]
fn speech_is_a_capability_of_its_own() {
    let speaker = "/v1beta/models/gemini-3.8-flash-tts:generateContent";

    let request = with(speaker, &json!({"generationConfig": {"responseModalities": ["AUDIO"]}})).unwrap();

    assert_eq!(request.call.capability, Capability::Audio);
    assert_eq!(ceiling(&request).output_rate.nanos_per_million(), 9_000_000_000);
}

#[test]
fn threat_136_an_embedding_is_held_for_by_its_bytes_and_writes_nothing() {
    let embed = |part: Value| read(EMBED, &json!({"content": {"parts": [part]}}));
    let CostCeiling { fixed, output_cap, .. } = ceiling(&embed(json!({"text": "a".repeat(100_000)})).unwrap());

    assert_eq!(output_cap, OutputCap::Asked(0));
    // 100,000 bytes, the request around them and 1,024 hidden tokens, at $0.20 the million.
    assert!((usd("0.0202")..usd("0.0203")).contains(&fixed), "{fixed}");
    // An image is dearer than text: all of it is held for at $0.45 the million.
    let image = ceiling(&embed(json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}})).unwrap());
    assert!((usd("0.0078")..usd("0.0080")).contains(&image.fixed), "{}", image.fixed);
    for kind in ["audio/mp3", "video/mp4", "application/pdf"] {
        let refused = embed(json!({"inlineData": {"mimeType": kind, "data": "AAAA"}})).unwrap_err();
        assert!(matches!(refused, ReadError::NotSupported { .. }), "{kind}");
    }
}

#[test]
fn threat_137_a_model_without_a_price_is_not_free() {
    let unknown = with("/v1beta/models/gemini-99:generateContent", &json!({})).unwrap();

    assert_eq!(unknown.call.cost, CallCost::Unpriced);
}

#[test]
fn threat_119_google_sees_the_users_key_and_nothing_that_steers() {
    let mut client = HeaderMap::new();
    for name in [
        "x-goog-api-key",
        "authorization",
        "cookie",
        "x-goog-user-project",
        "x-http-method-override",
        "x-goog-api-client",
        "x-server-timeout",
        "user-agent",
        "content-type",
    ] {
        client.insert(name, "x".parse().unwrap());
    }

    let mut headers = gemini().request_headers(&client);
    gemini().set_credential(&mut headers, "AIza-secret").unwrap();

    let mut names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "content-type",
        "user-agent",
        "x-goog-api-client",
        "x-goog-api-key",
        "x-server-timeout",
    ];
    assert_eq!(names, expected);
    assert_eq!(headers["x-goog-api-key"], "AIza-secret");
    assert!(headers["x-goog-api-key"].is_sensitive());
    assert!(gemini().set_credential(&mut headers, "line\nbreak").is_err());
}

fn refusal<'a>(reason: Reason<'a>, retry_after_seconds: Option<u64>) -> Refusal<'a> {
    Refusal {
        reason,
        request_id: "call_1",
        raise_url: None,
        retry_after_seconds,
    }
}

#[test]
fn a_refusal_looks_like_googles_own() {
    let (budget, rate) = (limit(LimitRule::Budget), limit(LimitRule::Rate));
    for (reason, code, status, word) in [
        (Reason::Unauthenticated("no"), 401, "UNAUTHENTICATED", "API_KEY_INVALID"),
        (Reason::Denied(&budget), 402, "RESOURCE_EXHAUSTED", "BUDGET"),
        (Reason::Denied(&rate), 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
        (
            Reason::Denied(&Denial::FeatureNotGranted("tools")),
            403,
            "PERMISSION_DENIED",
            "FEATURE",
        ),
        (Reason::NotFound, 404, "NOT_FOUND", "PATH"),
        (Reason::Malformed("x"), 400, "INVALID_ARGUMENT", "REQUEST"),
        (Reason::TooLarge, 413, "INVALID_ARGUMENT", "SIZE"),
        (
            Reason::UpstreamRefusedCredential,
            502,
            "UNAVAILABLE",
            "PROVIDER_CREDENTIAL",
        ),
        (Reason::UpstreamTimedOut, 504, "DEADLINE_EXCEEDED", "UPSTREAM"),
        (Reason::Unavailable, 503, "UNAVAILABLE", "UNAVAILABLE"),
        (Reason::Internal, 500, "INTERNAL", "INTERNAL"),
    ] {
        let (given, body) = gemini().refusal(&refusal(reason, None));
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(given.as_u16(), code, "{body}");
        assert_eq!(body["error"]["code"], code, "{body}");
        assert_eq!(body["error"]["status"], status, "{body}");
        assert_eq!(body["error"]["details"][0]["reason"], word, "{body}");
        assert!(body["aipassport"]["rule"].is_string(), "{body}");
    }
}

#[test]
fn a_refusal_that_passes_says_when_to_google_sdks() {
    let rate = limit(LimitRule::Rate);

    let (_, body) = gemini().refusal(&refusal(Reason::Denied(&rate), Some(7)));

    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body["error"]["details"][1],
        json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"})
    );
}

#[test]
fn a_stream_of_googles_that_is_ended_early_ends_validly_in_either_form() {
    let revoked = refusal(Reason::Denied(&Denial::GrantRevoked), None);
    let last = |form, has_begun| {
        let bytes = gemini().stream_refusal(&revoked, form, has_begun);
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let items = |text: String| serde_json::from_str::<Vec<Value>>(&text).unwrap();

    // Google's SDKs know an error in a stream by its first member.
    let event = last(StreamForm::Events, true);
    assert!(
        event.starts_with(r#"data: {"error":{"#) && event.ends_with("}\r\n\r\n"),
        "{event}"
    );
    let begun = items(format!(r#"[{{"candidates":[]}}{}"#, last(StreamForm::Items, true)));
    let not_begun = items(last(StreamForm::Items, false));
    assert_eq!((begun.len(), not_begun.len()), (2, 1));
    assert_eq!(begun[1], not_begun[0]);
    assert_eq!(begun[1]["error"]["code"], 401);
    assert_eq!(begun[1]["aipassport"]["rule"], "grant_revoked");
}

#[test]
fn googles_complaints_about_the_key_are_told_from_those_about_the_request() {
    let is_about_key = |status: u16, body: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        gemini().is_credential_error(status, body.as_bytes())
    };
    let bad_key =
        r#"[{"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}]"#;
    let echo = r#"{"error":{"code":400,"message":"Invalid value \"API_KEY_INVALID\"","status":"INVALID_ARGUMENT"}}"#;

    assert!(is_about_key(401, "{}") && is_about_key(403, "{}"));
    assert!(is_about_key(400, bad_key));
    assert!(is_about_key(400, r#"{"error": {"status": "FAILED_PRECONDITION"}}"#));
    assert!(!is_about_key(400, echo));
    assert!(!is_about_key(429, r#"{"error": {"status": "RESOURCE_EXHAUSTED"}}"#));
    assert!(!is_about_key(404, bad_key));
}

#[test]
fn models_are_listed_as_google_lists_them() {
    let list: Value = serde_json::from_slice(&gemini().model_list(&["a", "b"])).unwrap();
    let one: Value = serde_json::from_slice(&gemini().model("a")).unwrap();

    assert_eq!(list["models"][0], one);
    assert_eq!(list["models"][1]["name"], "models/b");
    assert_eq!(list.get("nextPageToken"), None);
}
