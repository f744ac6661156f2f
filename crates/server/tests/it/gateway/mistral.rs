//! Mistral through the whole broker: what passes, what it costs, and what is refused.

use aipassport_domain::{audit::CallOutcome, money::Money};
use serde_json::{Value, json};

use crate::support::{
    CANARY_KEY, TestBroker,
    grant::TestGrant,
    provider::{TestProvider, chunk, last_chunk, stream_head},
    sandbox::TestSandbox,
};

const CHAT: &str = "/mistral/v1/chat/completions";
const FIM: &str = "/mistral/v1/fim/completions";
const EMBEDDINGS: &str = "/mistral/v1/embeddings";
const OCR: &str = "/mistral/v1/ocr";
const LARGE: &str = "mistral-large-latest";
const MODELS: [&str; 5] = [
    LARGE,
    "magistral-medium-latest",
    "codestral-latest",
    "mistral-embed",
    "mistral-ocr-latest",
];

fn chat(more: &Value) -> Value {
    let mut body = json!({"model": LARGE, "max_tokens": 100, "messages": [{"role": "user", "content": "Say hello"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn ocr() -> Value {
    let document = json!({"type": "document_url", "document_url": "https://files.example/a.pdf"});
    json!({"model": "mistral-ocr-latest", "document": document, "pages": "0-1"})
}

/// One body for each path.
fn bodies() -> [(&'static str, Value); 4] {
    [
        (CHAT, chat(&json!({}))),
        (
            FIM,
            json!({"model": "codestral-latest", "prompt": "def f(", "max_tokens": 20}),
        ),
        (EMBEDDINGS, json!({"model": "mistral-embed", "input": ["a", "b"]})),
        (OCR, ocr()),
    ]
}

async fn granted(broker: &TestBroker) -> TestGrant {
    broker.granted_models("mistral", &MODELS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_charged_as_mistral_bills_it() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "mistral").await;
    let grant = granted(&broker).await;
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    let prompt = json!([{"role": "user", "content": "Go on. [[sandbox: input=20; cached=7; tokens=9]]"}]);
    let thinks = json!([{"role": "user", "content": "Think. [[sandbox: thinking=12]]"}]);
    let annotation = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {}}});

    for (path, body) in bodies() {
        broker.billed_call(&sandbox, &grant, path, &body).await;
    }
    for more in [
        json!({"messages": prompt}),
        json!({"messages": prompt, "stream": true}),
        json!({"stream": true, "n": 2}),
        json!({"stream": true, "tools": tools, "tool_choice": "any"}),
        json!({"model": "magistral-medium-latest", "messages": thinks, "prompt_mode": "reasoning"}),
        json!({"model": "magistral-medium-latest", "messages": thinks, "stream": true}),
    ] {
        broker.billed_call(&sandbox, &grant, CHAT, &chat(&more)).await;
    }
    let fim = json!({"model": "codestral-latest", "prompt": "def f(", "stream": true, "max_tokens": 20});
    broker.billed_call(&sandbox, &grant, FIM, &fim).await;
    let mut annotated = ocr();
    annotated["document_annotation_format"] = annotation;
    broker.billed_call(&sandbox, &grant, OCR, &annotated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_byte_for_byte_with_the_users_key_and_the_output_cap() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker).await;
    let events = [
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": LARGE,
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}),
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": LARGE,
            "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 6, "total_tokens": 18, "completion_tokens": 12}, "p": "abc"}),
    ];
    let events: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let events = [events.concat(), "data: [DONE]\n\n".to_owned()].concat();
    provider.then([stream_head(), chunk(&events), last_chunk()]);

    let mut body = chat(&json!({"stream": true}));
    body.as_object_mut().unwrap().remove("max_tokens");
    let answer = broker.call(&grant, CHAT, &body).await;

    assert_eq!(answer.text(), events);
    let sent = provider.only_request();
    assert!(sent.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_eq!(
        sent.header("authorization"),
        Some(format!("Bearer {CANARY_KEY}").as_str())
    );
    assert!(sent.json()["max_tokens"].is_u64());
    assert_eq!(sent.json()["service_tier"], "standard_only");
    assert_eq!(sent.json().get("stream_options"), None);
    // 6 at $0.50 and 12 at $1.50 the million.
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.000021");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_stream_ends_with_an_error_in_mistrals_shape() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "mistral").await;
    let grant = granted(&broker).await;
    let prompt = json!([{"role": "user", "content": "[[sandbox: cut=700]]"}]);

    let answer = broker
        .call(&grant, CHAT, &chat(&json!({"messages": prompt, "stream": true})))
        .await;

    let text = answer.text();
    let last = text
        .trim_end()
        .rsplit("\n\n")
        .next()
        .unwrap()
        .strip_prefix("data: ")
        .unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(
        (&last["object"], &last["aipassport"]["rule"]),
        (&json!("error"), &json!("upstream"))
    );
    let settled = broker.only_settled(&grant).await;
    assert_eq!(settled.outcome, CallOutcome::UpstreamFailed);
    assert!(settled.cost >= sandbox.last_cost());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_mistrals_passes_and_one_about_the_key_does_not() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "mistral").await;
    let grant = granted(&broker).await;
    let switched = |switch: &str| {
        let content = format!("[[sandbox: {switch}]]");
        chat(&json!({"messages": [{"role": "user", "content": content}]}))
    };

    let limited = broker.call(&grant, CHAT, &switched("status=429; retry-after=7")).await;
    let unknown = broker
        .call(&grant, CHAT, &chat(&json!({"stream_options": {"include_usage": true}})))
        .await;
    let key = broker.call(&grant, CHAT, &switched("status=401")).await;

    assert_eq!((limited.status, limited.header("retry-after")), (429, "7"));
    assert_eq!(limited.json()["type"], "rate_limited");
    assert_eq!(
        (unknown.status, &unknown.json()["detail"][0]["type"]),
        (422, &json!("extra_forbidden"))
    );
    assert_eq!(
        (key.status, &key.json()["aipassport"]["rule"]),
        (502, &json!("provider_credential"))
    );
    broker.settled().await;
    let costs: Vec<Money> = broker
        .settled_calls(&grant)
        .await
        .iter()
        .map(|call| call.cost)
        .collect();
    assert_eq!(costs, [Money::ZERO; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_109_threat_110_threat_111_only_what_was_checked_is_dispatched_to_mistral() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker).await;
    let bearer = grant.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];

    for (path, body) in bodies() {
        let whole = body.to_string();
        let open = whole.strip_suffix('}').unwrap();
        for end in [
            r#","model":"mistral-medium-latest"}"#,
            r#","mod\u0065l":"mistral-medium-latest"}"#,
            r#","temperature":NaN}"#,
            r#","x":"\ud800"}"#,
            ",}",
            "",
        ] {
            let text = format!("{open}{end}");
            let answer = broker.send(broker.request("POST", path, &headers, text.into())).await;
            assert_eq!(answer.status, 400, "{path} {end}: {}", answer.text());
            assert_eq!(answer.json()["object"], "error");
        }
        for model in [
            "mistral-medium-latest",
            "mistral-embed ",
            "Mistral-large-latest",
            "mistral/mistral-embed",
        ] {
            let mut body = body.clone();
            body["model"] = json!(model);
            assert_eq!(broker.call(&grant, path, &body).await.status, 403, "{path} {model}");
        }
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_112_threat_113_what_reaches_further_at_mistral_is_refused_unless_granted() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker).await;
    let file = json!([{"type": "file", "file_id": "file_of_another"}]);

    for (member, value) in [
        ("tools", json!([{"type": "web_search"}])),
        ("tools", json!([{"type": "code_interpreter"}])),
        (
            "tools",
            json!([{"type": "document_library", "library_ids": ["lib_of_another"]}]),
        ),
        ("tools", json!([{"type": "connector", "connector_id": "c"}])),
        ("guardrails", json!([{"block_on_error": true}])),
        ("service_tier", json!("priority")),
        ("messages", json!([{"role": "user", "content": file}])),
    ] {
        let mut body = chat(&json!({}));
        body[member] = value;
        let refused = broker.call(&grant, CHAT, &body).await;
        assert!([400, 403].contains(&refused.status), "{member}: {}", refused.text());
    }
    let mut stored = ocr();
    stored["document"] = json!({"type": "file", "file_id": "file_of_another"});
    let refused = broker.call(&grant, OCR, &stored).await;
    assert_eq!(
        (refused.status, &refused.json()["aipassport"]["rule"]),
        (403, &json!("feature"))
    );
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_114_threat_115_threat_116_threat_117_nothing_else_of_mistral_is_reached() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker).await;
    let bearer = grant.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];

    for path in [
        "/mistral/v1/agents/completions",
        "/mistral/v1/conversations",
        "/mistral/v1/files",
        "/mistral/v1/batch/jobs",
        "/mistral/v1/libraries",
        "/mistral/v1/connectors",
        "/mistral/v1/fine_tuning/models/x",
        "/mistral/v1/moderations",
        "/mistral/v1/service-accounts",
        "/mistral/v1/users/me",
        "/mistral/v1/ocr/",
        "/mistral/v1//ocr",
        "/mistral/v1/chat%2fcompletions",
        "/mistral/v1/embeddings?model=mistral-embed",
        "/Mistral/v1/ocr",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = broker.send(broker.request(method, path, &headers, "{}".into())).await;
            assert_eq!(answer.status, 404, "{method} {path}");
        }
    }
    for (path, _) in bodies() {
        for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let answer = broker.send(broker.request(method, path, &headers, "".into())).await;
            assert_eq!(answer.status, 404, "{method} {path}");
        }
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_124_threat_127_no_form_and_no_upgrade_reaches_mistral() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker).await;
    let bearer = grant.bearer();

    for (path, body) in bodies() {
        let form = [
            ("authorization", bearer.as_str()),
            ("content-type", "multipart/form-data; boundary=x"),
        ];
        let answer = broker
            .send(broker.request("POST", path, &form, body.to_string().into()))
            .await;
        assert_eq!(answer.status, 415, "{path}");
        let upgrade = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\ncontent-type: application/json\r\n\
             connection: upgrade, close\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        assert!(
            broker.raw(upgrade.as_bytes()).await.starts_with("HTTP/1.1 403"),
            "{path}"
        );
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_those_of_the_grant_and_cost_nothing() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker).await;
    let bearer = grant.bearer();

    let list = broker.get("/mistral/v1/models", &[("authorization", &bearer)]).await;
    let other = broker
        .get(
            "/mistral/v1/models/mistral-medium-latest",
            &[("authorization", &bearer)],
        )
        .await;

    let list = list.json();
    let mut ids: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    let mut granted = MODELS;
    granted.sort_unstable();
    assert_eq!(ids, granted);
    assert_eq!((other.status, &other.json()["type"]), (404, &json!("invalid_model")));
    assert!(provider.received().is_empty());
}
