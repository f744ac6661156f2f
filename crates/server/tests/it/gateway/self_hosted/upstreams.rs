//! Where the calls and the key of a server of one's own may go.

use aipassport::entries::{NewCredential, new_credential};
use aipassport_domain::{money::Money, secret::Secret};
use serde_json::json;

use super::{FACES, Home, ask, free};
use crate::support::{CANARY_KEY, grant::TestGrant, provider::TestProvider};

async fn granted_at(home: &Home, provider: &str, model: &str, base_url: &str) -> TestGrant {
    let user = home.user_with(provider, base_url).await;
    home.say(&user, provider, free()).await;
    home.grant(&user, provider, &[model]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_83_no_server_of_ones_own_is_reached_that_the_operator_did_not_allow() {
    let home = Home::start().await;
    let other = TestProvider::start().await;
    let port = other.address.port();

    for (provider, path, model) in [
        ("ollama", "/ollama/api/chat", "llama3.2:3b"),
        ("ollama", "/ollama/v1/chat/completions", "llama3.2:3b"),
        ("vllm", "/vllm/v1/chat/completions", "qwen3-8b"),
        ("custom/lab", "/custom/lab/v1/chat/completions", "house-model"),
    ] {
        for base_url in [
            format!("http://127.0.0.1:{port}"),
            format!("http://localhost:{port}"),
            format!("http://localhost.:{port}"),
            format!("http://[::1]:{port}"),
            format!("http://[::ffff:127.0.0.1]:{port}"),
            format!("http://[::ffff:7f00:1]:{port}"),
            format!("http://[64:ff9b::7f00:1]:{port}"),
            format!("http://0.0.0.0:{port}"),
            format!("http://127.1:{port}"),
            "http://169.254.169.254/latest/meta-data".to_owned(),
            "http://metadata.google.internal".to_owned(),
            "http://[fd00:ec2::254]/latest".to_owned(),
            "http://100.100.100.200".to_owned(),
            "http://10.0.0.1:11434".to_owned(),
            // Public, and still not what the operator allowed.
            "https://api.groq.com/openai/v1".to_owned(),
            // The right host at another port, or by another name.
            home.base_url.replace("127.0.0.1", "localhost"),
        ] {
            let grant = granted_at(&home, provider, model, &base_url).await;
            let refused = home.post(&grant, path, &ask(model, "Hi")).await;
            assert_eq!(refused.status, 502, "{provider} {base_url}: {}", refused.text());
            assert_eq!(home.broker.only_settled(&grant).await.cost, Money::ZERO);
        }
    }
    assert_eq!((other.connections(), home.requests()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_83_even_the_usual_address_of_a_local_server_needs_the_operators_leave() {
    let home = Home::start().await;
    for (provider, path, model) in [
        ("ollama", "/ollama/api/chat", "llama3.2:3b"),
        ("vllm", "/vllm/v1/chat/completions", "qwen3-8b"),
    ] {
        let user = home.broker.user(provider).await;
        home.broker.credential(&user, provider, None).await;
        home.say(&user, provider, free()).await;
        let grant = home.grant(&user, provider, &[model]).await;

        let refused = home.post(&grant, path, &ask(model, "Hi")).await;

        assert_eq!(refused.status, 502, "{}", refused.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_85_a_redirect_of_a_server_of_ones_own_is_not_followed() {
    let home = Home::start().await;

    for face in FACES.iter().filter(|face| face.is_generation()) {
        let grant = home.granted(face.provider, &[face.model], Some(free())).await;
        for status in [301, 302, 303, 307, 308] {
            let body = face
                .body()
                .replacen("Hi", &format!("Hi [[sandbox: redirect={status}]]"), 1);
            let body = serde_json::from_str(&body).unwrap();
            let refused = home.post(&grant, face.path, &body).await;
            assert_eq!(refused.status, 502, "{} {status}: {}", face.path, refused.text());
        }
    }
    assert_eq!(home.sandbox.seen().get("POST /sandbox/trap"), None);
    assert_eq!(home.sandbox.seen().get("GET /sandbox/trap"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_86_an_odd_base_url_is_refused_when_it_is_entered() {
    let home = Home::start().await;
    let user = home.broker.user("ana").await;

    for odd in [
        "ftp://models.example",
        "file:///etc/passwd",
        "http://user@10.0.0.1",
        "http://user:pass@10.0.0.1",
        "http://10.0.0.1?x=1",
        "http://10.0.0.1#x",
        "models.example",
        "gopher://10.0.0.1",
    ] {
        let entered = NewCredential {
            provider: "custom/lab".to_owned(),
            key: Secret::new("k"),
            base_url: Some(odd.to_owned()),
        };
        let refused = new_credential(home.broker.app.making(), &user.id, entered).unwrap_err();
        assert_eq!(refused.field, "base_url", "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_no_key_is_sent_none() {
    let home = Home::start().await;
    let app = &home.broker.app;
    let user = home.broker.user("ana").await;
    let entered = NewCredential {
        provider: "ollama".to_owned(),
        key: Secret::new(""),
        base_url: Some(home.base_url_of("ollama")),
    };
    let (credential, added) = new_credential(app.making(), &user.id, entered).unwrap();
    let event = home.broker.event(Some(&user.id), added);
    app.store.add_credential(&credential, &event).await.unwrap();
    home.say(&user, "ollama", free()).await;
    let grant = home.grant(&user, "ollama", &["llama3.2:3b"]).await;

    let answer = home.post(&grant, "/ollama/api/chat", &ask("llama3.2:3b", "Hi")).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    let [sent] = <[_; 1]>::try_from(home.sandbox.requests()).unwrap();
    let names: Vec<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        !names.contains(&"authorization") && !names.contains(&"x-api-key"),
        "{names:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_131_the_key_of_a_server_of_ones_own_does_not_come_back() {
    let home = Home::start().await;

    for face in FACES.iter().filter(|face| face.is_generation()) {
        let grant = home.granted(face.provider, &[face.model], Some(free())).await;
        for echo in [
            "echo=json",
            "echo=header",
            "echo=text; tokens=20",
            "echo=split; tokens=20",
        ] {
            let body = face.body().replacen("Hi", &format!("Hi [[sandbox: {echo}]]"), 1);
            let answer = home
                .post(&grant, face.path, &serde_json::from_str(&body).unwrap())
                .await;
            let seen = format!("{:?} {}", answer.headers, answer.text());
            assert!(!seen.contains(CANARY_KEY), "{} {echo}", face.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_129_an_answer_of_a_server_of_ones_own_that_is_no_json_is_a_clean_failure() {
    let home = Home::start().await;
    let grant = home.granted("ollama", &["llama3.2:3b"], Some(free())).await;

    for switches in ["body=html", "body=gzip"] {
        let body = json!({
            "model": "llama3.2:3b", "stream": false,
            "messages": [{"role": "user", "content": format!("Hi [[sandbox: {switches}]]")}],
        });
        let answer = home.post(&grant, "/ollama/api/chat", &body).await;
        assert_eq!(answer.status, 502, "{switches}: {}", answer.text());
    }
}
