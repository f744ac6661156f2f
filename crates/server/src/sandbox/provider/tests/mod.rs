mod cohere;
mod gemini;
mod mistral;
mod openai_media;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::*;

/// A sandbox on a port of its own, and who calls it.
struct Caller {
    sandbox: Sandbox,
    address: std::net::SocketAddr,
    tasks: TaskTracker,
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    /// As far as it arrived.
    body: Vec<u8>,
    is_broken: bool,
}

impl Caller {
    async fn start() -> Self {
        Self::with(SandboxOptions::default()).await
    }

    async fn with(options: SandboxOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sandbox = Sandbox::new(options);
        let tasks = TaskTracker::new();
        let serving = sandbox.clone();
        tasks.spawn(async move { serving.serve(listener, std::future::pending()).await });
        Self {
            sandbox,
            address,
            tasks,
        }
    }

    async fn send(&self, path: &str, switches: &str, body: &Value) -> http::Response<Incoming> {
        let method = if body.is_null() { Method::GET } else { Method::POST };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("x-sandbox", switches);
        self.send_body(request, body.to_string().into()).await
    }

    async fn send_body(&self, request: http::request::Builder, body: Bytes) -> http::Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        self.tasks.spawn(connection);
        let request = request
            .header("authorization", "Bearer sk-test-0123456789")
            .header("anthropic-version", "2023-06-01")
            .body(Full::new(body))
            .unwrap();
        sender.send_request(request).await.unwrap()
    }

    async fn call(&self, path: &str, switches: &str, body: &Value) -> Answered {
        Answered::of(self.send(path, switches, body).await).await
    }

    /// The only row of the bill, once its call has ended.
    async fn only_row(&self) -> Row {
        while self.sandbox.open_calls() > 0 {
            tokio::task::yield_now().await;
        }
        let mut rows = self.sandbox.bill().rows;
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }
}

