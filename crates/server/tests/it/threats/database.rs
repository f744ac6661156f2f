//! Somebody has the database, and nothing else (`security.md` 149, 150).

use std::{fs, sync::Arc};

use aipassport::{
    broker::Broker,
    clock::StoppedClock,
    config::Config,
    entries::{NewClient, new_client},
    random::SystemRandom,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    support::{
        CANARY_KEY, NOW, TestBroker, TestUser,
        grant::{chat, put_before},
        oauth::{CALLBACK, Tokens},
        provider::TestProvider,
        secrets::is_in,
    },
    web::browser::PASSWORD,
};

/// Every secret there is, each made and used the way it is in earnest, with what it is.
async fn secrets_in_use(broker: &TestBroker, provider: &TestProvider) -> Vec<(&'static str, String)> {
    let app = &broker.app;
    let mut secrets = vec![
        ("provider key", CANARY_KEY.to_owned()),
        ("password", PASSWORD.to_owned()),
    ];
    let alice = broker.user_with_password("alice").await;
    broker.credential(&alice, "openai", None).await;
    secrets.push(("API bearer", alice.bearer.clone()));
    let webhook = broker.webhook(&alice, "https://hooks.example").await;
    secrets.push(("webhook secret", webhook.secret));

    let mut browser = broker.new_browser();
    browser.sign_in("alice", PASSWORD).await;
    secrets.push(("session", browser.cookie.split_once('=').unwrap().1.to_owned()));

    secrets.extend(oauth_secrets(broker, &alice).await);
    secrets.extend(old_surface_secrets(broker, provider, &alice).await);
    let key = fs::read_to_string(&app.config.key_file).unwrap();
    secrets.push(("key file", key.trim().to_owned()));
    secrets
}

/// What comes of authorization codes: redeemed and not, used and not.
async fn oauth_secrets(broker: &TestBroker, alice: &TestUser) -> Vec<(&'static str, String)> {
    let app = &broker.app;
    let entered = NewClient {
        name: "Notes".to_owned(),
        address: None,
        redirect_uris: vec![CALLBACK.to_owned()],
        is_confidential: true,
    };
    let (client, client_secret, added) = new_client(app.making(), entered).unwrap();
    app.store
        .add_client(&client, &broker.event(Some(&alice.id), added))
        .await
        .unwrap();
    let client_secret = client_secret.unwrap().expose().to_owned();

    let code = broker.code(&client, alice).await;
    let with_secret = [("client_secret", client_secret.as_str())];
    let first = Tokens::of(&broker.redeem_with(&client, &code, &with_secret).await);
    let refreshed = broker
        .token(&[
            ("grant_type", "refresh_token"),
            ("client_id", client.id.as_str()),
            ("client_secret", &client_secret),
            ("refresh_token", &first.refresh_token),
        ])
        .await;
    let second = Tokens::of(&refreshed);
    let pending = broker.code(&client, alice).await;
    vec![
        ("client secret", client_secret),
        ("redeemed code", code),
        ("code", pending),
        ("used refresh token", first.refresh_token),
        ("refresh token", second.refresh_token),
        ("access token", first.access_token),
    ]
}

