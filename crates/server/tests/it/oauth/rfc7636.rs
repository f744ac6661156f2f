//! RFC 7636: proof key for code exchange, S256 and for every client.

use crate::support::{
    TestBroker,
    oauth::{CALLBACK, CHALLENGE, answer_parameter, good_request, refusal, with},
};

#[tokio::test(flavor = "multi_thread")]
async fn threat_48_a_request_without_a_sound_challenge_is_refused() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let public = broker.client("Notes", CALLBACK, None).await;
    let confidential = broker.client("Mail", CALLBACK, Some("s3cr3t")).await;
    let (short, long) = ("a".repeat(42), "a".repeat(129));

    for client in [&public, &confidential] {
        for (name, value) in [
            ("code_challenge", ""),
            ("code_challenge", &short),
            ("code_challenge", &long),
            ("code_challenge", &CHALLENGE.replace('-', "+")),
            ("code_challenge", &format!("{CHALLENGE}=")),
            ("code_challenge_method", "plain"),
            ("code_challenge_method", "s256"),
            ("code_challenge_method", ""),
        ] {
            let answer = broker
                .authorize(&cookie, &with(good_request(client), name, value))
                .await;
            let error = answer_parameter(&answer, "error");
            assert_eq!(error.as_deref(), Some("invalid_request"), "{name}={value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_49_a_code_is_not_redeemed_without_its_verifier() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Mail", CALLBACK, Some("s3cr3t")).await;
    let code = broker.code(&client, &user).await;
    let redeem = |verifier: &'static str| {
        let (broker, client, code) = (&broker, &client, code.as_str());
        async move {
            let more = [("client_secret", "s3cr3t"), ("code_verifier", verifier)];
            broker.redeem_with(client, code, &more).await
        }
    };

    assert_eq!(refusal(&redeem("").await), (400, "invalid_request".to_owned()));
    assert_eq!(refusal(&redeem(CHALLENGE).await), (400, "invalid_grant".to_owned()));
    assert_eq!(refusal(&redeem("short").await), (400, "invalid_grant".to_owned()));
    let right = redeem(crate::support::oauth::VERIFIER).await;
    assert_eq!(right.status, 200, "two guesses do not burn a code: {}", right.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_third_wrong_verifier_burns_the_code() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let code = broker.code(&client, &user).await;
    let wrong = "w".repeat(43);

    for _ in 0..3 {
        let answer = broker.redeem_with(&client, &code, &[("code_verifier", &wrong)]).await;
        assert_eq!(refusal(&answer), (400, "invalid_grant".to_owned()));
    }

    assert_eq!(
        refusal(&broker.redeem(&client, &code).await),
        (400, "invalid_grant".to_owned())
    );
    let failed = broker
        .audit_kinds()
        .await
        .into_iter()
        .filter(|kind| kind == "code_failed");
    assert_eq!(failed.count(), 3);
}
