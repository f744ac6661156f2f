//! RFC 9700, the best current practice: what is used once is used once, at any concurrency.

use aipassport_domain::audit::{Happened, RevocationReason};
use tokio::task::JoinSet;

use crate::support::{
    TestBroker,
    http::Answer,
    oauth::{CALLBACK, Tokens, good_request, refusal},
};

/// Runs `count` of the same attempt at once, and returns the answers of the winners; the losers
/// were refused, not broken.
async fn at_once<F: Future<Output = Answer> + Send + 'static>(count: usize, attempt: impl Fn() -> F) -> Vec<Answer> {
    let mut attempts = JoinSet::new();
    for _ in 0..count {
        attempts.spawn(attempt());
    }
    let (won, lost): (Vec<_>, Vec<_>) = attempts
        .join_all()
        .await
        .into_iter()
        .partition(|answer| answer.status == 200);
    for answer in lost {
        assert_eq!(refusal(&answer), (400, "invalid_grant".to_owned()));
    }
    won
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_94_a_code_that_comes_back_ends_all_that_came_of_it() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let thief = broker.client("Thief", CALLBACK, None).await;
    let wrong = "w".repeat(43);

    for (seconds, who, more) in [
        (0, &client, vec![]),
        (1, &client, vec![]),
        (30, &client, vec![]),
        (3600, &client, vec![]),
        (1, &thief, vec![]),
        (1, &client, vec![("code_verifier", wrong.as_str())]),
    ] {
        let code = broker.code(&client, &user).await;
        let tokens = Tokens::of(&broker.redeem(&client, &code).await);
        let tokens = Tokens::of(&broker.refresh(&client, &tokens.refresh_token).await);
        broker.clock.advance_seconds(seconds);

        let answer = broker.redeem_with(who, &code, &more).await;

        assert_eq!(refusal(&answer), (400, "invalid_grant".to_owned()));
        assert_eq!(broker.grant_status(&tokens.grant_id).await, "revoked");
        let refreshed = broker.refresh(&client, &tokens.refresh_token).await;
        assert_eq!(refusal(&refreshed), (400, "invalid_grant".to_owned()));
        assert_eq!(
            broker.audit_kinds().await.last().map(String::as_str),
            Some("grant_revoked")
        );
    }
    let kinds = broker.audit_kinds().await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "code_replayed").count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_95_of_fifty_redemptions_at_once_one_wins_and_the_others_end_what_it_won() {
    let broker = std::sync::Arc::new(TestBroker::start().await);
    let user = broker.user("ana").await;
    let client = std::sync::Arc::new(broker.client("Notes", CALLBACK, None).await);
    let code = broker.code(&client, &user).await;

    let won = at_once(50, || {
        let (broker, client, code) = (broker.clone(), client.clone(), code.clone());
        async move { broker.redeem(&client, &code).await }
    })
    .await;

    let [won] = won.as_slice() else {
        panic!("{} winners", won.len())
    };
    let tokens = Tokens::of(won);
    assert_eq!(broker.grant_status(&tokens.grant_id).await, "revoked");
    let refreshed = broker.refresh(&client, &tokens.refresh_token).await;
    assert_eq!(refusal(&refreshed), (400, "invalid_grant".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_96_another_clients_code_is_refused_counted_and_not_burnt() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let thief = broker.client("Thief", CALLBACK, None).await;
    let code = broker.code(&client, &user).await;

    let stolen = broker.redeem(&thief, &code).await;
    let elsewhere = broker
        .redeem_with(&client, &code, &[("redirect_uri", "https://notes.example/other")])
        .await;
    let own = broker.redeem(&client, &code).await;

    assert_eq!(refusal(&stolen), (400, "invalid_grant".to_owned()));
    assert_eq!(refusal(&elsewhere), (400, "invalid_grant".to_owned()));
    assert_eq!(own.status, 200, "{}", own.text());
    let failed = broker
        .audit_kinds()
        .await
        .into_iter()
        .filter(|kind| kind == "code_failed");
    assert_eq!(failed.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_98_a_refresh_token_used_again_ends_its_grant() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let first = broker.tokens(&client, &user).await;

    let second = Tokens::of(&broker.refresh(&client, &first.refresh_token).await);
    let third = Tokens::of(&broker.refresh(&client, &second.refresh_token).await);
    let reused = broker.refresh(&client, &first.refresh_token).await;
    let newest = broker.refresh(&client, &third.refresh_token).await;

    assert_ne!(first.refresh_token, second.refresh_token);
    assert_eq!(refusal(&reused), (400, "invalid_grant".to_owned()));
    assert_eq!(refusal(&newest), (400, "invalid_grant".to_owned()));
    assert_eq!(broker.grant_status(&first.grant_id).await, "revoked");
    assert!(broker.audit_kinds().await.contains(&"refresh_token_reused".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_98_of_fifty_rotations_at_once_one_wins_and_no_branch_lives() {
    let broker = std::sync::Arc::new(TestBroker::start().await);
    let user = broker.user("ana").await;
    let client = std::sync::Arc::new(broker.client("Notes", CALLBACK, None).await);

    for count in [2, 50] {
        let tokens = broker.tokens(&client, &user).await;
        let won = at_once(count, || {
            let (broker, client, token) = (broker.clone(), client.clone(), tokens.refresh_token.clone());
            async move { broker.refresh(&client, &token).await }
        })
        .await;

        let [won] = won.as_slice() else {
            panic!("{} winners", won.len())
        };
        let survivor = broker.refresh(&client, &Tokens::of(won).refresh_token).await;
        assert_eq!(refusal(&survivor), (400, "invalid_grant".to_owned()));
        assert_eq!(broker.grant_status(&tokens.grant_id).await, "revoked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_99_a_refresh_token_of_a_dead_grant_is_dead() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let thief = broker.client("Thief", CALLBACK, None).await;

    let tokens = broker.tokens(&client, &user).await;
    let stolen = broker.refresh(&thief, &tokens.refresh_token).await;
    assert_eq!(refusal(&stolen), (400, "invalid_grant".to_owned()));
    assert_eq!(refusal(&broker.refresh(&client, "aip_rt_unknown").await).0, 400);

    let what = Happened::GrantRevoked {
        reason: RevocationReason::ByUser,
    };
    let event = broker.event(Some(&user.id), what);
    broker.app.store.revoke_grant(&tokens.grant_id, &event).await.unwrap();
    let revoked = broker.refresh(&client, &tokens.refresh_token).await;
    assert_eq!(refusal(&revoked), (400, "invalid_grant".to_owned()));

    let tokens = broker.tokens(&client, &user).await;
    broker.clock.advance_seconds(14 * 86_400);
    let idle = broker.refresh(&client, &tokens.refresh_token).await;
    assert_eq!(refusal(&idle), (400, "invalid_grant".to_owned()), "14 days idle");

    let mut tokens = broker.tokens(&client, &user).await;
    for _ in 0..2 {
        broker.clock.advance_seconds(13 * 86_400);
        tokens = Tokens::of(&broker.refresh(&client, &tokens.refresh_token).await);
    }
    broker.clock.advance_seconds(4 * 86_400);
    let over = broker.refresh(&client, &tokens.refresh_token).await;
    assert_eq!(refusal(&over), (400, "invalid_grant".to_owned()), "the grant is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_know_one_user_by_different_names() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let one = broker.client("Notes", CALLBACK, None).await;
    let other = broker.client("Mail", CALLBACK, None).await;
    let mut subjects = Vec::new();

    for client in [&one, &other, &one] {
        let code = broker.code_for(&good_request(client), &user).await;
        let tokens = Tokens::of(&broker.redeem(client, &code).await);
        let issuer = &broker.app.config.public_url;
        let claims = broker
            .app
            .signing
            .verify(&tokens.access_token, broker.app.clock.now(), issuer);
        subjects.push(claims.unwrap().sub);
    }

    assert_ne!(subjects[0], subjects[1], "threat 162");
    assert_eq!(subjects[0], subjects[2]);
    assert!(!subjects.contains(&user.id.to_string()));
}
