//! What a user says of prices: unknown is never free, and what is said holds from the next call on.

use aipassport_domain::{
    audit::Happened,
    ids::ProviderId,
    money::Money,
    price_override::{OwnPrice, PriceTerms},
};
use serde_json::json;

use super::{Home, ask, free, per_million};
use crate::support::{
    TestBroker,
    grant::chat,
    provider::{TestProvider, completion},
};

const PATH: &str = "/vllm/v1/chat/completions";

#[tokio::test(flavor = "multi_thread")]
async fn threat_137_a_server_of_which_nothing_is_said_is_not_free() {
    let home = Home::start().await;
    let grant = home.granted("vllm", &["qwen3-8b"], None).await;

    let refused = home.post(&grant, PATH, &ask("qwen3-8b", "Hi")).await;

    assert_eq!(
        (refused.status, &refused.json()["aipassport"]["rule"]),
        (403, &json!("price_unknown"))
    );
    assert_eq!(home.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_holds_from_the_next_call_on() {
    let home = Home::start().await;
    let user = home.user_with("vllm", &home.base_url_of("vllm")).await;
    let grant = home.grant(&user, "vllm", &["qwen3-8b"]).await;
    let call = async || {
        home.post(&grant, PATH, &ask("qwen3-8b", "Hi [[sandbox: input=20; tokens=10]]"))
            .await
            .status
    };
    assert_eq!(call().await, 403);

    home.say(&user, "vllm", free()).await;
    assert_eq!(call().await, 200);
    home.say(&user, "vllm", per_million("1.00", "1.00", "2.00")).await;
    assert_eq!(call().await, 200);
    let removed = Happened::PriceRemoved {
        provider: ProviderId::new("vllm"),
        model: None,
    };
    let event = home.broker.event(Some(&user.id), removed);
    let store = &home.broker.app.store;
    assert!(
        store
            .remove_price(&user.id, &ProviderId::new("vllm"), None, &event)
            .await
            .unwrap()
    );
    assert_eq!(call().await, 403);

    home.broker.settled().await;
    let costs: Vec<Money> = home
        .broker
        .settled_calls(&grant)
        .await
        .iter()
        .map(|call| call.cost)
        .collect();
    // 20 × $1 / M and 10 × $2 / M.
    assert_eq!(costs, [Money::ZERO, Money::from_nanos(40_000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discount_is_taken_off_the_list_and_leaves_its_mark_on_the_charge() {
    let provider = TestProvider::start().await;
    let home = Home {
        broker: TestBroker::before(&provider).await,
        ..Home::start().await
    };
    let user = home.broker.user("ana").await;
    home.broker.credential(&user, "openai", None).await;
    home.say(&user, "openai", OwnPrice::of(PriceTerms::DiscountPercent(15)))
        .await;
    let grant = home.grant(&user, "openai", &["gpt-4o-mini"]).await;
    provider.then_json(200, &completion(1_000, 500));

    let answer = home.broker.chat(&grant, &chat(600)).await;

    // 85 % of 1,000 at $0.15 and of 500 at $0.60 the million.
    assert_eq!(answer.header("aipassport-cost"), "0.0003825");
    let id = answer.header("aipassport-request-id").to_owned();
    home.broker.settled().await;
    let bearer = grant.bearer();
    let call = home
        .broker
        .get(&format!("/api/calls/{id}"), &[("authorization", &bearer)])
        .await
        .json();
    let digest = call["price_digest"].as_str().unwrap();
    assert!(
        digest.starts_with("sha256:") && digest != home.broker.app.prices.digest(),
        "{digest}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nothing_limits_is_refused_unless_it_is_free() {
    let home = Home::start().await;
    let unlimited = OwnPrice {
        max_output_tokens: None,
        ..per_million("1.00", "1.00", "2.00")
    };
    let paid = home.granted("vllm", &["qwen3-8b"], Some(unlimited)).await;
    let free = home.granted("vllm", &["qwen3-8b"], Some(free())).await;
    let body = json!({"model": "qwen3-8b", "messages": [{"role": "user", "content": "Hi"}]});

    let refused = home.post(&paid, PATH, &body).await;
    let let_through = home.post(&free, PATH, &body).await;

    assert_eq!(
        (refused.status, &refused.json()["aipassport"]["rule"]),
        (403, &json!("cost_unbounded"))
    );
    assert_eq!(let_through.status, 200, "{}", let_through.text());
    assert_eq!(home.bill().await.rows[0].output_cap, None);
}
