//! RFC 6749: the authorization code, from asking to tokens.

use aipassport_domain::{audit::Happened, time::Timestamp};
use serde_json::json;

use crate::support::{
    TestBroker,
    http::Answer,
    oauth::{CALLBACK, STATE, Tokens, answer_parameter, answer_parameters, good_request, refusal, with},
};

/// A page of ours, without a way to anywhere and without a word of the request.
fn assert_error_page(answer: &Answer, status: u16, never: &[&str]) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("location"), "");
    assert!(answer.header("content-type").starts_with("text/html"));
    assert!(
        answer
            .header("content-security-policy")
            .contains("frame-ancestors 'none'")
    );
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    for word in never {
        assert!(!answer.text().contains(word), "{word} is on the page");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_1_a_client_gets_tokens_for_what_its_user_allowed() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;

    let tokens = broker.tokens(&client, &user).await;

    assert_eq!(tokens.answer["token_type"], "Bearer");
    assert_eq!(tokens.answer["expires_in"], 600);
    assert_eq!(tokens.answer["scope"], "ai");
    assert_eq!(tokens.answer["authorization_details"][0]["provider"], "openai");
    let claims = broker
        .app
        .signing
        .verify(
            &tokens.access_token,
            broker.app.clock.now(),
            &broker.app.config.public_url,
        )
        .unwrap();
    assert_eq!(claims.client_id, client.id);
    assert_eq!(claims.grant_id, tokens.grant_id);
    assert_eq!(claims.aud, broker.app.config.public_url);
    assert!(tokens.refresh_token.starts_with("aip_rt_"));
    let kinds = broker.audit_kinds().await;
    assert_eq!(
        kinds[kinds.len() - 4..],
        ["signed_in", "grant_requested", "grant_approved", "tokens_issued"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn section_3_1_who_is_not_signed_in_signs_in_first_and_comes_back() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;

    let answer = broker.authorize("", &good_request(&client)).await;
    let location = answer.header("location");
    let return_to = location.strip_prefix("/login?return_to=%2Foauth%2Fauthorize%2Fanswer%2F");
    let request_id = return_to.expect("a way back to the authorization endpoint");
    let back = broker
        .get(
            &format!("/oauth/authorize/answer/{request_id}"),
            &[("cookie", &broker.browser(&user).await)],
        )
        .await;

    assert_eq!(answer.status, 303);
    assert_eq!(back.header("location"), format!("/consent/{request_id}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_45_a_redirect_uri_that_is_not_registered_is_never_redirected_to() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let client = broker.client("Notes", CALLBACK, None).await;

    for uri in [
        "",
        "https://notes.example/callback/",
        "https://notes.example/callback?x=1",
        "https://notes.example/callback#x",
        "https://evil@notes.example/callback",
        "https://notes.example/%2e%2e/callback",
        "https://notes.example\\callback",
        "https://NOTES.example/callback",
        "https://notes.example.evil/callback",
        "https://nоtes.example/callback",
        "com.other.app:/callback",
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "//notes.example/callback",
    ] {
        let answer = broker
            .authorize(&cookie, &with(good_request(&client), "redirect_uri", uri))
            .await;
        assert_error_page(&answer, 400, &["evil", "alert", "script"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_46_the_port_of_a_loopback_address_is_free_and_nothing_else() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let client = broker.client("Shell helper", "http://127.0.0.1/callback", None).await;
    let ask = |uri: &'static str| {
        let request = with(good_request(&client), "redirect_uri", uri);
        let (broker, cookie) = (&broker, cookie.as_str());
        async move { broker.authorize(cookie, &request).await }
    };

    assert_eq!(ask("http://127.0.0.1:49152/callback").await.status, 303);
    assert_eq!(ask("http://127.0.0.1/callback").await.status, 303);
    for uri in [
        "http://localhost/callback",
        "http://[::1]/callback",
        "http://127.0.0.1.evil/callback",
        "http://0x7f.1/callback",
        "http://127.0.0.1:80@evil/callback",
    ] {
        assert_error_page(&ask(uri).await, 400, &["evil"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_47_an_unknown_client_gets_a_page_that_repeats_nothing() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let client = broker.client("Notes", CALLBACK, None).await;

    for client_id in ["", "unknown", "<script>canary</script>", "' or 1=1 --", "a\0b"] {
        let request = with(good_request(&client), "client_id", client_id);
        let answer = broker.authorize(&cookie, &request).await;
        assert_error_page(&answer, 400, &["canary", "or 1=1", CALLBACK]);
    }
    let disabled = Happened::ClientDisabled {
        client_id: client.id.clone(),
    };
    broker
        .app
        .store
        .disable_client(&client.id, &broker.event(None, disabled))
        .await
        .unwrap();
    assert_error_page(
        &broker.authorize(&cookie, &good_request(&client)).await,
        400,
        &[CALLBACK],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_50_a_parameter_that_appears_twice_is_refused() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let client = broker.client("Notes", CALLBACK, None).await;

    for name in [
        "client_id",
        "redirect_uri",
        "request_uri",
        "scope",
        "state",
        "resource",
        "x",
    ] {
        for second in ["other", CALLBACK] {
            let mut request = good_request(&client);
            request.extend([(name, second.to_owned()), (name, second.to_owned())]);
            assert_error_page(&broker.authorize(&cookie, &request).await, 400, &["other"]);
        }
    }
    let twice = [("grant_type", "refresh_token"), ("grant_type", "refresh_token")];
    assert_eq!(
        refusal(&broker.token(&twice).await),
        (400, "invalid_request".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_51_the_only_response_type_is_code() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let client = broker.client("Notes", CALLBACK, None).await;

    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "id_token", "unsupported_response_type"),
        ("response_type", "none", "unsupported_response_type"),
        ("response_type", "code token", "unsupported_response_type"),
        ("response_type", "CODE", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("request", "eyJhbGciOiJub25lIn0..", "request_not_supported"),
        ("request_uri", "https://evil.example/", "request_uri_not_supported"),
        ("scope", "ai admin", "invalid_scope"),
        ("scope", "openid", "invalid_scope"),
    ] {
        let answer = broker
            .authorize(&cookie, &with(good_request(&client), name, value))
            .await;
        assert_eq!(
            answer_parameter(&answer, "error").as_deref(),
            Some(error),
            "{name}={value}"
        );
        assert_eq!(answer_parameter(&answer, "code"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_62_a_request_without_interaction_is_answered_at_the_registered_uri_alone() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let silent = with(good_request(&client), "prompt", "none");

    let nobody = broker.authorize("", &silent).await;
    let somebody = broker.authorize(&cookie, &silent).await;
    let both = broker
        .authorize(&cookie, &with(silent.clone(), "prompt", "none login"))
        .await;
    let elsewhere = broker
        .authorize("", &with(silent, "redirect_uri", "https://evil.example/"))
        .await;

    assert_eq!(answer_parameter(&nobody, "error").as_deref(), Some("login_required"));
    assert_eq!(
        answer_parameter(&somebody, "error").as_deref(),
        Some("consent_required")
    );
    assert_eq!(answer_parameter(&both, "error").as_deref(), Some("invalid_request"));
    assert_error_page(&elsewhere, 400, &["evil"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_63_an_error_repeats_no_markup() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let client = broker.client("Notes", CALLBACK, None).await;

    let details = r#"[{"type":"<script>alert(1)</script>","provider":"\u202e","<img>":1}]"#;
    let request = with(good_request(&client), "authorization_details", details);
    let answer = broker.authorize(&cookie, &request).await;
    let description = answer_parameter(&answer, "error_description").unwrap();

    assert!(
        description.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "{description}"
    );
    assert!(!description.contains(['<', '>', '"', '\\', '&']), "{description}");
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_1_2_1_a_refusal_is_told_to_the_client() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let cookie = broker.browser(&user).await;
    let client = broker.client("Notes", CALLBACK, None).await;

    let denied = broker.ask(&cookie, &good_request(&client)).await;
    broker.deny(&denied, &user).await;
    let forgotten = broker.ask(&cookie, &good_request(&client)).await;
    broker.clock.advance_seconds(601);

    for request_id in [denied, forgotten] {
        let answer = broker.resume(&cookie, &request_id).await;
        assert_eq!(answer_parameter(&answer, "error").as_deref(), Some("access_denied"));
        assert_eq!(answer_parameter(&answer, "state").as_deref(), Some(STATE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_to_the_browser_of_the_user_who_gave_it() {
    let broker = TestBroker::start().await;
    let (ana, bob) = (broker.user("ana").await, broker.user("bob").await);
    let (anas, bobs) = (broker.browser(&ana).await, broker.browser(&bob).await);
    let client = broker.client("Notes", CALLBACK, None).await;

    let request_id = broker.ask(&anas, &good_request(&client)).await;
    broker.approve(&request_id, &ana).await;

    assert_error_page(&broker.resume(&bobs, &request_id).await, 403, &[]);
    assert_error_page(&broker.resume("", &request_id).await, 403, &[]);
    let first = broker.resume(&anas, &request_id).await;
    let again = broker.resume(&anas, &request_id).await;
    assert_eq!(answer_parameters(&first), answer_parameters(&again));
    let code = answer_parameter(&first, "code").unwrap();
    Tokens::of(&broker.redeem(&client, &code).await);
    assert_error_page(&broker.resume(&anas, &request_id).await, 409, &[&code]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_was_is_a_page() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;

    for id in ["unknown", "%00", "..%2f..", "' or 1=1"] {
        let path = format!("/oauth/authorize/answer/{}", id.replace(' ', "%20"));
        assert_error_page(&broker.get(&path, &[("cookie", &cookie)]).await, 404, &["or 1=1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_42_a_client_authenticates_as_it_was_registered() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let public = broker.client("Notes", CALLBACK, None).await;
    let confidential = broker.client("Mail", CALLBACK, Some("s3cr3t")).await;

    for (client, secret, outcome) in [
        (&public, "s3cr3t", (401, "invalid_client")),
        (&confidential, "", (401, "invalid_client")),
        (&confidential, "wrong", (401, "invalid_client")),
    ] {
        let code = broker.code(client, &user).await;
        let answer = broker.redeem_with(client, &code, &[("client_secret", secret)]).await;
        assert_eq!(refusal(&answer), (outcome.0, outcome.1.to_owned()), "{}", client.name);
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"AIPassport\"");
    }
    let code = broker.code(&confidential, &user).await;
    let answer = broker
        .redeem_with(&confidential, &code, &[("client_secret", "s3cr3t")])
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn section_2_3_1_a_secret_may_come_in_the_header() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Mail", CALLBACK, Some("s3cr3t")).await;
    let code = broker.code(&client, &user).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("redirect_uri", CALLBACK),
        ("code_verifier", crate::support::oauth::VERIFIER),
        ("code", &code),
    ];
    let basic = |secret: &str| format!("Basic {}", base64(&format!("{}:{secret}", client.id)));

    let wrong = broker
        .post_form("/oauth/token", &[("authorization", &basic("other"))], &form)
        .await;
    let right = broker
        .post_form("/oauth/token", &[("authorization", &basic("s3cr3t"))], &form)
        .await;

    assert_eq!(refusal(&wrong), (401, "invalid_client".to_owned()));
    assert_eq!(right.status, 200, "{}", right.text());
}

fn base64(text: &str) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_97_a_code_dies_with_the_client_the_consent_and_time() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;

    let late = broker.code(&client, &user).await;
    broker.clock.advance_seconds(60);
    assert_eq!(
        refusal(&broker.redeem(&client, &late).await),
        (400, "invalid_grant".to_owned())
    );

    let code = broker.code(&client, &user).await;
    let disabled = Happened::ClientDisabled {
        client_id: client.id.clone(),
    };
    broker
        .app
        .store
        .disable_client(&client.id, &broker.event(None, disabled))
        .await
        .unwrap();
    assert_eq!(
        refusal(&broker.redeem(&client, &code).await),
        (400, "unauthorized_client".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_97_a_client_that_was_switched_off_meanwhile_gets_no_code() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let cookie = broker.browser(&user).await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let request_id = broker.ask(&cookie, &good_request(&client)).await;
    broker.approve(&request_id, &user).await;

    let disabled = Happened::ClientDisabled {
        client_id: client.id.clone(),
    };
    broker
        .app
        .store
        .disable_client(&client.id, &broker.event(None, disabled))
        .await
        .unwrap();

    assert_error_page(&broker.resume(&cookie, &request_id).await, 400, &[CALLBACK]);
}

#[tokio::test(flavor = "multi_thread")]
async fn section_5_1_an_access_token_never_outlives_its_grant() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let details = json!([{"type": "ai_access", "provider": "openai", "models": ["gpt-4o-mini"],
        "capabilities": ["chat"], "validity": {"seconds": 90}}]);

    let request = with(good_request(&client), "authorization_details", &details.to_string());
    let code = broker.code_for(&request, &user).await;
    broker.clock.advance_seconds(30);
    let tokens = Tokens::of(&broker.redeem(&client, &code).await);
    let end = broker.app.store.grant(&broker.app.tenant_id, &tokens.grant_id).await;

    assert_eq!(tokens.answer["expires_in"], 60);
    assert_eq!(
        end.unwrap().unwrap().expires_at,
        Timestamp::from_seconds(crate::support::NOW.seconds() + 90)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_105_no_cache_keeps_and_no_referrer_tells_a_code_or_token() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let cookie = broker.browser(&user).await;
    let client = broker.client("Notes", CALLBACK, None).await;

    let request_id = broker.ask(&cookie, &good_request(&client)).await;
    broker.approve(&request_id, &user).await;
    let with_code = broker.resume(&cookie, &request_id).await;
    let code = answer_parameter(&with_code, "code").unwrap();
    let with_tokens = broker.redeem(&client, &code).await;
    let refused = broker.redeem(&client, "unknown").await;

    for answer in [with_code, with_tokens, refused] {
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_107_only_a_form_with_a_known_grant_type_is_read() {
    let broker = TestBroker::start().await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let form = format!("grant_type=authorization_code&client_id={}", client.id);
    let send = |content_type: &'static str, body: String| {
        let request = broker.request("POST", "/oauth/token", &[("content-type", content_type)], body.into());
        broker.send(request)
    };

    for (content_type, body) in [
        (
            "application/json",
            json!({"grant_type": "authorization_code"}).to_string(),
        ),
        ("multipart/form-data; boundary=x", form.clone()),
        ("text/plain", form.clone()),
        ("application/x-www-form-urlencoded; charset=utf-16", form.clone()),
        ("application/x-www-form-urlencoded", "grant_type=%ff".to_owned()),
    ] {
        let answer = send(content_type, body).await;
        assert_eq!(refusal(&answer), (400, "invalid_request".to_owned()), "{content_type}");
    }
    for grant_type in [
        "password",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "implicit",
        "AUTHORIZATION_CODE",
    ] {
        let answer = broker
            .token(&[("grant_type", grant_type), ("client_id", client.id.as_str())])
            .await;
        assert_eq!(
            refusal(&answer),
            (400, "unsupported_grant_type".to_owned()),
            "{grant_type}"
        );
    }
    let missing = broker.token(&[("client_id", client.id.as_str())]).await;
    assert_eq!(refusal(&missing), (400, "invalid_request".to_owned()));
    assert_eq!(broker.get("/oauth/token", &[]).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_108_no_origin_may_read_what_is_not_public() {
    let broker = TestBroker::start().await;
    let client = broker.client("Notes", CALLBACK, None).await;

    for origin in ["https://evil.example", "null", &broker.app.config.public_url] {
        let headers = [
            ("origin", origin),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let mut answers = Vec::new();
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
            for method in ["POST", "OPTIONS"] {
                let body = format!("client_id={}", client.id);
                answers.push(broker.send(broker.request(method, path, &headers, body.into())).await);
            }
        }
        answers.push(broker.get("/oauth/authorize", &headers).await);
        for answer in answers {
            assert_eq!(answer.header("access-control-allow-origin"), "");
            assert_eq!(answer.header("access-control-allow-credentials"), "");
        }
    }
}
