//! RFC 9396: rich authorization requests.

use aipassport_domain::{authorization_details::AiAccess, fixtures::access, ids::ProviderId};
use serde_json::{Value, json};

use crate::support::{
    TestBroker,
    oauth::{CALLBACK, Tokens, answer_parameter, good_request, refusal, with},
};

fn details(members: &Value) -> String {
    let mut details = json!([{"type": "ai_access", "provider": "openai"}]);
    for (name, value) in members.as_object().unwrap() {
        details[0][name] = value.clone();
    }
    details.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_55_authorization_details_that_do_not_say_one_thing_are_refused() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let budget = |amount: Value, currency: &str| {
        details(&json!({"limits": {"budget": {"amount": amount, "currency": currency}}}))
    };
    let hundred: Vec<Value> = (0..100)
        .map(|n| json!({"type": "ai_access", "provider": format!("p{n}")}))
        .collect();

    for wrong in [
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "not json".to_owned(),
        Value::from(hundred).to_string(),
        json!([{"type": "payment", "provider": "openai"}]).to_string(),
        json!([{"provider": "openai"}]).to_string(),
        details(&json!({"unknown": 1})),
        details(&json!({"models": "gpt-4o-mini"})),
        details(&json!({"capabilities": ["everything"]})),
        details(&json!({"limits": {"requests": {"max": "5"}}})),
        details(&json!({"limits": {"requests": {"max": -1}}})),
        budget(json!("-1"), "USD"),
        budget(json!("NaN"), "USD"),
        budget(json!("1e9"), "USD"),
        budget(json!("0.1e9"), "USD"),
        budget(json!("99999999999999999999"), "USD"),
        budget(json!(5), "USD"),
        budget(json!("5"), "EUR"),
        details(&json!({"validity": {"not_before": "2027-01-01T00:00:00Z", "expires_at": "2026-12-01T00:00:00Z"}})),
        details(&json!({"validity": {"seconds": 0}})),
        details(&json!({"sender_constraint": "dpop"})),
        details(&json!({"sender_constraint": "mtls"})),
        format!("{}{}", "[".repeat(5000), "]".repeat(5000)),
        r#"[{"type":"ai_access","provider":"openai","provider":"anthropic"}]"#.to_owned(),
    ] {
        let request = with(good_request(&client), "authorization_details", &wrong);
        let answer = broker.authorize(&cookie, &request).await;
        let error = answer_parameter(&answer, "error");
        assert_eq!(error.as_deref(), Some("invalid_authorization_details"), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_56_a_model_is_named_exactly_or_refused() {
    let broker = TestBroker::start().await;
    let cookie = broker.browser(&broker.user("ana").await).await;
    let client = broker.client("Notes", CALLBACK, None).await;

    for model in [
        json!(""),
        json!("*"),
        json!({"prefix": ""}),
        json!({"prefix": "*"}),
        json!("gpt-4o\u{0}"),
        json!("gpt-4o\u{202e}"),
        json!("gpt 4o"),
        json!("gpt-4о"),
        json!(4),
    ] {
        let wrong = details(&json!({"models": [model]}));
        let request = with(good_request(&client), "authorization_details", &wrong);
        let error = answer_parameter(&broker.authorize(&cookie, &request).await, "error");
        assert_eq!(error.as_deref(), Some("invalid_authorization_details"), "{wrong}");
    }
    for other in ["GPT-4O-MINI", "openai/gpt-4o-mini", "gpt-4o-mini-2024"] {
        assert!(!access().covers_model(other), "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_57_a_token_request_cannot_ask_for_more_than_the_user_allowed() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let code = broker.code(&client, &user).await;
    let wider = json!([AiAccess {
        limits: aipassport_domain::limits::Limits::default(),
        ..access()
    }])
    .to_string();
    let elsewhere = json!([AiAccess {
        provider: ProviderId::new("anthropic"),
        ..access()
    }])
    .to_string();
    let error = (400, "invalid_authorization_details".to_owned());

    for asked in [&wider, &elsewhere] {
        let answer = broker
            .redeem_with(&client, &code, &[("authorization_details", asked)])
            .await;
        assert_eq!(refusal(&answer), error);
    }
    let tokens = Tokens::of(&broker.redeem(&client, &code).await);
    for asked in [&wider, &elsewhere] {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client.id.as_str()),
            ("refresh_token", &tokens.refresh_token),
            ("authorization_details", asked),
        ];
        assert_eq!(refusal(&broker.token(&form).await), error);
    }
    let same = tokens.answer["authorization_details"].to_string();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client.id.as_str()),
        ("refresh_token", &tokens.refresh_token),
        ("authorization_details", &same),
    ];
    assert_eq!(broker.token(&form).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn section_7_the_answer_says_what_was_granted_and_not_what_was_asked() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let cookie = broker.browser(&user).await;
    let client = broker.client("Notes", CALLBACK, None).await;
    let asked = details(&json!({"models": ["gpt-4o-mini", "gpt-4o"], "capabilities": ["chat", "images"]}));

    let request = with(good_request(&client), "authorization_details", &asked);
    let request_id = broker.ask(&cookie, &request).await;
    broker.approve(&request_id, &user).await;
    let code = answer_parameter(&broker.resume(&cookie, &request_id).await, "code").unwrap();
    let tokens = Tokens::of(&broker.redeem(&client, &code).await);

    let granted = &tokens.answer["authorization_details"][0];
    assert_eq!(granted["models"], json!(["gpt-4o-mini"]));
    assert_eq!(granted["capabilities"], json!(["chat"]));
    assert!(granted["limits"]["budget"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_can_only_say_ai_leaves_the_choice_to_the_user() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let client = broker.client("Notes", CALLBACK, None).await;

    for scope in ["ai", ""] {
        let request = with(with(good_request(&client), "authorization_details", ""), "scope", scope);
        let code = broker.code_for(&request, &user).await;
        let tokens = Tokens::of(&broker.redeem(&client, &code).await);
        assert_eq!(tokens.answer["authorization_details"][0]["provider"], "openai");
    }
}
