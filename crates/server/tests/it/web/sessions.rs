//! Browser sessions, and the proof that a form came from a page of ours.

use super::browser::{Browser, PASSWORD};
use crate::support::{TestBroker, TestUser};

/// `security.md` 71: an identifier from before sign-in is worth nothing after it, nor is one from
/// before signing out.
#[tokio::test(flavor = "multi_thread")]
async fn threat_71_a_session_begins_and_ends_with_its_own_identifier() {
    let broker = TestBroker::start().await;
    broker.user_with_password("ana").await;
    let mut browser = broker.new_browser();
    browser.sign_in("ana", PASSWORD).await;
    let first = browser.cookie.clone();

    let answer = browser.post("/login", &[("name", "ana"), ("password", PASSWORD)]).await;
    assert_eq!(answer.status, 303);
    assert_ne!(browser.cookie, first);
    let second = browser.cookie.clone();
    let with = |cookie: &str| Browser {
        broker: &broker,
        cookie: cookie.to_owned(),
    };
    assert_eq!(with(&first).get("/apps").await.status, 303);

    browser.fill("/apps", "/logout", &[]).await;
    assert_eq!(with(&second).get("/apps").await.status, 303);
    assert!(browser.cookie.ends_with('='), "{}", browser.cookie);

    let planted = "aip_session=planted-by-somebody";
    let mut victim = with(planted);
    victim.post("/login", &[("name", "ana"), ("password", PASSWORD)]).await;
    assert_eq!(with(planted).get("/apps").await.status, 303);
}

/// `security.md` 71: changing the password ends every session and begins a new one.
#[tokio::test(flavor = "multi_thread")]
async fn threat_71_a_new_password_ends_every_session() {
    let broker = TestBroker::start().await;
    broker.user_with_password("ana").await;
    let (mut browser, mut elsewhere) = (broker.new_browser(), broker.new_browser());
    browser.sign_in("ana", PASSWORD).await;
    elsewhere.sign_in("ana", PASSWORD).await;

    let wrong = [("current", "not this one"), ("new", "another long password")];
    assert_eq!(
        browser.fill("/settings", "/settings/password", &wrong).await.status,
        422
    );
    let right = [("current", PASSWORD), ("new", "another long password")];
    let answer = browser.fill("/settings", "/settings/password", &right).await;

    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/settings?done=password")
    );
    assert_eq!(browser.get("/apps").await.status, 200);
    assert_eq!(elsewhere.get("/apps").await.status, 303);
    assert_eq!(broker.new_browser().sign_in("ana", PASSWORD).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_everywhere_ends_every_session() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let (mut here, there) = (broker.browser_of(&ana).await, broker.browser_of(&ana).await);

    here.fill("/settings", "/settings/sign-out-everywhere", &[]).await;

    assert_eq!(there.get("/apps").await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_idle_and_in_any_case_after_twelve_hours() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let idle = broker.browser_of(&ana).await;
    let polling = broker.browser_of(&ana).await;
    let busy = broker.browser_of(&ana).await;

    for minutes in 1..=12 * 60 {
        broker.clock.advance_seconds(60);
        if minutes % 10 == 0 && minutes < 12 * 60 {
            assert_eq!(busy.get("/settings").await.status, 200, "after {minutes} minutes");
        }
        // A page left open asks for itself; that is not its user.
        let live = [("cookie", polling.cookie.as_str()), ("aipassport-live", "1")];
        if minutes == 29 {
            assert_eq!(broker.get("/settings", &live).await.status, 200);
        }
        if minutes == 30 {
            assert_eq!(idle.get("/settings").await.status, 303);
            assert_eq!(broker.get("/settings", &live).await.status, 303);
        }
    }

    assert_eq!(busy.get("/settings").await.status, 303);
}

/// `security.md` 72: how the cookie is set, and that a second one of its name counts for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn threat_72_the_cookie_is_bound_to_this_host_and_out_of_reach() {
    let plain = TestBroker::start().await;
    let secure = TestBroker::start_with(|config| config.public_url = "https://broker.example".to_owned()).await;

    for (broker, name) in [(&plain, "aip_session="), (&secure, "__Host-aip_session=")] {
        broker.user_with_password("ana").await;
        let origin = broker.url("");
        let headers = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
        let form = [("name", "ana"), ("password", PASSWORD)];

        let answer = broker.post_form("/login", &headers, &form).await;

        let cookie = answer.header("set-cookie");
        assert!(cookie.starts_with(name), "{cookie}");
        for needed in ["; Path=/", "; HttpOnly", "; SameSite=Lax"] {
            assert!(cookie.contains(needed), "{cookie}");
        }
        assert_eq!(cookie.contains("; Secure"), name.starts_with("__Host-"));
        assert!(!cookie.contains("Domain"));

        let own = cookie.split(';').next().unwrap();
        assert_eq!(broker.get("/apps", &[("cookie", own)]).await.status, 200);
        let jar = "x=y; ".repeat(100);
        assert_eq!(
            broker.get("/apps", &[("cookie", &format!("{jar}{own}"))]).await.status,
            200
        );
        for tossed in [format!("{own}; {name}tossed"), format!("{name}tossed; {own}")] {
            assert_eq!(
                broker.get("/apps", &[("cookie", &tossed)]).await.status,
                303,
                "{tossed}"
            );
        }
    }
}

