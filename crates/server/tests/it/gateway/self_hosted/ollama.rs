//! Ollama: its own API with streams of lines, and OpenAI's format beside it.

use aipassport_domain::{audit::CallOutcome, money::Money, usage::TruthLabel};
use serde_json::{Value, json};

use super::{Home, ask, free, per_million};

const MODEL: &str = "llama3.2:3b";

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_ask_costs_what_the_bill_says() {
    let home = Home::start().await;
    let grant = home
        .granted("ollama", &[MODEL], Some(per_million("0.10", "0.10", "0.40")))
        .await;
    let messages = json!([{"role": "user", "content": "Hello [[sandbox: tokens=50; thinking=9]]"}]);

    for (path, body) in [
        ("/ollama/api/chat", json!({"model": MODEL, "messages": messages})),
        (
            "/ollama/api/chat",
            json!({"model": MODEL, "messages": messages, "stream": false}),
        ),
        (
            "/ollama/api/generate",
            json!({"model": MODEL, "prompt": "Hello", "options": null}),
        ),
        (
            "/ollama/api/generate",
            json!({"model": MODEL, "prompt": "Hello", "stream": false, "options": {"num_predict": 7}}),
        ),
        ("/ollama/v1/chat/completions", ask(MODEL, "Hello")),
        (
            "/ollama/v1/completions",
            json!({"model": MODEL, "prompt": "Hello", "stream": true}),
        ),
    ] {
        let answer = home.post(&grant, path, &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }

    let bill = home.bill().await;
    assert_eq!(bill.totals.calls, 6);
    assert_eq!(home.charged(&grant).await, bill.totals.cost_nanos);
    let caps: Vec<_> = bill.rows.iter().map(|row| row.output_cap).collect();
    assert_eq!(
        caps,
        [Some(4_096), Some(4_096), Some(4_096), Some(7), Some(400), Some(4_096)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_lines_passes_byte_for_byte() {
    let home = Home::start().await;
    let grant = home
        .granted("ollama", &[MODEL], Some(per_million("0.10", "0.10", "0.40")))
        .await;
    let body =
        json!({"model": MODEL, "messages": [{"role": "user", "content": "Hi [[sandbox: chunk=odd; text=unicode]]"}]});

    let answer = home.post(&grant, "/ollama/api/chat", &body).await;

    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines = lines(&answer.text());
    assert_eq!(lines.len(), 33);
    assert_eq!(
        (&lines[32]["done"], &lines[32]["eval_count"]),
        (&json!(true), &json!(32))
    );
    assert_eq!(home.broker.only_settled(&grant).await.label, TruthLabel::Reported);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_called_with_an_object_of_arguments() {
    let home = Home::start().await;
    let grant = home
        .granted("ollama", &[MODEL], Some(per_million("0.10", "0.10", "0.40")))
        .await;
    let body = json!({
        "model": MODEL, "messages": [{"role": "user", "content": "Use the tool"}],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}}}}],
    });

    let lines = lines(&home.post(&grant, "/ollama/api/chat", &body).await.text());

    assert_eq!(
        lines[0]["message"]["tool_calls"][0]["function"]["arguments"],
        json!({"city": "Lisbon"})
    );
    assert_eq!(home.charged(&grant).await, home.bill().await.totals.cost_nanos);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_ended_early_ends_with_a_line_of_ollamas() {
    let home = Home::start().await;
    let grant = home
        .granted("ollama", &[MODEL], Some(per_million("0.10", "0.10", "0.40")))
        .await;
    let body =
        json!({"model": MODEL, "messages": [{"role": "user", "content": "Hi [[sandbox: tokens=100; cut=2500]]"}]});

    let answer = home.post(&grant, "/ollama/api/chat", &body).await;

    let lines = lines(&answer.text());
    let last = lines.last().unwrap();
    assert!(
        last["error"].is_string() && last["aipassport"]["rule"] == "upstream",
        "{last}"
    );
    let settled = home.broker.only_settled(&grant).await;
    assert_eq!(
        (settled.outcome, settled.label),
        (CallOutcome::UpstreamFailed, TruthLabel::Estimated)
    );
    assert!(i128::from(settled.cost.nanos()) >= home.bill().await.totals.cost_nanos);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_free_is_counted_but_not_capped() {
    let home = Home::start().await;
    let grant = home.granted("ollama", &[MODEL], Some(free())).await;
    let body = json!({"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "options": {"num_predict": -1}});

    let answer = home.post(&grant, "/ollama/api/chat", &body).await;
    let id = answer.header("aipassport-request-id").to_owned();

    assert_eq!(answer.status, 200, "{}", answer.text());
    let settled = home.broker.only_settled(&grant).await;
    assert_eq!((settled.cost, settled.label), (Money::ZERO, TruthLabel::Reported));
    let bill = home.bill().await;
    assert_eq!(bill.rows[0].output_cap, None);
    let bearer = grant.bearer();
    let call = home
        .broker
        .get(&format!("/api/calls/{id}"), &[("authorization", &bearer)])
        .await
        .json();
    assert_eq!(call["usage"]["output_tokens"], bill.rows[0].usage.output_tokens);
    assert_eq!(call["usage"]["input_tokens"], bill.rows[0].usage.input_tokens);
    let passport = home
        .broker
        .get("/passport/self", &[("authorization", &bearer)])
        .await
        .json();
    let used = |rule: &str| {
        let limits = passport["limits"].as_array().unwrap();
        limits.iter().find(|limit| limit["rule"] == rule).unwrap()["used"].clone()
    };
    assert_eq!((used("requests"), used("budget")), (json!(1), json!("0.00")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_is_can_be_asked_for_nothing() {
    let home = Home::start().await;
    let grant = home
        .granted("ollama", &[MODEL], Some(per_million("0.10", "0.10", "0.40")))
        .await;
    let bearer = grant.bearer();

    let shown = home.post(&grant, "/ollama/api/show", &json!({"model": MODEL})).await;
    let other = home
        .post(&grant, "/ollama/api/show", &json!({"model": "nomic-embed-text"}))
        .await;
    let tags = home
        .broker
        .get("/ollama/api/tags", &[("authorization", &bearer)])
        .await
        .json();
    let version = home
        .broker
        .get("/ollama/api/version", &[("authorization", &bearer)])
        .await
        .json();

    assert_eq!(
        (shown.status, &shown.json()["details"]["family"]),
        (200, &json!("llama"))
    );
    for private in ["modelfile", "template", "system"] {
        assert_eq!(shown.json().get(private), None);
    }
    assert_eq!(shown.json()["capabilities"], json!(["completion", "tools"]));
    assert_eq!(
        (other.status, &other.json()["aipassport"]["rule"]),
        (403, &json!("model"))
    );
    assert_eq!(tags["models"][0]["model"], MODEL);
    assert!(version["version"].is_string());
    assert_eq!(home.charged(&grant).await, 0);
    assert_eq!(
        home.sandbox.seen().keys().collect::<Vec<_>>(),
        ["POST /ollama/api/show"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_kept_loaded_for_an_hour_at_most() {
    let home = Home::start().await;
    let grant = home.granted("ollama", &[MODEL], Some(free())).await;

    for (asked, sent) in [
        (json!("5m"), json!("5m")),
        (json!(600), json!(600)),
        (json!(-1), json!("1h")),
        (json!("24h"), json!("1h")),
    ] {
        let body = json!({"model": MODEL, "prompt": "Hi", "stream": false, "keep_alive": asked});
        assert_eq!(home.post(&grant, "/ollama/api/generate", &body).await.status, 200);
        let last: Value = serde_json::from_slice(&home.sandbox.requests().pop().unwrap().body).unwrap();
        assert_eq!(last["keep_alive"], sent);
    }
    let wrong = json!({"model": MODEL, "prompt": "Hi", "keep_alive": "for ever"});
    assert_eq!(home.post(&grant, "/ollama/api/generate", &wrong).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_looks_as_the_face_that_was_asked() {
    let home = Home::start().await;
    let grant = home.granted("ollama", &[MODEL], Some(free())).await;

    let own = home.post(&grant, "/ollama/api/chat", &ask("other", "Hi")).await;
    let openai = home
        .post(&grant, "/ollama/v1/chat/completions", &ask("other", "Hi"))
        .await;

    assert_eq!((own.status, openai.status), (403, 403));
    assert!(own.json()["error"].is_string(), "{}", own.text());
    assert_eq!(openai.json()["error"]["code"], "model_not_found");
    assert_eq!(
        (&own.json()["aipassport"]["rule"], &openai.json()["aipassport"]["rule"]),
        (&json!("model"), &json!("model"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_cost_what_was_read_and_all_that_was_held_where_nobody_says() {
    let home = Home::start().await;
    let model = "nomic-embed-text";
    let grant = home
        .granted("ollama", &[model], Some(per_million("0.01", "0.01", "0.01")))
        .await;

    let embed = json!({"model": model, "input": ["one", "two"]});
    let several = home.post(&grant, "/ollama/api/embed", &embed).await.json();
    let openai = home.post(&grant, "/ollama/v1/embeddings", &embed).await.json();
    assert_eq!(several["embeddings"].as_array().unwrap().len(), 2);
    assert_eq!(openai["data"].as_array().unwrap().len(), 2);
    assert_eq!(home.charged(&grant).await, home.bill().await.totals.cost_nanos);

    let older = json!({"model": model, "prompt": "one"});
    let other = home
        .granted("ollama", &[model], Some(per_million("0.01", "0.01", "0.01")))
        .await;
    assert!(home.post(&other, "/ollama/api/embeddings", &older).await.json()["embedding"].is_array());
    let settled = home.broker.only_settled(&other).await;
    assert_eq!(settled.label, TruthLabel::WorstCase);
    assert_eq!(settled.cost, home.broker.only_held(&other).await);
}
