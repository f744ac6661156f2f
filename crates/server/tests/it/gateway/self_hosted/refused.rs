//! What no path of a server of one's own lets through.

use aipassport_domain::authorization_details::{Choice, ModelPattern};
use serde_json::json;

use super::{FACES, Face, Home, ask, free, per_million};
use crate::support::{
    grant::{TestGrant, access_to},
    http::Answer,
};

async fn post(home: &Home, grant: &TestGrant, path: &str, body: &str) -> Answer {
    let bearer = grant.bearer();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    home.broker
        .send(home.broker.request("POST", path, &headers, body.to_owned().into()))
        .await
}

/// Each way to ask, with a grant for it.
async fn faces(home: &Home) -> Vec<(&'static Face, TestGrant)> {
    let mut all = Vec::new();
    for face in &FACES {
        let grant = home
            .granted(face.provider, &[face.model], Some(per_million("0.10", "0.10", "0.40")))
            .await;
        all.push((face, grant));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_109_no_face_has_a_model_that_can_be_read_in_two_ways() {
    let home = Home::start().await;

    for (face, grant) in faces(&home).await {
        let Face {
            path, model, members, ..
        } = face;
        for body in [
            format!(r#"{{"model":"{model}","model":"other",{members}}}"#),
            format!(r#"{{"model":"{model}","mod\u0065l":"other",{members}}}"#),
            // To Go, and so to Ollama, these are `model` as well.
            format!(r#"{{"model":"{model}","Model":"other",{members}}}"#),
            format!(r#"{{"model":"{model}",{members},"MODEL":"other"}}"#),
            format!(r#"{{"model":"{model}",{members},"mode\u2113":"other"}}"#),
        ] {
            let refused = post(&home, &grant, path, &body).await;
            assert_eq!(refused.status, 400, "{path} {body}: {}", refused.text());
        }
        assert_eq!(post(&home, &grant, path, &face.body()).await.status, 200, "{path}");
    }
    assert_eq!(home.requests(), FACES.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_110_no_face_takes_what_is_not_plain_json() {
    let home = Home::start().await;

    for (face, grant) in faces(&home).await {
        let start = face.body();
        let start = start.strip_suffix('}').unwrap();
        for end in [
            r#","x":NaN}"#,
            r#","x":1e400}"#,
            r#","x":"\ud800"}"#,
            ",/* note */}",
            ",}",
            "} {}",
            "",
        ] {
            let refused = post(&home, &grant, face.path, &format!("{start}{end}")).await;
            assert_eq!(refused.status, 400, "{} {end}", face.path);
        }
        let marked = format!("\u{feff}{}", face.body());
        assert_eq!(
            post(&home, &grant, face.path, &marked).await.status,
            400,
            "{}",
            face.path
        );
    }
    assert_eq!(home.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_111_no_face_lets_another_model_through() {
    let home = Home::start().await;

    for (face, grant) in faces(&home).await {
        let model = face.model;
        for model in [
            "other".to_owned(),
            format!("{model} "),
            format!("{model}\u{200b}"),
            format!("{model}:latest"),
            model.to_uppercase(),
        ] {
            let body = face.body().replacen(face.model, &model, 1);
            let refused = post(&home, &grant, face.path, &body).await;
            assert!([400, 403].contains(&refused.status), "{} {model:?}", face.path);
        }
    }
    // Those who broker between several models are told of the others in these.
    let grant = home.granted("custom/lab", &["house-model"], Some(free())).await;
    for member in [
        r#""models":["dear"]"#,
        r#""fallbacks":["dear"]"#,
        r#""model_list":[{}]"#,
    ] {
        let body = format!(r#"{{"model":"house-model","messages":[],{member}}}"#);
        let refused = post(&home, &grant, "/custom/lab/v1/chat/completions", &body).await;
        assert_eq!(refused.status, 400, "{member}");
    }
    let ollama = home.granted("ollama", &["llama3.2:3b"], Some(free())).await;
    let named_twice = json!({"model": "llama3.2:3b", "name": "other"});
    assert_eq!(home.post(&ollama, "/ollama/api/show", &named_twice).await.status, 400);
    assert_eq!(home.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_112_what_a_server_of_ones_own_is_asked_for_is_held_for_or_refused() {
    let home = Home::start().await;
    let price = || Some(per_million("0.10", "0.10", "1000"));
    let vllm = home.granted("vllm", &["qwen3-8b"], price()).await;
    let custom = home.granted("custom/lab", &["house-model"], price()).await;
    let ollama = home.granted("ollama", &["llama3.2:3b"], price()).await;
    let refused =
        async |grant, path: &str, body: &str| post(&home, grant, path, body).await.json()["aipassport"]["rule"].clone();

    // Five dollars are 5,000 tokens of output: each of these could be more.
    for members in [
        r#""messages":[],"max_tokens":1000,"n":6"#,
        r#""messages":[],"max_tokens":1000,"best_of":6"#,
        r#""messages":[],"max_completion_tokens":6000"#,
    ] {
        let body = format!(r#"{{"model":"qwen3-8b",{members}}}"#);
        assert_eq!(
            refused(&vllm, "/vllm/v1/chat/completions", &body).await,
            "budget",
            "{members}"
        );
    }
    let texts = r#"{"model":"qwen3-8b","prompt":["a","b","c"],"max_tokens":1000,"n":2}"#;
    assert_eq!(refused(&vllm, "/vllm/v1/completions", texts).await, "budget");
    let tokens = r#"{"model":"qwen3-8b","prompt":[[1],[2],[3],[4],[5],[6]],"max_tokens":1000}"#;
    assert_eq!(refused(&vllm, "/vllm/v1/completions", tokens).await, "budget");
    for members in [
        r#""chat_template":"{% for i in range(1000000) %}x{% endfor %}""#,
        r#""mm_processor_kwargs":{"max_pixels":100000000}"#,
        r#""messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://x.example"}}]}]"#,
    ] {
        let body = format!(r#"{{"model":"qwen3-8b",{members},"max_tokens":5}}"#);
        assert_eq!(
            refused(&vllm, "/vllm/v1/chat/completions", &body).await,
            "cost_unbounded",
            "{members}"
        );
    }
    let template =
        r#"{"model":"llama3.2:3b","prompt":"x","template":"{{ .Prompt }}{{ .Prompt }}","options":{"num_predict":5}}"#;
    assert_eq!(
        refused(&ollama, "/ollama/api/generate", template).await,
        "cost_unbounded"
    );
    let long = r#"{"model":"llama3.2:3b","prompt":"x","options":{"num_predict":6000}}"#;
    assert_eq!(refused(&ollama, "/ollama/api/generate", long).await, "budget");
    for (member, rule) in [
        (r#""service_tier":"priority""#, "request"),
        (r#""plugins":[{"id":"web"}]"#, "feature"),
        (r#""search_parameters":{"mode":"on"}"#, "feature"),
    ] {
        let body = format!(r#"{{"model":"house-model","messages":[],{member},"max_tokens":5}}"#);
        let path = "/custom/lab/v1/chat/completions";
        assert_eq!(refused(&custom, path, &body).await, rule, "{member}");
    }
    let image = r#"{"model":"llama3.2:3b","prompt":"x","width":512}"#;
    assert_eq!(refused(&ollama, "/ollama/api/generate", image).await, "request");
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_91_no_member_has_the_call_done_elsewhere() {
    let home = Home::start().await;
    let vllm = home.granted("vllm", &["qwen3-8b"], Some(free())).await;
    let custom = home.granted("custom/lab", &["house-model"], Some(free())).await;

    for member in [
        r#""kv_transfer_params":{"remote_host":"10.0.0.1","remote_port":1}"#,
        r#""ec_transfer_params":{"remote_host":"10.0.0.1"}"#,
    ] {
        let body = format!(r#"{{"model":"qwen3-8b","messages":[],{member}}}"#);
        assert_eq!(
            post(&home, &vllm, "/vllm/v1/chat/completions", &body).await.status,
            400,
            "{member}"
        );
    }
    for member in [
        r#""api_base":"http://169.254.169.254""#,
        r#""base_url":"http://10.0.0.1""#,
        r#""api_key":"sk-mine""#,
        r#""extra_headers":{"x":"y"}"#,
        r#""custom_llm_provider":"openai""#,
    ] {
        let body = format!(r#"{{"model":"house-model","messages":[],{member}}}"#);
        let refused = post(&home, &custom, "/custom/lab/v1/chat/completions", &body).await;
        assert_eq!(refused.status, 400, "{member}");
    }
    assert_eq!(home.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_113_threat_115_what_changes_the_host_or_tells_of_others_is_out_of_reach() {
    let home = Home::start().await;
    for (provider, model, paths) in [
        (
            "ollama",
            "llama3.2:3b",
            &[
                "/api/pull",
                "/api/push",
                "/api/create",
                "/api/copy",
                "/api/delete",
                "/api/ps",
                "/api/blobs/sha256:00",
                "/api/me",
                "/api/signout",
                "/api/web_search",
                "/v1/files",
                "/v1/responses",
            ][..],
        ),
        (
            "vllm",
            "qwen3-8b",
            &[
                "/metrics",
                "/health",
                "/tokenize",
                "/detokenize",
                "/reset_prefix_cache",
                "/sleep",
                "/wake_up",
                "/collective_rpc",
                "/v1/load_lora_adapter",
                "/v1/unload_lora_adapter",
                "/server_info",
                "/v1/files",
            ][..],
        ),
        (
            "custom/lab",
            "house-model",
            &[
                "/v1/files",
                "/v1/batches",
                "/v1/fine_tuning/jobs",
                "/v1/threads",
                "/key/generate",
                "/v1/realtime",
            ][..],
        ),
    ] {
        let grant = home.granted(provider, &[model], Some(free())).await;
        let bearer = grant.bearer();
        for path in paths {
            for method in ["GET", "POST", "DELETE", "HEAD"] {
                let path = format!("/{provider}{path}");
                let request = home
                    .broker
                    .request(method, &path, &[("authorization", &bearer)], "{}".into());
                assert_eq!(home.broker.send(request).await.status, 404, "{method} {path}");
            }
        }
    }
    assert_eq!(home.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_114_threat_116_threat_117_a_path_a_method_or_a_query_that_is_not_on_the_list_is_not_found() {
    let home = Home::start().await;

    for (face, grant) in faces(&home).await {
        let bearer = grant.bearer();
        let (head, tail) = face.path.rsplit_once('/').unwrap();
        let spellings = [
            format!("{}/", face.path),
            format!("{head}//{tail}"),
            format!("{head}/./{tail}"),
            format!("{head}/x/../{tail}"),
            format!("{head}/%2e%2e/{tail}"),
            format!("{head}%2f{tail}"),
            format!("{};x=1", face.path),
            format!("{}%00", face.path),
            format!("{}.", face.path),
            face.path.to_uppercase(),
            format!("{}?key=1", face.path),
            format!("{}?model=other", face.path),
        ];
        for path in &spellings {
            let body = face.body();
            let request = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let answer = home.broker.raw(request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 40"), "{path}: {answer}");
        }
        for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let overriding = [("authorization", bearer.as_str()), ("x-http-method-override", "POST")];
            let request = home.broker.request(method, face.path, &overriding, "".into());
            assert_eq!(home.broker.send(request).await.status, 404, "{method} {}", face.path);
        }
    }
    assert_eq!(home.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_124_threat_127_a_form_or_an_upgrade_is_refused_on_every_face() {
    let home = Home::start().await;

    for (face, grant) in faces(&home).await {
        let bearer = grant.bearer();
        let form = "--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nother\r\n--x--\r\n";
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "multipart/form-data; boundary=x"),
        ];
        let request = home.broker.request("POST", face.path, &headers, form.into());
        assert_eq!(home.broker.send(request).await.status, 415, "{}", face.path);

        for upgrade in ["websocket", "h2c"] {
            let body = face.body();
            let request = format!(
                "POST {} HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\ncontent-type: application/json\r\n\
                 connection: upgrade, close\r\nupgrade: {upgrade}\r\ncontent-length: {}\r\n\r\n{body}",
                face.path,
                body.len()
            );
            let answer = home.broker.raw(request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{} {upgrade}: {answer}", face.path);
        }
    }
    assert_eq!(home.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn streaming_has_to_be_granted_even_where_it_is_what_happens_unasked() {
    let home = Home::start().await;
    let user = home.user_with("ollama", &home.base_url_of("ollama")).await;
    home.say(&user, "ollama", free()).await;
    let mut access = access_to(&home.broker, "ollama");
    access.models = Choice::of([ModelPattern::Exact("llama3.2:3b".to_owned())]);
    access.features.streaming = false;
    let grant = home.broker.grant(&user, vec![access]).await;
    let mut body = ask("llama3.2:3b", "Hi");

    let unasked = home.post(&grant, "/ollama/api/chat", &body).await;
    body["stream"] = false.into();
    let whole = home.post(&grant, "/ollama/api/chat", &body).await;

    assert_eq!(
        (unasked.status, &unasked.json()["aipassport"]["rule"]),
        (403, &json!("feature"))
    );
    assert_eq!(whole.status, 200, "{}", whole.text());
}
