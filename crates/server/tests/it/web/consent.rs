//! Consent: what is shown is what is decided on, once, and never more than was asked.

use aipassport_domain::{
    audit::Happened,
    authorization_details::{AiAccess, Choice, ModelPattern},
    client::{Client, Registration},
    consent::RequestState,
    fixtures::access,
    ids::{AuthorizationRequestId, ClientId},
    money::Money,
    time::Period,
};
use serde_json::{Value, json};

use super::{browser::Browser, html, price_guard::INPUT_TODAY};
use crate::support::{
    TestBroker, TestUser,
    oauth::{CALLBACK, STATE, answer_parameter, good_request, with},
};

/// A user with a key, a client, and what the client asks for.
struct Case<'a> {
    user: TestUser,
    browser: Browser<'a>,
    client: Client,
}

impl<'a> Case<'a> {
    async fn new(broker: &'a TestBroker) -> Self {
        let user = broker.user("ana").await;
        broker.credential(&user, "openai", None).await;
        Self {
            browser: broker.browser_of(&user).await,
            client: broker.client("Notes", CALLBACK, None).await,
            user,
        }
    }

    async fn asks(&self, details: &Value) -> String {
        let request = with(
            good_request(&self.client),
            "authorization_details",
            &details.to_string(),
        );
        let id = self.browser.broker.ask(&self.browser.cookie, &request).await;
        format!("/consent/{id}")
    }

    /// What was approved on that page.
    async fn approved(&self, page: &str) -> Option<Vec<AiAccess>> {
        let app = &self.browser.broker.app;
        let id = AuthorizationRequestId::new(page.trim_start_matches("/consent/"));
        let request = app
            .store
            .authorization_request(&app.tenant_id, &id)
            .await
            .unwrap()
            .unwrap();
        match request.state {
            RequestState::Approved { approved, .. } => Some(approved.authorization_details),
            _ => None,
        }
    }
}

fn wide() -> Value {
    json!([{
        "type": "ai_access", "provider": "openai",
        "models": ["gpt-4o-mini", "gpt-4o"], "capabilities": ["chat", "embeddings", "code"],
        "features": {"streaming": true, "tools": true, "web_search": true},
        "limits": {"budget": {"amount": "50.00", "currency": "USD", "per": "P1M"}, "rate": [{"requests": 30, "per": "PT1M"}]},
        "purpose": "Summarise your notes"
    }])
}

#[tokio::test(flavor = "multi_thread")]
async fn allowing_sends_the_browser_back_with_a_code_for_the_client() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let page = case.asks(&json!([access()])).await;

    let answer = case.browser.fill(&page, &page, &[("decision", "allow")]).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let back = case.browser.get(answer.header("location")).await;

    assert_eq!(answer_parameter(&back, "state").as_deref(), Some(STATE));
    let code = answer_parameter(&back, "code").unwrap();
    let tokens = broker.redeem(&case.client, &code).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    let grants = broker
        .app
        .store
        .grants_of(&broker.app.tenant_id, &case.user.id)
        .await
        .unwrap();
    assert!(broker.approved_prices(&grants[0].id).await.contains(INPUT_TODAY));
    assert!(case.browser.page("/apps").await.contains("Notes"));
    assert!(
        case.browser
            .page("/activity")
            .await
            .contains("You allowed Notes to use your OpenAI account until")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn not_allowing_tells_the_client_no_and_needs_no_reason() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let page = case.asks(&json!([access()])).await;

    let answer = case.browser.fill(&page, &page, &[("decision", "deny")]).await;
    let back = case.browser.get(answer.header("location")).await;

    assert_eq!(answer_parameter(&back, "error").as_deref(), Some("access_denied"));
    assert!(case.browser.page(&page).await.contains("Notes gets nothing"));
}

