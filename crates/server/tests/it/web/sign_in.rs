//! Signing in: who is told what, and how often one may try.

use aipassport_domain::audit::Happened;

use super::browser::PASSWORD;
use crate::support::TestBroker;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_without_users_says_how_to_make_one() {
    let broker = TestBroker::start().await;

    let page = broker.new_browser().page("/login").await;

    assert!(page.contains("aipassport user add"));
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_leads_to_the_page_one_came_for() {
    let broker = TestBroker::start().await;
    broker.user_with_password("ana").await;
    let mut browser = broker.new_browser();

    let sent = browser.get("/activity?show=calls").await;
    assert_eq!(
        (sent.status, sent.header("location")),
        (303, "/login?return_to=%2Factivity%3Fshow%3Dcalls")
    );
    let answer = browser
        .fill(
            sent.header("location"),
            "/login",
            &[("name", "ana"), ("password", PASSWORD)],
        )
        .await;

    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/activity?show=calls")
    );
    assert!(browser.page("/activity?show=account").await.contains("You signed in."));
}

/// `security.md` 73: whatever `return_to` says, the browser stays here.
#[tokio::test(flavor = "multi_thread")]
async fn threat_73_signing_in_never_leads_elsewhere() {
    let broker = TestBroker::start().await;
    broker.user_with_password("ana").await;

    for elsewhere in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/%2F/evil.example",
        "/\t/evil.example",
    ] {
        let mut browser = broker.new_browser();
        let form = [("name", "ana"), ("password", PASSWORD), ("return_to", elsewhere)];

        let answer = browser.fill("/login", "/login", &form).await;

        assert_eq!(
            (answer.status, answer.header("location")),
            (303, "/apps"),
            "{elsewhere}"
        );
    }
}

/// `security.md` 81: a name that nobody has is answered like a wrong password.
#[tokio::test(flavor = "multi_thread")]
async fn threat_81_a_name_that_nobody_has_is_answered_like_a_wrong_password() {
    let broker = TestBroker::start().await;
    broker.user_with_password("ana").await;
    broker.user("without-password").await;

    let mut answers = Vec::new();
    for name in ["ana", "nobody", "without-password", "na\0me"] {
        let answer = broker.new_browser().sign_in(name, "wrong password").await;
        // The page has the name as typed, and a nonce.
        let text = answer.text();
        let said = text
            .split("role=\"alert\"")
            .nth(1)
            .unwrap()
            .split("</div>")
            .next()
            .unwrap()
            .to_owned();
        answers.push((answer.status, said, answer.headers.contains_key("set-cookie")));
    }

    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(answers[0].0, 422);
}

/// `security.md` 81, 183: guessing is slowed down for every name alike, and the right password is
/// no way around it.
#[tokio::test(flavor = "multi_thread")]
async fn threat_183_after_ten_wrong_passwords_a_name_has_to_wait() {
    let broker = TestBroker::start().await;
    broker.user_with_password("ana").await;

    for name in ["ana", "nobody"] {
        for _ in 0..10 {
            assert_eq!(broker.new_browser().sign_in(name, "wrong password").await.status, 422);
        }
        assert_eq!(broker.new_browser().sign_in(name, PASSWORD).await.status, 429);
    }
    broker.clock.advance_seconds(15 * 60 + 1);

    assert_eq!(broker.new_browser().sign_in("ana", PASSWORD).await.status, 303);
}

/// What is typed into the wrong field may be a password; it is not written down.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_has_is_not_recorded() {
    let broker = TestBroker::start().await;
    broker.user_with_password("ana").await;

    broker.new_browser().sign_in("my secret password", "x").await;

    let events = broker.app.store.events(&broker.app.tenant_id, 0, 100).await.unwrap();
    let failed = events.iter().find_map(|record| match &record.event.what {
        Happened::SignInFailed { name } => Some(name.clone()),
        _ => None,
    });
    assert_eq!(failed.as_deref(), Some(""));
}

/// `security.md` 74: another site cannot sign a browser in as somebody of its choice.
#[tokio::test(flavor = "multi_thread")]
async fn threat_74_another_site_cannot_sign_a_browser_in() {
    let broker = TestBroker::start().await;
    broker.user_with_password("mallory").await;
    let form = [("name", "mallory"), ("password", PASSWORD)];
    let ours = broker.url("");

    for headers in [
        vec![],
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("origin", ours.as_str()), ("sec-fetch-site", "cross-site")],
        vec![("origin", ours.as_str()), ("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "same-origin")],
    ] {
        let answer = broker.post_form("/login", &headers, &form).await;

        assert_eq!(
            (answer.status, answer.headers.contains_key("set-cookie")),
            (403, false),
            "{headers:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_signs_in_only_where_the_demo_says_whom() {
    let broker = TestBroker::start().await;
    broker.user("ana").await;

    let mut browser = broker.new_browser();
    assert!(!browser.page("/login").await.contains("/login/demo"));
    assert_eq!(browser.post("/login/demo", &[]).await.status, 404);
}
