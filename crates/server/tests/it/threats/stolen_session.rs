//! A browser that was left open, or whose cookie was taken (`security.md` 71, 79).

use aipassport_domain::money::Money;
use serde_json::{Value, json};

use crate::{
    support::{TestBroker, grant::access_to, http::Answer},
    web::{
        browser::{Browser, PASSWORD},
        html,
    },
};

/// What a script could do with the cookie: read the page's token, and send it along.
async fn patch(browser: &Browser<'_>, grant_id: &str, change: &Value) -> Answer {
    let csrf = html::form(&browser.page("/apps").await, "/logout").remove(0).1;
    let origin = browser.broker.url("");
    let headers = [
        ("cookie", browser.cookie.as_str()),
        ("origin", &origin),
        ("aipassport-csrf", &csrf),
        ("content-type", "application/json"),
    ];
    let path = format!("/grants/{grant_id}");
    let request = browser
        .broker
        .request("PATCH", &path, &headers, change.to_string().into());
    browser.broker.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_79_an_old_session_lowers_limits_and_raises_none() {
    let broker = TestBroker::start().await;
    let user = broker.user_with_password("alice").await;
    let mut access = access_to(&broker, "openai");
    access.limits.budget = [(None, Money::from_cents(500))].into();
    let grant = broker.grant(&user, vec![access]).await;
    let id = grant.id().as_str();
    let mut browser = broker.new_browser();
    browser.sign_in("alice", PASSWORD).await;
    let (lower, raise) = (
        json!({"scope": {"maxBudgetCents": 100}}),
        json!({"scope": {"maxBudgetCents": 400}}),
    );
    let (later, sooner) = (
        json!({"expiresInSeconds": 5_000_000}),
        json!({"expiresInSeconds": 3_600}),
    );

    assert_eq!(patch(&browser, id, &lower).await.status, 200);
    assert_eq!(patch(&browser, id, &raise).await.status, 200, "just signed in");

    broker.clock.advance_seconds(301);
    assert_eq!(patch(&browser, id, &lower).await.status, 200);
    for more in [&raise, &later] {
        let refused = patch(&browser, id, more).await;
        assert_eq!(
            (refused.status, refused.json()["code"].as_str()),
            (403, Some("sign_in_again")),
            "{more}"
        );
    }
    assert_eq!(patch(&browser, id, &sooner).await.status, 200);

    browser = broker.new_browser();
    browser.sign_in("alice", PASSWORD).await;
    assert_eq!(patch(&browser, id, &raise).await.status, 200);
}

/// What was taken ends with "sign out everywhere", bearers too.
#[tokio::test(flavor = "multi_thread")]
async fn threat_71_signing_out_everywhere_ends_sessions_and_bearers() {
    let broker = TestBroker::start().await;
    let user = broker.user("alice").await;
    let bearer = format!("Bearer {}", user.bearer);
    let stolen = broker.browser_of(&user).await;
    let mut browser = broker.browser_of(&user).await;
    let answers = async || {
        let by_bearer = broker.get("/api/grants", &[("authorization", &bearer)]).await.status;
        (by_bearer, stolen.get("/apps").await.status)
    };
    assert_eq!(answers().await, (200, 200));

    browser.fill("/settings", "/settings/sign-out-everywhere", &[]).await;

    assert_eq!(answers().await, (401, 303));
}
