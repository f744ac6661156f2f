//! Refusals and model lists, as Google's SDKs expect them.

use aipassport_domain::{audit::KeyCheck, ledger::LimitRule, policy::Denial};
use aipassport_providers::{
    meter::StreamForm,
    refusal::{Reason, Refusal},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::gemini;
use crate::support::limit;

fn refusal(reason: Reason<'_>, retry_after_seconds: Option<u64>) -> Refusal<'_> {
    Refusal {
        reason,
        request_id: "call_1",
        raise_url: None,
        retry_after_seconds,
    }
}

#[test]
fn a_refusal_looks_like_googles_own() {
    let (budget, rate) = (limit(LimitRule::Budget), limit(LimitRule::Rate));
    for (reason, code, status, word) in [
        (Reason::Unauthenticated("no"), 401, "UNAUTHENTICATED", "API_KEY_INVALID"),
        (Reason::Denied(&budget), 402, "RESOURCE_EXHAUSTED", "BUDGET"),
        (Reason::Denied(&rate), 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
        (
            Reason::Denied(&Denial::FeatureNotGranted("tools")),
            403,
            "PERMISSION_DENIED",
            "FEATURE",
        ),
        (Reason::NotFound, 404, "NOT_FOUND", "PATH"),
        (Reason::Malformed("x"), 400, "INVALID_ARGUMENT", "REQUEST"),
        (Reason::TooLarge, 413, "INVALID_ARGUMENT", "SIZE"),
        (
            Reason::UpstreamRefusedCredential,
            502,
            "UNAVAILABLE",
            "PROVIDER_CREDENTIAL",
        ),
        (Reason::UpstreamTimedOut, 504, "DEADLINE_EXCEEDED", "UPSTREAM"),
        (Reason::Unavailable, 503, "UNAVAILABLE", "UNAVAILABLE"),
        (Reason::Internal, 500, "INTERNAL", "INTERNAL"),
    ] {
        let (given, body) = gemini().refusal(&refusal(reason, None));
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(given.as_u16(), code, "{body}");
        assert_eq!(body["error"]["code"], code, "{body}");
        assert_eq!(body["error"]["status"], status, "{body}");
        assert_eq!(body["error"]["details"][0]["reason"], word, "{body}");
        assert!(body["aipassport"]["rule"].is_string(), "{body}");
    }
}

#[test]
fn a_refusal_that_passes_says_when_to_google_sdks() {
    let rate = limit(LimitRule::Rate);

    let (_, body) = gemini().refusal(&refusal(Reason::Denied(&rate), Some(7)));

    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body["error"]["details"][1],
        json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"})
    );
}

#[test]
fn a_stream_of_googles_that_is_ended_early_ends_validly_in_either_form() {
    let revoked = refusal(Reason::Denied(&Denial::GrantRevoked), None);
    let last = |form, has_begun| {
        let bytes = gemini().stream_refusal(&revoked, form, has_begun);
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let items = |text: String| serde_json::from_str::<Vec<Value>>(&text).unwrap();

    // Google's SDKs know an error in a stream by its first member.
    let event = last(StreamForm::Events, true);
    assert!(
        event.starts_with(r#"data: {"error":{"#) && event.ends_with("}\r\n\r\n"),
        "{event}"
    );
    let begun = items(format!(r#"[{{"candidates":[]}}{}"#, last(StreamForm::Items, true)));
    let not_begun = items(last(StreamForm::Items, false));
    assert_eq!((begun.len(), not_begun.len()), (2, 1));
    assert_eq!(begun[1], not_begun[0]);
    assert_eq!(begun[1]["error"]["code"], 401);
    assert_eq!(begun[1]["aipassport"]["rule"], "grant_revoked");
}

#[test]
fn googles_complaints_about_the_key_are_told_from_those_about_the_request() {
    let is_about_key = |status: u16, body: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        gemini().is_credential_error(status, body.as_bytes())
    };
    let bad_key =
        r#"[{"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}]"#;
    let echo = r#"{"error":{"code":400,"message":"Invalid value \"API_KEY_INVALID\"","status":"INVALID_ARGUMENT"}}"#;

    assert!(is_about_key(401, "{}") && is_about_key(403, "{}"));
    assert!(is_about_key(400, bad_key));
    assert!(is_about_key(400, r#"{"error": {"status": "FAILED_PRECONDITION"}}"#));
    assert!(!is_about_key(400, echo));
    assert!(!is_about_key(429, r#"{"error": {"status": "RESOURCE_EXHAUSTED"}}"#));
    assert!(!is_about_key(404, bad_key));
}

#[test]
fn a_key_that_google_calls_an_invalid_argument_is_a_refused_one() {
    let bad_key = br#"{"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}"#;

    assert_eq!(gemini().key_check().path, "/v1beta/models");
    assert_eq!(gemini().key_verdict(StatusCode::OK, b"{}"), KeyCheck::Works);
    assert_eq!(
        gemini().key_verdict(StatusCode::BAD_REQUEST, bad_key),
        KeyCheck::Refused
    );
    assert_eq!(gemini().key_verdict(StatusCode::BAD_REQUEST, b"{}"), KeyCheck::Unclear);
}

#[test]
fn models_are_listed_as_google_lists_them() {
    let list: Value = serde_json::from_slice(&gemini().model_list(&["a", "b"])).unwrap();
    let one: Value = serde_json::from_slice(&gemini().model("a")).unwrap();

    assert_eq!(list["models"][0], one);
    assert_eq!(list["models"][1]["name"], "models/b");
    assert_eq!(list.get("nextPageToken"), None);
}
