//! Approving and denying, which 0.2 let anyone do.

use aipassport_domain::ids::GrantId;
use serde_json::json;
use tokio::task::JoinSet;

use super::refusal;
use crate::support::TestBroker;

#[tokio::test(flavor = "multi_thread")]
async fn a_user_allows_what_was_asked_for_an_hour() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let asked = broker.ask_for_grant().await;

    let answer = broker.act(&user, &asked.grant_id, "approve", &json!({})).await;
    let grant = answer.json();

    assert_eq!(answer.status, 200, "{grant}");
    assert_eq!(grant["id"], asked.answer["grant"]["id"]);
    assert_eq!(grant["requestId"], asked.answer["grantRequest"]["id"]);
    assert_eq!(
        (&grant["status"], &grant["scope"]),
        (&json!("approved"), &asked.answer["grant"]["scope"])
    );
    assert_eq!(
        (&grant["approvedAt"], &grant["expiresAt"]),
        (&json!("2026-11-11T12:00:00Z"), &json!("2026-11-11T13:00:00Z"))
    );
    assert_eq!(
        grant["authorizationDetails"][0]["limits"]["concurrency"], 64,
        "no limit is left open"
    );
    let kinds = broker.audit_kinds().await;
    assert_eq!(kinds[kinds.len() - 2..], ["grant_requested", "grant_approved"]);
    let prices = broker.approved_prices(&GrantId::new(asked.grant_id)).await;
    assert!(prices.contains("gpt-4o-mini"), "{prices}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_chooses_that_a_grant_ends_with_its_money_and_takes_it_back() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let asked = broker.ask_for_grant().await;
    let chosen = json!({"revokeWhenUsedUp": true});

    let granted = broker.act(&user, &asked.grant_id, "approve", &chosen).await.json();
    let kept = broker
        .patch(&user, &asked.grant_id, &json!({"expiresInSeconds": 60}))
        .await
        .json();
    let taken_back = json!({"revokeWhenUsedUp": false});
    let taken_back = broker.patch(&user, &asked.grant_id, &taken_back).await.json();

    let answers = [granted, kept, taken_back].map(|grant| grant["revokeWhenUsedUp"].clone());
    assert_eq!(answers, [true, true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_may_lower_and_never_raise() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;

    for scope in [
        json!({"models": ["gpt-4o"]}),
        json!({"models": ["gpt-4o-mini", "gpt-4o"]}),
        json!({"capabilities": ["chat", "images"]}),
        json!({"maxBudgetCents": 501}),
        json!({"maxRequests": 21}),
        json!({"rateLimit": 7}),
    ] {
        let asked = broker.ask_for_grant().await;
        let answer = broker
            .act(&user, &asked.grant_id, "approve", &json!({"scope": scope}))
            .await;
        assert_eq!(refusal(&answer), (400, "scope_too_wide".to_owned()), "{scope}");
    }
    let asked = broker.ask_for_grant().await;
    let lowered = json!({"scope": {"maxBudgetCents": 100, "rateLimit": 1}, "expiresInSeconds": 60});
    let grant = broker.act(&user, &asked.grant_id, "approve", &lowered).await.json();
    assert_eq!(
        (&grant["scope"]["maxBudgetCents"], &grant["scope"]["rateLimit"]),
        (&json!(100), &json!(1))
    );
    assert_eq!(
        (&grant["scope"]["maxRequests"], &grant["expiresAt"]),
        (&json!(20), &json!("2026-11-11T12:01:00Z"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_is_a_whole_number_of_seconds_that_lies_ahead() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let asked = broker.ask_for_grant().await;

    for seconds in [json!(-1), json!(0), json!("60"), json!(1.5), json!("soon"), json!([])] {
        let body = json!({"expiresInSeconds": seconds});
        let answer = broker.act(&user, &asked.grant_id, "approve", &body).await;
        assert_eq!(refusal(&answer), (400, "validation_failed".to_owned()), "{seconds}");
        assert!(answer.json()["details"]["fieldErrors"]["expiresInSeconds"].is_array());
    }
    let forever = json!({"expiresInSeconds": 1_000_000_000_000_000_u64});
    let grant = broker.act(&user, &asked.grant_id, "approve", &forever).await.json();
    assert_eq!(grant["expiresAt"], "2027-11-11T12:00:00Z", "the operator's longest");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_signed_in_user_decides() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let cookie = broker.browser(&user).await;
    let asked = broker.ask_for_grant().await;
    let token = broker.token_of(&broker.asked_and_granted(&user).await).await.json()["token"].clone();
    let access_token = format!("Bearer {}", token.as_str().unwrap());

    for verb in ["approve", "deny", "revoke", "pause", "resume"] {
        let path = format!("/grants/{}/{verb}", asked.grant_id);
        for headers in [
            vec![],
            vec![("authorization", "Bearer aip_unknown")],
            vec![("authorization", access_token.as_str())],
            vec![("authorization", user.bearer.as_str())],
            vec![("authorization", "Bearer x"), ("cookie", cookie.as_str())],
        ] {
            let answer = broker.post_json(&path, &headers, &json!({})).await;
            assert_eq!(refusal(&answer), (401, "not_signed_in".to_owned()), "{verb}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_64_a_browser_decides_only_where_a_page_of_ours_asked_it_to() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let (cookie, other_session) = (broker.browser(&user).await, broker.browser(&user).await);
    let asked = broker.ask_for_grant().await;
    let path = format!("/grants/{}/approve", asked.grant_id);
    let (own, foreign) = (
        csrf_token(&broker, &cookie).await,
        csrf_token(&broker, &other_session).await,
    );
    let ours = broker.app.config.public_url.as_str();

    for (origin, csrf_token) in [
        (ours, ""),
        (ours, "wrong"),
        (ours, foreign.as_str()),
        ("https://evil.example", own.as_str()),
        ("null", own.as_str()),
    ] {
        let headers = [
            ("cookie", cookie.as_str()),
            ("origin", origin),
            ("aipassport-csrf", csrf_token),
        ];
        let answer = broker.post_json(&path, &headers, &json!({})).await;
        assert_eq!(
            refusal(&answer),
            (403, "forged_request".to_owned()),
            "{origin} {csrf_token}"
        );
    }
    let headers = [
        ("cookie", cookie.as_str()),
        ("origin", ours),
        ("aipassport-csrf", own.as_str()),
    ];
    assert_eq!(broker.post_json(&path, &headers, &json!({})).await.status, 200);
}

async fn csrf_token(broker: &TestBroker, cookie: &str) -> String {
    let headers = [(http::header::COOKIE, cookie.parse().unwrap())].into_iter().collect();
    let signed_in = aipassport::browser_session::signed_in(&broker.app, &headers).await;
    signed_in.unwrap().unwrap().csrf_token(&broker.app.vault)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_decided_once() {
    let broker = std::sync::Arc::new(TestBroker::start().await);
    let user = std::sync::Arc::new(broker.user("ana").await);
    let asked = broker.ask_for_grant().await;

    let mut deciding = JoinSet::new();
    for round in 0..20 {
        let (broker, user, grant_id) = (broker.clone(), user.clone(), asked.grant_id.clone());
        let verb = if round % 2 == 0 { "approve" } else { "deny" };
        deciding.spawn(async move { broker.act(&user, &grant_id, verb, &json!({})).await });
    }
    let answers = deciding.join_all().await;

    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let (status, code) = refusal(answer);
        assert!(
            status == 400 && (code == "grant_approved" || code == "grant_denied"),
            "{status} {code}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_request_stays_denied_and_is_shown_to_who_denied_it() {
    let broker = TestBroker::start().await;
    let (ana, bob) = (broker.user("ana").await, broker.user("bob").await);
    let other = broker.ask_for_grant().await;

    let denied = broker.act(&ana, &other.grant_id, "deny", &json!({})).await;
    assert_eq!((denied.status, &denied.json()["status"]), (200, &json!("denied")));
    let again = broker.act(&ana, &other.grant_id, "approve", &json!({})).await;
    assert_eq!(refusal(&again), (400, "grant_denied".to_owned()));
    let path = format!("/grants/{}", other.grant_id);
    assert_eq!(broker.see(&ana, &path).await.json()["status"], "denied");
    assert_eq!(refusal(&broker.see(&bob, &path).await), (404, "not_found".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_decided_expires() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let asked = broker.ask_for_grant().await;

    broker.clock.advance_seconds(3600);

    for verb in ["approve", "deny"] {
        let answer = broker.act(&user, &asked.grant_id, verb, &json!({})).await;
        assert_eq!(refusal(&answer), (400, "grant_expired".to_owned()));
    }
    let shown = broker.see(&user, &format!("/grants/{}", asked.grant_id)).await;
    assert_eq!(shown.json()["status"], "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_app_left_open_the_user_has_to_choose() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let open = super::with("/scope/models", json!([]));
    let grant_id = broker.post_json("/grant-requests", &[], &open).await.json()["grant"]["id"].clone();
    let grant_id = grant_id.as_str().unwrap();

    let unchosen = broker.act(&user, grant_id, "approve", &json!({})).await;
    let chosen = json!({"scope": {"models": ["gpt-4o-mini"]}});
    let chosen = broker.act(&user, grant_id, "approve", &chosen).await;

    assert_eq!(refusal(&unchosen), (400, "nothing_to_grant".to_owned()));
    assert_eq!(chosen.json()["scope"]["models"], json!(["gpt-4o-mini"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_the_authorization_endpoint_is_not_decided_here() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", crate::support::oauth::CALLBACK, None).await;
    let cookie = broker.browser(&user).await;
    let request_id = broker.ask(&cookie, &crate::support::oauth::good_request(&client)).await;
    let request = broker
        .app
        .store
        .authorization_request(&broker.app.tenant_id, &request_id)
        .await;
    let grant_id = request.unwrap().unwrap().grant_id;

    for verb in ["approve", "deny"] {
        let answer = broker.act(&user, grant_id.as_str(), verb, &json!({})).await;
        assert_eq!(refusal(&answer), (404, "not_found".to_owned()));
    }
}
