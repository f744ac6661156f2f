use aipassport_domain::{
    authorization_details::Capability,
    ids::ProviderId,
    ledger::{Level, LimitRule},
    policy::Denial,
};
use aipassport_providers::{
    adapter,
    meter::StreamForm,
    refusal::{Reason, Refusal},
    request::ReadError,
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{limit, limit_of};

fn answer(provider: &str, reason: Reason<'_>) -> (u16, Value) {
    let refusal = Refusal {
        reason,
        request_id: "call_1",
        raise_url: Some("https://broker.example/apps/grant"),
        retry_after_seconds: None,
    };
    let (status, body) = adapter::by_id(provider).unwrap().refusal(&refusal);
    (status.as_u16(), serde_json::from_slice(&body).unwrap())
}

#[test]
fn a_limit_that_other_apps_share_is_named_without_amounts() {
    for (level, name) in [(Level::User, "user"), (Level::Tenant, "tenant")] {
        let denial = limit_of(level, LimitRule::Budget);
        let (status, body) = answer("openai", Reason::Denied(&denial));

        assert_eq!(status, 402);
        assert_eq!(
            body["aipassport"],
            json!({
                "rule": "budget", "level": name, "limit": null, "used": null, "reserved": null,
                "resets_at": "2026-12-01T00:00:00Z", "retryable": false,
                "raise_url": "https://broker.example/apps/grant",
            })
        );
        assert!(!body.to_string().contains("4.1"), "{body}");
    }
}

#[test]
fn a_refusal_says_which_limit_and_where_it_stands() {
    let denial = limit(LimitRule::Budget);

    for provider in ["openai", "anthropic"] {
        let (status, body) = answer(provider, Reason::Denied(&denial));

        assert_eq!(status, 402);
        assert_eq!(
            body["aipassport"],
            json!({
                "rule": "budget", "level": "grant", "limit": "5.00", "used": "4.10", "reserved": "0.02",
                "resets_at": "2026-12-01T00:00:00Z", "retryable": false,
                "raise_url": "https://broker.example/apps/grant",
            })
        );
    }
}

#[test]
fn openai_refusals_are_sorted_by_type_and_code() {
    let model = Denial::ModelNotGranted("gpt-5".to_owned());
    let (budget, rate) = (limit(LimitRule::Budget), limit(LimitRule::Rate));
    let unsupported = ReadError::NotSupported {
        member: "prediction",
        reason: "no",
    };
    for (reason, status, kind, code) in [
        (
            Reason::Unauthenticated("expired"),
            401,
            "invalid_request_error",
            "invalid_api_key",
        ),
        (
            Reason::Denied(&Denial::GrantRevoked),
            401,
            "invalid_request_error",
            "invalid_api_key",
        ),
        (Reason::Denied(&budget), 402, "insufficient_quota", "insufficient_quota"),
        (Reason::Denied(&rate), 429, "requests", "rate_limit_exceeded"),
        (Reason::Denied(&model), 403, "invalid_request_error", "model_not_found"),
        (
            Reason::Denied(&Denial::FeatureNotGranted("web_search")),
            403,
            "invalid_request_error",
            "feature",
        ),
        (
            Reason::Unreadable(&unsupported),
            400,
            "invalid_request_error",
            "unsupported_value",
        ),
        (Reason::NotFound, 404, "invalid_request_error", "unknown_url"),
        (Reason::TooLarge, 413, "invalid_request_error", "size"),
        (Reason::UnsupportedMediaType, 415, "invalid_request_error", "media_type"),
        (Reason::UpstreamFailed, 502, "server_error", "upstream"),
        (
            Reason::UpstreamRefusedCredential,
            502,
            "server_error",
            "provider_credential",
        ),
        (Reason::UpstreamTimedOut, 504, "server_error", "upstream"),
        (Reason::Unavailable, 503, "server_error", "unavailable"),
    ] {
        let (given, body) = answer("openai", reason);
        assert_eq!(given, status, "{body}");
        assert_eq!(
            (&body["error"]["type"], &body["error"]["code"]),
            (&json!(kind), &json!(code)),
            "{body}"
        );
        assert!(body["error"]["message"].is_string() && body["error"].get("param").is_some());
    }
}

/// At least one popular wrapper sorts by this text.
#[test]
fn an_openai_401_is_worded_as_openai_words_it() {
    let (_, body) = answer("openai", Reason::Unauthenticated("the access token has expired"));

    assert_eq!(
        body["error"]["message"],
        "Incorrect API key provided: the access token has expired."
    );
}

#[test]
fn anthropic_refusals_are_sorted_by_type() {
    let provider = Denial::ProviderNotGranted(ProviderId::new("anthropic"));
    let (requests, concurrency) = (limit(LimitRule::Requests), limit(LimitRule::Concurrency));
    let capability = Denial::CapabilityNotGranted(Capability::Chat);
    for (reason, status, kind) in [
        (Reason::Unauthenticated("expired"), 401, "authentication_error"),
        (Reason::Denied(&Denial::GrantExpired), 401, "authentication_error"),
        (Reason::Denied(&requests), 402, "billing_error"),
        (Reason::Denied(&concurrency), 429, "rate_limit_error"),
        (Reason::Denied(&provider), 403, "permission_error"),
        (Reason::Denied(&capability), 403, "permission_error"),
        (Reason::Denied(&Denial::CostUnbounded("x")), 403, "permission_error"),
        (Reason::Malformed("two credentials"), 400, "invalid_request_error"),
        (Reason::NoSuchModel("x"), 404, "not_found_error"),
        (Reason::TooLarge, 413, "request_too_large"),
        (Reason::UpstreamFailed, 502, "api_error"),
        (Reason::UpstreamTimedOut, 504, "timeout_error"),
        (Reason::Unavailable, 503, "overloaded_error"),
    ] {
        let (given, body) = answer("anthropic", reason);
        assert_eq!(given, status, "{body}");
        assert_eq!(body["type"], "error");
        assert_eq!(body["error"]["type"], kind, "{body}");
        assert_eq!(body["request_id"], "call_1");
    }
}

#[test]
fn a_stream_that_is_ended_early_ends_with_one_event_in_the_providers_shape() {
    let refusal = Refusal {
        reason: Reason::Denied(&Denial::GrantRevoked),
        request_id: "call_1",
        raise_url: None,
        retry_after_seconds: None,
    };
    let event = |provider| {
        let event = adapter::by_id(provider)
            .unwrap()
            .stream_refusal(&refusal, StreamForm::Events, true);
        String::from_utf8(event.to_vec()).unwrap()
    };

    let (openai, anthropic) = (event("openai"), event("anthropic"));

    let data = openai.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        (&data["type"], &data["error"]["code"]),
        (&json!("error"), &json!("invalid_api_key"))
    );
    assert_eq!(data["aipassport"]["rule"], "grant_revoked");
    let data = anthropic
        .strip_prefix("event: error\ndata: ")
        .unwrap()
        .strip_suffix("\n\n")
        .unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["error"]["type"], "authentication_error");
}

