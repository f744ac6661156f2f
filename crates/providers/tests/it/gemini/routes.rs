//! What of Google's API is open, and what of a request's head goes further.

use aipassport_domain::authorization_details::Capability;
use aipassport_providers::adapter::{Operation, RouteKind};
use http::{HeaderMap, Method};

use super::{COUNT, EMBED, FLASH, STREAM, gemini, post};

#[test]
fn every_template_of_google_leads_to_its_operation() {
    for version in ["v1beta", "v1"] {
        for (method, capability, operation) in [
            ("generateContent", Capability::Chat, Operation::GenerateContent),
            (
                "streamGenerateContent",
                Capability::Chat,
                Operation::StreamGenerateContent,
            ),
            ("embedContent", Capability::Embeddings, Operation::EmbedContent),
            ("batchEmbedContents", Capability::Embeddings, Operation::EmbedContent),
        ] {
            let path = format!("/{version}/models/gemini-2.5-flash:{method}");
            let route = post(&path, None).unwrap();
            assert_eq!(route.kind, RouteKind::Call(capability, operation));
            assert_eq!(route.model.as_deref(), Some("gemini-2.5-flash"));
            assert_eq!(route.upstream_path, path);
        }
        let get = |path: &str| gemini().route(&Method::GET, path, None).map(|route| route.kind);
        let list = format!("/{version}/models");
        assert_eq!(get(&list), Some(RouteKind::ListModels));
        assert_eq!(get(&format!("{list}/a-1")), Some(RouteKind::GetModel("a-1".to_owned())));
    }
    assert_eq!(post(COUNT, None).unwrap().kind, RouteKind::CountTokens);
}

#[test]
fn threat_114_of_googles_paths_only_templates_pass_to_the_byte() {
    for path in [
        "/v1beta",
        "/v1beta/models/",
        "/v1beta/models/:generateContent",
        "/v1beta/models/a:generateContent/",
        "/v1beta/models/a:generatecontent",
        "/v1beta/models/a:GenerateContent",
        "/v1beta/models/a%3AgenerateContent",
        "/v1beta/models/a:generateContent%20",
        "/v1beta/models/a:generateContent;x=1",
        "/v1beta/models/a/b:generateContent",
        "/v1beta/models/a%2fb:generateContent",
        "/v1beta/models/../models/a:generateContent",
        "/v1beta//models/a:generateContent",
        "/v1beta/models//a:generateContent",
        "/v1beta/models/a:b:generateContent",
        "/v1beta/models/a:generateContent:countTokens",
        "/v1alpha/models/a:generateContent",
        "/v1beta1/models/a:generateContent",
        "/V1beta/models/a:generateContent",
        "/v1beta/Models/a:generateContent",
        "/v1beta/modelsx/a:generateContent",
        "/v1beta/models",
    ] {
        assert_eq!(post(path, None), None, "{path}");
    }
    for path in [
        "/v1beta/models/",
        "/v1beta/models/a:b",
        "/v1beta/models/a/b",
        "/v1beta/modelsx",
    ] {
        assert_eq!(gemini().route(&Method::GET, path, None), None, "{path}");
    }
}

#[test]
fn threat_113_threat_115_nothing_kept_at_google_is_open() {
    for path in [
        "/v1beta/files",
        "/v1beta/files/abc",
        "/upload/v1beta/files",
        "/v1beta/cachedContents",
        "/v1beta/cachedContents/abc",
        "/v1beta/tunedModels",
        "/v1beta/tunedModels/a:generateContent",
        "/v1beta/dynamic/a:generateContent",
        "/v1beta/operations/abc",
        "/v1beta/models/a/operations/abc",
        "/v1beta/batches/abc",
        "/v1beta/models/a:batchGenerateContent",
        "/v1beta/models/a:asyncBatchEmbedContent",
        "/v1beta/models/a:predict",
        "/v1beta/models/a:predictLongRunning",
        "/v1beta/models/a:bidiGenerateContent",
        "/v1beta/models/a:createCachedContent",
        "/v1beta/corpora",
        "/v1beta/fileSearchStores",
        "/v1beta/interactions",
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::PATCH] {
            assert_eq!(gemini().route(&method, path, None), None, "{method} {path}");
        }
    }
}

#[test]
fn threat_116_of_google_another_method_is_no_route() {
    for method in ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(gemini().route(&method, FLASH, None), None, "{method}");
    }
    assert_eq!(post("/v1beta/models/gemini-2.5-flash", None), None);
}

#[test]
fn threat_117_of_googles_queries_only_the_form_of_a_stream_passes() {
    let upstream = |path: &str, query| post(path, Some(query)).map(|route| route.upstream_path);

    assert_eq!(upstream(STREAM, "alt=sse").unwrap(), format!("{STREAM}?alt=sse"));
    assert_eq!(upstream(STREAM, "alt=json").unwrap(), format!("{STREAM}?alt=json"));
    assert_eq!(upstream(FLASH, "").unwrap(), FLASH);
    for query in [
        "key=x",
        "$key=x",
        "alt=sse&key=x",
        "alt=sse&alt=json",
        "alt=media",
        "alt=proto",
        "alt=",
        "Alt=sse",
        "alt=SSE",
        "$alt=sse",
        "%24alt=sse",
        "alt=s%73e",
        "prettyPrint=false",
        "fields=candidates",
        "callback=f",
        "model=gemini-2.5-pro",
        "access_token=x",
        "&",
    ] {
        for path in [STREAM, FLASH, EMBED, COUNT] {
            assert_eq!(upstream(path, query), None, "{path} {query}");
        }
    }
    assert_eq!(upstream(FLASH, "alt=sse"), None);
    let list = |query| gemini().route(&Method::GET, "/v1beta/models", Some(query));
    assert_eq!(
        list("pageSize=50&pageToken=abc").unwrap().upstream_path,
        "/v1beta/models"
    );
    assert_eq!(list("pageSize=50&key=x"), None);
    assert_eq!(list("filter=x"), None);
}

#[test]
fn threat_119_google_sees_the_users_key_and_nothing_that_steers() {
    let mut client = HeaderMap::new();
    for name in [
        "x-goog-api-key",
        "authorization",
        "cookie",
        "x-goog-user-project",
        "x-http-method-override",
        "x-goog-api-client",
        "x-server-timeout",
        "user-agent",
        "content-type",
    ] {
        client.insert(name, "x".parse().unwrap());
    }

    let mut headers = gemini().request_headers(&client);
    gemini().set_credential(&mut headers, "AIza-secret").unwrap();

    let mut names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = [
        "content-type",
        "user-agent",
        "x-goog-api-client",
        "x-goog-api-key",
        "x-server-timeout",
    ];
    assert_eq!(names, expected);
    assert_eq!(headers["x-goog-api-key"], "AIza-secret");
    assert!(headers["x-goog-api-key"].is_sensitive());
    assert!(gemini().set_credential(&mut headers, "line\nbreak").is_err());
}
