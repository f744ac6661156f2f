//! `POST /grant-requests`.

use aipassport_domain::{audit::Happened, client::Registration};
use serde_json::json;

use super::{good_request, refusal, with};
use crate::support::{TestBroker, oauth::CALLBACK};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_asks_and_is_told_where_to_send_its_user() {
    let broker = TestBroker::start().await;

    let answer = broker.post_json("/grant-requests", &[], &good_request()).await;
    let body = answer.json();
    let (request, grant) = (&body["grantRequest"], &body["grant"]);

    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(grant["status"], "pending");
    assert_eq!((&grant["version"], &grant["usageCount"]), (&json!("1"), &json!(0)));
    assert_eq!(grant["usageBudgetCents"], 0);
    assert_eq!(grant["requestId"], request["id"]);
    assert_eq!(grant["createdAt"], "2026-11-11T12:00:00Z");
    assert_eq!(grant["expiresAt"], "2026-11-11T13:00:00Z");
    for member in ["appName", "appUrl", "scope"] {
        assert_eq!(request[member], good_request()[member], "{member}");
        assert_eq!(grant[member], good_request()[member], "{member}");
    }
    assert_eq!(request["reason"], good_request()["reason"]);
    let consent_url = format!(
        "{}/consent/{}",
        broker.app.config.public_url,
        request["id"].as_str().unwrap()
    );
    assert_eq!(body["consentUrl"], consent_url);
    assert!(body["requestSecret"].as_str().unwrap().starts_with("aip_rs_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_member_by_member() {
    let broker = TestBroker::start().await;
    let long = "x".repeat(281);

    for (body, field) in [
        (with("/appName", json!("")), "appName"),
        (with("/appName", json!("x".repeat(81))), "appName"),
        (with("/appName", json!("Repo\u{0}mood")), "appName"),
        (with("/appName", json!("Repo\nmood")), "appName"),
        (with("/appName", json!(7)), "appName"),
        (with("/appName", json!(null)), "appName"),
        (with("/appUrl", json!("javascript:alert(1)")), "appUrl"),
        (with("/appUrl", json!("data:text/html,x")), "appUrl"),
        (with("/appUrl", json!("file:///etc/passwd")), "appUrl"),
        (with("/appUrl", json!("https://user:secret@mood.example")), "appUrl"),
        (with("/appUrl", json!("mood.example")), "appUrl"),
        (with("/reason", json!(long)), "reason"),
        (with("/scope", json!("chat")), "scope"),
        (with("/scope/provider", json!("Open AI")), "scope"),
        (with("/scope/provider", json!(null)), "scope"),
        (with("/scope/models", json!(["*"])), "scope"),
        (with("/scope/models", json!(["gpt-4o\u{202e}"])), "scope"),
        (with("/scope/capabilities", json!(["everything"])), "scope"),
        (with("/scope/maxBudgetCents", json!(-1)), "scope"),
        (with("/scope/maxBudgetCents", json!(1.5)), "scope"),
        (with("/scope/maxBudgetCents", json!(1e300)), "scope"),
        (with("/scope/maxRequests", json!("20")), "scope"),
        (with("/scope/rateLimit", json!(0)), "scope"),
        (with("/scope/unlimited", json!(true)), "scope"),
    ] {
        let answer = broker.post_json("/grant-requests", &[], &body).await;
        assert_eq!(refusal(&answer), (400, "validation_failed".to_owned()), "{body}");
        let details = &answer.json()["details"];
        assert!(details["fieldErrors"][field].is_array(), "{body}: {details}");
        assert_eq!(details["formErrors"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_167_a_member_that_is_not_the_apps_to_set_is_refused() {
    let broker = TestBroker::start().await;

    for name in ["status", "id", "usageCount", "tenant_id", "user_id"] {
        let answer = broker
            .post_json("/grant-requests", &[], &with(&format!("/{name}"), json!("approved")))
            .await;
        assert_eq!(refusal(&answer), (400, "validation_failed".to_owned()), "{name}");
        let details = &answer.json()["details"];
        assert_eq!(details["formErrors"], json!([format!("Unrecognized key: {name}")]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_json_object_is_read() {
    let broker = TestBroker::start().await;
    let send = |content_type: &'static str, body: String| {
        broker.send(broker.request(
            "POST",
            "/grant-requests",
            &[("content-type", content_type)],
            body.into(),
        ))
    };
    let good = good_request().to_string();
    let twice = good.replacen("\"appName\"", "\"appName\":\"Other\",\"appName\"", 1);

    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        &twice,
        &format!("{good}{good}"),
        &format!("\u{feff}{good}"),
    ] {
        let (status, code) = refusal(&send("application/json", (*body).to_owned()).await);
        assert!(
            status == 400 && (code == "malformed_body" || code == "validation_failed"),
            "{body}: {code}"
        );
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let answer = send(content_type, good.clone()).await;
        assert_eq!(
            refusal(&answer),
            (415, "unsupported_media_type".to_owned()),
            "threat 64: {content_type}"
        );
    }
    let large = with("/reason", json!("x".repeat(300_000))).to_string();
    assert_eq!(refusal(&send("application/json", large).await).0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_nobody_registered_is_unverified_and_one_and_the_same() {
    let broker = TestBroker::start().await;

    let first = broker.client_of(&broker.ask_for_grant().await.grant_id).await;
    let again = broker.client_of(&broker.ask_for_grant().await.grant_id).await;

    assert_eq!(first, again);
    assert_eq!(first.registration, Registration::Unverified);
    assert_eq!(
        (first.name.as_str(), first.address.as_str()),
        ("Repo mood", "https://mood.example/")
    );

    let disabled = Happened::ClientDisabled {
        client_id: first.id.clone(),
    };
    let event = broker.event(None, disabled);
    broker.app.store.disable_client(&first.id, &event).await.unwrap();
    let answer = broker.post_json("/grant-requests", &[], &good_request()).await;
    assert_eq!(refusal(&answer), (401, "invalid_client".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_registration_is_required_an_app_proves_who_it_is() {
    let broker = TestBroker::start_with(|config| config.registration.required = true).await;
    let client = broker.client("Mail", CALLBACK, Some("s3cr3t")).await;
    let public = broker.client("Notes", CALLBACK, None).await;
    let basic = |id: &str, secret: &str| {
        use base64::{Engine, prelude::BASE64_STANDARD};
        format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
    };
    let named = with("/client_id", json!(client.id));

    let unknown = broker.post_json("/grant-requests", &[], &good_request()).await;
    assert_eq!(refusal(&unknown), (403, "registration_required".to_owned()));
    for (authorization, body) in [
        (basic(client.id.as_str(), "wrong"), &named),
        (basic(public.id.as_str(), ""), &good_request()),
        (basic(public.id.as_str(), "s3cr3t"), &named),
    ] {
        let answer = broker
            .post_json("/grant-requests", &[("authorization", &authorization)], body)
            .await;
        assert_eq!(refusal(&answer), (401, "invalid_client".to_owned()));
    }
    let only_named = broker.post_json("/grant-requests", &[], &named).await;
    assert_eq!(refusal(&only_named), (401, "invalid_client".to_owned()));

    let authorization = basic(client.id.as_str(), "s3cr3t");
    let answer = broker
        .post_json("/grant-requests", &[("authorization", &authorization)], &named)
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["grant"]["appName"], "Mail", "the registered name counts");
}
