//! Servers of one's own and what they cost, as a person enters them on the page of keys, and as a
//! program does at `/api/prices`.

use aipassport_domain::{
    money::Money,
    price_override::{OwnPrice, OwnRates, PriceOverride, PriceTerms},
};
use serde_json::{Value, json};

use super::html;
use crate::support::{TestBroker, TestUser, grant::access_to};

/// An address at which nobody is: the key is kept, and was not checked.
const NOWHERE: &str = "http://127.0.0.1:9";

async fn prices_of(broker: &TestBroker, user: &TestUser) -> Vec<PriceOverride> {
    let app = &broker.app;
    app.store.prices_of(&app.tenant_id, &user.id).await.unwrap()
}

async fn providers_of(broker: &TestBroker, user: &TestUser) -> Vec<String> {
    let app = &broker.app;
    let credentials = app.store.credentials_of(&app.tenant_id, &user.id).await.unwrap();
    credentials
        .iter()
        .map(|credential| credential.provider.to_string())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_adds_a_server_and_says_what_it_costs() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let mut browser = broker.browser_of(&ana).await;

    let server = [
        ("server", "yes"),
        ("provider", "custom"),
        ("name", "lab"),
        ("base_url", NOWHERE),
        ("key", ""),
    ];
    let own = [
        ("cost", "own"),
        ("price_input", "0.20"),
        ("price_output", "0,60"),
        ("max_output_tokens", "4096"),
    ];
    let added = browser
        .fill("/keys", "/keys", &[server.as_slice(), &own].concat())
        .await;

    assert_eq!(added.status, 303, "{}", added.text());
    assert_eq!(providers_of(&broker, &ana).await, ["custom/lab"]);
    let [said] = <[_; 1]>::try_from(prices_of(&broker, &ana).await).unwrap();
    let rates = OwnRates {
        input: Money::from_cents(20),
        output: Money::from_cents(60),
        cached_input: None,
    };
    let price = OwnPrice {
        max_output_tokens: Some(4_096),
        ..OwnPrice::of(PriceTerms::PerMillion(rates))
    };
    assert_eq!(
        (said.provider.as_str(), said.model, said.price),
        ("custom/lab", None, price)
    );
    let page = browser.page("/keys").await;
    assert!(page.contains("no key") && page.contains("lab: every model"), "{page}");

    let forgotten = browser.fill_in(&page, "/prices/remove", &[]).await;
    assert_eq!(forgotten.status, 303);
    assert_eq!(prices_of(&broker, &ana).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_not_added_when_anything_about_it_is_wrong() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let mut browser = broker.browser_of(&ana).await;
    let server = |name, base_url| {
        vec![
            ("server", "yes"),
            ("provider", "custom"),
            ("name", name),
            ("base_url", base_url),
            ("key", ""),
        ]
    };

    for (entered, more) in [
        (server("My Lab", NOWHERE), ("cost", "free")),
        (server("", NOWHERE), ("cost", "free")),
        (server("lab", ""), ("cost", "free")),
        (server("lab", "http://ana:secret@127.0.0.1:9"), ("cost", "free")),
        (server("lab", NOWHERE), ("cost", "own")),
        (server("lab", NOWHERE), ("cost", "discount")),
    ] {
        let told = browser
            .fill("/keys", "/keys", &[entered.as_slice(), &[more]].concat())
            .await;
        assert_eq!(told.status, 422, "{entered:?} {more:?}");
        assert_eq!(html::faults(&told.text()), Vec::<String>::new(), "{entered:?}");
    }
    assert_eq!(providers_of(&broker, &ana).await, Vec::<String>::new());
    assert_eq!(prices_of(&broker, &ana).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discount_on_a_public_provider_is_entered_on_the_page_and_nothing_there_is_free() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let mut browser = broker.browser_of(&ana).await;
    let of = [("provider", "openai"), ("model", "gpt-4o-mini")];

    let free = browser
        .fill("/keys", "/prices", &[of.as_slice(), &[("cost", "free")]].concat())
        .await;
    assert_eq!(free.status, 422);
    assert!(free.text().contains("only what runs on a machine of your own is free"));
    let less = [("cost", "discount"), ("discount", "15")];
    let saved = browser.fill("/keys", "/prices", &[of.as_slice(), &less].concat()).await;
    assert_eq!(saved.status, 303);

    let page = browser.page("/keys").await;
    assert!(
        page.contains("OpenAI: gpt-4o-mini") && page.contains("15 % off the list"),
        "{page}"
    );
    let happened = browser.page("/activity").await;
    assert!(happened.contains("gpt-4o-mini"), "{happened}");
}

async fn asked(broker: &TestBroker, user: &TestUser, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {}", user.bearer);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = broker
        .send(broker.request(method, path, &headers, body.to_string().into()))
        .await;
    let json = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    (answer.status, json)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_sets_lists_and_removes_prices() {
    let broker = TestBroker::start().await;
    let (ana, bo) = (broker.user("ana").await, broker.user("bo").await);
    let free = json!({"provider": "ollama", "terms": "free"});
    let own = json!({
        "provider": "ollama", "model": "llama3.2:3b", "max_output_tokens": 2048,
        "terms": {"per_million": {"input": "0.10", "output": "0.40"}},
    });

    for price in [&free, &own] {
        let (status, said) = asked(&broker, &ana, "POST", "/api/prices", price).await;
        assert_eq!((status, said["terms"].clone()), (200, price["terms"].clone()));
    }
    for wrong in [
        json!({"provider": "openai", "terms": "free"}),
        json!({"provider": "nobody", "terms": "free"}),
        json!({"provider": "custom/No", "terms": "free"}),
        json!({"provider": "ollama", "terms": {"discount_percent": 10}}),
        json!({"provider": "ollama", "terms": {"per_million": {"input": "0", "output": "0"}}}),
        json!({"provider": "ollama", "terms": {"per_million": {"input": "-1", "output": "1"}}}),
        json!({"provider": "ollama"}),
        json!({"provider": "ollama", "terms": "free", "is_it": true}),
    ] {
        assert_eq!(
            asked(&broker, &ana, "POST", "/api/prices", &wrong).await.0,
            400,
            "{wrong}"
        );
    }
    let (_, listed) = asked(&broker, &ana, "GET", "/api/prices", &Value::Null).await;
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let (_, of_another) = asked(&broker, &bo, "GET", "/api/prices", &Value::Null).await;
    assert_eq!(of_another, json!([]));

    let one = "/api/prices?provider=ollama&model=llama3.2:3b";
    assert_eq!(asked(&broker, &bo, "DELETE", one, &Value::Null).await.0, 404);
    assert_eq!(asked(&broker, &ana, "DELETE", one, &Value::Null).await.0, 204);
    assert_eq!(asked(&broker, &ana, "DELETE", one, &Value::Null).await.0, 404);
    assert_eq!(prices_of(&broker, &ana).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_cannot_say_what_its_calls_cost() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let grant = broker.grant(&ana, vec![access_to(&broker, "openai")]).await;
    let app = TestUser {
        id: ana.id.clone(),
        bearer: grant.token.clone(),
    };

    let cheap = json!({"provider": "openai", "terms": {"discount_percent": 99}});
    for (method, path, body) in [
        ("GET", "/api/prices", &Value::Null),
        ("POST", "/api/prices", &cheap),
        ("DELETE", "/api/prices?provider=openai", &Value::Null),
    ] {
        assert_eq!(asked(&broker, &app, method, path, body).await.0, 401, "{method}");
    }
    assert_eq!(prices_of(&broker, &ana).await, []);
}
