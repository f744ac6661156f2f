//! A grant whose models have become much dearer waits until its user allows the new prices.

use aipassport::price_guard::on_record;
use aipassport_domain::audit::{Happened, PauseReason};
use aipassport_providers::prices::PriceBook;
use serde_json::json;

use crate::support::{
    TestBroker, TestUser,
    grant::{MODEL, TestGrant, access_to, chat},
    provider::TestProvider,
};

const SNAPSHOT: &str = include_str!("../../../../providers/data/prices.json");
/// As it is kept with a grant.
pub(super) const INPUT_TODAY: &str = r#""cached_input":75000000,"input":150000000,"output":600000000"#;
const INPUT: &str = r#""input": "0.15", "cached_input": "0.075""#;

/// A user's grant, approved when a million tokens of input cost so many dollars.
async fn approved_at(broker: &TestBroker, input: &str) -> (TestUser, TestGrant) {
    let user = broker.user("ana").await;
    broker.credential(&user, "openai", None).await;
    let details = vec![access_to(broker, "openai")];
    let grant = broker.grant(&user, details.clone()).await;

    let (before, model) = SNAPSHOT.split_at(SNAPSHOT.find(&format!("\"id\": \"{MODEL}\"")).unwrap());
    assert!(model.find(INPUT).is_some_and(|place| place < 300));
    let doctored = model.replacen(INPUT, &format!(r#""input": "{input}", "cached_input": "0.075""#), 1);
    let book = PriceBook::parse(&format!("{before}{doctored}"), "sha256:doctored").unwrap();
    let (app, record) = (&broker.app, on_record(&details, &book));
    let recorded = app
        .store
        .complete_approved_prices(&app.tenant_id, grant.id(), Some("{}"), &record);
    assert!(recorded.await.unwrap());
    (user, grant)
}

async fn pauses(broker: &TestBroker, grant: &TestGrant) -> usize {
    let rise = Happened::GrantPaused {
        reason: PauseReason::PriceRise,
    };
    let happened = broker.happened(grant).await;
    happened.iter().filter(|what| **what == rise).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_whose_model_became_much_dearer_waits_until_the_new_price_is_allowed() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (user, grant) = approved_at(&broker, "0.12").await;
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);

    broker.app.guard_prices().await.unwrap();

    let refused = broker.chat(&grant, &chat(5)).await;
    let app = format!("/apps/{}", grant.id());
    let told = &refused.json()["aipassport"];
    assert_eq!((refused.status, &told["rule"]), (403, &json!("price_rise")));
    assert_eq!(told["raise_url"], format!("{}{app}", broker.app.config.public_url));
    assert_eq!(pauses(&broker, &grant).await, 1);
    let mut browser = broker.browser_of(&user).await;
    assert!(browser.page("/apps").await.contains("It has become dearer."));
    let told = "gpt-4o-mini (OpenAI): a million tokens of input from $0.12 to $0.15";
    assert!(browser.page(&app).await.contains(told));

    // Who has not seen the prices is shown them.
    let resume = format!("{app}/resume");
    let unseen = browser.fill("/apps", &resume, &[]).await;
    assert_eq!((unseen.status, unseen.header("location")), (303, app.as_str()));
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 403);

    let allowed = browser.fill(&app, &resume, &[]).await;
    assert_eq!(allowed.status, 303);
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
    broker.app.guard_prices().await.unwrap();
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
    assert_eq!(pauses(&broker, &grant).await, 1);
    assert!(!browser.page(&app).await.contains("dearer than"));
    let activity = browser.page("/activity").await;
    assert!(activity.contains("Notes was paused: a model it uses has become much dearer."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_rise_pauses_nothing_unless_the_operator_says_so() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    // By exactly a fifth, and by a quarter.
    let (_, grant) = approved_at(&broker, "0.125").await;
    let careful = TestBroker::before_with(&provider, |config| config.prices.pause_when_dearer_percent = 19).await;
    let (_, warned) = approved_at(&careful, "0.125").await;

    broker.app.guard_prices().await.unwrap();
    careful.app.guard_prices().await.unwrap();

    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
    assert_eq!(careful.chat(&warned, &chat(5)).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_api_whoever_resumes_allows_the_new_price() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (user, grant) = approved_at(&broker, "0.10").await;
    broker.app.guard_prices().await.unwrap();

    let bearer = format!("Bearer {}", user.bearer);
    let (shown, resume) = (
        format!("/api/grants/{}", grant.id()),
        format!("/api/grants/{}/resume", grant.id()),
    );
    let paused = broker.get(&shown, &[("authorization", &bearer)]).await.json();
    assert_eq!(paused["pause_reason"], "price_rise");

    let resumed = broker
        .post_json(&resume, &[("authorization", &bearer)], &json!({}))
        .await;

    assert_eq!(resumed.status, 200, "{}", resumed.text());
    broker.app.guard_prices().await.unwrap();
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_record_yet_is_taken_down_at_its_present_price() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let grant = broker.grant(&user, vec![access_to(&broker, "openai")]).await;
    assert_eq!(broker.approved_prices(grant.id()).await, "{}");

    broker.app.guard_prices().await.unwrap();

    let prices = broker.approved_prices(grant.id()).await;
    assert!(prices.contains(INPUT_TODAY), "{prices}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_a_user_says_pauses_nothing() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (user, grant) = approved_at(&broker, "0.10").await;
    let bearer = format!("Bearer {}", user.bearer);
    let said = json!({"provider": "openai", "model": MODEL, "terms": {"per_million": {"input": "9", "output": "20"}}});
    let set = broker
        .post_json("/api/prices", &[("authorization", &bearer)], &said)
        .await;
    assert_eq!(set.status, 200, "{}", set.text());

    broker.app.guard_prices().await.unwrap();

    assert_eq!(pauses(&broker, &grant).await, 0);
    assert!(
        broker
            .approved_prices(grant.id())
            .await
            .contains(r#""input":9000000000"#)
    );
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_twice_at_once_pauses_once() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let (_, grant) = approved_at(&broker, "0.10").await;

    let (one, other) = tokio::join!(broker.app.guard_prices(), broker.app.guard_prices());

    one.and(other).unwrap();
    assert_eq!(pauses(&broker, &grant).await, 1);
}
