//! Where a credential may stand, whose it is, and what a wrong one is told.

use aipassport::signing::{audience, issue_access_token};
use aipassport_domain::{audit::Happened, ids::ProviderId};
use serde_json::json;

use crate::support::{
    TestBroker,
    grant::{TestGrant, chat},
    http::Answer,
    provider::TestProvider,
};

const PATH: &str = "/openai/v1/chat/completions";

async fn with_headers(broker: &TestBroker, headers: &[(&str, &str)]) -> Answer {
    broker.post_json(PATH, headers, &chat(10)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_taken_from_where_each_sdk_puts_it() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;

    for (header, value) in [
        ("authorization", format!("Bearer {}", grant.token)),
        ("authorization", format!("bearer {}", grant.token)),
        ("Authorization", format!("BEARER   {}", grant.token)),
        ("x-api-key", grant.token.clone()),
        ("x-goog-api-key", grant.token.clone()),
        ("api-key", grant.token.clone()),
    ] {
        assert_eq!(
            with_headers(&broker, &[(header, &value)]).await.status,
            200,
            "{header}: {value}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_19_a_credential_anywhere_else_or_twice_is_refused() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let (token, bearer) = (&grant.token, grant.bearer());
    let cookie = format!("token={token}");
    let authorization = ("authorization", bearer.as_str());

    for headers in [
        vec![authorization, authorization],
        vec![authorization, ("x-api-key", token)],
        vec![("x-api-key", token), ("api-key", token)],
        vec![("x-goog-api-key", token), ("x-goog-api-key", token)],
        vec![("cookie", cookie.as_str())],
        vec![authorization, ("cookie", cookie.as_str())],
    ] {
        assert_eq!(with_headers(&broker, &headers).await.status, 400, "{headers:?}");
    }
    for name in ["access_token", "key", "api_key", "api-key", "ACCESS_TOKEN"] {
        let path = format!("{PATH}?{name}={token}");
        let in_query = broker.post_json(&path, &[], &chat(10)).await;
        let in_both = broker.post_json(&path, &[authorization], &chat(10)).await;
        assert_eq!((in_query.status, in_both.status), (400, 400), "{name}");
    }
    let in_form = broker.post_form(PATH, &[], &[("access_token", token.as_str())]).await;
    assert_eq!(in_form.status, 400);
    let mut in_body = chat(10);
    in_body["access_token"] = json!(token);
    assert_eq!(broker.post_json(PATH, &[], &in_body).await.status, 401);
    assert!(provider.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_credential_is_told_where_to_get_another() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;

    let none = with_headers(&broker, &[]).await;
    let wrong = with_headers(&broker, &[("authorization", "Bearer sk-something")]).await;
    let basic = with_headers(&broker, &[("authorization", "Basic dXNlcjpwYXNz")]).await;

    let metadata = broker.url("/.well-known/oauth-protected-resource/openai");
    assert_eq!((none.status, wrong.status, basic.status), (401, 401, 401));
    assert_eq!(
        none.header("www-authenticate"),
        format!(r#"Bearer realm="aipassport", resource_metadata="{metadata}""#)
    );
    assert_eq!(
        wrong.header("www-authenticate"),
        format!(r#"Bearer realm="aipassport", error="invalid_token", resource_metadata="{metadata}""#)
    );
    assert_eq!(wrong.json()["error"]["code"], "invalid_api_key");
    assert_eq!(wrong.header("cache-control"), "no-store");
    assert!(!wrong.header("aipassport-request-id").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_has_the_shape_of_the_provider_on_whose_path_it_is() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;

    let openai = broker.post_json(PATH, &[], &chat(10)).await;
    let anthropic = broker.post_json("/anthropic/v1/messages", &[], &chat(10)).await;

    assert_eq!(openai.json()["error"]["type"], "invalid_request_error");
    assert_eq!(anthropic.json()["type"], "error");
    assert_eq!(anthropic.json()["error"]["type"], "authentication_error");
    assert!(
        anthropic
            .header("www-authenticate")
            .contains("oauth-protected-resource/anthropic")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_9_a_token_for_one_provider_is_worth_nothing_at_another() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    let token_for = |id: &str| {
        let aud = audience(&broker.app.config.public_url, Some(&ProviderId::new(id)));
        issue_access_token(&broker.app, &grant.grant, aud, broker.app.clock.now())
            .unwrap()
            .token
    };

    let right = format!("Bearer {}", token_for("openai"));
    let wrong = format!("Bearer {}", token_for("anthropic"));

    assert_eq!(with_headers(&broker, &[("authorization", &right)]).await.status, 200);
    assert_eq!(with_headers(&broker, &[("authorization", &wrong)]).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_10_a_token_that_was_good_is_refused_once_it_has_expired() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let grant = broker.granted().await;
    assert_eq!(broker.chat(&grant, &chat(10)).await.status, 200);

    broker.clock.advance_seconds(601);

    let expired = broker.chat(&grant, &chat(10)).await;
    assert_eq!(expired.status, 401);
    assert!(expired.text().contains("expired"), "{}", expired.text());
}

async fn status_after(broker: &TestBroker, grant: &TestGrant, change: impl Future<Output = ()>) -> u16 {
    assert_eq!(broker.chat(grant, &chat(10)).await.status, 200);
    change.await;
    broker.chat(grant, &chat(10)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_14_a_token_dies_with_its_grant_its_client_and_its_own_revocation() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let store = &broker.app.store;

    let grant = broker.granted().await;
    assert_eq!(status_after(&broker, &grant, broker.revoke(&grant)).await, 401);

    let grant = broker.granted().await;
    let client_id = grant.grant.client_id.clone();
    let disabled = broker.grant_event(
        &grant,
        Happened::ClientDisabled {
            client_id: client_id.clone(),
        },
    );
    let disable = async { assert!(store.disable_client(&client_id, &disabled).await.unwrap()) };
    assert_eq!(status_after(&broker, &grant, disable).await, 401);

    let grant = broker.granted().await;
    let claims = broker
        .app
        .signing
        .verify(&grant.token, broker.app.clock.now(), &broker.app.config.public_url)
        .unwrap();
    let revoked = broker.grant_event(
        &grant,
        Happened::AccessTokenRevoked {
            jti: claims.jti.clone(),
        },
    );
    let expires_at = aipassport_domain::time::Timestamp::from_seconds(claims.exp);
    let revoke = async {
        let revoked = store.revoke_access_token(grant.id(), &claims.jti, expires_at, &revoked);
        assert!(revoked.await.unwrap());
    };
    assert_eq!(status_after(&broker, &grant, revoke).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_a_key_is_named_as_the_reason_and_nothing_is_held() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let user = broker.user("sam").await;
    let grant = broker
        .grant(&user, vec![crate::support::grant::access_to(&broker, "openai")])
        .await;

    let refused = broker.chat(&grant, &chat(10)).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(broker.held(&grant).await.is_empty());

    broker.credential(&user, "openai", None).await;
    assert_eq!(
        crate::support::ledger::eventually(async || broker.chat(&grant, &chat(10)).await.status == 200).await,
        ()
    );
}
