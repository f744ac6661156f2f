//! Servers of a user's own over `/v1`: they speak OpenAI's format, and nothing but the model's name
//! changes.

use serde_json::json;

use super::{Home, ask, per_million};

const PATH: &str = "/v1/chat/completions";

#[tokio::test(flavor = "multi_thread")]
async fn every_server_of_ones_own_is_reached_by_its_name_and_billed_as_on_its_own_path() {
    let (vllm, ollama) = (per_million("0.20", "0.10", "0.60"), per_million("0.10", "0.10", "0.40"));
    let lab = per_million("0.50", "0.50", "1.50");
    for (provider, model, price, sent_to) in [
        ("vllm", "qwen3-8b", vllm, "POST /vllm/v1/chat/completions"),
        ("ollama", "llama3.2:3b", ollama, "POST /ollama/v1/chat/completions"),
        ("custom/lab", "house-model", lab, "POST /custom/v1/chat/completions"),
    ] {
        let home = Home::start().await;
        let grant = home.granted(provider, &[model], Some(price)).await;

        for named in [format!("{provider}/{model}"), model.to_owned()] {
            for stream in [false, true] {
                let mut body = ask(&named, "Hello");
                body["stream"] = stream.into();
                let answer = home.post(&grant, PATH, &body).await;
                assert_eq!(answer.status, 200, "{named}: {}", answer.text());
                assert_eq!(answer.header("aipassport-not-carried"), "");
            }
        }

        assert_eq!(home.sandbox.seen()[sent_to], 4, "{:?}", home.sandbox.seen());
        let bill = home.bill().await;
        assert!(bill.totals.cost_nanos > 0);
        assert_eq!(home.charged(&grant).await, bill.totals.cost_nanos, "{provider}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_asked_for_as_a_chat_and_billed_as_one() {
    let (vllm, ollama) = (per_million("0.20", "0.10", "0.60"), per_million("0.10", "0.10", "0.40"));
    let lab = per_million("0.50", "0.50", "1.50");
    for (provider, model, price, sent_to) in [
        ("vllm", "qwen3-8b", vllm, "POST /vllm/v1/chat/completions"),
        ("ollama", "llama3.2:3b", ollama, "POST /ollama/v1/chat/completions"),
        ("custom/lab", "house-model", lab, "POST /custom/v1/chat/completions"),
    ] {
        let home = Home::start().await;
        let grant = home.granted(provider, &[model], Some(price)).await;
        let named = format!("{provider}/{model}");
        let mut body = json!({"model": named, "input": "Hello", "max_output_tokens": 400});

        let whole = home.post(&grant, "/v1/responses", &body).await;
        body["stream"] = true.into();
        let streamed = home.post(&grant, "/v1/responses", &body).await;
        body["previous_response_id"] = "resp_1".into();
        let refused = home.post(&grant, "/v1/responses", &body).await;

        assert_eq!(
            (whole.status, streamed.status, refused.status),
            (200, 200, 400),
            "{}",
            whole.text()
        );
        let response = whole.json();
        assert_eq!(
            (&response["object"], &response["status"]),
            (&json!("response"), &json!("completed"))
        );
        assert!(response["usage"]["total_tokens"].as_u64() > Some(0), "{response}");
        let events = streamed.text();
        let last = events.rsplit("data: ").next().unwrap();
        assert!(last.starts_with(r#"{"type":"response.completed""#), "{events}");
        assert!(last.contains(r#""usage":{"input_tokens""#), "{last}");
        assert_eq!(refused.json()["error"]["param"], "previous_response_id");
        assert_eq!(home.sandbox.seen()[sent_to], 2, "{:?}", home.sandbox.seen());
        let bill = home.bill().await;
        assert!(bill.totals.cost_nanos > 0);
        assert_eq!(home.charged(&grant).await, bill.totals.cost_nanos, "{provider}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_a_price_is_refused_in_openais_shape() {
    let home = Home::start().await;
    let grant = home.granted("custom/lab", &["house-model"], None).await;

    let answer = home.post(&grant, PATH, &ask("custom/lab/house-model", "Hi")).await;

    assert_eq!(
        (answer.status, &answer.json()["aipassport"]["rule"]),
        (403, &json!("price_unknown"))
    );
    assert!(answer.json()["error"]["message"].is_string());
    assert_eq!(home.requests(), 0);
}
