//! Limits of all apps together and of one app as a whole, as a person sets and raises them.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{browser::PASSWORD, html};
use crate::support::{
    TestBroker, TestUser,
    grant::{TestGrant, access_to, chat},
    http::Answer,
    ledger::eventually,
    provider::TestProvider,
};

/// An app that `user` allowed something.
async fn app_of(broker: &TestBroker, user: &TestUser) -> TestGrant {
    broker.grant(user, vec![access_to(broker, "openai")]).await
}

/// Makes so many calls, and waits until all there were are settled.
async fn call(broker: &TestBroker, grant: &TestGrant, calls: usize) {
    let before = broker.settled_calls(grant).await.len();
    for _ in 0..calls {
        assert_eq!(broker.chat(grant, &chat(5)).await.status, 200);
    }
    eventually(async || broker.settled_calls(grant).await.len() == before + calls).await;
}

fn app_limits(grant: &TestGrant) -> String {
    format!("/limits/{}", grant.grant.client_id)
}

/// The page on which the limit that refused a call is raised.
fn raised_at(broker: &TestBroker, refused: &Answer) -> String {
    let stands = &refused.json()["aipassport"];
    let url = stands["raise_url"].as_str().unwrap();
    url.strip_prefix(&broker.url("")).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_146_a_call_that_all_apps_together_may_not_make_passes_once_its_user_raised_that_where_the_refusal_says()
{
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let ana = broker.user("ana").await;
    broker.credential(&ana, "openai", None).await;
    let (notes, mail) = (app_of(&broker, &ana).await, app_of(&broker, &ana).await);
    let mut browser = broker.browser_of(&ana).await;
    let limited = [("budget.P1M", "0.003"), ("requests.P1D", "500")];
    assert_eq!(browser.fill("/limits", "/limits", &limited).await.status, 303);
    // What the one has spent, the other is not to learn.
    call(&broker, &notes, 1).await;

    let refused = broker.chat(&mail, &chat(5_000)).await;
    let page = raised_at(&broker, &refused);
    let shown = browser.page(&page).await;
    let raised = browser.fill_in(&shown, &page, &[("budget.P1M", "5.00")]).await;
    let passed = broker.chat(&mail, &chat(5_000)).await;

    assert_eq!((refused.status, page.as_str()), (402, "/limits"));
    let stands = &refused.json()["aipassport"];
    assert_eq!((&stands["rule"], &stands["level"]), (&"budget".into(), &"user".into()));
    for amount in ["limit", "used", "reserved"] {
        assert!(stands[amount].is_null(), "{stands}");
    }
    assert!(!refused.text().contains("0.003") && !refused.text().contains(notes.id().as_str()));
    assert!(
        shown.contains("of $0.003 a month") && shown.contains("used</span>"),
        "{shown}"
    );
    assert_eq!((raised.status, raised.header("location")), (303, "/limits?done=limits"));
    assert_eq!(passed.status, 200, "{}", passed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_an_app_as_a_whole_may_not_make_passes_once_its_user_raised_that_where_the_refusal_says() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let ana = broker.user("ana").await;
    broker.credential(&ana, "openai", None).await;
    let (notes, other) = (app_of(&broker, &ana).await, app_of(&broker, &ana).await);
    let mut browser = broker.browser_of(&ana).await;
    let page = app_limits(&notes);
    assert_eq!(browser.fill(&page, &page, &[("requests.life", "1")]).await.status, 303);
    call(&broker, &notes, 1).await;

    let refused = broker.chat(&notes, &chat(5)).await;
    let of_other = broker.chat(&other, &chat(5)).await.status;
    let shown = browser.page(&raised_at(&broker, &refused)).await;
    browser.fill_in(&shown, &page, &[("requests.life", "2")]).await;
    let passed = broker.chat(&notes, &chat(5)).await.status;

    let stands = &refused.json()["aipassport"];
    assert_eq!((refused.status, &stands["level"]), (402, &"app".into()));
    assert_eq!((&stands["used"], &stands["limit"]), (&1.into(), &1.into()));
    assert_eq!(raised_at(&broker, &refused), page);
    assert!(shown.contains("Notes as a whole") && shown.contains("of 1 request in all"));
    assert_eq!((of_other, passed), (200, 200));
}

/// Nobody knows whether a call comes before or after its limit is raised; what was raised to holds.
#[tokio::test(flavor = "multi_thread")]
async fn threat_145_calls_that_race_with_raising_never_exceed_what_was_raised_to() {
    let provider = TestProvider::start().await;
    let broker = Arc::new(TestBroker::before(&provider).await);
    let ana = broker.user("ana").await;
    broker.credential(&ana, "openai", None).await;
    let notes = Arc::new(app_of(&broker, &ana).await);
    let mut browser = broker.browser_of(&ana).await;
    browser.fill("/limits", "/limits", &[("requests.life", "3")]).await;

    let mut calls = JoinSet::new();
    for _ in 0..40 {
        let (broker, notes) = (Arc::clone(&broker), Arc::clone(&notes));
        calls.spawn(async move { broker.chat(&notes, &chat(5)).await.status });
    }
    browser.fill("/limits", "/limits", &[("requests.life", "7")]).await;
    let raced = calls.join_all().await;
    let mut passed = raced.iter().filter(|status| **status == 200).count();
    assert!((3..=7).contains(&passed), "{raced:?}");
    while broker.chat(&notes, &chat(5)).await.status == 200 {
        passed += 1;
    }

    assert_eq!(passed, 7);
    assert_eq!(provider.received().len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn lowering_needs_nothing_and_raising_or_removing_the_password() {
    let broker = TestBroker::start().await;
    let ana = broker.user_with_password("ana").await;
    let notes = app_of(&broker, &ana).await;
    let mut browser = broker.browser_of(&ana).await;
    for page in ["/limits".to_owned(), app_limits(&notes)] {
        let set = [("budget.P1M", "5.00"), ("rate.PT1M", "20")];
        assert_eq!(browser.fill(&page, &page, &set).await.status, 303, "{page}");
        broker.clock.advance_seconds(600);

        let lowered = browser.fill(&page, &page, &[("budget.P1M", "2.00")]).await;
        assert_eq!(lowered.status, 303);
        for more in [("budget.P1M", "3.00"), ("rate.PT1M", ""), ("remove", "yes")] {
            let refused = browser.fill(&page, &page, &[more, ("password", "not this one")]).await;
            assert_eq!(refused.status, 422, "{more:?}");
            assert!(
                refused
                    .text()
                    .contains("Raising or removing a limit needs your password.")
            );
        }
        assert!(browser.page(&page).await.contains(r#"value="2.00""#));
        let removed = browser
            .fill(&page, &page, &[("remove", "yes"), ("password", PASSWORD)])
            .await;
        assert_eq!(removed.header("location"), format!("{page}?done=removed"));
        assert!(browser.page(&page).await.contains("No limit yet"));
    }

    let activity = browser.page("/activity").await;
    for said in [
        "You changed the limits of all apps together.",
        "You removed the limits of all apps together.",
        "You changed the limits of Notes as a whole.",
    ] {
        assert!(activity.contains(said), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_with_a_fault_loses_nothing_and_changes_nothing() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let mut browser = broker.browser_of(&ana).await;
    browser.fill("/limits", "/limits", &[("budget.P1M", "5.00")]).await;

    let wrong = [
        ("budget.P1M", "4.00"),
        ("budget.P1D", "a dollar"),
        ("requests.P1W", "12"),
    ];
    let refused = browser.fill("/limits", "/limits", &wrong).await;

    assert_eq!(refused.status, 422);
    let page = refused.text();
    assert_eq!(html::faults(&page), Vec::<String>::new());
    assert!(page.contains("Write an amount like 5.00. Or leave it empty for no limit."));
    for kept in ["4.00", "a dollar", "12"] {
        assert!(page.contains(&format!(r#"value="{kept}""#)), "{kept}");
    }
    assert!(browser.page("/limits").await.contains(r#"value="5.00""#));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_says_whose_limit_it_is_and_leads_to_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let ana = broker.user("ana").await;
    broker.credential(&ana, "openai", None).await;
    let notes = app_of(&broker, &ana).await;
    let mut browser = broker.browser_of(&ana).await;
    let page = app_limits(&notes);
    browser.fill("/limits", "/limits", &[("requests.P1M", "20")]).await;
    browser.fill(&page, &page, &[("requests.P1M", "40")]).await;

    for (calls, told, of, path) in [
        (10, "Your apps together used 50 %", "20", "/limits"),
        (6, "Your apps together used 80 %", "20", "/limits"),
        (3, "Your apps together used 95 %", "20", "/limits"),
        (1, "Your apps together used up", "20", "/limits"),
        (0, "Notes as a whole used 50 %", "40", page.as_str()),
    ] {
        broker.clock.advance_seconds(1);
        call(&broker, &notes, calls).await;

        let apps = browser.page("/apps").await;
        let told = apps.split("<li>").find(|line| line.contains(told)).unwrap();
        assert!(
            told.contains(&format!("of {of} requests a month")) || told.contains("used up"),
            "{told}"
        );
        assert!(told.contains(&format!(r#"<a href="{path}">Limits</a>"#)), "{told}");
    }
    let refused = broker.chat(&notes, &chat(5)).await;
    assert_eq!(
        (refused.status, raised_at(&broker, &refused).as_str()),
        (402, "/limits")
    );
    assert!(
        browser
            .page("/activity")
            .await
            .contains("Every app was stopped: the requests of all apps together were used up.")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_apps_show_what_they_share_once_and_by_its_name() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let (notes, _) = (app_of(&broker, &ana).await, app_of(&broker, &ana).await);
    let mut browser = broker.browser_of(&ana).await;
    assert!(
        browser
            .page("/limits")
            .await
            .contains("they may spend $10.00 a month together")
    );

    browser.fill("/limits", "/limits", &[("budget.P1M", "7.00")]).await;

    let apps = browser.page("/apps").await;
    assert_eq!(apps.matches("of $7.00 a month").count(), 1);
    assert!(apps.contains("of at most $7.00"));
    let app = browser.page(&format!("/apps/{}", notes.id())).await;
    assert!(app.contains("all apps together") && app.contains("of $7.00 a month"));
    assert!(app.contains(&app_limits(&notes)));
}

/// `security.md` 161: an app that only somebody else uses is not there, and theirs do not change.
#[tokio::test(flavor = "multi_thread")]
async fn threat_161_the_limits_of_another_users_app_are_not_there() {
    let broker = TestBroker::start().await;
    let (ana, bob) = (broker.user("ana").await, broker.user("bob").await);
    let notes = app_of(&broker, &ana).await;
    let mut anas = broker.browser_of(&ana).await;
    let page = app_limits(&notes);
    anas.fill(&page, &page, &[("budget.P1M", "4.44")]).await;
    anas.fill("/limits", "/limits", &[("budget.P1M", "5.55")]).await;
    let mut bobs = broker.browser_of(&bob).await;
    let csrf = html::form(&bobs.page("/limits").await, "/limits").remove(0).1;

    for path in [page.as_str(), "/limits/unknown", "/limits/%00"] {
        assert_eq!(bobs.get(path).await.status, 404, "{path}");
        let form = [("csrf", csrf.as_str()), ("remove", "yes")];
        assert_eq!(bobs.post(path, &form).await.status, 404, "{path}");
    }
    bobs.fill("/limits", "/limits", &[("budget.P1M", "1.00")]).await;

    assert!(!bobs.page("/limits").await.contains("5.55"));
    assert!(anas.page(&page).await.contains(r#"value="4.44""#));
    assert!(anas.page("/limits").await.contains(r#"value="5.55""#));
}
