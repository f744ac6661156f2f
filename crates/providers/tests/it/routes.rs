use aipassport_domain::authorization_details::Capability;
use aipassport_providers::{
    adapter::{self, Operation, RouteKind},
    request::{ObjectKind, StoredObject},
};
use http::Method;

#[test]
fn every_template_leads_to_its_operation() {
    for (provider, method, path, kind) in [
        (
            "openai",
            Method::POST,
            "/v1/chat/completions",
            RouteKind::Call(Capability::Chat, Operation::ChatCompletions),
        ),
        (
            "openai",
            Method::POST,
            "/v1/responses",
            RouteKind::Call(Capability::Chat, Operation::Responses),
        ),
        ("openai", Method::GET, "/v1/models", RouteKind::ListModels),
        (
            "openai",
            Method::GET,
            "/v1/models/ft:gpt-4o-mini:org::id",
            RouteKind::GetModel("ft:gpt-4o-mini:org::id".to_owned()),
        ),
        (
            "anthropic",
            Method::POST,
            "/v1/messages",
            RouteKind::Call(Capability::Chat, Operation::Messages),
        ),
        (
            "anthropic",
            Method::POST,
            "/v1/messages/count_tokens",
            RouteKind::CountTokens,
        ),
        ("anthropic", Method::GET, "/v1/models", RouteKind::ListModels),
        (
            "vllm",
            Method::POST,
            "/v1/chat/completions",
            RouteKind::Call(Capability::Chat, Operation::ChatCompletions),
        ),
        (
            "vllm",
            Method::POST,
            "/v1/completions",
            RouteKind::Call(Capability::Chat, Operation::Completions),
        ),
        (
            "anthropic",
            Method::GET,
            "/v1/models/claude-haiku-4-5",
            RouteKind::GetModel("claude-haiku-4-5".to_owned()),
        ),
    ] {
        let route = adapter::by_id(provider)
            .unwrap()
            .route(&method, path, None)
            .expect(path);
        assert_eq!((route.kind, route.upstream_path.as_str()), (kind, path));
    }
}

#[test]
fn the_model_to_show_is_decoded_once() {
    let shown = |path: &str| {
        let route = adapter::by_id("openai").unwrap().route(&Method::GET, path, None)?;
        match route.kind {
            RouteKind::GetModel(id) => Some(id),
            other => panic!("{other:?}"),
        }
    };

    for (path, id) in [
        ("/v1/models/meta-llama%2FLlama-3", "meta-llama/Llama-3"),
        ("/v1/models/a%2fb%2fc", "a/b/c"),
        ("/v1/models/llama3.2%3A1b", "llama3.2:1b"),
        ("/v1/models/gpt%2D4o", "gpt-4o"),
    ] {
        assert_eq!(shown(path).as_deref(), Some(id), "{path}");
    }
    for path in [
        "/v1/models/meta-llama/Llama-3",
        "/v1/models/meta-llama%252FLlama-3",
        "/v1/models/%2Fa",
        "/v1/models/a%2F",
        "/v1/models/a%2F%2Fb",
        "/v1/models/a%2F..%2Fb",
        "/v1/models/%2E%2E",
        "/v1/models/a%2",
        "/v1/models/a%zz",
        "/v1/models/a%00",
        "/v1/models/a%20b",
        "/v1/models/a%ff",
        "/v1/models/a%E2%80%8Bb",
        "/v1%2Fmodels/a",
    ] {
        assert_eq!(shown(path), None, "{path}");
    }
    assert_eq!(shown(&format!("/v1/models/{}", "a%2F".repeat(100) + "a")), None);
}

#[test]
fn threat_114_only_templates_pass_to_the_byte() {
    for path in [
        "",
        "/",
        "*",
        "v1/messages",
        "/v1/messages/",
        "//v1/messages",
        "/v1//messages",
        "/v1/messages//count_tokens",
        "/v1/./messages",
        "/v1/x/../messages",
        "/v1/%2e%2e/v1/messages",
        "/v1/%2E/messages",
        "/v1%2fmessages",
        "/v1/%6dessages",
        "/v1/%256dessages",
        "/v1/messages;x=1",
        "/v1;/messages",
        "/v1\\messages",
        "/v1/messages.",
        "/v1/messages\0",
        "/v1/messages%00",
        "/v1/messages ",
        "/v1/Messages",
        "/V1/messages",
        "https://api.anthropic.com/v1/messages",
        "/v1/models/",
        "/v1/models/.",
        "/v1/models/..",
        "/v1/models/a.",
        "/v1/models/a/b",
        "/v1/models/a%252fb",
        "/v1/models/a;b",
        "/v1/models/a\\b",
        "/v1/models/..%2f..",
        "/v1/chat/",
        "/v1/chat/completions/",
        "/v1/responses/",
        "/v1/responses/resp_",
        "/v1/responses/file_1",
        "/v1/responses/resp_1/",
        "/v1/responses/resp_1/content",
        "/v1/responses/resp_1/cancel/",
        "/v1/responses/resp_%31",
        "/v1/responses/resp_1/../resp_2",
        "/v1/responses/resp_1;x",
        "/v2/messages",
    ] {
        for provider in adapter::all() {
            for method in [Method::GET, Method::POST] {
                assert_eq!(provider.route(&method, path, None), None, "{} {path}", provider.id());
            }
        }
    }
}

