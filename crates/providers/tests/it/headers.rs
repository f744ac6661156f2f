use aipassport_providers::adapter;
use http::{HeaderMap, HeaderName, HeaderValue};

fn headers(names: &[&str]) -> HeaderMap {
    names
        .iter()
        .map(|name| (HeaderName::try_from(*name).unwrap(), HeaderValue::from_static("value")))
        .collect()
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

/// `security.md` 91, 118, 119.
#[test]
fn threat_119_no_header_of_a_client_steers_whose_account_pays() {
    let sent = headers(&[
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "openai-organization",
        "openai-project",
        "anthropic-workspace-id",
        "anthropic-user-profile-id",
        "anthropic-dangerous-direct-browser-access",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "via",
        "host",
        "origin",
        "referer",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "content-length",
        "content-encoding",
        "accept-encoding",
        "expect",
        "upgrade",
        "dpop",
        "idempotency-key",
        "x-http-method-override",
        "x-endpoint",
        "content-type",
        "accept",
        "user-agent",
        "x-stainless-lang",
        "anthropic-version",
        "anthropic-beta",
        "openai-beta",
    ]);

    let to_openai = adapter::by_id("openai").unwrap().request_headers(&sent);
    let to_anthropic = adapter::by_id("anthropic").unwrap().request_headers(&sent);

    assert_eq!(
        names(&to_openai),
        [
            "accept",
            "content-type",
            "openai-beta",
            "user-agent",
            "x-stainless-lang"
        ]
    );
    assert_eq!(
        names(&to_anthropic),
        [
            "accept",
            "anthropic-beta",
            "anthropic-version",
            "content-type",
            "user-agent",
            "x-stainless-lang"
        ]
    );
}

#[test]
fn a_header_that_passes_keeps_all_its_values() {
    let mut sent = HeaderMap::new();
    sent.append("anthropic-beta", HeaderValue::from_static("a"));
    sent.append("anthropic-beta", HeaderValue::from_static("b"));

    let passed = adapter::by_id("anthropic").unwrap().request_headers(&sent);

    assert_eq!(passed.get_all("anthropic-beta").iter().count(), 2);
}

#[test]
fn threat_128_an_answer_does_not_tell_whose_account_it_came_from() {
    let sent = headers(&[
        "set-cookie",
        "server",
        "alt-svc",
        "date",
        "x-request-id",
        "request-id",
        "cf-ray",
        "openai-organization",
        "openai-project",
        "anthropic-organization-id",
        "anthropic-ratelimit-tokens-remaining",
        "x-ratelimit-remaining-tokens",
        "access-control-allow-origin",
        "strict-transport-security",
        "www-authenticate",
        "location",
        "connection",
        "transfer-encoding",
        "content-length",
        "content-type",
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
    ]);

    for provider in adapter::all() {
        let passed = provider.response_headers(&sent);
        assert_eq!(
            names(&passed),
            ["content-type", "retry-after", "retry-after-ms", "x-should-retry"]
        );
    }
}

#[test]
fn a_credential_is_put_where_the_provider_looks_and_is_not_shown() {
    for (provider, header, value) in [
        ("openai", "authorization", "Bearer sk-secret"),
        ("anthropic", "x-api-key", "sk-secret"),
    ] {
        let mut headers = HeaderMap::new();
        adapter::by_id(provider)
            .unwrap()
            .set_credential(&mut headers, "sk-secret")
            .unwrap();

        let set = headers.get(header).unwrap();
        assert_eq!(set.to_str().unwrap(), value);
        assert!(set.is_sensitive() && !format!("{headers:?}").contains("secret"));
    }
    let mut headers = HeaderMap::new();
    let openai = adapter::by_id("openai").unwrap();
    assert!(openai.set_credential(&mut headers, "sk\r\nx-injected: 1").is_err());
}
