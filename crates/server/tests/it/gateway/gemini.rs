//! Google's Gemini through the whole broker: in one piece, as events, as an array; and what does not
//! pass.

use std::sync::Arc;

use aipassport_domain::{
    audit::CallOutcome,
    authorization_details::{AiAccess, Capability, Choice, ModelPattern},
    limits::Limits,
    money::Money,
};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{
    CANARY_KEY, TestBroker,
    grant::{TestGrant, access_to},
    http::Answer,
    ledger::{eventually, within_two_seconds},
    provider::{Step, TestProvider, chunk, last_chunk, stream_head},
    sandbox::TestSandbox,
};

const MODEL: &str = "gemini-2.5-flash";
const IMAGES: &str = "gemini-2.5-flash-image";
const GENERATE: &str = "/gemini/v1beta/models/gemini-2.5-flash:generateContent";
const STREAM: &str = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent";
const EVENTS: &str = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";
const COUNT: &str = "/gemini/v1beta/models/gemini-2.5-flash:countTokens";
const EMBED: &str = "/gemini/v1beta/models/gemini-embedding-001:embedContent";
const BATCH: &str = "/gemini/v1beta/models/gemini-embedding-001:batchEmbedContents";
const CALLS: [&str; 6] = [GENERATE, STREAM, EVENTS, COUNT, EMBED, BATCH];

/// A broker before `provider`, and a grant of chat and embeddings with Gemini.
async fn start(provider: &TestProvider) -> (TestBroker, TestGrant) {
    start_with(provider, |_| {}).await
}

async fn start_with(provider: &TestProvider, change: impl FnOnce(&mut AiAccess)) -> (TestBroker, TestGrant) {
    let broker = TestBroker::before(provider).await;
    let user = broker.user("robin").await;
    broker.credential(&user, "gemini", None).await;
    let models = [MODEL, IMAGES, "gemini-embedding-001"];
    let mut access = access_to(&broker, "gemini");
    access.models = Choice::of(models.map(|model| ModelPattern::Exact(model.to_owned())));
    access.capabilities = Choice::of([Capability::Chat, Capability::Embeddings]);
    change(&mut access);
    let grant = broker.grant(&user, vec![access]).await;
    (broker, grant)
}

async fn post(broker: &TestBroker, grant: &TestGrant, path: &str, body: &Value) -> Answer {
    let headers = [("x-goog-api-key", grant.token.as_str())];
    broker.post_json(path, &headers, body).await
}

async fn open(broker: &TestBroker, grant: &TestGrant, path: &str) -> Incoming {
    let headers = [
        ("x-goog-api-key", grant.token.as_str()),
        ("content-type", "application/json"),
    ];
    let request = broker.request("POST", path, &headers, hello().to_string().into());
    broker.open(request).await.into_body()
}

/// A question, its answer capped.
fn hello() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Say hello"}]}], "generationConfig": {"maxOutputTokens": 600}})
}

/// A body for each kind of call.
fn body_for(path: &str) -> Value {
    match path {
        EMBED => json!({"content": {"parts": [{"text": "Hello"}]}}),
        BATCH => json!({"requests": [{
            "model": "models/gemini-embedding-001", "content": {"parts": [{"text": "Hello"}]},
        }]}),
        COUNT => json!({"contents": [{"parts": [{"text": "Hello"}]}]}),
        _ => hello(),
    }
}

/// An answer, or a piece of one; the last has a reason to end.
fn piece(text: &str, output_tokens: u64, is_last: bool) -> Value {
    let mut candidate = json!({"content": {"parts": [{"text": text}], "role": "model"}, "index": 0});
    if is_last {
        candidate["finishReason"] = "STOP".into();
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": 1000, "candidatesTokenCount": output_tokens, "thoughtsTokenCount": 100,
            "totalTokenCount": 1100 + output_tokens,
        },
        "modelVersion": MODEL,
    })
}

