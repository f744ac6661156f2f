//! Tokens for whoever asked, and what they are worth.

use aipassport_domain::audit::Happened;
use serde_json::json;

use super::refusal;
use crate::support::TestBroker;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asked_gets_a_token_that_does_not_outlive_the_grant() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let asked = broker.ask_for_grant().await;
    broker
        .act(&user, &asked.grant_id, "approve", &json!({"expiresInSeconds": 60}))
        .await;

    let answer = broker.token_of(&asked).await;
    let token = answer.json();

    assert_eq!(answer.status, 201, "{token}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(token["grantId"], asked.grant_id);
    assert_eq!(
        (&token["issuedAt"], &token["expiresAt"]),
        (&json!("2026-11-11T12:00:00Z"), &json!("2026-11-11T12:01:00Z"))
    );
    let claims = broker
        .app
        .signing
        .verify(
            token["token"].as_str().unwrap(),
            broker.app.clock.now(),
            &broker.app.config.public_url,
        )
        .unwrap();
    assert_eq!(claims.grant_id.as_str(), asked.grant_id);
    assert_eq!(broker.audit_kinds().await.last().unwrap(), "tokens_issued");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_secret_there_is_no_token() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let (asked, other) = (
        broker.asked_and_granted(&user).await,
        broker.asked_and_granted(&user).await,
    );
    let unknown = broker
        .post_json(
            "/tokens",
            &[],
            &json!({"grantId": "unknown", "requestSecret": asked.request_secret}),
        )
        .await;

    for secret in [other.request_secret.as_str(), "aip_rs_guess", ""] {
        let body = json!({"grantId": asked.grant_id, "requestSecret": secret});
        let answer = broker.post_json("/tokens", &[], &body).await;
        assert_eq!(refusal(&answer), (404, "not_found".to_owned()));
        assert_eq!(answer.text(), unknown.text());
    }
    for body in [
        json!({"grantId": asked.grant_id}),
        json!({"requestSecret": "x"}),
        json!({}),
    ] {
        let answer = broker.post_json("/tokens", &[], &body).await;
        assert_eq!(refusal(&answer), (400, "validation_failed".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_token_only_while_the_grant_is_in_force() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let asked = broker.ask_for_grant().await;
    let token = async || broker.token_of(&asked).await;

    assert_eq!(refusal(&token().await), (400, "grant_pending".to_owned()));
    broker.act(&user, &asked.grant_id, "approve", &json!({})).await;
    assert_eq!(token().await.status, 201);
    broker.act(&user, &asked.grant_id, "pause", &json!({})).await;
    assert_eq!(refusal(&token().await), (400, "grant_paused".to_owned()));
    broker.act(&user, &asked.grant_id, "resume", &json!({})).await;
    broker.clock.advance_seconds(3600);
    assert_eq!(refusal(&token().await), (400, "grant_expired".to_owned()));

    let denied = broker.ask_for_grant().await;
    broker.act(&user, &denied.grant_id, "deny", &json!({})).await;
    assert_eq!(
        refusal(&broker.token_of(&denied).await),
        (400, "grant_denied".to_owned())
    );

    let revoked = broker.asked_and_granted(&user).await;
    broker.act(&user, &revoked.grant_id, "revoke", &json!({})).await;
    assert_eq!(
        refusal(&broker.token_of(&revoked).await),
        (400, "grant_revoked".to_owned())
    );

    let disabled = broker.asked_and_granted(&user).await;
    let client = broker.client_of(&disabled.grant_id).await;
    let what = Happened::ClientDisabled {
        client_id: client.id.clone(),
    };
    let event = broker.event(None, what);
    broker.app.store.disable_client(&client.id, &event).await.unwrap();
    assert_eq!(
        refusal(&broker.token_of(&disabled).await),
        (404, "not_found".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_inspected_by_whoever_holds_it() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let asked = broker.asked_and_granted(&user).await;
    let token = broker.token_of(&asked).await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let inspect = async |token: &str| {
        let answer = broker.get(&format!("/tokens/{token}/inspect"), &[]).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        answer.json()
    };

    let valid = inspect(&token).await;
    let members: Vec<&str> = valid["grant"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(valid["valid"], true);
    assert_eq!(
        members,
        [
            "appName",
            "appUrl",
            "createdAt",
            "expiresAt",
            "id",
            "scope",
            "status",
            "usageCount"
        ]
    );
    assert_eq!(valid["grant"]["status"], "approved");

    assert_eq!(
        inspect("unknown").await,
        json!({"valid": false, "reason": "Token is not valid"})
    );
    broker.act(&user, &asked.grant_id, "pause", &json!({})).await;
    assert_eq!(
        inspect(&token).await,
        json!({"valid": false, "reason": "Grant is paused"})
    );
    broker.act(&user, &asked.grant_id, "revoke", &json!({})).await;
    assert_eq!(
        inspect(&token).await,
        json!({"valid": false, "reason": "Grant has been revoked"})
    );
    broker.clock.advance_seconds(600);
    assert_eq!(
        inspect(&token).await,
        json!({"valid": false, "reason": "Token has expired"})
    );
}
