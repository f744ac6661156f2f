//! A server that nobody but its user knows, under a name of the user's.

use aipassport_domain::ids::ProviderId;
use serde_json::json;

use super::{Home, ask, free, per_million};

const PATH: &str = "/custom/lab/v1/chat/completions";

#[tokio::test(flavor = "multi_thread")]
async fn it_is_called_at_the_base_url_its_sdks_are_given() {
    let home = Home::start().await;
    let grant = home
        .granted(
            "custom/lab",
            &["house-model"],
            Some(per_million("0.50", "0.50", "1.50")),
        )
        .await;
    let mut streamed = ask("house-model", "Hello");
    streamed["stream"] = true.into();

    for body in [ask("house-model", "Hello"), streamed] {
        let answer = home.post(&grant, PATH, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    assert_eq!(home.sandbox.seen()["POST /custom/v1/chat/completions"], 2);
    assert_eq!(home.charged(&grant).await, home.bill().await.totals.cost_nanos);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_is_a_provider_of_its_own() {
    let home = Home::start().await;
    let grant = home.granted("custom/lab", &["house-model"], Some(free())).await;
    let other = home.granted("custom/attic", &["house-model"], Some(free())).await;

    let right = home.post(&grant, PATH, &ask("house-model", "Hi")).await;
    let wrong = home.post(&other, PATH, &ask("house-model", "Hi")).await;

    assert_eq!(right.status, 200, "{}", right.text());
    assert_eq!(
        (wrong.status, &wrong.json()["aipassport"]["rule"]),
        (403, &json!("provider_credential"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_9_a_token_for_one_custom_path_is_for_no_other() {
    let home = Home::start().await;
    let app = &home.broker.app;
    let user = home.user_with("custom/lab", &home.base_url_of("custom/lab")).await;
    home.say(&user, "custom/lab", free()).await;
    let mut grant = home.grant(&user, "custom/lab", &["house-model"]).await;
    let for_path = |id: &str| {
        let audience = aipassport::signing::audience(&app.config.public_url, Some(&ProviderId::new(id)));
        let now = app.clock.now();
        aipassport::signing::issue_access_token(app, &grant.grant, audience, now)
            .unwrap()
            .token
    };
    let (lab, attic) = (for_path("custom/lab"), for_path("custom/attic"));

    grant.token = lab;
    assert_eq!(home.post(&grant, PATH, &ask("house-model", "Hi")).await.status, 200);
    grant.token = attic;
    assert_eq!(home.post(&grant, PATH, &ask("house-model", "Hi")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_may_use_names_it() {
    let home = Home::start().await;
    let grant = home.granted("custom/lab", &["house-model"], Some(free())).await;
    let bearer = grant.bearer();
    let get = async |path: &str| home.broker.get(path, &[("authorization", &bearer)]).await.json();

    let providers = get("/providers").await;
    let models = get("/models").await;
    let unauthenticated = home.broker.get(PATH, &[]).await;

    assert_eq!(
        providers["providers"],
        json!([{
            "id": "custom/lab", "name": "lab", "base_url": home.broker.url("/custom/lab"),
            "capabilities": ["chat", "embeddings"],
        }])
    );
    assert_eq!(
        (&models["models"][0]["provider"], &models["models"][0]["id"]),
        (&json!("custom/lab"), &json!("house-model"))
    );
    let challenge = unauthenticated.header("www-authenticate");
    let metadata = home.broker.url("/.well-known/oauth-protected-resource/custom/lab");
    assert!(challenge.contains(&metadata), "{challenge}");
    let metadata = home
        .broker
        .get("/.well-known/oauth-protected-resource/custom/lab", &[])
        .await;
    assert_eq!(metadata.json()["resource"], home.broker.url("/custom/lab"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_of_0_2_reaches_it() {
    let home = Home::start().await;
    let grant = home.granted("custom/lab", &["house-model"], Some(free())).await;

    let answer = home.post(&grant, "/proxy/chat", &ask("house-model", "Hi")).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(home.sandbox.seen()["POST /custom/v1/chat/completions"], 1);
}
