//! RFC 7009: revocation by the client.

use crate::support::{
    TestBroker,
    oauth::{CALLBACK, Tokens, refusal},
};

#[tokio::test(flavor = "multi_thread")]
async fn section_2_1_a_refresh_token_takes_its_grant_along() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let tokens = broker.tokens(&client, &user).await;

    for _ in 0..2 {
        let form = [("client_id", client.id.as_str()), ("token", &tokens.refresh_token)];
        let answer = broker.post_form("/oauth/revoke", &[], &form).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    }

    assert_eq!(broker.grant_status(&tokens.grant_id).await, "revoked");
    let revoked = broker
        .audit_kinds()
        .await
        .into_iter()
        .filter(|kind| kind == "grant_revoked");
    assert_eq!(revoked.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_is_revoked_alone() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let tokens = broker.tokens(&client, &user).await;

    for hint in ["access_token", "refresh_token", "unknown"] {
        let form = [
            ("client_id", client.id.as_str()),
            ("token", &tokens.access_token),
            ("token_type_hint", hint),
        ];
        assert_eq!(broker.post_form("/oauth/revoke", &[], &form).await.status, 200);
    }

    assert_eq!(broker.grant_status(&tokens.grant_id).await, "approved");
    let live = broker
        .app
        .store
        .live_grant(&broker.app.tenant_id, &tokens.grant_id)
        .await;
    assert_eq!(live.unwrap().unwrap().revoked_jtis.len(), 1);
    assert_eq!(broker.refresh(&client, &tokens.refresh_token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_103_what_is_not_the_clients_own_is_200_and_nothing() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let thief = broker.client("Thief", CALLBACK, None).await;
    let tokens = broker.tokens(&client, &user).await;

    for token in [&tokens.access_token, &tokens.refresh_token, "unknown", "a.b.c"] {
        let form = [("client_id", thief.id.as_str()), ("token", token)];
        let answer = broker.post_form("/oauth/revoke", &[], &form).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    }

    assert_eq!(broker.grant_status(&tokens.grant_id).await, "approved");
    let live = broker
        .app
        .store
        .live_grant(&broker.app.tenant_id, &tokens.grant_id)
        .await;
    assert_eq!(live.unwrap().unwrap().revoked_jtis.len(), 0);
    let nobody = broker.post_form("/oauth/revoke", &[], &[("token", "x")]).await;
    assert_eq!(refusal(&nobody), (401, "invalid_client".to_owned()));
    let nothing = broker
        .post_form("/oauth/revoke", &[], &[("client_id", client.id.as_str())])
        .await;
    assert_eq!(refusal(&nothing), (400, "invalid_request".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_103_a_revocation_that_crosses_a_refresh_leaves_no_survivor() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let old = broker.tokens(&client, &user).await;
    let new = Tokens::of(&broker.refresh(&client, &old.refresh_token).await);

    let form = [("client_id", client.id.as_str()), ("token", &old.refresh_token)];
    broker.post_form("/oauth/revoke", &[], &form).await;

    assert_eq!(broker.grant_status(&old.grant_id).await, "revoked");
    assert_eq!(refusal(&broker.refresh(&client, &new.refresh_token).await).0, 400);
}
