//! RFC 9207: every answer names who gives it.

use crate::support::{
    TestBroker,
    oauth::{CALLBACK, STATE, answer_parameter, answer_parameters, good_request, with},
};

#[tokio::test(flavor = "multi_thread")]
async fn section_2_every_answer_carries_issuer_and_state() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let cookie = broker.browser(&user).await;
    let client = broker.client("Notes", CALLBACK, None).await;

    let allowed = broker.ask(&cookie, &good_request(&client)).await;
    broker.approve(&allowed, &user).await;
    let denied = broker.ask(&cookie, &good_request(&client)).await;
    broker.deny(&denied, &user).await;
    let answers = [
        broker.resume(&cookie, &allowed).await,
        broker.resume(&cookie, &denied).await,
        broker
            .authorize(&cookie, &with(good_request(&client), "prompt", "none"))
            .await,
        broker
            .authorize(&cookie, &with(good_request(&client), "response_type", "token"))
            .await,
    ];

    for answer in answers {
        assert_eq!(
            answer_parameter(&answer, "iss").as_ref(),
            Some(&broker.app.config.public_url)
        );
        assert_eq!(answer_parameter(&answer, "state").as_deref(), Some(STATE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_state_has_none_and_keeps_the_query_of_the_redirect_uri() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let uri = format!("{CALLBACK}?tab=1");
    let client = broker.client("Notes", &uri, None).await;

    let request = with(with(good_request(&client), "redirect_uri", &uri), "state", "");
    let answer = broker.authorize(&cookie, &with(request, "prompt", "none")).await;
    let names: Vec<String> = answer_parameters(&answer).into_iter().map(|(name, _)| name).collect();

    assert_eq!(names, ["tab", "error", "error_description", "iss"]);
}
