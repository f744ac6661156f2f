//! What holds on every page, and what the pages of a signed-in user do.

use aipassport_domain::secret::Secret;
use aipassport_store::RefusalCount;

use super::html;
use crate::support::{
    CANARY_KEY, NOW, TestBroker,
    grant::{access_to, chat},
    provider::{TestProvider, completion},
};

const PAGES: [&str; 6] = ["/apps", "/apps/register", "/keys", "/limits", "/activity", "/settings"];

/// `security.md` 66, 67: no page can be framed, opened from elsewhere, or made to run anything but
/// our one script.
#[tokio::test(flavor = "multi_thread")]
async fn threat_66_67_every_page_keeps_to_itself() {
    let broker = TestBroker::start().await;
    let browser = broker.browser_of(&broker.user("ana").await).await;

    for path in PAGES.into_iter().chain(["/login", "/no-such-app", "/apps/unknown"]) {
        let browser = if path == "/login" {
            &broker.new_browser()
        } else {
            &browser
        };
        let answer = browser.get(path).await;
        if answer.status == 404 && answer.body.is_empty() {
            continue;
        }

        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'nonce-",
            "style-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert!(answer.text().contains(&format!("nonce=\"{nonce}\"")), "{path}");
        let again = browser.get(path).await;
        assert!(
            !again.header("content-security-policy").contains(nonce),
            "{path}: a nonce is used once"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn static_files_are_kept_for_good_under_the_name_of_their_content() {
    let broker = TestBroker::start().await;
    broker.user("ana").await;
    let page = broker.new_browser().page("/login").await;
    let addresses: Vec<String> = html::tags(&page)
        .iter()
        .filter_map(|tag| {
            tag.get("src")
                .or(tag.get("href"))
                .filter(|address| address.starts_with("/static/"))
        })
        .map(str::to_owned)
        .collect();

    assert_eq!(addresses.len(), 3);
    for address in &addresses {
        let answer = broker.get(address, &[]).await;
        assert_eq!(answer.status, 200, "{address}");
        assert!(answer.header("cache-control").contains("immutable"));
    }
    let other_version = addresses[0].replace("/static/", "/static/0");
    assert_eq!(broker.get(&other_version, &[]).await.status, 404);
}

/// `security.md` 168: a logo is no part of an app; nothing of a stranger's is fetched, kept or
/// shown as a picture.
#[tokio::test(flavor = "multi_thread")]
async fn threat_168_there_are_no_uploaded_pictures() {
    let broker = TestBroker::start().await;
    let mut browser = broker.browser_of(&broker.user("ana").await).await;
    let svg = "data:image/svg+xml,<svg onload=alert(1)>";
    let entered = [
        ("name", "Notes"),
        ("address", "https://notes.example"),
        ("redirect_uris", "https://notes.example/callback"),
        ("logo_uri", svg),
        ("logo", svg),
    ];

    let answer = browser.fill("/apps/register", "/apps/register", &entered).await;

    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("image/svg+xml,"));
    for path in PAGES {
        assert!(
            !html::tags(&browser.page(path).await)
                .iter()
                .any(|tag| tag.name == "img")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_registered_and_its_secret_shown_once() {
    let broker = TestBroker::start().await;
    let mut browser = broker.browser_of(&broker.user("ana").await).await;
    let entered = [
        ("name", "Notes"),
        ("address", "https://notes.example"),
        (
            "redirect_uris",
            "https://notes.example/callback\r\nhttps://notes.example/other",
        ),
        ("kind", "confidential"),
    ];

    let answer = browser.fill("/apps/register", "/apps/register", &entered).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = answer.text();

    assert_eq!(html::faults(&page), Vec::<String>::new());
    assert!(page.contains("aip_cs_"));
    let clients = broker.app.store.clients(&broker.app.tenant_id).await.unwrap();
    assert_eq!(clients[0].redirect_uris.len(), 2);
    assert!(page.contains(clients[0].id.as_str()));

    let wrong = [("name", "Notes"), ("redirect_uris", "javascript:alert(1)")];
    let refused = browser.fill("/apps/register", "/apps/register", &wrong).await;
    assert_eq!(refused.status, 422);
    assert_eq!(html::faults(&refused.text()), Vec::<String>::new());
}

/// A key goes in and never comes out, on any page (`security.md` 149, 156).
#[tokio::test(flavor = "multi_thread")]
async fn threat_156_a_key_is_never_shown_again() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let mut browser = broker.browser_of(&broker.user("ana").await).await;
    let entered = [("provider", "openai"), ("key", CANARY_KEY)];

    let added = browser.fill("/keys", "/keys", &entered).await;
    assert_eq!((added.status, added.header("location")), (303, "/keys?done=added"));
    let refused = browser
        .fill("/keys", "/keys", &[("provider", "nobody"), ("key", CANARY_KEY)])
        .await;
    assert_eq!(refused.status, 422);

    let mut pages = vec![refused.text(), browser.get("/activity/export").await.text()];
    for path in PAGES {
        pages.push(browser.page(path).await);
    }
    assert!(pages.iter().all(|page| !page.contains(CANARY_KEY)));
    let last_four = Secret::new(CANARY_KEY).last_four();
    assert!(browser.page("/keys").await.contains(&last_four));
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_a_key_says_which_apps_stop_and_asks_for_nothing_else() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let id = broker.credential(&ana, "openai", None).await;
    broker.grant(&ana, vec![access_to(&broker, "openai")]).await;
    let mut browser = broker.browser_of(&ana).await;
    let page = browser.page("/keys").await;
    assert!(page.contains("1 app will stop working") && page.contains("Used by Notes"));

    browser.fill_in(&page, &format!("/keys/{id}/remove"), &[]).await;

    assert!(browser.page("/keys").await.contains("Add your first key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_on_the_apps_page_with_its_cost_and_how_that_is_known() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let ana = broker.user("ana").await;
    broker.credential(&ana, "openai", None).await;
    let grant = broker.grant(&ana, vec![access_to(&broker, "openai")]).await;
    provider.then_json(200, &completion(50, 1_000));

    let answer = broker.chat(&grant, &chat(2_000)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    broker.settled().await;

    let browser = broker.browser_of(&ana).await;
    let page = browser.page(&format!("/apps/{}", grant.id())).await;
    for said in [
        "gpt-4o-mini",
        "1,000",
        "$0.0006",
        "reported",
        "completed",
        "$0.0006 used",
    ] {
        assert!(page.contains(said), "{said}");
    }
    assert!(browser.page("/apps").await.contains("just now"));
    assert!(
        browser
            .page("/activity?show=calls")
            .await
            .contains("Notes was charged $0.0006, as the provider reported.")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_with_what_would_have_let_it_pass() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let grant = broker.grant(&ana, vec![access_to(&broker, "openai")]).await;
    let refused = |minute: i64, count| RefusalCount {
        tenant_id: broker.app.tenant_id.clone(),
        grant_id: grant.id().clone(),
        minute: NOW.plus_seconds(-60 * minute),
        rule: "model".to_owned(),
        model: "gpt-5-pro<b>".to_owned(),
        count,
    };
    let counts = [refused(12, 11), refused(3, 1)];
    broker.app.store.record_refusals(&counts).await.unwrap();

    let page = broker
        .browser_of(&ana)
        .await
        .page(&format!("/apps/{}", grant.id()))
        .await;

    let said = html::unescape(&page);
    assert!(said.contains("gpt-5-pro<b>, 12 times: not one of the models you allowed"));
    assert!(said.contains("It would pass if you allowed that model") && said.contains("3 min ago"));
    assert!(!page.contains("<b>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_pausing_and_resuming_do_what_they_say() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let grant = broker.grant(&ana, vec![access_to(&broker, "openai")]).await;
    let mut browser = broker.browser_of(&ana).await;
    let app = format!("/apps/{}", grant.id());

    for (page, action, then, status) in [
        (
            "/apps",
            format!("{app}/pause"),
            "/apps?done=paused".to_owned(),
            "paused",
        ),
        (
            app.as_str(),
            format!("{app}/resume"),
            format!("{app}?done=resumed"),
            "approved",
        ),
        (
            "/apps",
            "/apps/pause-all".to_owned(),
            "/apps?done=all-paused".to_owned(),
            "paused",
        ),
        (
            "/apps",
            format!("{app}/resume"),
            "/apps?done=resumed".to_owned(),
            "approved",
        ),
        (
            app.as_str(),
            format!("{app}/stop"),
            format!("{app}?done=stopped"),
            "revoked",
        ),
    ] {
        let answer = browser.fill(page, &action, &[]).await;

        assert_eq!(
            (answer.status, answer.header("location")),
            (303, then.as_str()),
            "{action}"
        );
        assert_eq!(broker.grant_status(grant.id()).await, status);
        browser.page(&then).await;
    }
    assert!(browser.page("/activity").await.contains("You stopped Notes."));
}

/// Lowering needs nothing; raising needs a fresh sign-in or the password.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_lowered_at_once_and_raised_with_the_password() {
    let broker = TestBroker::start().await;
    let ana = broker.user_with_password("ana").await;
    let grant = broker.grant(&ana, vec![access_to(&broker, "openai")]).await;
    let mut browser = broker.browser_of(&ana).await;
    broker.clock.advance_seconds(600);
    let path = format!("/apps/{}/limits", grant.id());
    browser.page(&path).await;
    let field = "openai.budget.P1M";
    let budget = async || {
        let grant = broker
            .app
            .store
            .grant(&broker.app.tenant_id, grant.id())
            .await
            .unwrap()
            .unwrap();
        grant.authorization_details[0]
            .limits
            .budget
            .values()
            .next()
            .unwrap()
            .to_string()
    };

    assert_eq!(browser.fill(&path, &path, &[(field, "2.00")]).await.status, 303);
    assert_eq!(budget().await, "2.00");
    for password in ["", "wrong password"] {
        let answer = browser
            .fill(&path, &path, &[(field, "3.00"), ("password", password)])
            .await;
        assert_eq!(answer.status, 422);
        assert!(answer.text().contains("Raising a limit needs your password."));
    }
    assert_eq!(browser.fill(&path, &path, &[(field, "zero")]).await.status, 422);
    assert_eq!(budget().await, "2.00");
    let raised = [(field, "3.00"), ("password", super::browser::PASSWORD)];
    assert_eq!(browser.fill(&path, &path, &raised).await.status, 303);
    assert_eq!(budget().await, "3.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_is_made_shown_once_and_works() {
    let broker = TestBroker::start().await;
    let mut browser = broker.browser_of(&broker.user("ana").await).await;

    let page = browser.fill("/settings", "/settings/bearer", &[]).await.text();

    let bearer = page.split("id=\"bearer\">").nth(1).unwrap().split('<').next().unwrap();
    let answer = broker
        .get("/api/grants", &[("authorization", &format!("Bearer {bearer}"))])
        .await;
    assert_eq!(answer.status, 200);
    assert!(!browser.page("/settings").await.contains(bearer));
}

/// `security.md` 174: whatever a name holds, an event is one line.
#[tokio::test(flavor = "multi_thread")]
async fn threat_174_an_exported_event_is_one_line_of_json() {
    let broker = TestBroker::start().await;
    let mut browser = broker.browser_of(&broker.user("ana").await).await;
    let entered = [
        ("name", "Notes \"}{ \u{2028} \u{202e} ] x"),
        ("address", "https://notes.example"),
        ("redirect_uris", "https://notes.example/callback"),
    ];
    assert_eq!(
        browser.fill("/apps/register", "/apps/register", &entered).await.status,
        200
    );

    let export = browser.get("/activity/export").await;

    assert!(export.header("content-disposition").starts_with("attachment"));
    let lines: Vec<serde_json::Value> = export
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() >= 3);
    assert_eq!(lines[0]["event"]["kind"], "client_added");
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_can_be_filtered_and_paged() {
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let mut browser = broker.browser_of(&ana).await;
    let grant = broker.grant(&ana, vec![access_to(&broker, "openai")]).await;
    for _ in 0..30 {
        for action in ["pause", "resume"] {
            browser
                .fill("/apps", &format!("/apps/{}/{action}", grant.id()), &[])
                .await;
        }
    }

    let first = browser.page("/activity?show=apps").await;
    let older = html::tags(&first)
        .iter()
        .find_map(|tag| {
            tag.get("href")
                .filter(|href| href.contains("before="))
                .map(str::to_owned)
        })
        .unwrap();
    let second = browser.page(&older).await;

    assert_eq!(first.matches("<time ").count(), 50);
    assert!(second.matches("<time ").count() >= 10 && !second.contains("before="));
    assert_eq!(browser.page("/activity?show=keys").await.matches("<time ").count(), 0);
}