/// `security.md` 70: every limit is on the page, the narrow choices are on, and no is as easy as
/// yes.
#[tokio::test(flavor = "multi_thread")]
async fn threat_70_the_page_shows_every_limit_and_begins_narrow() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let path = case.asks(&wide()).await;
    let page = case.browser.page(&path).await;

    let fields = html::form(&page, &path);
    let values = |name: &str| -> Vec<String> {
        let named = fields.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.clone()).collect()
    };
    assert_eq!(values("openai.capability"), ["chat", "embeddings"]);
    assert_eq!(values("openai.feature"), ["streaming", "tools"]);
    assert_eq!(values("openai.budget.P1M.preset"), ["5.00"]);
    assert_eq!(values("openai.rate.PT1M"), ["30"]);
    assert_eq!(values("openai.requests.P1M"), ["10000"]);
    assert_eq!(values("openai.concurrency"), ["64"]);
    assert_eq!(values("until"), ["2592000"]);
    for said in [
        "Search the web",
        "$50 as asked",
        "gpt-4o-mini",
        "Summarise your notes",
        "never sees your key",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let buttons: Vec<html::Tag> = html::tags(&page)
        .into_iter()
        .filter(|tag| tag.name == "button" && tag.get("name") == Some("decision"))
        .collect();
    assert_eq!(buttons.len(), 2);
    assert!(buttons.iter().all(|button| !button.has("disabled")));

    case.browser.fill_in(&page, &path, &[("decision", "allow")]).await;
    let approved = case.approved(&path).await.unwrap().remove(0);
    assert_eq!(
        approved.limits.budget,
        [(Some(Period::MONTH), Money::from_cents(500))].into()
    );
    assert!(!approved.features.web_search && approved.features.tools);
    assert_eq!(approved.purpose.as_deref(), Some("Summarise your notes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_term_can_be_lowered() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let page = case.asks(&wide()).await;
    let lowered = [
        ("decision", "allow"),
        ("openai.capability", "chat"),
        ("openai.model", "gpt-4o-mini"),
        ("openai.feature", ""),
        ("openai.budget.P1M", "2,50"),
        ("openai.budget.P1M.preset", ""),
        ("openai.requests.P1M", "100"),
        ("openai.rate.PT1M", "10"),
        ("openai.concurrency", "2"),
        ("openai.output", "500"),
        ("until", "3600"),
    ];

    case.browser.fill(&page, &page, &lowered).await;

    let approved = case.approved(&page).await.unwrap().remove(0);
    assert_eq!(
        approved.models,
        Choice::of([ModelPattern::Exact("gpt-4o-mini".to_owned())])
    );
    assert_eq!(approved.capabilities.iter().count(), 1);
    assert!(!approved.features.streaming && !approved.features.tools);
    let limits = approved.limits;
    assert_eq!(limits.budget, [(Some(Period::MONTH), Money::from_cents(250))].into());
    assert_eq!(limits.requests, [(Some(Period::MONTH), 100)].into());
    assert_eq!(limits.rate, [(Period::MINUTE, 10)].into());
    assert_eq!(
        (limits.concurrency, limits.output_tokens_per_request),
        (Some(2), Some(500))
    );
    assert_eq!(
        approved.validity.expires_at,
        Some(crate::support::NOW.plus_seconds(3_600))
    );
}

/// A form that was tampered with, or filled in badly, grants nothing; least of all everything.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_granted_that_is_above_what_was_asked_or_left_out() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let page = case.asks(&wide()).await;

    for (name, value, said) in [
        ("openai.model", "", "Choose at least one model."),
        ("openai.model", "gpt-5-pro", "Choose at least one model."),
        ("openai.capability", "", "Choose at least one thing"),
        ("openai.capability", "images", "Choose at least one thing"),
        ("openai.budget.P1M.preset", "50.01", "at most 50.00"),
        ("openai.budget.P1M.preset", "", "Write an amount"),
        ("openai.budget.P1M", "-1", "Write an amount"),
        ("openai.budget.P1M", "1e9", "Write an amount"),
        ("openai.rate.PT1M", "31", "from 1 to 30"),
        ("openai.concurrency", "0", "from 1 to 64"),
        ("until", "-5", "Choose when it ends."),
    ] {
        let answer = case
            .browser
            .fill(&page, &page, &[("decision", "allow"), (name, value)])
            .await;

        assert_eq!(answer.status, 422, "{name}={value}");
        let again = answer.text();
        assert!(again.contains(said), "{name}={value}: {again}");
        assert_eq!(html::faults(&again), Vec::<String>::new(), "{name}={value}");
    }
    assert_eq!(case.approved(&page).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_amount_picked_and_one_typed_the_lower_counts() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let page = case.asks(&wide()).await;
    let both = [
        ("openai.budget.P1M", "20.00"),
        ("openai.budget.P1M.preset", "1.00"),
        ("decision", "allow"),
    ];

    case.browser.fill(&page, &page, &both).await;

    let approved = case.approved(&page).await.unwrap().remove(0);
    assert_eq!(
        approved.limits.budget,
        [(Some(Period::MONTH), Money::from_cents(100))].into()
    );
}

/// `security.md` 65: one decision, by whoever comes first, over exactly what was shown.
#[tokio::test(flavor = "multi_thread")]
async fn threat_65_a_request_is_decided_once_whatever_tab_it_is_open_in() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let path = case.asks(&wide()).await;
    let (one_tab, other_tab) = (case.browser.page(&path).await, case.browser.page(&path).await);

    let narrowed = [("openai.model", "gpt-4o-mini"), ("decision", "allow")];
    case.browser.fill_in(&one_tab, &path, &narrowed).await;
    let decided = case.approved(&path).await;
    let late = case.browser.fill_in(&other_tab, &path, &[("decision", "deny")]).await;
    let again = case.browser.fill_in(&one_tab, &path, &[("decision", "allow")]).await;

    assert_eq!(case.approved(&path).await, decided);
    for answer in [late, again] {
        assert_eq!((answer.status, answer.header("location")), (303, path.as_str()));
    }
    assert!(
        case.browser
            .page(&path)
            .await
            .contains("Notes may use your OpenAI account")
    );
}

/// `security.md` 65: what the form says was shown is compared with what would be shown now.
#[tokio::test(flavor = "multi_thread")]
async fn threat_65_what_was_not_shown_is_not_decided_on() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let (path, other) = (case.asks(&wide()).await, case.asks(&json!([access()])).await);
    let others = html::form(&case.browser.page(&other).await, &other);
    let of_other = |name: &str| others.iter().find(|(known, _)| known == name).unwrap().1.clone();

    let changed = case
        .browser
        .fill(&path, &path, &[("shown", &of_other("shown")), ("decision", "allow")])
        .await;
    let forged = case
        .browser
        .fill(&path, &path, &[("ticket", &of_other("ticket")), ("decision", "allow")])
        .await;

    assert_eq!((changed.status, forged.status), (409, 403));
    assert_eq!(case.approved(&path).await, None);
}

