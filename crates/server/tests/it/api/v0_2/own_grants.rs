//! A user's own grants.

use serde_json::{Value, json};

use super::refusal;
use crate::support::{TestBroker, oauth::CALLBACK};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sees_their_own_grants_newest_first() {
    let broker = TestBroker::start().await;
    let (ana, bob) = (broker.user("ana").await, broker.user("bob").await);
    let first = broker.asked_and_granted(&ana).await;
    broker.clock.advance_seconds(1);
    let second = broker.asked_and_granted(&ana).await;
    broker.asked_and_granted(&bob).await;

    let grants = broker.see(&ana, "/grants").await.json();
    let ids: Vec<&str> = grants
        .as_array()
        .unwrap()
        .iter()
        .map(|grant| grant["id"].as_str().unwrap())
        .collect();

    assert_eq!(ids, [second.grant_id.as_str(), &first.grant_id]);
    assert_eq!(
        refusal(&broker.get("/grants", &[]).await),
        (401, "not_signed_in".to_owned())
    );
    let cookie = broker.browser(&ana).await;
    assert_eq!(broker.get("/grants", &[("cookie", &cookie)]).await.json(), grants);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_of_the_authorization_endpoint_is_shown_as_well() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let tokens = broker.tokens(&client, &user).await;

    let shown = broker.see(&user, &format!("/grants/{}", tokens.grant_id)).await.json();

    assert_eq!(
        (&shown["appName"], &shown["status"]),
        (&json!("Notes"), &json!("approved"))
    );
    assert_eq!(shown["scope"]["provider"], "openai");
    assert_eq!(shown["authorizationDetails"], tokens.answer["authorization_details"]);
    let revoked = broker.act(&user, tokens.grant_id.as_str(), "revoke", &json!({})).await;
    assert_eq!(revoked.json()["status"], "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_161_what_is_somebody_elses_is_not_found() {
    let broker = TestBroker::start().await;
    let (ana, bob) = (broker.user("ana").await, broker.user("bob").await);
    let grant = broker.asked_and_granted(&ana).await;

    for id in [grant.grant_id.as_str(), "unknown", "%00", "..%2f"] {
        let shown = broker.see(&bob, &format!("/grants/{id}")).await;
        assert_eq!(refusal(&shown), (404, "not_found".to_owned()), "{id}");
        for verb in ["approve", "deny", "revoke", "pause", "resume"] {
            let answer = broker.act(&bob, id, verb, &json!({})).await;
            assert_eq!(refusal(&answer), (404, "not_found".to_owned()), "{verb} {id}");
        }
        assert_eq!(
            refusal(&broker.patch(&bob, id, &json!({})).await),
            (404, "not_found".to_owned())
        );
        assert_eq!(shown.text(), broker.see(&bob, "/grants/unknown").await.text());
    }
    let shown = broker.see(&ana, &format!("/grants/{}", grant.grant_id)).await;
    assert_eq!(shown.json()["status"], "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_pauses_resumes_and_stops_for_good() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let id = broker.asked_and_granted(&user).await.grant_id;
    let act = async |verb: &str| broker.act(&user, &id, verb, &json!({})).await;

    assert_eq!(act("pause").await.json()["status"], "paused");
    assert_eq!(act("pause").await.json()["status"], "paused");
    assert_eq!(act("resume").await.json()["status"], "approved");
    let revoked = act("revoke").await.json();
    broker.clock.advance_seconds(5);
    let again = act("revoke").await.json();

    assert_eq!(
        (&revoked["status"], &revoked["revokedAt"]),
        (&json!("revoked"), &json!("2026-11-11T12:00:00Z"))
    );
    assert_eq!(again, revoked, "the first time counts");
    for verb in ["pause", "resume", "approve", "deny"] {
        assert_eq!(refusal(&act(verb).await), (400, "grant_revoked".to_owned()), "{verb}");
    }
    let kinds = broker.audit_kinds().await;
    assert_eq!(
        kinds[kinds.len() - 3..],
        ["grant_paused", "grant_resumed", "grant_revoked"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_really_happens() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let id = broker.asked_and_granted(&user).await.grant_id;

    broker.clock.advance_seconds(3600);

    assert_eq!(
        broker.see(&user, &format!("/grants/{id}")).await.json()["status"],
        "expired"
    );
    assert_eq!(
        refusal(&broker.patch(&user, &id, &json!({})).await),
        (400, "grant_expired".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terms_of_a_live_grant_change_within_what_was_asked() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let id = broker.asked_and_granted(&user).await.grant_id;
    let scope_of = |answer: &Value| {
        (
            answer["scope"]["maxBudgetCents"].clone(),
            answer["scope"]["maxRequests"].clone(),
        )
    };

    let lowered = broker
        .patch(&user, &id, &json!({"scope": {"maxBudgetCents": 1, "maxRequests": 0}}))
        .await
        .json();
    let raised = broker
        .patch(&user, &id, &json!({"scope": {"maxBudgetCents": 500}}))
        .await
        .json();
    let longer = broker
        .patch(&user, &id, &json!({"expiresInSeconds": 86_400}))
        .await
        .json();
    let beyond = broker
        .patch(&user, &id, &json!({"scope": {"maxBudgetCents": 501}}))
        .await;
    let unknown = broker.patch(&user, &id, &json!({"status": "approved"})).await;

    assert_eq!(scope_of(&lowered), (json!(1), json!(0)));
    assert_eq!(scope_of(&raised), (json!(500), json!(0)));
    assert_eq!(scope_of(&longer), (json!(500), json!(0)));
    assert_eq!(
        (&lowered["expiresAt"], &longer["expiresAt"]),
        (&json!("2026-11-11T13:00:00Z"), &json!("2026-11-12T12:00:00Z"))
    );
    assert_eq!(refusal(&beyond), (400, "scope_too_wide".to_owned()));
    assert_eq!(refusal(&unknown), (400, "validation_failed".to_owned()));
    assert_eq!(
        broker
            .audit_kinds()
            .await
            .iter()
            .filter(|kind| *kind == "grant_changed")
            .count(),
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_names_the_provider_where_there_are_several() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let access = aipassport_domain::fixtures::access();
    let both = [
        access.clone(),
        aipassport_domain::authorization_details::AiAccess {
            provider: aipassport_domain::ids::ProviderId::new("anthropic"),
            ..access
        },
    ];
    let cookie = broker.browser(&user).await;
    let request = crate::support::oauth::with(
        crate::support::oauth::good_request(&client),
        "authorization_details",
        &json!(both).to_string(),
    );
    let request_id = broker.ask(&cookie, &request).await;
    broker.approve_as(&request_id, &user, &both).await;
    let answer = broker.resume(&cookie, &request_id).await;
    let code = crate::support::oauth::answer_parameter(&answer, "code").unwrap();
    let id = broker.redeem(&client, &code).await.json()["grant_id"]
        .as_str()
        .unwrap()
        .to_owned();

    let unnamed = broker.patch(&user, &id, &json!({"scope": {"rateLimit": 1}})).await;
    let named = broker
        .patch(&user, &id, &json!({"scope": {"provider": "anthropic", "rateLimit": 1}}))
        .await;

    assert_eq!(refusal(&unnamed), (400, "validation_failed".to_owned()));
    let details = &named.json()["authorizationDetails"];
    assert_eq!(details[0]["limits"]["rate"][0]["requests"], 60);
    assert_eq!(details[1]["limits"]["rate"][0]["requests"], 1);
}