impl Answered {
    async fn of(response: http::Response<Incoming>) -> Self {
        let (head, mut incoming) = response.into_parts();
        let (mut body, mut is_broken) = (Vec::new(), false);
        while let Some(frame) = incoming.frame().await {
            match frame {
                Ok(frame) => body.extend_from_slice(frame.data_ref().unwrap()),
                Err(_) => is_broken = true,
            }
        }
        Self {
            status: head.status,
            headers: head.headers,
            body,
            is_broken,
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The JSON of each event.
    fn events(&self) -> Vec<Value> {
        let lines = self.text().lines().filter_map(|line| line.strip_prefix("data: "));
        lines
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> = self
            .events()
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect();
        kinds.dedup();
        kinds
    }
}

/// The JSON of each line.
fn lines(answered: &Answered) -> Vec<Value> {
    let lines = answered.text().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn ollama_streams_lines_unless_it_is_told_not_to() {
    let caller = Caller::start().await;
    let body =
        json!({"model": "llama3.2:3b", "messages": [{"role": "user", "content": "Hi"}], "options": {"num_predict": 5}});

    let streamed = caller.call("/ollama/api/chat", "thinking=2", &body).await;

    let lines = lines(&streamed);
    assert_eq!(streamed.headers["content-type"], "application/x-ndjson");
    assert!(lines[0]["message"]["thinking"].is_string());
    assert!(lines[..5].iter().all(|line| line["done"] == false));
    let row = caller.only_row().await;
    assert_eq!((lines.len(), &lines[5]["done_reason"]), (6, &json!("length")));
    assert_eq!(lines[5]["eval_count"], row.usage.output_tokens);
    assert_eq!(lines[5]["prompt_eval_count"], row.usage.input_tokens);
    // 8 input tokens at $0.10 and 5 output tokens at $0.40 the million.
    assert_eq!((row.usage.input_tokens, row.cost_nanos), (8, 2_800));

    let mut whole = body;
    whole["stream"] = false.into();
    let whole = caller.call("/ollama/api/chat", "", &whole).await.json();
    assert_eq!((&whole["done"], &whole["eval_count"]), (&json!(true), &json!(5)));
}

#[tokio::test]
async fn ollama_embeds_and_its_older_path_tells_no_usage() {
    let caller = Caller::start().await;
    let embed = json!({"model": "nomic-embed-text", "input": ["one", "two"]});
    let older = json!({"model": "nomic-embed-text", "prompt": "one"});

    let answer = caller.call("/ollama/api/embed", "", &embed).await.json();
    let row = caller.only_row().await;
    caller.sandbox.reset();
    let older = caller.call("/ollama/api/embeddings", "", &older).await.json();
    let silent = caller.only_row().await;

    assert_eq!(answer["embeddings"].as_array().unwrap().len(), 2);
    assert_eq!(
        (answer["prompt_eval_count"].as_u64().unwrap(), row.usage_reported),
        (row.usage.input_tokens, true)
    );
    assert_eq!((older.as_object().unwrap().len(), silent.usage_reported), (1, false));
}

#[tokio::test]
async fn a_server_of_ones_own_asks_for_no_key_unless_it_was_given_one() {
    let open = Caller::start().await;
    let closed = Caller::with(SandboxOptions {
        required_keys: vec!["sk-other".to_owned()],
        ..SandboxOptions::default()
    })
    .await;
    let without_key = async |caller: &Caller| {
        let stream = TcpStream::connect(caller.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        caller.tasks.spawn(connection);
        let request = Request::get("/vllm/v1/models").body(Full::new(Bytes::new())).unwrap();
        sender.send_request(request).await.unwrap().status()
    };

    assert_eq!(without_key(&open).await, StatusCode::OK);
    assert_eq!(without_key(&closed).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn vllm_tells_usage_with_every_chunk_where_it_is_asked_to() {
    let caller = Caller::start().await;
    let body = json!({
        "model": "qwen3-8b", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, "stream": true,
        "stream_options": {"include_usage": true, "continuous_usage_stats": true},
    });

    let events = caller.call("/vllm/v1/chat/completions", "", &body).await.events();

    let written: Vec<_> = events
        .iter()
        .map(|event| event["usage"]["completion_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(written, [0, 1, 2, 3, 3, 3]);
    assert_eq!(events[5]["choices"], json!([]));
    // 8 × $0.20 / M and 3 × $0.60 / M.
    assert_eq!(caller.only_row().await.cost_nanos, 3_400);
}

#[tokio::test]
async fn each_of_several_texts_is_completed_and_billed() {
    let caller = Caller::start().await;
    let body = json!({"model": "qwen3-8b", "prompt": ["one", "two", "three"], "n": 2, "max_tokens": 4});

    let answer = caller.call("/vllm/v1/completions", "", &body).await.json();

    assert_eq!(answer["choices"].as_array().unwrap().len(), 6);
    assert_eq!(
        (&answer["usage"]["completion_tokens"], &answer["object"]),
        (&json!(24), &json!("text_completion"))
    );
    assert_eq!(caller.only_row().await.usage.output_tokens, 24);
}

fn chat(more: &Value) -> Value {
    merged(
        json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Summarise this."}]}),
        more,
    )
}

fn messages(more: &Value) -> Value {
    merged(
        json!({"model": "claude-haiku-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello."}]}),
        more,
    )
}

fn merged(mut body: Value, more: &Value) -> Value {
    let more = more.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}

const CHAT: &str = "/openai/v1/chat/completions";
const RESPONSES: &str = "/openai/v1/responses";
const MESSAGES: &str = "/anthropic/v1/messages";

#[tokio::test]
async fn a_chat_answer_reports_what_is_billed() {
    let caller = Caller::start().await;

    let answered = caller
        .call(CHAT, "tokens=10; thinking=5; input=13; cached=3", &chat(&json!({})))
        .await;

    let row = caller.only_row().await;
    let usage = answered.json()["usage"].clone();
    assert_eq!(usage["completion_tokens"], row.usage.output_tokens);
    assert_eq!(row.usage.output_tokens, 15);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 5);
    assert_eq!(usage["prompt_tokens"], row.usage.total_input_tokens());
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 3);
    assert_eq!(answered.json()["choices"][0]["finish_reason"], "stop");
    // 10 input, 3 cached and 15 output tokens at 150, 75 and 600 nano-dollars.
    assert_eq!(row.usage.input_tokens, 10);
    assert_eq!(row.cost_nanos, 10 * 150 + 3 * 75 + 15 * 600);
    assert!(row.usage_reported && row.ending == Ending::Complete);
}

#[tokio::test]
async fn output_never_exceeds_the_cap_nor_input_the_bytes_of_the_body() {
    let caller = Caller::start().await;
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters":
        {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}}}]);