/// Browsers hold the redirect after a form to the page's policy, and know no IPv6 address there.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_lets_its_answer_go_where_it_was_asked_from_and_nowhere_else() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;

    for (redirect_uri, target) in [
        ("https://notes.example/cb?x=1", "https://notes.example"),
        ("http://127.0.0.1:7777/cb", "http://127.0.0.1:7777"),
        ("http://[::1]:7777/cb", "http:"),
    ] {
        case.client = broker.client("Notes", redirect_uri, None).await;
        let request = with(good_request(&case.client), "redirect_uri", redirect_uri);
        let id = broker.ask(&case.browser.cookie, &request).await;

        let page = case.browser.get(&format!("/consent/{id}")).await;

        let policy = page.header("content-security-policy");
        assert!(policy.contains(&format!("form-action 'self' {target};")), "{policy}");
    }
}

/// `security.md` 65: what was agreed to can be told later, to the byte of its digest.
#[tokio::test(flavor = "multi_thread")]
async fn threat_65_the_log_says_what_was_shown_to_whoever_allowed_it() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let path = case.asks(&wide()).await;
    let page = html::form(&case.browser.page(&path).await, &path);
    let shown = page.iter().find(|(name, _)| name == "shown").unwrap().1.clone();

    case.browser.fill(&path, &path, &[("decision", "allow")]).await;

    let events = broker.app.store.events(&broker.app.tenant_id, 0, 100).await.unwrap();
    let digests = events.iter().filter_map(|record| match &record.event.what {
        Happened::GrantApproved { shown_digest, .. } => Some(shown_digest.clone()),
        _ => None,
    });
    assert_eq!(digests.collect::<Vec<_>>(), [Some(shown)]);
}

