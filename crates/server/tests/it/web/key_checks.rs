//! Asking a provider about a key: when it is entered, and whenever its user likes.

use std::time::Duration;

use aipassport_domain::audit::{Happened, KeyCheck};
use aipassport_store::{KeyChecked, ProviderCredential};
use serde_json::json;

use super::{browser::Browser, html};
use crate::support::{
    CANARY_KEY, NOW, TestBroker, TestUser,
    provider::{Step, TestProvider},
};

const ENTERED: [(&str, &str); 2] = [("provider", "openai"), ("key", CANARY_KEY)];

async fn keys_of(broker: &TestBroker, user: &TestUser) -> Vec<ProviderCredential> {
    let app = &broker.app;
    app.store.credentials_of(&app.tenant_id, &user.id).await.unwrap()
}

fn checked(result: KeyCheck) -> KeyChecked {
    KeyChecked { at: NOW, result }
}

fn refuse(provider: &TestProvider) {
    let error =
        json!({"error": {"message": format!("Incorrect API key provided: {CANARY_KEY}"), "code": "invalid_api_key"}});
    provider.then_json(401, &error);
}

async fn check_now(browser: &mut Browser<'_>, key: &ProviderCredential) -> String {
    let page = browser.page("/keys").await;
    let answer = browser.fill_in(&page, &format!("/keys/{}/check", key.id), &[]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/keys?done=checked"));
    browser.page("/keys").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_to_its_provider_before_it_is_saved() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let ana = broker.user("ana").await;
    let mut browser = broker.browser_of(&ana).await;
    provider.then_json(200, &json!({"object": "list", "data": []}));

    browser.fill("/keys", "/keys", &ENTERED).await;

    let asked = provider.only_request();
    assert!(asked.head.starts_with("GET /v1/models HTTP/1.1"), "{}", asked.head);
    let bearer = format!("Bearer {CANARY_KEY}");
    assert_eq!(asked.header("authorization"), Some(bearer.as_str()));
    let [key] = <[_; 1]>::try_from(keys_of(&broker, &ana).await).unwrap();
    assert_eq!((key.checked, key.refused_at), (Some(checked(KeyCheck::Works)), None));
    assert!(browser.page("/keys").await.contains("OpenAI accepts it, checked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_its_provider_refuses_is_saved_only_if_one_insists() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let ana = broker.user("ana").await;
    let mut browser = broker.browser_of(&ana).await;

    refuse(&provider);
    let refused = browser.fill("/keys", "/keys", &ENTERED).await;
    assert_eq!(refused.status, 422);
    let page = refused.text();
    assert_eq!(html::faults(&page), Vec::<String>::new());
    assert!(
        page.contains("OpenAI does not accept this key") && page.contains("Save it anyway"),
        "{page}"
    );
    assert!(!page.contains(CANARY_KEY));
    assert_eq!(keys_of(&broker, &ana).await, []);

    refuse(&provider);
    let insisted = [ENTERED.as_slice(), &[("save_anyway", "yes")]].concat();
    browser.fill_in(&page, "/keys", &insisted).await;
    let [key] = <[_; 1]>::try_from(keys_of(&broker, &ana).await).unwrap();
    assert_eq!(
        (key.checked, key.refused_at),
        (Some(checked(KeyCheck::Refused)), Some(NOW))
    );
    assert!(browser.page("/keys").await.contains("Refused by OpenAI"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_provider_does_not_say_or_is_away_is_saved_and_not_checked() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before_with(&provider, |config| {
        config.upstreams.answer_timeout = Duration::from_millis(300);
        config.upstreams.connect_timeout = Duration::from_millis(300);
    })
    .await;
    let ana = broker.user("ana").await;
    let mut browser = broker.browser_of(&ana).await;

    for (status, result, words) in [
        (403, KeyCheck::Unclear, "OpenAI did not say whether it accepts it"),
        (500, KeyCheck::Unclear, "OpenAI did not say whether it accepts it"),
        (302, KeyCheck::Unclear, "OpenAI did not say whether it accepts it"),
        (0, KeyCheck::NotReached, "OpenAI could not be reached"),
    ] {
        match status {
            0 => provider.then([Step::Hang]),
            status => provider.then_json(status, &json!({"error": {"message": "no"}})),
        }
        browser.fill("/keys", "/keys", &ENTERED).await;
        broker.clock.advance_seconds(1);

        let newest = keys_of(&broker, &ana).await.remove(0);
        assert_eq!(newest.checked.map(|checked| checked.result), Some(result), "{status}");
        assert!(browser.page("/keys").await.contains(words), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_key_is_checked_whenever_its_user_likes() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let ana = broker.user("ana").await;
    broker.credential(&ana, "openai", None).await;
    let mut browser = broker.browser_of(&ana).await;
    let key = keys_of(&broker, &ana).await.remove(0);
    assert!(browser.page("/keys").await.contains("Not checked yet"));

    refuse(&provider);
    assert!(check_now(&mut browser, &key).await.contains("Refused by OpenAI"));
    provider.then([Step::Send(b"nonsense".to_vec())]);
    let page = check_now(&mut browser, &key).await;
    assert!(
        page.contains("Refused by OpenAI") && page.contains("could not be reached"),
        "{page}"
    );
    let page = check_now(&mut browser, &key).await;
    assert!(
        page.contains("OpenAI accepts it") && !page.contains("Refused by OpenAI"),
        "{page}"
    );

    let events = broker.app.store.events(&broker.app.tenant_id, 0, 100).await.unwrap();
    let results = events.iter().filter_map(|record| match &record.event.what {
        Happened::CredentialChecked { result, .. } => Some(*result),
        _ => None,
    });
    assert_eq!(
        results.collect::<Vec<_>>(),
        [KeyCheck::Refused, KeyCheck::NotReached, KeyCheck::Works]
    );
    let sentences = browser.page("/activity?show=keys").await;
    assert!(sentences.contains("OpenAI was asked about your key, and does not accept it."));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_checks_like_the_page() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let ana = broker.user("ana").await;
    let bearer = format!("Bearer {}", ana.bearer);
    let headers = [("authorization", bearer.as_str())];
    let entered = json!({"provider": "openai", "key": CANARY_KEY});
    let insisted = json!({"provider": "openai", "key": CANARY_KEY, "save_anyway": true});

    refuse(&provider);
    let refused = broker.post_json("/api/credentials", &headers, &entered).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("OpenAI does not accept this key") && !refused.text().contains(CANARY_KEY));
    refuse(&provider);
    let saved = broker.post_json("/api/credentials", &headers, &insisted).await;
    assert_eq!((saved.status, &saved.json()["check_result"]), (201, &json!("refused")));

    let check = format!("/api/credentials/{}/check", saved.json()["id"].as_str().unwrap());
    let checked = broker.post_json(&check, &headers, &json!({})).await;
    assert_eq!(checked.status, 200);
    assert_eq!(checked.json()["check_result"], "works");
    assert_eq!(checked.json()["refused_at"], json!(null));
}

/// `security.md` 83: no question of the broker's own leads where a call may not go.
#[tokio::test(flavor = "multi_thread")]
async fn threat_83_a_check_goes_only_where_a_call_may() {
    let provider = TestProvider::start().await;
    let port = provider.address.port();
    let broker = TestBroker::start().await;
    let ana = broker.user("ana").await;
    let bearer = format!("Bearer {}", ana.bearer);

    for base_url in [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        format!("http://2130706433:{port}"),
        "http://169.254.169.254".to_owned(),
    ] {
        let entered = json!({"provider": "openai", "key": CANARY_KEY, "base_url": base_url});
        let saved = broker
            .post_json("/api/credentials", &[("authorization", &bearer)], &entered)
            .await;
        assert_eq!(
            (saved.status, &saved.json()["check_result"]),
            (201, &json!("not_reached")),
            "{base_url}"
        );
    }
    assert_eq!(provider.connections(), 0);
}
