//! vLLM: what it is sent, what comes back, what it costs.

use aipassport_domain::{audit::CallOutcome, usage::TruthLabel};
use serde_json::json;

use super::{Home, ask, per_million};
use crate::support::CANARY_KEY;

const PATH: &str = "/vllm/v1/chat/completions";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_ones_own_costs_what_its_owner_says_to_the_nano_dollar() {
    let home = Home::start().await;
    let grant = home
        .granted("vllm", &["qwen3-8b"], Some(per_million("0.20", "0.10", "0.60")))
        .await;

    for switches in [
        "tokens=323",
        "tokens=7; thinking=11",
        "cached=3; tokens=1",
        "text=unicode",
        "tool=none",
    ] {
        for stream in [false, true] {
            let mut body = ask("qwen3-8b", &format!("Hello [[sandbox: {switches}]]"));
            body["stream"] = stream.into();
            let answer = home.post(&grant, PATH, &body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }

    let bill = home.bill().await;
    assert_eq!(bill.totals.calls, 10);
    assert_eq!(home.charged(&grant).await, bill.totals.cost_nanos);
    let settled = home.broker.settled_calls(&grant).await;
    assert!(settled.iter().all(|call| call.label == TruthLabel::Reported));
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_and_completions_of_a_text_are_billed_as_they_come() {
    let home = Home::start().await;
    let grant = home
        .granted("vllm", &["qwen3-8b"], Some(per_million("0.20", "0.10", "0.60")))
        .await;
    let mut tools = ask("qwen3-8b", "Use the tool");
    tools["tools"] = json!([{"type": "function", "function": {"name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}}}}]);
    let mut streamed = tools.clone();
    streamed["stream"] = true.into();
    let texts = json!({"model": "qwen3-8b", "prompt": ["one", "two"], "n": 2, "max_tokens": 4, "stream": true});
    let short = json!({"model": "qwen3-8b", "prompt": "one"});

    let called = home.post(&grant, PATH, &tools).await.json();
    assert_eq!(
        called["choices"][0]["message"]["tool_calls"][0]["function"]["name"],
        "weather"
    );
    assert!(home.post(&grant, PATH, &streamed).await.text().contains("tool_calls"));
    let four = home.post(&grant, "/vllm/v1/completions", &texts).await.text();
    assert!(four.contains(r#""index":3"#) && !four.contains("usage"), "{four}");
    home.post(&grant, "/vllm/v1/completions", &short).await;

    let bill = home.bill().await;
    let caps: Vec<_> = bill.rows.iter().map(|row| row.output_cap).collect();
    assert_eq!(caps, [Some(400), Some(400), Some(4), Some(16)]);
    assert_eq!(home.charged(&grant).await, bill.totals.cost_nanos);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_on_as_it_came_with_the_owners_key() {
    let home = Home::start().await;
    let grant = home
        .granted("vllm", &["qwen3-8b"], Some(per_million("0.20", "0.10", "0.60")))
        .await;
    let body = json!({
        "model": "qwen3-8b", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, "top_k": 20,
        "guided_regex": "[a-z]+", "structured_outputs": {"regex": "[a-z]+"}, "prompt_logprobs": 1,
    });

    let answer = home.post(&grant, PATH, &body).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    let [sent] = <[_; 1]>::try_from(home.sandbox.requests()).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&sent.body).unwrap(), body);
    assert_eq!(sent.path, "/vllm/v1/chat/completions");
    assert!(
        !format!("{:?}", sent.headers).contains(CANARY_KEY) && !format!("{:?}", sent.headers).contains(&grant.token)
    );
    assert_eq!(answer.header("aipassport-cost"), "0.0000034");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_is_charged_no_less_than_was_written() {
    let home = Home::start().await;
    let grant = home
        .granted("vllm", &["qwen3-8b"], Some(per_million("0.20", "0.10", "0.60")))
        .await;
    let mut body = ask("qwen3-8b", "Hello [[sandbox: tokens=300; cut=4000]]");
    body["stream"] = true.into();

    let answer = home.post(&grant, PATH, &body).await.text();

    assert!(
        answer.trim_end().lines().last().unwrap().contains("server_error"),
        "{answer}"
    );
    let settled = home.broker.only_settled(&grant).await;
    assert!(i128::from(settled.cost.nanos()) >= home.bill().await.totals.cost_nanos);
    assert_eq!(settled.outcome, CallOutcome::UpstreamFailed);
    assert_ne!(settled.label, TruthLabel::Reported);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_of_the_grant_are_listed_as_vllm_lists_them() {
    let home = Home::start().await;
    let models = ["qwen3-8b", "meta-llama/Llama-3.1-8B-Instruct"];
    let grant = home
        .granted("vllm", &models, Some(per_million("0.20", "0.10", "0.60")))
        .await;
    let bearer = grant.bearer();
    let get = async |path: &str| home.broker.get(path, &[("authorization", &bearer)]).await;

    let listed = get("/vllm/v1/models").await.json();
    let one = get("/vllm/v1/models/meta-llama%2FLlama-3.1-8B-Instruct").await;
    let other = get("/vllm/v1/models/other").await;

    let ids: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(ids, ["meta-llama/Llama-3.1-8B-Instruct", "qwen3-8b"]);
    assert_eq!((one.status, &one.json()["owned_by"]), (200, &json!("vllm")));
    assert_eq!(
        (other.status, &other.json()["error"]["code"]),
        (404, &json!("model_not_found"))
    );
    assert_eq!(home.requests(), 0);
}