    for cap in 1..12_u64 {
        for switches in [
            "tokens=9; thinking=3; input=99999",
            "tool; tools=2; write5m=5",
            "thinking=100",
        ] {
            let body = chat(&json!({"max_completion_tokens": cap, "n": 2, "tools": tools}));
            let answered = caller.call(CHAT, switches, &body).await;

            let row = caller.sandbox.bill().rows.pop().unwrap();
            assert!(row.usage.output_tokens <= 2 * cap, "{switches}");
            assert!(row.usage.total_input_tokens() <= body.to_string().len() as u64);
            assert_eq!(row.output_cap, Some(cap));
            let is_cut = answered.json()["choices"][0]["finish_reason"] == "length";
            assert_eq!(is_cut, row.usage.output_tokens == 2 * cap, "{switches} {cap}");
        }
    }
}

#[tokio::test]
async fn a_chat_stream_has_usage_only_where_it_was_asked_for() {
    let caller = Caller::start().await;
    let silent = caller.call(CHAT, "tokens=3", &chat(&json!({"stream": true}))).await;
    let asking = chat(&json!({"stream": true, "stream_options": {"include_usage": true}}));
    let telling = caller.call(CHAT, "tokens=3", &asking).await;

    assert!(!silent.text().contains("usage"));
    let events = telling.events();
    let (last, others) = events.split_last().unwrap();
    assert!(others.iter().all(|event| event.get("usage") == Some(&Value::Null)));
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 3);
    assert!(telling.text().ends_with("data: [DONE]\n\n"));
    let reported: Vec<bool> = caller
        .sandbox
        .bill()
        .rows
        .iter()
        .map(|row| row.usage_reported)
        .collect();
    assert_eq!(reported, [false, true]);
}

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says() {
    let caller = Caller::start().await;
    let tools = json!([{"type": "function", "name": "look", "parameters": {"properties": {"a": {"type": "string"}}}}]);
    let body = |stream: bool| json!({"model": "gpt-5", "input": "Hello", "stream": stream, "tools": tools, "max_output_tokens": 50});

    for switches in ["tokens=7; text=unicode", "tool", "thinking=3; tokens=60"] {
        let whole = caller.call(RESPONSES, switches, &body(false)).await.json();
        let stream = caller.call(RESPONSES, switches, &body(true)).await;

        assert_eq!(stream.events().last().unwrap()["response"], whole, "{switches}");
        let numbers: Vec<Value> = stream
            .events()
            .iter()
            .map(|event| event["sequence_number"].clone())
            .collect();
        assert_eq!(numbers, (0..numbers.len()).map(Value::from).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn responses_tell_their_events_in_the_published_order() {
    let caller = Caller::start().await;
    let body = json!({"model": "gpt-5", "input": "Hello", "stream": true, "max_output_tokens": 5});

    let kinds = caller.call(RESPONSES, "", &body).await.kinds();

    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.incomplete",
        ]
    );
}

#[tokio::test]
async fn messages_tell_their_events_in_the_published_order() {
    let caller = Caller::start().await;
    let body = messages(&json!({"stream": true, "thinking": {"type": "enabled", "budget_tokens": 1024}}));

    let answered = caller.call(MESSAGES, "tokens=2; cached=1; write1h=2", &body).await;

    assert_eq!(
        answered.kinds(),
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let row = caller.only_row().await;
    let events = answered.events();
    let (start, end) = (&events[0]["message"]["usage"], &events[events.len() - 2]["usage"]);
    assert_eq!(start["input_tokens"], row.usage.input_tokens);
    assert_eq!(start["cache_read_input_tokens"], 1);
    assert_eq!(start["cache_creation"]["ephemeral_1h_input_tokens"], 2);
    assert_eq!(start["output_tokens"], 1);
    assert_eq!(end["output_tokens"], row.usage.output_tokens);
    assert_eq!(row.usage.reasoning_tokens, 8);
}

#[tokio::test]
async fn tool_calls_are_streamed_in_pieces_that_make_their_arguments() {
    let caller = Caller::start().await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"name": "weather", "input_schema": schema}]);
    let body = messages(&json!({"stream": true, "tools": tools, "tool_choice": {"type": "any"}}));

    let events = caller.call(MESSAGES, "", &body).await.events();

    let pieces: String = events
        .iter()
        .filter_map(|event| event["delta"]["partial_json"].as_str())
        .collect();
    assert_eq!(pieces, r#"{"city":"Lisbon"}"#);
    let delta = events.iter().find(|event| event["type"] == "message_delta").unwrap();
    assert_eq!(delta["delta"]["stop_reason"], "tool_use");
}