fn array_head() -> Step {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\ntransfer-encoding: chunked\r\n\r\n";
    Step::Send(head.into())
}

/// 1,000 at $0.30 and 500 at $2.50 the million.
const COST: &str = "0.00155";

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_charged_as_google_bills_it() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "gemini").await;
    let models = [
        MODEL,
        IMAGES,
        "gemini-2.5-pro",
        "gemini-embedding-2",
        "gemini-3.8-flash-tts",
    ];
    let grant = broker.granted_models("gemini", &models).await;
    let billed = async |model: &str, method: &str, body: &Value| {
        let path = format!("/gemini/v1beta/models/{model}:{method}");
        broker.billed_call(&sandbox, &grant, &path, body).await
    };
    let asking = |switches: &str, config: Value| {
        json!({
            "contents": [{"parts": [{"text": format!("Go on. [[sandbox: {switches}]]")}]}],
            "generation_config": config,
        })
    };
    let mut calling = asking("tokens=3", json!({}));
    calling["tools"] = json!([{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]);
    calling["toolConfig"] = json!({"functionCallingConfig": {"mode": "ANY"}});

    for method in [
        "generateContent",
        "streamGenerateContent",
        "streamGenerateContent?alt=sse",
    ] {
        for body in [
            asking("", json!({"maxOutputTokens": 20})),
            asking("input=90; cached=7; tokens=9; thinking=12", json!(null)),
            asking(
                "tokens=9; usage=twice",
                json!({"thinkingConfig": {"thinkingBudget": 0}}),
            ),
            calling.clone(),
        ] {
            for model in [MODEL, "gemini-2.5-pro"] {
                billed(model, method, &body).await;
            }
        }
        billed(IMAGES, method, &asking("tokens=2", json!({}))).await;
        let speech = json!({"responseModalities": ["AUDIO"]});
        billed("gemini-3.8-flash-tts", method, &asking("", speech)).await;
    }
    let two = asking("tokens=5", json!({"candidateCount": 2}));
    billed(MODEL, "generateContent", &two).await;
    let embed = json!({"content": {"parts": [{"text": "Hello"}]}});
    billed("gemini-embedding-2", "embedContent", &embed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_reaches_google_with_the_users_key_where_google_looks_for_it() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;
    provider.then_json(200, &piece("Hello", 400, true));

    let answer = post(&broker, &grant, GENERATE, &hello()).await;

    assert_eq!(
        (answer.status, answer.json()),
        (200, piece("Hello", 400, true)),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("aipassport-cost"), COST);
    let sent = provider.only_request();
    assert!(
        sent.head
            .starts_with("POST /v1beta/models/gemini-2.5-flash:generateContent HTTP/1.1\r\n")
    );
    assert_eq!(sent.header("x-goog-api-key"), Some(CANARY_KEY));
    assert_eq!(sent.header("authorization"), None);
    assert!(!sent.head.contains(&grant.token));
    assert_eq!(sent.json(), hello());
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), COST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_googles_events_passes_byte_for_byte_and_costs_what_its_end_says() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;
    let pieces = [piece("Hel", 1, false), piece("lo", 300, false), piece("", 400, true)];
    let events: Vec<String> = pieces.iter().map(|piece| format!("data: {piece}\r\n\r\n")).collect();
    let steps = events.iter().map(|event| chunk(event));
    provider.then([stream_head()].into_iter().chain(steps).chain([last_chunk()]));

    let answer = post(&broker, &grant, EVENTS, &hello()).await;

    assert_eq!(answer.text(), events.concat());
    assert!(
        provider
            .only_request()
            .head
            .contains(":streamGenerateContent?alt=sse HTTP/1.1")
    );
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), COST);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_array_of_googles_passes_item_by_item_as_they_come() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;
    let gate = Arc::new(Semaphore::new(0));
    let (first, last) = (piece("Hel", 1, false), piece("lo", 400, true));
    provider.then([
        array_head(),
        chunk(&format!("[{first}")),
        Step::Wait(Arc::clone(&gate)),
        chunk(&format!("\n,\r\n{last}\n]\n")),
        last_chunk(),
    ]);

    let mut stream = open(&broker, &grant, STREAM).await;
    let begun = within_two_seconds(stream.frame()).await.unwrap().unwrap();
    gate.add_permits(1);
    let rest = within_two_seconds(stream.collect()).await.unwrap().to_bytes();

    let text = [begun.into_data().unwrap(), rest].concat();
    let items: Vec<Value> = serde_json::from_slice(&text).unwrap();
    assert_eq!(items, [first, last]);
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), COST);
}

