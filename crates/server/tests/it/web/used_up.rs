//! The choice that an app is stopped for good when its money is used up: at consent, later, for tools.

use aipassport_domain::{fixtures::access, grant::Grant, money::Money, time::Period};
use serde_json::{Value, json};

use super::browser::PASSWORD;
use crate::support::{
    TestBroker, TestUser,
    grant::{access_to, chat, greedy_chat},
    oauth::{CALLBACK, answer_parameter, good_request, with},
    provider::{TestProvider, completion},
};

const CHOICE: &str = "Stop this app for good when the money is used up";
const CHOSEN: (&str, &str) = ("used_up", "stop");

fn details(per: Option<&str>) -> Value {
    let mut access = json!(access());
    access["limits"] = json!({"budget": {"amount": "5.00", "currency": "USD"}});
    if let Some(per) = per {
        access["limits"]["budget"]["per"] = per.into();
    }
    json!([access])
}

async fn only_grant(broker: &TestBroker, user: &TestUser) -> Grant {
    let app = &broker.app;
    let grants = app.store.grants_of(&app.tenant_id, &user.id).await.unwrap();
    <[Grant; 1]>::try_from(grants).unwrap()[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_allows_an_app_chooses_and_nothing_is_chosen_from_the_start() {
    for is_chosen in [false, true] {
        let broker = TestBroker::start().await;
        let user = broker.user("ana").await;
        broker.credential(&user, "openai", None).await;
        let mut browser = broker.browser_of(&user).await;
        let client = broker.client("Notes", CALLBACK, None).await;
        let request = with(
            good_request(&client),
            "authorization_details",
            &details(None).to_string(),
        );
        let page = format!("/consent/{}", broker.ask(&browser.cookie, &request).await);
        assert!(browser.page(&page).await.contains(CHOICE));

        let mut entered = vec![("decision", "allow")];
        entered.extend(is_chosen.then_some(CHOSEN));
        let answer = browser.fill(&page, &page, &entered).await;
        let said = browser.page(&page).await;
        let back = browser.get(answer.header("location")).await;
        broker.redeem(&client, &answer_parameter(&back, "code").unwrap()).await;

        assert_eq!(said.contains("it is stopped for good"), is_chosen);
        let grant = only_grant(&broker, &user).await;
        assert_eq!(grant.revoke_when_used_up, is_chosen);
        let shown = browser.page(&format!("/apps/{}", grant.id)).await;
        assert_eq!(shown.contains("stopped for good"), is_chosen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_comes_anew_each_month_leaves_nothing_to_choose() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let browser = broker.browser_of(&user).await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let request = with(
        good_request(&client),
        "authorization_details",
        &details(Some("P1M")).to_string(),
    );

    let page = format!("/consent/{}", broker.ask(&browser.cookie, &request).await);

    assert!(!browser.page(&page).await.contains(CHOICE));
    let mut access = access_to(&broker, "openai");
    access.limits.budget = [(Some(Period::MONTH), Money::from_cents(500))].into();
    let grant = broker.grant(&user, vec![access]).await;
    let limits = format!("/apps/{}/limits", grant.id());
    assert!(!browser.page(&limits).await.contains(CHOICE));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_chosen_later_at_once_and_taken_back_with_the_password() {
    let broker = TestBroker::start().await;
    let user = broker.user_with_password("ana").await;
    let mut access = access_to(&broker, "openai");
    access.limits.budget = [(None, Money::from_cents(500))].into();
    let grant = broker.grant(&user, vec![access]).await;
    let mut browser = broker.browser_of(&user).await;
    broker.clock.advance_seconds(600);
    let path = format!("/apps/{}/limits", grant.id());
    browser.page(&path).await;

    assert_eq!(browser.fill(&path, &path, &[CHOSEN]).await.status, 303);
    assert!(only_grant(&broker, &user).await.revoke_when_used_up);
    let kept = browser.fill(&path, &path, &[("openai.budget.life", "4.00")]).await;
    assert_eq!(kept.status, 303);
    assert!(only_grant(&broker, &user).await.revoke_when_used_up);
    let without = browser.fill(&path, &path, &[("used_up", "")]).await;
    assert_eq!(without.status, 422);
    let taken_back = [("used_up", ""), ("password", PASSWORD)];
    assert_eq!(browser.fill(&path, &path, &taken_back).await.status, 303);
    assert!(!only_grant(&broker, &user).await.revoke_when_used_up);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_stopped_and_its_user_is_told_why() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = broker.user("ana").await;
    broker.credential(&user, "openai", None).await;
    let mut browser = broker.browser_of(&user).await;
    let entered = [("name", "My editor"), ("size", "try"), ("provider", "openai"), CHOSEN];
    let made = browser.fill("/apps/keys/new", "/apps/keys/new", &entered).await.text();
    let (_, key) = made.split_once("id=\"secret\">").unwrap();
    let key = key.split('<').next().unwrap();
    let grant = only_grant(&broker, &user).await;
    assert!(grant.revoke_when_used_up);

    let limits = format!("/apps/{}/limits", grant.id);
    let lowered = browser.fill(&limits, &limits, &[("openai.budget.life", "0.001")]).await;
    assert_eq!(lowered.status, 303, "{}", lowered.text());
    let call = async |body: Value| {
        let headers = [("x-api-key", key)];
        let answer = broker.post_json("/openai/v1/chat/completions", &headers, &body);
        answer.await.status
    };
    provider.then_json(200, &completion(900_000_000, 900_000_000));
    assert_eq!(call(greedy_chat()).await, 200);
    broker.settled().await;
    // What is left, if anything, pays for no call.
    call(chat(100)).await;

    assert_eq!(call(chat(100)).await, 401);
    let told = "My editor was stopped for good: its money is used up, as you had chosen.";
    assert!(browser.page("/activity").await.contains(told));
    // Where an alert leads that was told before.
    let back = browser.get(&limits).await;
    assert_eq!(
        (back.status, back.header("location")),
        (303, format!("/apps/{}", grant.id).as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_money_is_used_up_says_so_and_where_to_raise_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = broker.user("ana").await;
    broker.credential(&user, "openai", None).await;
    let mut access = access_to(&broker, "openai");
    access.limits.requests = [(Some(Period::MONTH), 1)].into();
    let grant = broker.grant(&user, vec![access]).await;
    provider.then_json(200, &completion(1, 1));
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
    broker.settled().await;

    let browser = broker.browser_of(&user).await;
    let limits = format!("/apps/{}/limits", grant.id());
    let apps = browser.page("/apps").await;
    assert!(apps.contains("Its limit is used up.") && apps.contains(&format!("<a href=\"{limits}\">Raise it</a>")));
    let app = browser.page(&format!("/apps/{}", grant.id())).await;
    assert!(app.contains("Raise the limit"));
}
