//! Guessing passwords and client secrets faster than one may (`security.md` 44, 183).

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    support::{TestBroker, oauth::CALLBACK},
    web::browser::PASSWORD,
};

const TOO_MANY: u16 = 429;

async fn sign_in(broker: &TestBroker, name: &str, password: &str, headers: &[(&str, &str)]) -> u16 {
    let origin = broker.url("");
    let headers = [headers, &[("origin", origin.as_str())]].concat();
    let form = [("name", name), ("password", password)];
    broker.post_form("/login", &headers, &form).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_183_guesses_sent_all_at_once_are_no_more_than_one_may_try() {
    let broker = TestBroker::start().await;
    broker.user_with_password("alice").await;

    let guesses = (0..40).map(|_| sign_in(&broker, "alice", "wrong password", &[]));
    let answers = futures_util::future::join_all(guesses).await;

    // Two are verified at a time, so that the last two may both be let through as the tenth.
    let tried = answers.iter().filter(|status| **status != TOO_MANY).count();
    assert!((10..=11).contains(&tried), "{tried} passwords were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_183_an_account_of_ones_own_buys_no_more_guesses() {
    let broker = TestBroker::start().await;
    broker.user_with_password("mallory").await;

    for victim in 0..7 {
        for _ in 0..9 {
            sign_in(&broker, &format!("victim {victim}"), "wrong password", &[]).await;
        }
        sign_in(&broker, "mallory", PASSWORD, &[]).await;
    }

    assert_eq!(sign_in(&broker, "one more", "wrong password", &[]).await, TOO_MANY);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_183_a_forwarding_header_of_the_clients_own_is_not_believed() {
    let broker = TestBroker::start_with(|config| config.trusted_proxies = vec![[127, 0, 0, 1].into()]).await;
    broker.user_with_password("alice").await;

    // What the client wrote, and what the proxy added: to the same line, or as one of its own.
    for guess in 0..5 {
        let joined = format!("198.51.100.{guess}, 203.0.113.7");
        let own_line = format!("198.51.100.{guess}");
        for headers in [
            vec![("x-forwarded-for", joined.as_str())],
            vec![
                ("x-forwarded-for", own_line.as_str()),
                ("x-forwarded-for", "203.0.113.7"),
            ],
        ] {
            sign_in(&broker, "alice", "wrong password", &headers).await;
        }
    }

    let same_place = [("x-forwarded-for", "203.0.113.7")];
    let elsewhere = [("x-forwarded-for", "192.0.2.4")];
    assert_eq!(sign_in(&broker, "alice", PASSWORD, &same_place).await, TOO_MANY);
    assert_eq!(sign_in(&broker, "alice", PASSWORD, &elsewhere).await, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_44_client_secrets_are_guessed_ten_times_at_whatever_door() {
    let broker = TestBroker::start_with(|config| config.trusted_proxies = vec![[127, 0, 0, 1].into()]).await;
    let client = broker.client("Notes", CALLBACK, Some("right")).await;
    let introspect = async |secret: &str, place: &str| {
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{secret}", client.id)));
        let headers = [("authorization", basic.as_str()), ("x-forwarded-for", place)];
        broker
            .post_form("/oauth/introspect", &headers, &[("token", "any")])
            .await
    };
    let (here, there) = ("192.0.2.7", "192.0.2.8");

    let guesses = (0..40).map(|_| introspect("wrong", here));
    let answers = futures_util::future::join_all(guesses).await;
    let tried = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(tried, 10, "also when sent all at once");

    let refused = introspect("right", here).await;
    assert_eq!(
        (refused.status, refused.json()["error"].as_str()),
        (429, Some("temporarily_unavailable"))
    );
    assert_eq!(introspect("right", there).await.status, 200);
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:right", client.id)));
    let headers = [("authorization", basic.as_str()), ("x-forwarded-for", here)];
    let asked = broker.post_json("/grant-requests", &headers, &json!({})).await;
    assert_eq!(
        (asked.status, asked.header("retry-after")),
        (429, refused.header("retry-after"))
    );

    let seconds: i64 = refused.header("retry-after").parse().unwrap();
    broker.clock.advance_seconds(seconds);
    assert_eq!(introspect("right", here).await.status, 200);
}