/// The rest of a stream that is revoked after `first`.
async fn revoked_after(path: &str, head: Step, first: &str) -> String {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;
    provider.then([head, chunk(first), Step::Hang]);
    let mut stream = open(&broker, &grant, path).await;
    let begun = within_two_seconds(stream.frame()).await.unwrap().unwrap();

    broker.revoke(&grant).await;

    let rest = within_two_seconds(stream.collect()).await.unwrap().to_bytes();
    assert_eq!(broker.only_settled(&grant).await.outcome, CallOutcome::Revoked);
    eventually(async || provider.hang_ups() == 1).await;
    assert_eq!(post(&broker, &grant, path, &hello()).await.status, 401);
    String::from_utf8([begun.into_data().unwrap(), rest].concat()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_178_a_revoked_array_of_googles_ends_as_valid_json() {
    let text = revoked_after(STREAM, array_head(), &format!("[{}", piece("Hel", 1, false))).await;

    let items: Vec<Value> = serde_json::from_str(&text).expect(&text);
    assert_eq!(items.len(), 2);
    assert_eq!(items[1]["error"]["code"], 401);
    assert_eq!(items[1]["aipassport"]["rule"], "grant_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_178_revoked_events_of_googles_end_with_one_that_its_sdks_know_as_an_error() {
    let first = format!("data: {}\r\n\r\n", piece("Hel", 1, false));

    let text = revoked_after(EVENTS, stream_head(), &first).await;

    let last = text.strip_prefix(&first).expect(&text).trim();
    let data = last.strip_prefix("data: ").unwrap();
    assert!(data.starts_with(r#"{"error":{"#), "{data}");
    let error: Value = serde_json::from_str(data).unwrap();
    assert_eq!(error["error"]["status"], "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_on_a_thinking_model_pays_the_hold_and_stops_the_provider() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;
    provider.then([array_head(), chunk(&format!("[{}", piece("Hel", 1, false))), Step::Hang]);

    let mut stream = open(&broker, &grant, STREAM).await;
    within_two_seconds(stream.frame()).await.unwrap().unwrap();
    drop(stream);

    let settled = broker.only_settled(&grant).await;
    assert_eq!(settled.outcome, CallOutcome::ClientGone);
    assert_eq!(settled.cost, broker.only_held(&grant).await);
    eventually(async || provider.hang_ups() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_googles_tokens_goes_the_same_way_and_costs_nothing() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;
    provider.then_json(200, &json!({"totalTokens": 3}));

    let answer = post(&broker, &grant, COUNT, &body_for(COUNT)).await;

    assert_eq!((answer.status, answer.json()), (200, json!({"totalTokens": 3})));
    assert_eq!(broker.only_settled(&grant).await.cost, Money::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedding_that_reports_nothing_costs_its_hold_and_one_that_does_what_it_says() {
    for (usage, cost) in [(None, None), (Some(1_000), Some("0.00015"))] {
        let provider = TestProvider::start().await;
        let (broker, grant) = start(&provider).await;
        let mut answer = json!({"embeddings": [{"values": [0.5, -0.5]}]});
        if let Some(tokens) = usage {
            answer["usageMetadata"] = json!({"promptTokenCount": tokens});
        }
        provider.then_json(200, &answer);
        // More bytes than tokens are reported.
        let mut body = body_for(BATCH);
        body["requests"][0]["content"]["parts"][0]["text"] = "Hello ".repeat(200).into();

        assert_eq!(post(&broker, &grant, BATCH, &body).await.json(), answer);

        let settled = broker.only_settled(&grant).await.cost;
        let held = broker.only_held(&grant).await;
        assert_eq!(settled, cost.map_or(held, |cost| cost.parse().unwrap()));
        assert_eq!(provider.only_request().json(), body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_googles_need_their_own_capability() {
    let path = "/gemini/v1beta/models/gemini-2.5-flash-image:generateContent";
    let image = json!({
        "candidates": [{
            "content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}], "role": "model"},
            "finishReason": "STOP", "index": 0,
        }],
        "usageMetadata": {
            "promptTokenCount": 10, "candidatesTokenCount": 1290, "totalTokenCount": 1300,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
        },
    });
    let mut body = hello();
    body["generationConfig"] = json!({"maxOutputTokens": 2000});
    let provider = TestProvider::start().await;

    let (broker, grant) = start(&provider).await;
    let refused = post(&broker, &grant, path, &body).await;
    assert_eq!(
        (refused.status, refused.json()["aipassport"]["rule"].as_str()),
        (403, Some("capability"))
    );
    assert!(provider.received().is_empty());

    let (broker, grant) = start_with(&provider, |access| {
        access.capabilities = Choice::of([Capability::Images]);
    })
    .await;
    provider.then_json(200, &image);
    assert_eq!(post(&broker, &grant, path, &body).await.json(), image);
    // 10 at $0.30 and 1,290 at $30 the million.
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.038703");
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_complaint_about_the_users_key_is_not_the_clients() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;
    let bad_key = json!({"error": {
        "code": 400, "status": "INVALID_ARGUMENT",
        "message": format!("API key not valid: {CANARY_KEY}. Please pass a valid API key."),
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
    }});
    let bad_request =
        json!({"error": {"code": 400, "message": "contents is not specified", "status": "INVALID_ARGUMENT"}});

    for path in [GENERATE, STREAM, EVENTS] {
        provider.then_json(400, &bad_key);
        let refused = post(&broker, &grant, path, &hello()).await;
        assert_eq!(refused.status, 502, "{}", refused.text());
        assert_eq!(refused.json()["error"]["status"], "UNAVAILABLE");
        assert!(!refused.text().contains(CANARY_KEY));

        provider.then_json(400, &bad_request);
        let passed_on = post(&broker, &grant, path, &hello()).await;
        assert_eq!((passed_on.status, passed_on.json()), (400, bad_request.clone()));
    }
    let costs = broker.settled_calls(&grant).await;
    assert!(costs.iter().all(|call| call.cost == Money::ZERO));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_said_in_googles_words() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start_with(&provider, |access| {
        access.limits = Limits {
            budget: [(None, Money::from_nanos(1))].into(),
            ..Limits::default()
        };
    })
    .await;
    let refused = post(&broker, &grant, GENERATE, &hello()).await;
    assert_eq!(refused.status, 402, "{}", refused.text());
    assert_eq!(refused.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(refused.json()["aipassport"]["rule"], "budget");

    let (broker, grant) = start_with(&provider, |access| access.limits.concurrency = Some(1)).await;
    provider.then([Step::Hang]);
    let broker = Arc::new(broker);
    let under_way = tokio::spawn({
        let (broker, token) = (Arc::clone(&broker), grant.token.clone());
        async move {
            broker
                .post_json(GENERATE, &[("x-goog-api-key", &token)], &hello())
                .await
                .status
        }
    });
    eventually(async || provider.received().len() == 1).await;
    let refused = post(&broker, &grant, GENERATE, &hello()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.json()["error"]["details"][1]["retryDelay"], "1s");
    broker.revoke(&grant).await;
    assert_eq!(under_way.await.unwrap(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_models_path_lists_what_the_grant_covers() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;
    let key = [("x-goog-api-key", grant.token.as_str())];

    let list = broker.get("/gemini/v1beta/models?pageSize=50", &key).await;
    let one = broker.get("/gemini/v1beta/models/gemini-2.5-flash", &key).await;
    let other = broker.get("/gemini/v1beta/models/gemini-2.5-pro", &key).await;

    let names: Vec<_> = list.json()["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["name"].clone())
        .collect();
    // One of them can chat, too.
    assert_eq!(
        names,
        [
            "models/gemini-2.5-flash",
            "models/gemini-2.5-flash-image",
            "models/gemini-embedding-001"
        ]
    );
    assert_eq!(one.json()["name"], "models/gemini-2.5-flash");
    assert_eq!(
        (other.status, other.json()["error"]["status"].as_str()),
        (404, Some("NOT_FOUND"))
    );
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_109_threat_110_googles_bodies_are_read_in_one_way_only() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;
    let key = [
        ("x-goog-api-key", grant.token.as_str()),
        ("content-type", "application/json"),
    ];

    for path in CALLS {
        let whole = body_for(path).to_string();
        let open = whole.strip_suffix('}').unwrap();
        for body in [
            format!(r#"{open},"model":"models/gemini-2.5-flash","model":"models/gemini-2.5-pro"}}"#),
            format!(r#"{open},"store":true,"st\u006fre":false}}"#),
            format!(r#"{open},"cachedContent":null,"cached_content":null}}"#),
            format!(r#"{open},"temperature":NaN}}"#),
            format!(r#"{open},"temperature":1e400}}"#),
            format!(r#"{open},"title":"\ud800"}}"#),
            format!("{open},}}"),
            format!("{open},/* note */}}"),
            format!("\u{feff}{whole}"),
            format!("{whole}{whole}"),
            open.to_owned(),
            "[]".to_owned(),
        ] {
            let request = broker.request("POST", path, &key, body.clone().into());
            let refused = broker.send(request).await;
            assert_eq!(refused.status, 400, "{path} {body}");
            assert_eq!(refused.json()["error"]["status"], "INVALID_ARGUMENT");
        }
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_111_googles_model_is_the_one_of_the_path() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;

    for path in CALLS {
        let mut named = body_for(path);
        named["model"] = "models/gemini-2.5-pro".into();
        if path == BATCH {
            named = body_for(path);
            named["requests"][0]["model"] = "models/gemini-embedding-2".into();
        }
        assert_eq!(post(&broker, &grant, path, &named).await.status, 400, "{path}");

        for model in [
            "gemini-2.5-pro",
            "gemini-2.5-flash-lite",
            "Gemini-2.5-flash",
            "gemini-2.5-flash-001",
        ] {
            let (_, method) = path.split_once(':').unwrap();
            let path = format!("/gemini/v1beta/models/{model}:{method}");
            let mut body = body_for(EMBED);
            body["contents"] = hello()["contents"].clone();
            let refused = post(&broker, &grant, &path, &body).await;
            assert_eq!(
                (refused.status, refused.json()["aipassport"]["rule"].as_str()),
                (403, Some("model")),
                "{path}"
            );
        }
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_112_threat_113_what_reaches_further_at_google_is_refused_unless_granted() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start_with(&provider, |access| access.features.tools = false).await;

    for path in [GENERATE, STREAM, EVENTS] {
        for (member, value) in [
            ("tools", json!([{"functionDeclarations": [{"name": "f"}]}])),
            ("tools", json!([{"google_search": {}}])),
            ("tools", json!({"codeExecution": {}})),
            ("tools", json!([{"urlContext": {}}])),
            ("tools", json!([{"somethingNew": {}}])),
            ("store", json!(true)),
            ("cachedContent", json!("cachedContents/of_another")),
            (
                "contents",
                json!([{"parts": [{"fileData": {"fileUri": "files/of_another"}}]}]),
            ),
        ] {
            let mut body = hello();
            body[member] = value;
            let refused = post(&broker, &grant, path, &body).await;
            assert!(
                [400, 403].contains(&refused.status),
                "{path} {body}: {}",
                refused.text()
            );
        }
    }
    let streams = start_with(&provider, |access| access.features.streaming = false).await;
    for path in [STREAM, EVENTS] {
        assert_eq!(post(&streams.0, &streams.1, path, &hello()).await.status, 403, "{path}");
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_113_threat_114_threat_115_of_google_nothing_is_open_but_its_templates() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;

    for path in [
        "/gemini/v1beta/models/gemini-2.5-flash:generateContent/",
        "/gemini/v1beta/models/gemini-2.5-flash:generatecontent",
        "/gemini/v1beta/models/gemini-2.5-flash%3AgenerateContent",
        "/gemini/v1beta//models/gemini-2.5-flash:generateContent",
        "/gemini/v1beta/models/x/../gemini-2.5-flash:generateContent",
        "/gemini/v1beta/models/gemini-2.5-flash:generateContent;x=1",
        "/gemini/v1alpha/models/gemini-2.5-flash:generateContent",
        "/gemini/models/gemini-2.5-flash:generateContent",
        "/gemini/v1beta/tunedModels/gemini-2.5-flash:generateContent",
        "/gemini/v1beta/models/gemini-2.5-flash:batchGenerateContent",
        "/gemini/v1beta/models/gemini-2.5-flash:predict",
        "/gemini/v1beta/files",
        "/gemini/upload/v1beta/files",
        "/gemini/v1beta/cachedContents",
        "/gemini/v1beta/operations/abc",
        "/gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-goog-api-key: {}\r\ncontent-type: application/json\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{}}",
            grant.token
        );
        let answer = broker.raw(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_116_threat_127_of_google_no_other_method_and_no_upgrade() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;

    for path in CALLS {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let headers = [
                ("x-goog-api-key", grant.token.as_str()),
                ("x-http-method-override", "POST"),
            ];
            let request = broker.request(method, path, &headers, "".into());
            assert_eq!(broker.send(request).await.status, 404, "{method} {path}");
        }
        for upgrade in ["websocket", "h2c"] {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nx-goog-api-key: {}\r\nconnection: upgrade, close\r\n\
                 upgrade: {upgrade}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}",
                grant.token
            );
            let answer = broker.raw(head.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{upgrade} {path}: {answer}");
        }
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_117_a_key_in_googles_query_is_refused_and_so_is_what_is_not_known() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;

    for path in CALLS {
        let mark = if path.contains('?') { '&' } else { '?' };
        let in_query = format!("{path}{mark}key={}", grant.token);
        let refused = broker.post_json(&in_query, &[], &body_for(path)).await;
        assert_eq!(
            (refused.status, refused.json()["error"]["status"].as_str()),
            (400, Some("INVALID_ARGUMENT"))
        );
        for query in [
            "%6bey=1",
            "$alt=sse",
            "alt=media",
            "prettyPrint=true",
            "model=gemini-2.5-pro",
        ] {
            let path = format!("{path}{mark}{query}");
            assert_eq!(
                post(&broker, &grant, &path, &body_for(EMBED)).await.status,
                404,
                "{path}"
            );
        }
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_124_google_is_sent_no_body_in_parts() {
    let provider = TestProvider::start().await;
    let (broker, grant) = start(&provider).await;

    for path in CALLS {
        let parts = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngemini-2.5-pro\r\n--b--\r\n";
        for kind in [
            "multipart/form-data; boundary=b",
            "multipart/related; boundary=b",
            "text/plain",
            "",
        ] {
            let headers = [("x-goog-api-key", grant.token.as_str()), ("content-type", kind)];
            let request = broker.request("POST", path, &headers, parts.into());
            assert_eq!(broker.send(request).await.status, 415, "{path} {kind}");
        }
    }
    assert!(provider.received().is_empty());
}
