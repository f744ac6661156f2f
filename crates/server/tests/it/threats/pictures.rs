//! Pictures of apps (`security.md` 92, 168): there are none, so none is fetched, kept or shown.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{
    TestBroker,
    oauth::{CALLBACK, good_request, with},
};

#[tokio::test(flavor = "multi_thread")]
async fn threat_168_no_logo_is_fetched_kept_or_shown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let logo = format!("http://{}/logo.svg", listener.local_addr().unwrap());
    let visits = Arc::new(AtomicUsize::new(0));
    let visited = Arc::clone(&visits);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            visited.fetch_add(1, Ordering::SeqCst);
        }
    });
    let broker = TestBroker::start().await;
    let user = broker.user("alice").await;
    let bearer = format!("Bearer {}", user.bearer);

    for member in ["logo", "logo_uri", "policy_uri", "jwks_uri", "sector_identifier_uri"] {
        let registered = json!({"name": "Notes", "redirect_uris": [CALLBACK], member: logo});
        let refused = broker
            .post_json("/api/clients", &[("authorization", &bearer)], &registered)
            .await;
        assert_eq!(refused.status, 400, "{member}");
    }
    let asked = json!({"appName": "Notes", "appUrl": "https://notes.example", "appLogo": logo, "reason": "x",
        "scope": {"provider": "openai"}});
    assert_eq!(broker.post_json("/grant-requests", &[], &asked).await.status, 400);

    let client = broker.client("Notes", CALLBACK, None).await;
    let cookie = broker.browser(&user).await;
    let request_id = broker
        .ask(&cookie, &with(good_request(&client), "logo_uri", &logo))
        .await;
    for path in [
        format!("/consent/{request_id}"),
        "/apps".to_owned(),
        "/api/clients".to_owned(),
    ] {
        let page = broker.get(&path, &[("cookie", &cookie)]).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text().contains("logo.svg"), "{path}");
        let policy = page.header("content-security-policy");
        assert!(policy.is_empty() || policy.contains("img-src 'self'"), "{policy}");
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}