/// `security.md` 64: the ticket of another session, or of another user's, decides nothing.
#[tokio::test(flavor = "multi_thread")]
async fn threat_64_another_sessions_ticket_decides_nothing() {
    let broker = TestBroker::start().await;
    let case = Case::new(&broker).await;
    let path = case.asks(&wide()).await;
    let page = case.browser.page(&path).await;
    let mut same_user = broker.browser_of(&case.user).await;
    let mut other_user = broker.browser_of(&broker.user("bob").await).await;

    for browser in [&mut same_user, &mut other_user] {
        assert_eq!(
            browser.fill_in(&page, &path, &[("decision", "allow")]).await.status,
            403
        );
        let own = html::form(&browser.get(&path).await.text(), &path);
        let csrf = &own.iter().find(|(name, _)| name == "csrf").unwrap().1;
        assert_eq!(
            browser
                .fill_in(&page, &path, &[("csrf", csrf), ("decision", "allow")])
                .await
                .status,
            403
        );
    }
    assert_eq!(case.approved(&path).await, None);
}

/// `security.md` 67: an app's words are text, in their place, and short.
#[tokio::test(flavor = "multi_thread")]
async fn threat_67_an_apps_words_are_shown_as_text_and_no_more() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    case.client = broker.client("<b>Notes</b>\u{202e}", CALLBACK, None).await;
    let mut details = wide();
    details[0]["purpose"] = "\"><script>alert(1)</script><svg onload=x> ✅ verified \u{202e}".into();
    let path = case.asks(&details).await;

    let page = case.browser.page(&path).await;
    let said = html::unescape(&page);

    assert!(!page.contains("<b>Notes") && !page.contains("<script>") && !page.contains("<svg onload"));
    assert!(said.contains("<b>Notes</b>") && said.contains("<script>alert(1)</script>"));
    let shown = page.split("raw request").next().unwrap();
    assert!(!shown.contains('\u{202e}') && !shown.contains('✅'));
    let scripts = html::tags(&page).iter().filter(|tag| tag.name == "script").count();
    assert_eq!(scripts, 1);
}

