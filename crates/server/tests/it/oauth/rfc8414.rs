//! RFC 8414, RFC 9728 and RFC 7517: what clients find out by themselves.

use serde_json::json;

use crate::support::TestBroker;

#[tokio::test(flavor = "multi_thread")]
async fn section_3_the_metadata_say_what_the_server_does() {
    let broker = TestBroker::start().await;
    let issuer = broker.app.config.public_url.clone();

    let answer = broker.get("/.well-known/oauth-authorization-server", &[]).await;
    let metadata = answer.json();

    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(metadata["authorization_endpoint"], format!("{issuer}/oauth/authorize"));
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(
        metadata["grant_types_supported"],
        json!(["authorization_code", "refresh_token"])
    );
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert_eq!(metadata["authorization_details_types_supported"], json!(["ai_access"]));
    for endpoint in ["token", "introspection", "revocation"] {
        let url = metadata[format!("{endpoint}_endpoint")].as_str().unwrap();
        let path = url.strip_prefix(&issuer).unwrap();
        let answer = broker.post_form(path, &[], &[]).await;
        assert_eq!(answer.status, 401, "{endpoint} is there, and asks who calls");
    }
    let jwks = metadata["jwks_uri"].as_str().unwrap().strip_prefix(&issuer).unwrap();
    assert_eq!(broker.get(jwks, &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc_9728_section_3_each_provider_path_is_a_protected_resource() {
    let broker = TestBroker::start().await;
    let issuer = broker.app.config.public_url.clone();

    for (path, resource) in [
        ("", issuer.clone()),
        ("/openai", format!("{issuer}/openai")),
        ("/anthropic", format!("{issuer}/anthropic")),
    ] {
        let answer = broker
            .get(&format!("/.well-known/oauth-protected-resource{path}"), &[])
            .await;
        let metadata = answer.json();
        assert_eq!(metadata["resource"], resource);
        assert_eq!(metadata["authorization_servers"], json!([issuer]));
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    }
    let unknown = broker.get("/.well-known/oauth-protected-resource/unknown", &[]).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_17_the_key_set_has_public_members_alone_and_may_be_cached_for_a_while() {
    let broker = TestBroker::start().await;

    let answer = broker.get("/.well-known/jwks.json", &[]).await;
    let jwks = answer.json();
    let [jwk] = jwks["keys"].as_array().unwrap().as_slice() else {
        panic!("one key")
    };
    let names: Vec<&str> = jwk.as_object().unwrap().keys().map(String::as_str).collect();

    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_same_for_everyone_may_be_read_from_any_origin() {
    let broker = TestBroker::start().await;

    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/openai",
        "/.well-known/jwks.json",
    ] {
        let answer = broker.get(path, &[("origin", "https://app.example")]).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}
