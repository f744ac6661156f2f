//! Cohere through the whole broker: what passes, what it costs, and what is refused.

use aipassport_domain::{audit::CallOutcome, money::Money};
use serde_json::{Value, json};

use crate::support::{
    CANARY_KEY, TestBroker,
    grant::TestGrant,
    provider::{Step, TestProvider, chunk, last_chunk},
    sandbox::TestSandbox,
};

const CHAT: &str = "/cohere/v2/chat";
const CHAT_V1: &str = "/cohere/v1/chat";
const COMMAND: &str = "command-a-03-2025";
const MODELS: [&str; 6] = [
    COMMAND,
    "command-r-08-2024",
    "embed-v4.0",
    "embed-english-v3.0",
    "rerank-v3.5",
    "rerank-v5.0-pro",
];

fn chat(more: &Value) -> Value {
    let mut body = json!({"model": COMMAND, "max_tokens": 100, "messages": [{"role": "user", "content": "Say hello"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn chat_v1(more: &Value) -> Value {
    let mut body = json!({"model": "command-r-08-2024", "max_tokens": 100, "message": "Say hello"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// One body for each path.
fn bodies() -> [(&'static str, Value); 6] {
    let embed = json!({"model": "embed-v4.0", "input_type": "search_query", "texts": ["a", "b"]});
    let rerank = json!({"model": "rerank-v3.5", "query": "heron", "documents": ["paint", "river"]});
    [
        (CHAT, chat(&json!({}))),
        (CHAT_V1, chat_v1(&json!({}))),
        ("/cohere/v2/embed", embed.clone()),
        ("/cohere/v1/embed", embed),
        ("/cohere/v2/rerank", rerank.clone()),
        ("/cohere/v1/rerank", rerank),
    ]
}

async fn granted(broker: &TestBroker) -> TestGrant {
    broker.granted_models("cohere", &MODELS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_charged_as_cohere_bills_it() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "cohere").await;
    let grant = granted(&broker).await;
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {}}}]);
    let tools_v1 = json!([{"name": "f", "description": "f", "parameter_definitions": {}}]);
    let image = "data:image/png;base64,AAAA";

    for (path, body) in bodies() {
        broker.billed_call(&sandbox, &grant, path, &body).await;
    }
    for more in [
        json!({"stream": true}),
        json!({"stream": true, "tools": tools, "tool_choice": "REQUIRED"}),
        json!({"documents": ["The heron came back."]}),
        json!({"messages": [{"role": "user", "content": "Think. [[sandbox: thinking=5; tokens=3]]"}], "stream": true}),
    ] {
        broker.billed_call(&sandbox, &grant, CHAT, &chat(&more)).await;
    }
    for more in [
        json!({"stream": true}),
        json!({"stream": true, "message": "Use the tool.", "tools": tools_v1}),
    ] {
        broker.billed_call(&sandbox, &grant, CHAT_V1, &chat_v1(&more)).await;
    }
    for (path, body) in [
        (
            "/cohere/v2/embed",
            json!({"model": "embed-v4.0", "input_type": "image", "images": [image]}),
        ),
        (
            "/cohere/v1/embed",
            json!({"model": "embed-english-v3.0", "input_type": "image", "images": [image]}),
        ),
        (
            "/cohere/v2/rerank",
            json!({"model": "rerank-v3.5", "query": "q", "documents": vec!["d"; 150]}),
        ),
        (
            "/cohere/v2/rerank",
            json!({"model": "rerank-v3.5", "query": "q", "documents": ["d".repeat(300_000)]}),
        ),
        (
            "/cohere/v2/rerank",
            json!({"model": "rerank-v5.0-pro", "query": "q", "documents": ["d", "e"]}),
        ),
    ] {
        broker.billed_call(&sandbox, &grant, path, &body).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_lines_passes_byte_for_byte_with_the_users_key() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker).await;
    let lines = [
        json!({"is_finished": false, "event_type": "stream-start", "generation_id": "g"}),
        json!({"is_finished": false, "event_type": "text-generation", "text": "Hello"}),
        json!({"is_finished": true, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": {
            "text": "Hello", "meta": {"billed_units": {"input_tokens": 100, "output_tokens": 50}}}}),
    ];
    let lines = lines.map(|line| format!("{line}\n")).concat();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/stream+json\r\ntransfer-encoding: chunked\r\n\r\n";
    provider.then([Step::Send(head.into()), chunk(&lines), last_chunk()]);

    let mut body = chat_v1(&json!({"stream": true}));
    body.as_object_mut().unwrap().remove("max_tokens");
    let answer = broker.call(&grant, CHAT_V1, &body).await;

    assert_eq!(answer.text(), lines);
    assert_eq!(answer.header("content-type"), "application/stream+json");
    let sent = provider.only_request();
    assert!(sent.head.starts_with("POST /v1/chat HTTP/1.1\r\n"));
    assert_eq!(
        sent.header("authorization"),
        Some(format!("Bearer {CANARY_KEY}").as_str())
    );
    assert_eq!(sent.json()["max_tokens"], 4_096);
    // 100 at $0.15 and 50 at $0.60 the million.
    assert_eq!(broker.only_settled(&grant).await.cost.to_string(), "0.000045");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_stream_ends_in_the_shape_of_its_version() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "cohere").await;
    let cut = "[[sandbox: cut=600]]";

    let grant = granted(&broker).await;
    let prompt = json!([{"role": "user", "content": cut}]);
    let answer = broker
        .call(&grant, CHAT, &chat(&json!({"messages": prompt, "stream": true})))
        .await;
    let text = answer.text();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    let last: Value = serde_json::from_str(last.strip_prefix("event: message-end\ndata: ").unwrap()).unwrap();
    assert_eq!(
        (&last["type"], &last["aipassport"]["rule"]),
        (&json!("message-end"), &json!("upstream"))
    );
    let settled = broker.only_settled(&grant).await;
    assert_eq!(settled.outcome, CallOutcome::UpstreamFailed);
    assert!(settled.cost >= sandbox.last_cost());

    let grant = granted(&broker).await;
    let answer = broker
        .call(&grant, CHAT_V1, &chat_v1(&json!({"message": cut, "stream": true})))
        .await;
    let text = answer.text();
    let last: Value = serde_json::from_str(text.trim_end().rsplit('\n').next().unwrap()).unwrap();
    assert_eq!(
        (&last["event_type"], &last["aipassport"]["rule"]),
        (&json!("stream-end"), &json!("upstream"))
    );
    assert!(broker.only_settled(&grant).await.cost >= sandbox.last_cost());
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_is_missing_or_wrong_never_costs_less_than_the_bill() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "cohere").await;
    for report in ["missing", "negative", "text", "null", "huge"] {
        for is_stream in [false, true] {
            let grant = granted(&broker).await;
            let content = format!("[[sandbox: usage={report}; tokens=20]]");
            let body = chat(&json!({"messages": [{"role": "user", "content": content}], "stream": is_stream}));

            assert_eq!(broker.call(&grant, CHAT, &body).await.status, 200);

            let settled = broker.only_settled(&grant).await;
            assert!(settled.cost >= sandbox.last_cost(), "{report} {is_stream}");
            assert!(settled.cost <= broker.only_held(&grant).await, "{report} {is_stream}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_coheres_passes_and_one_about_the_key_does_not() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "cohere").await;
    let grant = granted(&broker).await;
    let switched = |switch: &str| {
        let content = format!("[[sandbox: {switch}]]");
        chat(&json!({"messages": [{"role": "user", "content": content}]}))
    };

    let limited = broker.call(&grant, CHAT, &switched("status=429; retry-after=7")).await;
    let unsafe_request = broker.call(&grant, CHAT, &switched("status=498")).await;
    let key = broker.call(&grant, CHAT, &switched("status=401")).await;

    assert_eq!((limited.status, limited.header("retry-after")), (429, "7"));
    assert_eq!(limited.json()["message"], "Please wait and try again later");
    assert_eq!(unsafe_request.status, 498);
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
async fn cutting_into_tokens_goes_the_same_way_and_costs_nothing() {
    let sandbox = TestSandbox::start().await;
    let broker = TestBroker::before_sandbox(&sandbox, "cohere").await;
    let grant = granted(&broker).await;

    let body = json!({"model": COMMAND, "text": "two words"});
    let answer = broker.call(&grant, "/cohere/v1/tokenize", &body).await;

    assert_eq!(
        (answer.status, &answer.json()["token_strings"]),
        (200, &json!(["two", "words"]))
    );
    assert_eq!(broker.only_settled(&grant).await.cost, Money::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_109_threat_110_threat_111_only_what_was_checked_is_dispatched_to_cohere() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker).await;
    let bearer = grant.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];

    for (path, body) in bodies() {
        let whole = body.to_string();
        let open = whole.strip_suffix('}').unwrap();
        for end in [
            r#","model":"command-r7b-12-2024"}"#,
            r#","mod\u0065l":"command-r7b-12-2024"}"#,
            r#","temperature":NaN}"#,
            r#","x":"\ud800"}"#,
            ",}",
            "",
        ] {
            let text = format!("{open}{end}");
            let answer = broker.send(broker.request("POST", path, &headers, text.into())).await;
            assert_eq!(answer.status, 400, "{path} {end}: {}", answer.text());
            assert!(answer.json()["message"].is_string());
        }
        for model in [
            "command-r7b-12-2024",
            "rerank-v3.5 ",
            "Command-a-03-2025",
            "cohere/embed-v4.0",
        ] {
            let mut body = body.clone();
            body["model"] = json!(model);
            assert_eq!(broker.call(&grant, path, &body).await.status, 403, "{path} {model}");
        }
        let mut nameless = body.clone();
        nameless.as_object_mut().unwrap().remove("model");
        assert_eq!(broker.call(&grant, path, &nameless).await.status, 400, "{path}");
    }
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_112_threat_113_what_reaches_further_at_cohere_is_refused_unless_granted() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker).await;

    for (member, value) in [
        ("connectors", json!([{"id": "web-search"}])),
        ("connectors", json!([{"id": "connector_of_another"}])),
        ("conversation_id", json!("conversation_of_another")),
        ("file_ids", json!(["file_of_another"])),
    ] {
        let refused = broker.call(&grant, CHAT_V1, &chat_v1(&json!({member: value}))).await;
        assert_eq!(
            (refused.status, &refused.json()["aipassport"]["rule"]),
            (403, &json!("feature")),
            "{member}"
        );
    }
    let tools = json!([{"type": "web_search"}]);
    assert_eq!(
        broker.call(&grant, CHAT, &chat(&json!({"tools": tools}))).await.status,
        403
    );
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_114_threat_115_threat_116_threat_117_nothing_else_of_cohere_is_reached() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = granted(&broker).await;
    let bearer = grant.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];

    for path in [
        "/cohere/v1/datasets",
        "/cohere/v1/connectors",
        "/cohere/v1/embed-jobs",
        "/cohere/v1/finetuning/finetuned-models",
        "/cohere/v2/batches",
        "/cohere/v1/check-api-key",
        "/cohere/v1/generate",
        "/cohere/v2/parse",
        "/cohere/v2/chat/",
        "/cohere/v2//chat",
        "/cohere/v2/%63hat",
        "/cohere/v2/chat?model=command-r",
        "/cohere/v3/chat",
        "/Cohere/v2/chat",
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
async fn threat_124_threat_127_no_form_and_no_upgrade_reaches_cohere() {
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

    let list = broker
        .get(
            "/cohere/v1/models?page_size=1000&endpoint=chat",
            &[("authorization", &bearer)],
        )
        .await;
    let other = broker
        .get("/cohere/v1/models/command-r7b-12-2024", &[("authorization", &bearer)])
        .await;

    let list = list.json();
    let mut names: Vec<&str> = list["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    let mut granted = MODELS;
    granted.sort_unstable();
    assert_eq!(names, granted);
    assert_eq!(other.status, 404);
    assert!(provider.received().is_empty());
}