/// `security.md` 68, 69: the page warns of names that pass for others and of apps nobody vouches
/// for; the address is larger than the name.
#[tokio::test(flavor = "multi_thread")]
async fn threat_68_69_the_page_says_how_far_an_app_can_be_believed() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;

    let checked = case.browser.page(&case.asks(&wide()).await).await;
    case.client = broker.client("OpenAl", CALLBACK, None).await;
    let alike = case.browser.page(&case.asks(&wide()).await).await;
    case.client = broker.client("Note s", CALLBACK, None).await;
    let request = with(good_request(&case.client), "redirect_uri", CALLBACK);
    assert!(!request.is_empty());
    let local = {
        let client = broker.client("Shell", "http://127.0.0.1/callback", None).await;
        let request = with(good_request(&client), "redirect_uri", "http://127.0.0.1:4567/callback");
        let id = broker.ask(&case.browser.cookie, &request).await;
        case.browser.page(&format!("/consent/{id}")).await
    };

    assert!(checked.contains("address checked") && !checked.contains("Look twice."));
    assert!(alike.contains("Look twice.") && alike.contains("looks like “OpenAI”"));
    assert!(local.contains("an app on this computer cannot be verified") && local.contains("The answer goes to"));
    let css = include_str!("../../../src/web/static/app.css");
    assert!(css.contains(".address { font-weight: 700; font-size: 26px") && css.contains(".ask { font-size: 19px"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_is_added_on_the_way() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let mut case = Case {
        browser: broker.browser_of(&user).await,
        client: broker.client("Notes", CALLBACK, None).await,
        user,
    };
    let path = case.asks(&wide()).await;
    let page = case.browser.page(&path).await;
    assert!(page.contains("First, add your OpenAI key"));
    let refused = case.browser.fill_in(&page, &path, &[("decision", "allow")]).await;
    assert_eq!(refused.status, 422);

    let answer = case
        .browser
        .fill_in(&page, "/keys", &[("key", "sk-proj-0123456789")])
        .await;

    assert_eq!((answer.status, answer.header("location")), (303, path.as_str()));
    let answer = case.browser.fill(&path, &path, &[("decision", "allow")]).await;
    assert_eq!(answer.status, 303);
    assert!(case.approved(&path).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_can_only_say_ai_leaves_the_choice_to_the_user() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let request = with(
        with(good_request(&case.client), "authorization_details", ""),
        "scope",
        "ai",
    );
    let id = broker.ask(&case.browser.cookie, &request).await;
    let path = format!("/consent/{id}");
    let page = case.browser.page(&path).await;
    assert!(page.contains("A little, to try"));
    assert_eq!(
        case.browser
            .fill_in(&page, &path, &[("decision", "allow"), ("provider", "anthropic")])
            .await
            .status,
        422
    );

    case.browser.fill_in(&page, &path, &[("decision", "allow")]).await;

    let approved = case.approved(&path).await.unwrap();
    assert_eq!(approved.len(), 1);
    assert_eq!(approved[0].limits.budget, [(None, Money::from_cents(100))].into());
    assert!(approved[0].covers_model("gpt-4o-mini"));
}

/// A prefix stands for the models known today; those to come only if the user says so.
#[tokio::test(flavor = "multi_thread")]
async fn models_to_come_are_included_only_if_the_user_says_so() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let mut details = wide();
    details[0]["models"] = json!([{"prefix": "gpt-4o"}]);
    details[0]["allow_future"] = true.into();
    let (plain, future) = (case.asks(&details).await, case.asks(&details).await);

    case.browser.fill(&plain, &plain, &[("decision", "allow")]).await;
    case.browser
        .fill(&future, &future, &[("decision", "allow"), ("openai.future", "gpt-4o")])
        .await;

    let (plain, future) = (
        case.approved(&plain).await.unwrap(),
        case.approved(&future).await.unwrap(),
    );
    assert!(plain[0].covers_model("gpt-4o-mini") && !plain[0].covers_model("gpt-4o-2099"));
    assert!(future[0].covers_model("gpt-4o-2099") && future[0].allow_future);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_too_old_is_closed() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let path = case.asks(&wide()).await;
    let page = case.browser.page(&path).await;
    broker.clock.advance_seconds(601);

    assert_eq!(case.browser.get(&path).await.status, 410);
    case.browser.fill_in(&page, &path, &[("decision", "allow")]).await;
    assert_eq!(case.approved(&path).await, None);
    assert_eq!(case.browser.get("/consent/unknown").await.status, 404);
}

/// The 0.2 surface leads to the same page; its app is called unverified.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_request_is_decided_on_the_same_page() {
    let broker = TestBroker::start().await;
    let mut case = Case::new(&broker).await;
    let asked = json!({
        "appName": "My script", "appUrl": "https://script.example", "reason": "Summaries",
        "scope": {"provider": "openai", "models": ["gpt-4o-mini"], "capabilities": ["chat"], "maxBudgetCents": 100},
    });
    let opened = broker.post_json("/grant-requests", &[], &asked).await.json();
    let path = opened["consentUrl"]
        .as_str()
        .unwrap()
        .strip_prefix(&broker.url(""))
        .unwrap()
        .to_owned();
    let page = case.browser.page(&path).await;
    assert!(page.contains("not verified") && page.contains("script.example") && page.contains("Summaries"));

    let answer = case.browser.fill_in(&page, &path, &[("decision", "allow")]).await;

    assert_eq!((answer.status, answer.header("location")), (303, path.as_str()));
    assert!(
        case.browser
            .page(&path)
            .await
            .contains("My script may use your OpenAI account")
    );
    assert!(case.browser.page("/apps").await.contains("My script"));
    let clients = broker.app.store.clients(&broker.app.tenant_id).await.unwrap();
    let script = clients.iter().find(|client| client.name == "My script").unwrap();
    assert_eq!(script.registration, Registration::Unverified);
    assert_ne!(script.id, ClientId::new(""));
}