#[test]
fn a_path_names_its_provider_by_its_first_segment_or_by_the_name_that_a_user_gave_it() {
    let at = |path| adapter::at_path(path).map(|(adapter, id)| (adapter.id(), id.as_str().to_owned()));

    assert_eq!(at("/openai/v1/models"), Some(("openai", "openai".to_owned())));
    assert_eq!(at("/vllm/v1/models"), Some(("vllm", "vllm".to_owned())));
    assert_eq!(
        at("/custom/lab-2/v1/models"),
        Some(("custom", "custom/lab-2".to_owned()))
    );
    for nobodys in [
        "",
        "/",
        "/openai",
        "/openai/",
        "openai/v1/models",
        "/custom",
        "/custom/",
        "/custom/lab",
        "/custom/lab/",
        "/custom//v1/models",
        "/custom/Lab/v1/models",
        "/custom/../openai/v1/models",
        "/custom/%6cab/v1/models",
        "/api/calls/1",
    ] {
        assert_eq!(at(nobodys), None, "{nobodys}");
    }
}

#[test]
fn threat_113_what_a_path_names_at_the_provider_has_an_owner() {
    let openai = adapter::by_id("openai").unwrap();
    let object = StoredObject {
        kind: ObjectKind::Response,
        id: "resp_0a-Z".to_owned(),
    };
    for (method, path, query) in [
        (Method::GET, "/v1/responses/resp_0a-Z", None),
        (Method::DELETE, "/v1/responses/resp_0a-Z", Some("")),
        (Method::POST, "/v1/responses/resp_0a-Z/cancel", None),
        (
            Method::GET,
            "/v1/responses/resp_0a-Z/input_items",
            Some("limit=20&order=asc&after=msg_1"),
        ),
    ] {
        let route = openai.route(&method, path, query).expect(path);
        assert_eq!(route.kind, RouteKind::Stored(object.clone()), "{path}");
        assert!(route.upstream_path.starts_with(path));
    }
    for (method, path, query) in [
        (Method::POST, "/v1/responses/resp_1", None),
        (Method::GET, "/v1/responses/resp_1/cancel", None),
        (Method::DELETE, "/v1/responses/resp_1/input_items", None),
        (Method::GET, "/v1/responses/resp_1", Some("stream=true")),
        (Method::GET, "/v1/responses/resp_1/input_items", Some("limit=1&limit=2")),
        (Method::GET, "/v1/responses/resp_1/input_items", Some("key=x")),
        (Method::GET, "/v1/responses/resp_1/input_items", Some("after=%2e")),
    ] {
        assert_eq!(openai.route(&method, path, query), None, "{method} {path} {query:?}");
    }
}

#[test]
fn threat_113_threat_115_nothing_but_models_is_open() {
    for path in [
        "/v1/organization/api_keys",
        "/v1/organization/costs",
        "/v1/organizations/users",
        "/v1/files",
        "/v1/files/file_1/content",
        "/v1/batches",
        "/v1/messages/batches",
        "/v1/fine_tuning/jobs",
        "/v1/threads",
        "/v1/conversations/conv_1",
        "/v1/chat/completions/chatcmpl-1",
        "/v1/complete",
        "/v1/skills",
        "/v1/containers",
        "/v1/vector_stores",
        "/dashboard/billing/usage",
    ] {
        for provider in adapter::all() {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                assert_eq!(provider.route(&method, path, None), None, "{} {path}", provider.id());
            }
        }
    }
}

#[test]
fn threat_116_another_method_is_no_route() {
    for provider in adapter::all() {
        for path in ["/v1/messages", "/v1/chat/completions", "/v1/models", "/v1/models/a"] {
            for method in [
                "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "post", "PRI",
            ] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                assert_eq!(provider.route(&method, path, None), None, "{method} {path}");
            }
        }
        assert_eq!(provider.route(&Method::POST, "/v1/models", None), None);
        assert_eq!(provider.route(&Method::GET, "/v1/messages", None), None);
        assert_eq!(provider.route(&Method::GET, "/v1/responses", None), None);
    }
}

#[test]
fn threat_117_a_query_is_on_the_list_or_refused() {
    let openai = adapter::by_id("openai").unwrap();
    let anthropic = adapter::by_id("anthropic").unwrap();
    let route = |query| anthropic.route(&Method::POST, "/v1/messages", Some(query));

    assert_eq!(route("beta=true").unwrap().upstream_path, "/v1/messages?beta=true");
    assert_eq!(route("").unwrap().upstream_path, "/v1/messages");
    for query in [
        "key=x",
        "api-version=1",
        "model=claude-opus-4-5",
        "beta=false",
        "beta=true&beta=true",
        "beta=true&key=x",
        "Beta=true",
        "beta=%74rue",
        "&",
        "limit=5",
    ] {
        assert_eq!(route(query), None, "{query}");
        assert_eq!(openai.route(&Method::POST, "/v1/chat/completions", Some(query)), None);
        assert_eq!(openai.route(&Method::POST, "/v1/responses", Some(query)), None);
    }
    let list = |query| anthropic.route(&Method::GET, "/v1/models", Some(query));
    assert_eq!(list("limit=20&after_id=claude-a").unwrap().upstream_path, "/v1/models");
    assert_eq!(list("limit=20&key=x"), None);
}
