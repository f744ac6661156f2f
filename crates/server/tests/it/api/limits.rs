//! `/api/limits`: limits above those of single grants, as a program sets them.

use serde_json::{Value, json};

use crate::support::{
    TestBroker, TestUser,
    grant::{access_to, chat},
    http::Answer,
    ledger::eventually,
    provider::TestProvider,
};

async fn api(broker: &TestBroker, user: &TestUser, method: &str, path: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {}", user.bearer);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    broker.send(broker.request(method, path, &headers, body.into())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_sets_shows_and_removes_what_all_apps_and_one_app_share() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let ana = broker.user("ana").await;
    broker.credential(&ana, "openai", None).await;
    let grant = broker.grant(&ana, vec![access_to(&broker, "openai")]).await;
    let of_app = format!("/api/limits/{}", grant.grant.client_id);
    let terms = |most: u64| {
        json!({
        "requests": {"max": most, "per": "P1D"},
        "budget": [{"amount": "9.00", "currency": "USD"}, {"amount": "2.50", "currency": "USD", "per": "P1M"}],
        "rate": [{"requests": 60, "per": "PT1M"}],
        "concurrency": 4
        })
    };

    let mut made = 0;
    // What was used before a limit counts in it.
    for (path, level, most) in [("/api/limits", "user", 1), (of_app.as_str(), "app", 3)] {
        let none = api(&broker, &ana, "GET", path, &Value::Null).await;
        assert_eq!(
            (&none.json()["terms"], &none.json()["limits"]),
            (&json!({}), &json!([]))
        );

        let set = api(&broker, &ana, "PUT", path, &terms(most)).await;
        assert_eq!(set.status, 200, "{}", set.text());
        assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
        made += 1;
        eventually(async || broker.settled_calls(&grant).await.len() == made).await;
        let refused = broker.chat(&grant, &chat(5)).await;
        let shown = api(&broker, &ana, "GET", path, &Value::Null).await.json();
        let removed = api(&broker, &ana, "DELETE", path, &Value::Null).await;

        assert_eq!((&shown["level"], &shown["terms"]), (&level.into(), &terms(most)));
        assert_eq!(shown["client_id"].is_null(), level == "user");
        let requests = &shown["limits"][2];
        assert_eq!(
            (&requests["rule"], &requests["level"]),
            (&"requests".into(), &level.into())
        );
        assert_eq!((&requests["used"], &requests["left"]), (&most.into(), &0.into()));
        assert_eq!((&requests["window"], requests.get("provider")), (&"P1D".into(), None));
        assert_eq!(
            (refused.status, &refused.json()["aipassport"]["level"]),
            (402, &level.into())
        );
        assert_eq!(removed.status, 204);
        assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
        made += 1;
        eventually(async || broker.settled_calls(&grant).await.len() == made).await;
    }
    let audit = api(&broker, &ana, "GET", "/api/audit?limit=200", &Value::Null)
        .await
        .json();
    let changes = audit
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["what"]["kind"] == "limits_changed");
    assert_eq!(changes.count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_do_not_say_one_thing_are_refused_and_change_nothing() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let good = json!({"concurrency": 2});
    assert_eq!(api(&broker, &ana, "PUT", "/api/limits", &good).await.status, 200);

    for wrong in [
        json!({"concurrency": 0}),
        json!({"tokens": 5}),
        json!({"budget": {"amount": "5.00"}}),
        json!({"budget": {"amount": "-5.00", "currency": "USD"}}),
        json!({"budget": {"amount": "5.00", "currency": "EUR"}}),
        json!({"requests": [{"max": 1}, {"max": 2}]}),
        json!({"rate": [{"requests": 1, "per": "P1M"}]}),
        json!([]),
    ] {
        let refused = api(&broker, &ana, "PUT", "/api/limits", &wrong).await;
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (400, &"invalid".into()),
            "{wrong}"
        );
    }

    let shown = api(&broker, &ana, "GET", "/api/limits", &Value::Null).await;
    assert_eq!(shown.json()["terms"], good);
}

/// A browser that was left open, or a stolen cookie, must not raise a limit.
#[tokio::test(flavor = "multi_thread")]
async fn threat_64_a_browsers_script_lowers_a_limit_and_raises_none_without_a_fresh_sign_in() {
    let broker = TestBroker::start().await;
    let ana = broker.user_with_password("ana").await;
    let browser = broker.browser_of(&ana).await;
    let csrf = crate::web::html::form(&browser.page("/limits").await, "/limits")
        .remove(0)
        .1;
    let origin = broker.url("");
    let send = async |method: &str, csrf: &str, max: u64| {
        let headers = [
            ("cookie", browser.cookie.as_str()),
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
            ("aipassport-csrf", csrf),
        ];
        let body = json!({"requests": {"max": max}}).to_string();
        broker
            .send(broker.request(method, "/api/limits", &headers, body.into()))
            .await
            .status
    };

    assert_eq!(send("PUT", "forged", 5).await, 403);
    assert_eq!(send("PUT", &csrf, 5).await, 200);
    broker.clock.advance_seconds(600);
    assert_eq!(send("PUT", &csrf, 4).await, 200);
    assert_eq!(send("PUT", &csrf, 5).await, 403);
    assert_eq!(send("DELETE", &csrf, 0).await, 403);

    let shown = api(&broker, &ana, "GET", "/api/limits", &Value::Null).await;
    assert_eq!(shown.json()["terms"]["requests"]["max"], 4);
}
