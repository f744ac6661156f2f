//! The most that a call can cost, and what is never in it.

use aipassport_domain::{
    authorization_details::Features,
    ids::ProviderId,
    money::{CostSum, Money},
    policy::{CallCost, OutputCap},
    usage::Usage,
};
use aipassport_providers::{
    prices::{MostInput, Outputs, PricedModel},
    request::ReadError,
};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{CHAT, MESSAGES, PATHS, PRICES, RESPONSES, ceiling, provider_of, read, read_with, refused, with};

#[test]
fn choices_multiply_what_is_held() {
    assert_eq!(ceiling(&with(CHAT, r#""n":3"#).unwrap()).choices, 3);
    assert_eq!(ceiling(&with(CHAT, r#""n":2,"best_of":5"#).unwrap()).choices, 5);
    assert_eq!(ceiling(&with(CHAT, r#""n":null"#).unwrap()).choices, 1);
    for n in ["1.5", "-1", "\"2\"", "1e1"] {
        refused(CHAT, &format!(r#""n":{n}"#));
    }
}

#[test]
fn an_output_cap_is_the_clients_own_or_the_largest_of_the_model() {
    let cap = |path, members| ceiling(&with(path, members).unwrap()).output_cap;

    assert_eq!(cap(CHAT, r#""max_tokens":20"#), OutputCap::Asked(20));
    assert_eq!(
        cap(CHAT, r#""max_tokens":20,"max_completion_tokens":30"#),
        OutputCap::Asked(30)
    );
    assert_eq!(cap(CHAT, r#""max_tokens":null"#), OutputCap::LargestUpTo(16_384));
    assert_eq!(cap(RESPONSES, r#""temperature":1"#), OutputCap::LargestUpTo(16_384));
    assert_eq!(cap(MESSAGES, r#""temperature":1"#), OutputCap::Asked(9));
    assert!(matches!(
        refused(CHAT, r#""max_tokens":1.5"#),
        ReadError::Invalid {
            member: "max_tokens",
            ..
        }
    ));
}

#[test]
fn a_dearer_tier_is_held_for_at_its_price_or_refused() {
    let body = |model, tier| format!(r#"{{"model":"{model}","messages":[],"max_tokens":9,"service_tier":"{tier}"}}"#);
    let standard = ceiling(&read(CHAT, &body("gpt-5", "default")).unwrap());

    let priority = ceiling(&read(CHAT, &body("gpt-5", "priority")).unwrap());
    let flex = ceiling(&read(CHAT, &body("gpt-5", "flex")).unwrap());

    assert!(priority.output_rate > standard.output_rate && priority.fixed > standard.fixed);
    assert_eq!(
        flex.output_rate, standard.output_rate,
        "it may be served at the standard tier after all"
    );
    assert!(read(CHAT, &body("gpt-4o-mini", "flex")).is_err());
}

#[test]
fn an_image_is_held_for_by_its_size_and_not_by_its_bytes() {
    let request = |bytes: usize| {
        let url = format!("data:image/png;base64,{}", "A".repeat(bytes));
        let content = json!([{"type": "image_url", "image_url": {"url": url}}]);
        let body = json!({"model": "gpt-4o", "max_tokens": 9, "messages": [{"role": "user", "content": content}]});
        ceiling(&read(CHAT, &body.to_string()).unwrap()).fixed
    };
    let text = json!({"model": "gpt-4o", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    let without = ceiling(&read(CHAT, &text.to_string()).unwrap()).fixed;

    assert_eq!(request(10), request(1_000_000));
    assert!(request(10) > without.saturating_add(Money::from_cents(4)));
}

#[test]
fn bytes_count_as_an_image_only_where_the_provider_reads_one() {
    let ceiling_of = |content: Value| {
        let body = json!({"model": "claude-haiku-4-5", "max_tokens": 9,
            "messages": [{"role": "user", "content": content}]});
        ceiling(&read(MESSAGES, &body.to_string()).unwrap()).fixed
    };
    let data = "A".repeat(100_000);
    let source = json!({"type": "base64", "media_type": "image/png", "data": data});
    let as_text = ceiling_of(json!([{"type": "text", "text": data}]));

    assert!(ceiling_of(json!([{"type": "image", "source": source}])) < as_text);
    let text_source = json!({"type": "text", "media_type": "image/png", "data": data});
    assert!(ceiling_of(json!([{"type": "image", "source": text_source}])) >= as_text);
    // In the input of a tool the same object is text, and billed as such.
    let tool_use = json!([{"type": "tool_use", "id": "t", "name": "n", "input": {"type": "image", "source": source}}]);
    assert!(ceiling_of(tool_use) >= as_text);
    let plain = json!({"type": "text", "media_type": "text/plain", "data": data});
    assert!(ceiling_of(json!([{"type": "document", "source": plain}])) >= as_text);
}

fn dearest_input(model: &PricedModel, tokens: u64) -> Money {
    model.ceiling(MostInput::text(tokens), Outputs::TEXT).unwrap().0
}

#[test]
fn what_has_no_known_size_is_held_for_as_a_full_context() {
    let context = |model: &str, input_tokens| {
        let provider = provider_of(if model.starts_with("claude") { MESSAGES } else { CHAT }).id();
        let provider = ProviderId::new(provider);
        dearest_input(PRICES.model(&provider, model).unwrap(), input_tokens)
    };
    for body in [
        json!({"model": "gpt-4o", "input": [{"role": "user", "content": [{"type": "input_file", "file_url": "x"}]}]}),
        json!({"model": "gpt-4o", "input": [{"role": "user", "content": [{"type": "input_file", "file_data": "x"}]}]}),
        json!({"model": "gpt-4o", "input": [{"role": "user", "content": [{"type": "new_thing"}]}]}),
        json!({"model": "gpt-4o", "input": [{"type": "new_thing"}]}),
        json!({"model": "gpt-4o", "input": "x", "previous_response_id": "resp_1"}),
    ] {
        let held = ceiling(&read(RESPONSES, &body.to_string()).unwrap()).fixed;
        assert_eq!(held, context("gpt-4o", 128_000), "{body}");
    }
    let document = json!({"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content":
        [{"type": "document", "source": {"type": "url", "url": "https://x"}}]}]})
    .to_string();
    let mut headers = HeaderMap::new();

    let usual = ceiling(&read_with(MESSAGES, &headers, &document).unwrap()).fixed;
    headers.insert(
        "anthropic-beta",
        HeaderValue::from_static("a-2025-01-01,context-1m-2025-08-07"),
    );
    let long = ceiling(&read_with(MESSAGES, &headers, &document).unwrap()).fixed;

    assert!(usual >= context("claude-haiku-4-5", 200_000));
    assert!(long >= context("claude-haiku-4-5", 1_000_000));
    let unknown = json!({"model": "gpt-5.5-cyber", "input": "x", "previous_response_id": "resp_1"}).to_string();
    assert!(matches!(
        read(RESPONSES, &unknown).unwrap().call.cost,
        CallCost::Unbounded(_)
    ));
}

/// The provider's own tools run the model again and again, each time on all it has read.
#[test]
fn a_search_is_held_for_with_every_round_and_every_fee() {
    let request = |tools: Value| {
        let body = json!({"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [], "tools": tools});
        ceiling(&read(MESSAGES, &body.to_string()).unwrap())
    };

    let one = request(json!([{"type": "web_search_20260318", "name": "web_search", "max_uses": 1}]));
    let five = request(json!([{"type": "web_search_20260318", "name": "web_search", "max_uses": 5}]));

    let haiku = PRICES.model(&ProviderId::new("anthropic"), "claude-haiku-4-5").unwrap();
    let context = dearest_input(haiku, 11 * 200_000);
    assert!(one.fixed > context && one.choices == 11);
    assert_eq!(five.fixed, one.fixed.saturating_add(Money::from_cents(4)));
}

#[test]
fn counting_tokens_is_free_and_goes_upstream_as_it_came() {
    let body = r#"{ "model":"claude-haiku-4-5", "messages":[], "tools":[{"type":"web_search_20250305"}] }"#;

    let read = read("/v1/messages/count_tokens", body).unwrap();

    assert_eq!((read.call.cost, read.call.features), (CallCost::Free, Features::NONE));
    assert_eq!(read.body.with_output_cap(0), body);
}

proptest! {
    /// Whatever is in the text, and however the provider counts it.
    #[test]
    fn no_answer_within_its_caps_costs_more_than_the_ceiling(
        text in ".{0,200}",
        path in prop::sample::select(PATHS.as_slice()),
        model in prop::sample::select(["gpt-4o", "gpt-5.4", "claude-haiku-5-5", "claude-sonnet-4-5"].as_slice()),
        cap in 1..100_000_u64,
        shares in prop::array::uniform4(0..100_u64),
    ) {
        let member = if path == RESPONSES { "input" } else { "messages" };
        let cap_member = if path == RESPONSES { "max_output_tokens" } else { "max_tokens" };
        let body = json!({"model": model, cap_member: cap, member: [{"role": "user", "content": text}]}).to_string();
        let read = read(path, &body).unwrap();
        let CallCost::AtMost(ceiling) = read.call.cost else { return Ok(()) };

        let total: u64 = shares.iter().sum::<u64>().max(1);
        let share = |index: usize| (body.len() as u64 + 500) * shares[index] / total;
        let usage = Usage {
            input_tokens: share(0),
            cached_input_tokens: share(1),
            cache_write_5m_tokens: share(2),
            cache_write_1h_tokens: share(3),
            output_tokens: cap,
            ..Usage::default()
        };
        let cost = PRICES.model(&read.call.provider, model).unwrap().cost(&usage).unwrap();
        let mut held = CostSum::default();
        held.add_money(ceiling.fixed);
        held.add(cap, ceiling.output_rate);

        prop_assert!(cost <= held.total());
    }
}