/// What comes of a grant request of the 0.2 surface, and of a call with its token.
async fn old_surface_secrets(
    broker: &TestBroker,
    provider: &TestProvider,
    alice: &TestUser,
) -> Vec<(&'static str, String)> {
    let asked = json!({
        "appName": "Old app", "appUrl": "https://old.example", "reason": "To chat",
        "scope": {"provider": "openai", "models": ["gpt-4o-mini"], "capabilities": ["chat"]},
    });
    let asked = broker.post_json("/grant-requests", &[], &asked).await.json();
    let (grant_id, request_secret) = (
        asked["grant"]["id"].as_str().unwrap(),
        asked["requestSecret"].as_str().unwrap(),
    );
    let bearer = format!("Bearer {}", alice.bearer);
    let approved = broker
        .post_json(
            &format!("/grants/{grant_id}/approve"),
            &[("authorization", &bearer)],
            &json!({}),
        )
        .await;
    assert_eq!(approved.status, 200, "{}", approved.text());
    let wanted = json!({"grantId": grant_id, "requestSecret": request_secret});
    let token = broker.post_json("/tokens", &[], &wanted).await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let called = format!("Bearer {token}");
    let mut body = chat(5);
    body["messages"][0]["content"] = json!("prompt-canary-58c1e0");
    let answer = broker
        .post_json("/openai/v1/chat/completions", &[("authorization", &called)], &body)
        .await;
    assert_eq!(
        (answer.status, provider.received().len()),
        (200, 1),
        "{}",
        answer.text()
    );
    broker.settled().await;
    vec![
        ("request secret", request_secret.to_owned()),
        ("0.2 token", token),
        ("prompt", "prompt-canary-58c1e0".to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_150_a_copy_of_the_database_without_the_key_is_worth_nothing() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let secrets = secrets_in_use(&broker, &provider).await;

    let copied = tempfile::tempdir().unwrap();
    let mut scanned = 0;
    for file in fs::read_dir(&broker.app.config.data_dir).unwrap() {
        let path = file.unwrap().path();
        if path == broker.app.config.key_file {
            continue;
        }
        let content = fs::read(&path).unwrap();
        for (kind, secret) in &secrets {
            assert!(!is_in(secret, &content), "the {kind} is in {}", path.display());
        }
        fs::copy(&path, copied.path().join(path.file_name().unwrap())).unwrap();
        scanned += 1;
    }
    assert!(scanned >= 2, "the database and its journal");

    let mut config = Config::local(copied.path().to_owned());
    put_before(&mut config, &provider);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other_key = Broker::start_on(
        listener,
        config,
        Arc::new(StoppedClock::at(NOW)),
        Arc::new(SystemRandom),
    )
    .await;
    let refused = other_key.err().expect("another key opens nothing").to_string();
    assert!(refused.contains("does not open"), "{refused}");
}

/// What was entered is shown to nobody again, its user included: on no page, by no API.
#[tokio::test(flavor = "multi_thread")]
async fn threat_149_no_answer_repeats_a_secret() {
    let provider = TestProvider::start().await;
    let broker = TestBroker::before(&provider).await;
    let secrets = secrets_in_use(&broker, &provider).await;
    let secret = |wanted: &str| secrets.iter().find(|(kind, _)| *kind == wanted).unwrap().1.clone();
    let app = &broker.app;
    let alice = app.store.user_by_name(&app.tenant_id, "alice").await.unwrap().unwrap();

    let mut paths = vec![
        "/keys",
        "/apps",
        "/activity",
        "/activity/export",
        "/settings",
        "/login",
        "/apps/register",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    paths.extend(
        [
            "/api/credentials",
            "/api/clients",
            "/api/grants",
            "/api/audit?limit=200",
            "/api/webhooks",
            "/grants",
        ]
        .map(str::to_owned),
    );
    for grant in app.store.grants_of(&app.tenant_id, &alice.id).await.unwrap() {
        paths.extend([
            format!("/apps/{}", grant.id),
            format!("/apps/{}/limits", grant.id),
            format!("/grants/{}", grant.id),
        ]);
    }
    let cookie = format!("aip_session={}", secret("session"));
    for path in &paths {
        let answer = broker.get(path, &[("cookie", &cookie)]).await;
        assert!(
            answer.status == 200 || answer.status == 303,
            "{path}: {}",
            answer.status
        );
        let said = format!("{:?}\n{}", answer.headers, answer.text());
        for (kind, secret) in &secrets {
            assert!(!is_in(secret, said.as_bytes()), "the {kind} is in {path}");
        }
    }
    let bearer = format!("Bearer {}", secret("0.2 token"));
    for path in ["/passport/self", "/models", "/providers", "/openai/v1/models"] {
        let answer = broker.get(path, &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!is_in(CANARY_KEY, &answer.body), "{path}");
    }
}