/// `security.md` 64: what changes something needs the token of this very session, and a page of
/// ours to come from.
#[tokio::test(flavor = "multi_thread")]
async fn threat_64_a_form_that_no_page_of_this_session_made_changes_nothing() {
    let broker = TestBroker::start().await;
    let (ana, bob) = (broker.user("ana").await, broker.user("bob").await);
    let grant = broker
        .grant(&ana, vec![crate::support::grant::access_to(&broker, "openai")])
        .await;
    let path = format!("/apps/{}/stop", grant.id());
    let token = csrf_of(&broker, &ana).await;
    let ours = broker.url("");
    let cookie = broker.browser(&ana).await;
    let own_token = {
        let browser = Browser {
            broker: &broker,
            cookie: cookie.clone(),
        };
        super::html::form(&browser.get("/apps").await.text(), "/logout")[0]
            .1
            .clone()
    };
    let bobs = csrf_of(&broker, &bob).await;
    let from_us = [
        ("origin", ours.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("cookie", cookie.as_str()),
    ];

    for wrong in ["", "x", token.as_str(), bobs.as_str()] {
        let answer = broker.post_form(&path, &from_us, &[("csrf", wrong)]).await;
        assert_eq!(answer.status, 403, "token {wrong}");
    }
    for (origin, site) in [
        ("https://evil.example", "cross-site"),
        (ours.as_str(), "cross-site"),
        ("null", "cross-site"),
        ("http://127.0.0.1:1", "same-site"),
    ] {
        let headers = [
            ("origin", origin),
            ("sec-fetch-site", site),
            ("cookie", cookie.as_str()),
        ];
        let answer = broker.post_form(&path, &headers, &[("csrf", &own_token)]).await;
        assert_eq!(answer.status, 403, "from {origin}, {site}");
    }
    assert_eq!(broker.get(&path, &[("cookie", &cookie)]).await.status, 405);
    for kind in ["text/plain", "application/json", "multipart/form-data; boundary=x"] {
        let headers = [&from_us[..], &[("content-type", kind)]].concat();
        let body = format!("csrf={own_token}");
        let answer = broker.send(broker.request("POST", &path, &headers, body.into())).await;
        assert_eq!(answer.status, 400, "{kind}");
    }
    assert_eq!(broker.grant_status(grant.id()).await, "approved");

    assert_eq!(
        broker.post_form(&path, &from_us, &[("csrf", &own_token)]).await.status,
        303
    );
    assert_eq!(broker.grant_status(grant.id()).await, "revoked");
}

/// The token of another session of `user`.
async fn csrf_of(broker: &TestBroker, user: &TestUser) -> String {
    let browser = broker.browser_of(user).await;
    let page = browser.get("/apps").await.text();
    let fields = super::html::form(&page, "/logout");
    fields.into_iter().find(|(name, _)| name == "csrf").unwrap().1
}