#[tokio::test]
async fn what_a_proxy_adds_to_a_request_does_not_change_the_answer() {
    let caller = Caller::start().await;

    let direct = caller.call(CHAT, "", &chat(&json!({}))).await.json();
    let proxied = caller.call(CHAT, "", &chat(&json!({"max_tokens": 16384}))).await.json();

    assert_eq!(direct, proxied);
}

#[tokio::test]
async fn chunks_of_any_size_carry_the_same_bytes() {
    let caller = Caller::start().await;
    let body = chat(&json!({"stream": true}));
    let usual = caller.call(CHAT, "text=unicode", &body).await.body;

    for chunk in ["all", "odd", "1", "1000"] {
        let other = caller.call(CHAT, &format!("text=unicode; chunk={chunk}"), &body).await;
        assert!(other.body == usual, "{chunk}");
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_billed_for_what_was_generated_by_then() {
    let caller = Caller::start().await;
    let body = chat(&json!({"stream": true}));

    let mut response = caller.send(CHAT, "tokens=100; hang=4", &body).await;
    let mut arrived = String::new();
    while arrived.matches("content").count() < 5 {
        let frame = response.frame().await.unwrap().unwrap();
        arrived.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert_eq!(caller.sandbox.open_calls(), 1);
    drop(response);

    let row = caller.only_row().await;
    assert_eq!((row.ending, row.usage.output_tokens), (Ending::ClientGone, 4));
    assert!(!row.usage_reported && row.usage.input_tokens > 0);
}

#[tokio::test]
async fn an_answer_is_cut_at_the_byte() {
    let caller = Caller::start().await;
    for body in [chat(&json!({})), chat(&json!({"stream": true}))] {
        caller.sandbox.reset();

        let answered = caller.call(CHAT, "cut=150", &body).await;

        assert_eq!((answered.body.len(), answered.is_broken), (150, true));
        assert_eq!(caller.only_row().await.ending, Ending::Cut);
    }
}

#[tokio::test]
async fn refusals_have_the_providers_shape_and_cost_nothing() {
    let caller = Caller::with(SandboxOptions {
        required_keys: vec!["sk-right".to_owned()],
        ..SandboxOptions::default()
    })
    .await;
    let wrong_key = caller.call(CHAT, "", &chat(&json!({}))).await;
    assert_eq!(wrong_key.status, StatusCode::UNAUTHORIZED);
    assert_eq!(wrong_key.json()["error"]["code"], "invalid_api_key");
    assert!(!wrong_key.text().contains("sk-test-0123456789"));

    let caller = Caller::start().await;
    let unknown_model = caller.call(CHAT, "", &chat(&json!({"model": "gpt-0"}))).await;
    assert_eq!(unknown_model.json()["error"]["code"], "model_not_found");
    let unknown_switch = caller.call(CHAT, "speed=9", &chat(&json!({}))).await;
    assert_eq!(unknown_switch.status, StatusCode::BAD_REQUEST);
    let limited = caller.call(CHAT, "status=429; retry-after=7", &chat(&json!({}))).await;
    assert_eq!(limited.headers["retry-after"], "7");
    let overloaded = caller.call(MESSAGES, "status=529", &messages(&json!({}))).await;
    assert_eq!(overloaded.status.as_u16(), 529);
    assert_eq!(overloaded.json()["error"]["type"], "overloaded_error");
    let unversioned = caller.call("/anthropic/v1/nothing", "", &json!({})).await;
    assert_eq!(unversioned.json()["error"]["type"], "not_found_error");

    assert_eq!(caller.sandbox.bill().totals, Totals::default());
    assert_eq!(caller.sandbox.seen().values().sum::<u64>(), 5);
}

#[tokio::test]
async fn a_key_is_echoed_where_that_is_switched() {
    let caller = Caller::start().await;
    let key = "sk-test-0123456789";

    for switches in ["echo=error", "echo=json", "echo=text", "echo=split"] {
        let answered = caller.call(CHAT, switches, &chat(&json!({}))).await;
        assert!(answered.text().contains(key), "{switches}");
    }
    let in_header = caller.call(CHAT, "echo=header", &chat(&json!({}))).await;
    assert_eq!(in_header.headers["x-debug-authorization"], format!("Bearer {key}"));
    let stream = chat(&json!({"stream": true}));
    assert!(caller.call(CHAT, "echo=split", &stream).await.text().contains(key));
}

#[tokio::test]
async fn faults_on_the_wire_are_as_switched() {
    let caller = Caller::start().await;
    let (plain, stream) = (chat(&json!({})), chat(&json!({"stream": true})));

    let page = caller.call(CHAT, "body=html; status=502", &plain).await;
    assert_eq!(
        (page.status.as_u16(), &page.headers["content-type"]),
        (502, &"text/html".parse().unwrap())
    );
    let redirect = caller.call(CHAT, "redirect=307", &plain).await;
    assert_eq!(redirect.headers["location"], own_pages::TRAP);
    assert!(caller.call(CHAT, "chunking=invalid", &stream).await.is_broken);
    assert!(caller.call(CHAT, "early=20", &plain).await.status.is_success());
    let noisy = caller.call(CHAT, "headers=noisy", &plain).await;
    assert!(noisy.headers.contains_key("set-cookie") && noisy.headers.contains_key("openai-organization"));
    let long = caller.call(CHAT, "sse=longline", &stream).await;
    assert!(long.body.len() > 10 * 1024 * 1024);
    let unended = caller.call(CHAT, "sse=no-end", &stream).await;
    assert!(unended.text().ends_with("[DONE]"));
    let carriage_returns = caller.call(CHAT, "sse=cr", &stream).await;
    assert!(!carriage_returns.text().contains('\n') && carriage_returns.text().contains("\r\r"));
    let failed = caller.call(CHAT, "error-at=2", &stream).await;
    assert!(failed.text().ends_with("\"code\":null}}\n\n"));
}

#[tokio::test]
async fn time_passes_where_that_is_switched() {
    let caller = Caller::start().await;
    tokio::time::pause();
    let before = tokio::time::Instant::now();

    let body = chat(&json!({"stream": true}));
    caller
        .call(CHAT, "delay=1s; first=1s; pace=100ms; tokens=10", &body)
        .await;

    let passed = before.elapsed();
    assert!(
        passed >= Duration::from_secs(3) && passed < Duration::from_millis(3200),
        "{passed:?}"
    );

    let before = tokio::time::Instant::now();
    let dripped = caller.call(CHAT, "chunk=100; drip=10s", &chat(&json!({}))).await;

    let pauses = u64::try_from(dripped.body.len().div_ceil(100)).unwrap() - 1;
    assert!(pauses > 0 && before.elapsed() >= Duration::from_secs(10 * pauses));
}

#[tokio::test]
async fn a_reset_forgets_also_what_is_still_open() {
    let caller = Caller::start().await;
    let response = caller.send(CHAT, "hang=1", &chat(&json!({"stream": true}))).await;

    caller.sandbox.reset();
    drop(response);
    while caller.sandbox.open_calls() > 0 {
        tokio::task::yield_now().await;
    }

    let bill = caller.sandbox.bill();
    assert_eq!((bill.totals, bill.rows.len()), (Totals::default(), 0));
}

#[tokio::test]
async fn requests_are_kept_with_the_digest_of_their_key() {
    let caller = Caller::with(SandboxOptions {
        most_requests: 1,
        ..SandboxOptions::default()
    })
    .await;

    caller.call(CHAT, "", &chat(&json!({}))).await;
    caller.call(MESSAGES, "", &messages(&json!({}))).await;

    let kept = caller.sandbox.requests();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].path, MESSAGES);
    let authorization = kept[0]
        .headers
        .iter()
        .find(|(name, _)| name == "authorization")
        .unwrap();
    assert_eq!(authorization.1, bill::key_digest("sk-test-0123456789"));
    assert_eq!(caller.sandbox.bill().keys.len(), 1);
}
