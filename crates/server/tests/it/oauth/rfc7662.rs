//! RFC 7662: introspection by the client itself.

use aipassport_domain::{
    audit::{Happened, PauseReason, RevocationReason},
    client::Client,
};
use serde_json::{Value, json};

use crate::support::{
    TestBroker, TestUser,
    oauth::{CALLBACK, Tokens, refusal},
};

const SECRET: &str = "s3cr3t";

async fn introspect(broker: &TestBroker, client: &Client, token: &str) -> Value {
    let form = [
        ("client_id", client.id.as_str()),
        ("client_secret", SECRET),
        ("token", token),
    ];
    let answer = broker.post_form("/oauth/introspect", &[], &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

async fn tokens(broker: &TestBroker, client: &Client, user: &TestUser) -> Tokens {
    let code = broker.code(client, user).await;
    Tokens::of(&broker.redeem_with(client, &code, &[("client_secret", SECRET)]).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn section_2_2_a_client_learns_what_its_tokens_are_worth() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Mail", CALLBACK, Some(SECRET)).await;
    let tokens = tokens(&broker, &client, &user).await;
    let now = crate::support::NOW.seconds();

    let access = introspect(&broker, &client, &tokens.access_token).await;
    let refresh = introspect(&broker, &client, &tokens.refresh_token).await;

    assert_eq!(access["active"], true);
    assert_eq!(access["client_id"], client.id.as_str());
    assert_eq!(access["aud"], broker.app.config.public_url);
    assert_eq!(access["iss"], broker.app.config.public_url);
    assert_eq!((&access["iat"], &access["exp"]), (&json!(now), &json!(now + 600)));
    assert_eq!(access["authorization_details"], tokens.answer["authorization_details"]);
    let budget = &access["limits"][0];
    assert_eq!(
        (&budget["rule"], &budget["provider"]),
        (&json!("budget"), &json!("openai"))
    );
    assert_eq!(
        (&budget["left"], &budget["limit"], &budget["used"]),
        (&json!("5.00"), &json!("5.00"), &json!("0.00"))
    );
    assert_eq!((&refresh["active"], &refresh["sub"]), (&json!(true), &access["sub"]));
    assert_eq!(refresh["exp"], now + 14 * 86_400);
    assert!(refresh.get("token_type").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_104_only_an_authenticated_client_learns_of_its_own_tokens() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Mail", CALLBACK, Some(SECRET)).await;
    let other = broker.client("Other", CALLBACK, Some(SECRET)).await;
    let public = broker.client("Notes", CALLBACK, None).await;
    let tokens = tokens(&broker, &client, &user).await;
    let inactive = json!({"active": false});

    for token in [&tokens.access_token, &tokens.refresh_token, "unknown", "a.b.c"] {
        assert_eq!(introspect(&broker, &other, token).await, inactive);
        for (client_id, secret) in [(client.id.as_str(), "wrong"), (public.id.as_str(), ""), ("unknown", "")] {
            let form = [("client_id", client_id), ("client_secret", secret), ("token", token)];
            let answer = broker.post_form("/oauth/introspect", &[], &form).await;
            assert_eq!(refusal(&answer), (401, "invalid_client".to_owned()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_14_a_valid_signature_does_not_make_a_dead_token_active() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Mail", CALLBACK, Some(SECRET)).await;
    let inactive = json!({"active": false});
    let own = [("client_id", client.id.as_str()), ("client_secret", SECRET)];

    let revoked = tokens(&broker, &client, &user).await;
    let form = [own.as_slice(), &[("token", &revoked.access_token)]].concat();
    broker.post_form("/oauth/revoke", &[], &form).await;
    assert_eq!(introspect(&broker, &client, &revoked.access_token).await, inactive);
    assert_eq!(
        introspect(&broker, &client, &revoked.refresh_token).await["active"],
        true
    );

    let paused = tokens(&broker, &client, &user).await;
    let event = broker.event(
        Some(&user.id),
        Happened::GrantPaused {
            reason: PauseReason::ByUser,
        },
    );
    broker.app.store.pause_grant(&paused.grant_id, &event).await.unwrap();
    assert_eq!(introspect(&broker, &client, &paused.access_token).await, inactive);

    let ended = tokens(&broker, &client, &user).await;
    let what = Happened::GrantRevoked {
        reason: RevocationReason::ByUser,
    };
    let event = broker.event(Some(&user.id), what);
    broker.app.store.revoke_grant(&ended.grant_id, &event).await.unwrap();
    assert_eq!(introspect(&broker, &client, &ended.access_token).await, inactive);
    assert_eq!(introspect(&broker, &client, &ended.refresh_token).await, inactive);

    let expired = tokens(&broker, &client, &user).await;
    broker.clock.advance_seconds(600);
    assert_eq!(introspect(&broker, &client, &expired.access_token).await, inactive);
}
