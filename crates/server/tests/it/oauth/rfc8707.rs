//! RFC 8707: a token is for the resource that was asked for.

use crate::support::{
    TestBroker,
    oauth::{CALLBACK, Tokens, answer_parameter, good_request, refusal, with},
};

fn audience(broker: &TestBroker, tokens: &Tokens) -> String {
    let now = broker.app.clock.now();
    let claims = broker
        .app
        .signing
        .verify(&tokens.access_token, now, &broker.app.config.public_url);
    claims.unwrap().aud
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_59_a_resource_that_is_not_ours_is_refused() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let client = broker.client("Notes", CALLBACK, None).await;

    for resource in [
        "https://other.example".to_owned(),
        "/openai".to_owned(),
        broker.url("/openai#x"),
        broker.url("/openai/v1"),
        broker.url("/unknown"),
        broker.url("/openai/../anthropic"),
        format!("{}.evil", broker.url("")),
    ] {
        let answer = broker
            .authorize(&cookie, &with(good_request(&client), "resource", &resource))
            .await;
        let error = answer_parameter(&answer, "error");
        assert_eq!(error.as_deref(), Some("invalid_target"), "{resource}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_provider_stays_for_that_provider() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let (openai, anthropic) = (broker.url("/openai"), broker.url("/anthropic"));

    let request = with(good_request(&client), "resource", &openai);
    let code = broker.code_for(&request, &user).await;
    let wider = broker.redeem_with(&client, &code, &[("resource", &anthropic)]).await;
    let tokens = Tokens::of(&broker.redeem(&client, &code).await);
    let refreshed = Tokens::of(&broker.refresh(&client, &tokens.refresh_token).await);

    assert_eq!(refusal(&wider), (400, "invalid_target".to_owned()));
    assert_eq!(audience(&broker, &tokens), openai);
    assert_eq!(audience(&broker, &refreshed), openai);
}

#[tokio::test(flavor = "multi_thread")]
async fn section_2_2_a_token_request_may_pick_one_provider_of_all() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;

    let request = with(good_request(&client), "resource", &broker.url("/"));
    let code = broker.code_for(&request, &user).await;
    let openai = broker.url("/openai");
    let tokens = Tokens::of(&broker.redeem_with(&client, &code, &[("resource", &openai)]).await);
    let refreshed = Tokens::of(&broker.refresh(&client, &tokens.refresh_token).await);

    assert_eq!(audience(&broker, &tokens), openai);
    assert_eq!(audience(&broker, &refreshed), broker.url(""));
}