#[test]
fn an_upstream_that_complains_about_our_credential_or_account_is_recognised() {
    let is_ours = |provider, status, body: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        adapter::by_id(provider)
            .unwrap()
            .is_credential_error(status, body.as_bytes())
    };

    assert!(is_ours("openai", 401, r#"{"error":{"code":"invalid_api_key"}}"#));
    assert!(is_ours("openai", 403, "<html>"));
    assert!(is_ours(
        "openai",
        429,
        r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#
    ));
    assert!(!is_ours(
        "openai",
        429,
        r#"{"error":{"type":"requests","code":"rate_limit_exceeded"}}"#
    ));
    assert!(!is_ours("openai", 400, r#"{"error":{"message":"invalid_api_key"}}"#));
    assert!(is_ours(
        "anthropic",
        401,
        r#"{"error":{"type":"authentication_error"}}"#
    ));
    assert!(is_ours("anthropic", 403, r#"{"error":{"type":"permission_error"}}"#));
    assert!(is_ours("anthropic", 402, r#"{"error":{"type":"billing_error"}}"#));
    assert!(is_ours(
        "anthropic",
        400,
        r#"{"error":{"message":"Your credit balance is too low to access the Anthropic API."}}"#
    ));
    assert!(!is_ours("anthropic", 529, r#"{"error":{"type":"overloaded_error"}}"#));
}

#[test]
fn models_are_listed_in_the_providers_shape() {
    let list = |provider| {
        let body = adapter::by_id(provider).unwrap().model_list(&["a", "b"]);
        serde_json::from_slice::<Value>(&body).unwrap()
    };

    let (openai, anthropic) = (list("openai"), list("anthropic"));

    assert_eq!(
        (&openai["object"], &openai["data"][1]["id"]),
        (&json!("list"), &json!("b"))
    );
    assert_eq!(
        (
            &anthropic["has_more"],
            &anthropic["last_id"],
            &anthropic["data"][0]["type"]
        ),
        (&json!(false), &json!("b"), &json!("model"))
    );
    let one = adapter::by_id("openai").unwrap().model("a");
    assert_eq!(serde_json::from_slice::<Value>(&one).unwrap()["object"], "model");
}
