//! What users are told of their limits, on their pages and through the API.

use aipassport_domain::audit::Happened;

use crate::support::{
    TestBroker, TestUser,
    grant::{TestGrant, access_to, chat},
    http::Answer,
    provider::TestProvider,
};

/// A grant of two requests in all, of which one was made.
async fn half_used(broker: &TestBroker, user: &TestUser) -> TestGrant {
    broker.credential(user, "openai", None).await;
    let mut access = access_to(broker, "openai");
    access.limits.requests = [(None, 2)].into();
    let grant = broker.grant(user, vec![access]).await;
    assert_eq!(broker.chat(&grant, &chat(5)).await.status, 200);
    broker.settled().await;
    grant
}

async fn api(broker: &TestBroker, user: &TestUser, method: &str, path: &str) -> Answer {
    let authorization = format!("Bearer {}", user.bearer);
    let headers = [("authorization", authorization.as_str())];
    let request = broker.request(method, path, &headers, bytes::Bytes::new());
    broker.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_told_on_the_pages_until_it_was_seen() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = broker.user("ana").await;
    let grant = half_used(&broker, &user).await;
    let mut browser = broker.browser_of(&user).await;
    let told = "Notes used 50 % of the limit of 2 requests in all.";

    let (apps, app) = ("/apps", format!("/apps/{}", grant.id()));
    assert!(browser.page(apps).await.contains(told));
    assert!(browser.page(&app).await.contains(told));
    assert!(
        browser
            .page("/activity")
            .await
            .contains("Notes used 50 % of the number of requests.")
    );
    let seen = browser.fill(&app, "/alerts/seen", &[]).await;

    assert_eq!((seen.status, seen.header("location")), (303, app.as_str()));
    for page in [apps, &app] {
        assert!(!browser.page(page).await.contains(told));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_what_stopped_an_app() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = broker.user("ana").await;
    let grant = half_used(&broker, &user).await;
    broker.clock.advance_seconds(1);
    broker.chat(&grant, &chat(5)).await;
    broker.settled().await;
    for _ in 0..3 {
        assert_eq!(broker.chat(&grant, &chat(5)).await.status, 402);
    }

    let alerts = api(&broker, &user, "GET", "/api/alerts?unseen=true").await.json();

    let told: Vec<_> = alerts
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| &alert["threshold"])
        .collect();
    assert_eq!(told, [100, 50]);
    let full = &alerts[0];
    assert_eq!(full["grant_id"], grant.id().as_str());
    assert_eq!((&full["level"], &full["rule"]), (&"grant".into(), &"requests".into()));
    assert_eq!((&full["used"], &full["limit"]), (&2.into(), &2.into()));

    let path = format!("/api/alerts/{}/seen", full["id"].as_str().unwrap());
    assert_eq!(api(&broker, &user, "POST", &path).await.status, 204);
    let left = api(&broker, &user, "GET", "/api/alerts?unseen=true").await.json();
    assert_eq!(left.as_array().unwrap().len(), 1);
    let all = api(&broker, &user, "GET", "/api/alerts").await.json();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let events = broker.app.store.events(&broker.app.tenant_id, 0, 1_000).await.unwrap();
    let reached = |what: &Happened| matches!(what, Happened::LimitReached { .. });
    assert_eq!(events.iter().filter(|record| reached(&record.event.what)).count(), 1);
}
