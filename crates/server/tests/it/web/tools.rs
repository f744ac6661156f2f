//! Keys for tools, made on a page.

use crate::support::{
    TestBroker,
    grant::chat,
    provider::{TestProvider, completion},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_makes_a_key_on_a_page_and_sees_it_once() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = broker.user("ana").await;
    broker.credential(&user, "openai", None).await;
    let mut browser = broker.browser_of(&user).await;
    provider.then_json(200, &completion(10, 5));

    let page = browser.page("/apps/keys/new").await;
    let made = browser
        .fill_in(
            &page,
            "/apps/keys/new",
            &[("name", "My editor"), ("size", "try"), ("provider", "openai")],
        )
        .await;
    let made = made.text();
    let (_, key) = made.split_once("id=\"secret\">").expect("the key is shown");
    let key = key.split('<').next().unwrap();

    let headers = [("x-api-key", key)];
    let answer = broker
        .post_json("/openai/v1/chat/completions", &headers, &chat(100))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let apps = browser.page("/apps").await;
    assert!(apps.contains("My editor") && !apps.contains(key));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_without_a_name_or_an_account_is_asked_for_again() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let mut browser = broker.browser_of(&user).await;

    let page = browser.page("/apps/keys/new").await;
    let answer = browser.fill_in(&page, "/apps/keys/new", &[("name", "My editor")]).await;

    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("Choose at least one of your accounts."));
    assert!(answer.text().contains("My editor"));
}
