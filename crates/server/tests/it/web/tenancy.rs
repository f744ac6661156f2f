//! Other users' things.

use super::browser::Browser;
use crate::support::{TestBroker, grant::access_to};

/// `security.md` 161: every address with an id, asked for by another user, is answered like one
/// that does not exist, and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn threat_161_another_users_things_are_not_there() {
    let broker = TestBroker::start().await;
    let (ana, bob) = (broker.user("ana").await, broker.user("bob").await);
    let grant = broker.grant(&ana, vec![access_to(&broker, "openai")]).await;
    let key = broker.credential(&ana, "openai", None).await;
    let mut bobs = broker.browser_of(&bob).await;
    let csrf = super::html::form(&bobs.page("/apps").await, "/logout").remove(0).1;

    let reads = ["/apps/ID", "/apps/ID/limits", "/consent/ID"];
    let writes = [
        "/apps/ID/stop",
        "/apps/ID/pause",
        "/apps/ID/resume",
        "/apps/ID/limits",
        "/keys/ID/remove",
        "/consent/ID",
    ];
    for (id, kind) in [
        (grant.id().as_str(), "grant"),
        (key.as_str(), "key"),
        ("unknown", "none"),
        ("%00", "nul"),
    ] {
        for path in reads {
            let path = path.replace("ID", id);
            let answer = bobs.get(&path).await;
            assert_eq!(answer.status, 404, "{path} of {kind}");
        }
        for path in writes {
            let path = path.replace("ID", id);
            let answer = bobs.post(&path, &[("csrf", &csrf)]).await;
            assert_eq!(answer.status, 404, "{path} of {kind}");
        }
    }

    assert_eq!(broker.grant_status(grant.id()).await, "approved");
    let anas = broker.browser_of(&ana).await;
    assert!(anas.page("/keys").await.contains("Used by Notes"));
    for path in ["/apps", "/keys", "/activity", "/activity/export"] {
        let page = bobs.get(path).await.text();
        assert!(!page.contains("Notes") && !page.contains(grant.id().as_str()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_every_page_leads_to_signing_in() {
    let broker = TestBroker::start().await;
    broker.user("ana").await;
    let nobody: Browser<'_> = broker.new_browser();

    for path in [
        "/apps",
        "/apps/x",
        "/keys",
        "/activity",
        "/activity/export",
        "/settings",
        "/consent/x",
        "/apps/register",
    ] {
        let answer = nobody.get(path).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").starts_with("/login?return_to=%2F"), "{path}");
    }
}
