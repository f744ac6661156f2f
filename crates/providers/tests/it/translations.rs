//! Plays the files of `tests/golden/translate`: a request in a client's words in, the same in the
//! provider's out; an answer in the provider's words in, the client's out. Streams are cut at every
//! byte, and no bytes make a translation fail otherwise than by refusing.

use std::{fs, path::Path};

use aipassport_providers::{
    meter::StreamForm,
    translate::{AnswerPlan, FaceOperation, Stamp, Translated, Way},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

/// The providers that speak other words.
const TRANSLATED: [&str; 3] = ["anthropic", "gemini", "cohere"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Of the client, on `/v1`.
    path: String,
    request: Value,
    /// What the refusal says; then there is nothing else.
    refused: Option<String>,
    sent_to: Option<String>,
    sent: Option<Value>,
    /// Sorted.
    #[serde(default)]
    not_carried: Vec<String>,
    /// A whole body of the provider's.
    answer: Option<Value>,
    /// Its status, where it is an error.
    status: Option<u16>,
    /// Each event without what ends it.
    stream: Option<Vec<String>>,
    /// Server-sent events where nothing is said.
    stream_type: Option<String>,
    /// The whole body that the client sees, in base64 where it is a sound; or the data of each event.
    client_sees: Option<Value>,
    /// The status that the client sees, where the provider refuses with another.
    client_status: Option<u16>,
}

/// Every case with its provider and its name.
fn cases() -> Vec<(String, String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/translate");
    let mut cases = Vec::new();
    for provider in fs::read_dir(folder).unwrap() {
        let provider = provider.unwrap();
        for file in fs::read_dir(provider.path()).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let name = path.display().to_string();
            let case = serde_json::from_str(&text).expect(&name);
            cases.push((provider.file_name().into_string().unwrap(), name, case));
        }
    }
    cases
}

fn translate(case: &Case, provider: &str, body: Bytes) -> Result<Translated, String> {
    let operation = FaceOperation::at(&Method::POST, &case.path).expect(&case.path);
    let way = operation.to_provider(provider, body).map_err(|error| error.to_string());
    way.map(|way| match way {
        Way::Translated(translated) => translated,
        Way::AsItIs { .. } => unreachable!("{provider} needs no translation"),
    })
}

fn stamp() -> Stamp {
    Stamp {
        id: "call_1".to_owned(),
        created: 1_800_000_000,
    }
}

#[test]
fn every_golden_translation_is_as_both_sides_document_it() {
    let cases = cases();
    assert!(cases.len() > 110, "only {} golden translations were found", cases.len());

    for (provider, name, case) in &cases {
        let body = Bytes::from(case.request.to_string());
        let translated = match translate(case, provider, body) {
            Ok(translated) => translated,
            Err(refused) => {
                assert_eq!(Some(&refused), case.refused.as_ref(), "{name}");
                continue;
            }
        };
        assert_eq!(case.refused, None, "{name}: not refused");
        assert_eq!(Some(&translated.path), case.sent_to.as_ref(), "{name}: sent to");
        let sent: Value = serde_json::from_slice(&translated.body).expect(name);
        assert_eq!(Some(&sent), case.sent.as_ref(), "{name}: sent");
        let mut lost = translated.lost.names().to_vec();
        lost.sort();
        assert_eq!(lost, case.not_carried, "{name}: not carried");

        let seen = match (&case.answer, &case.stream) {
            (Some(answer), None) => Some(whole(&translated.plan, case, answer, name)),
            (None, Some(events)) => Some(streamed(&translated.plan, case, events, name)),
            _ => None,
        };
        assert_eq!(seen, case.client_sees, "{name}: what the client sees");
    }
}

fn whole(plan: &AnswerPlan, case: &Case, answer: &Value, name: &str) -> Value {
    let body = Bytes::from(answer.to_string());
    if let Some(status) = case.status {
        let status = StatusCode::from_u16(status).expect(name);
        return serde_json::from_slice(&plan.failure(status, &body)).expect(name);
    }
    let mut answer = plan.begin(stamp(), None);
    assert!(answer.feed(body).is_empty(), "{name}: a body is translated at its end");
    let seen = answer.end().expect(name);
    assert_eq!(
        answer.status().as_u16(),
        case.client_status.unwrap_or(200),
        "{name}: status"
    );
    match plan.media_type(answer.status()) {
        "application/json" => serde_json::from_slice(&seen).expect(name),
        _ => Value::from(STANDARD.encode(seen)),
    }
}

/// The data of each event that the client sees, however the stream is cut.
fn streamed(plan: &AnswerPlan, case: &Case, events: &[String], name: &str) -> Value {
    let (form, stream) = on_wire(case, events);
    let whole = feed(plan, form, &[stream.as_bytes()], name);
    for cut in 0..=stream.len() {
        let (before, after) = stream.as_bytes().split_at(cut);
        assert_eq!(feed(plan, form, &[before, after], name), whole, "{name}: cut at {cut}");
    }
    let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    assert_eq!(feed(plan, form, &bytes, name), whole, "{name}: byte by byte");

    let data = whole.split("\n\n").filter(|event| !event.is_empty()).map(|event| {
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect(name);
        serde_json::from_str(data).unwrap_or(Value::from(data))
    });
    data.collect()
}

fn on_wire(case: &Case, events: &[String]) -> (StreamForm, String) {
    match case.stream_type.as_deref() {
        None => (
            StreamForm::Events,
            events.iter().flat_map(|event| [event, "\n\n"]).collect(),
        ),
        Some("application/json") => (StreamForm::Items, format!("[{}\n]", events.join(",\r\n"))),
        Some(_) => (
            StreamForm::Lines,
            events.iter().flat_map(|event| [event, "\n"]).collect(),
        ),
    }
}

fn feed(plan: &AnswerPlan, form: StreamForm, chunks: &[&[u8]], name: &str) -> String {
    let mut answer = plan.begin(stamp(), Some(form));
    let mut seen = Vec::new();
    for chunk in chunks {
        seen.extend_from_slice(&answer.feed(Bytes::copy_from_slice(chunk)));
    }
    seen.extend_from_slice(&answer.end().expect(name));
    String::from_utf8(seen).expect(name)
}

/// Members of a chat that only OpenAI has an equal for.
fn top_level_losses() -> Vec<(String, &'static str)> {
    [
        (r#""n":2"#, "n"),
        (r#""logprobs":true"#, "logprobs"),
        (r#""top_logprobs":3"#, "top_logprobs"),
        (r#""logit_bias":{"50256":-100}"#, "logit_bias"),
        (r#""modalities":["text","audio"]"#, "modalities"),
        (r#""audio":{"voice":"alloy","format":"mp3"}"#, "audio"),
        (r#""web_search_options":{}"#, "web_search_options"),
        (r#""functions":[{"name":"f"}]"#, "functions"),
        (r#""best_of":2"#, "best_of"),
        (r#""response_format":{"type":"grammar"}"#, "response_format.type"),
        (r#""tools":[{"type":"custom","custom":{"name":"f"}}]"#, "tools.type"),
        (r#""tool_choice":{"type":"allowed_tools"}"#, "tool_choice.type"),
    ]
    .map(|(members, named)| {
        (
            format!(r#""messages":[{{"role":"user","content":"Hi"}}],{members}"#),
            named,
        )
    })
    .into()
}

/// Messages of which no other provider has an equal, or that are none.
fn losses_in_messages() -> Vec<(String, &'static str)> {
    let of_user = [
        (
            r#"{"type":"input_audio","input_audio":{}}"#,
            "messages.content.input_audio",
        ),
        (r#"{"type":"file","file":{"file_id":"f"}}"#, "messages.content.file"),
        (r#"{"type":"hologram"}"#, "messages.content.type"),
        (
            r#"{"type":"image_url","image_url":{"url":"http://a.example/b.png"}}"#,
            "messages.content.image_url.url",
        ),
        (
            r#"{"type":"image_url","image_url":{"url":"data:text/html;base64,AA=="}}"#,
            "messages.content.image_url.url",
        ),
    ]
    .map(|(part, named)| (format!(r#"{{"role":"user","content":[{part}]}}"#), named));
    let others = [
        (r#"{"role":"function","content":"1"}"#, "messages.role"),
        (r#"{"role":"wizard","content":"1"}"#, "messages.role"),
        (r#"{"role":"user","role":"system","content":"1"}"#, "the body"),
        (r#"{"role":"tool","content":"1"}"#, "messages.tool_call_id"),
    ]
    .map(|(message, named)| (message.to_owned(), named));
    let messages = of_user.into_iter().chain(others);
    messages
        .map(|(message, named)| (format!(r#""messages":[{message}]"#), named))
        .collect()
}

/// A loss that would change what is asked is refused, and the member is named.
#[test]
fn what_would_change_the_answer_is_refused_by_name() {
    for (members, named) in top_level_losses().into_iter().chain(losses_in_messages()) {
        for provider in TRANSLATED {
            let body = Bytes::from(format!(r#"{{"model":"some-model",{members}}}"#));
            let refused = FaceOperation::ChatCompletions
                .to_provider(provider, body)
                .expect_err(&members);
            assert!(
                refused.to_string().starts_with(named),
                "{provider}: {members}: {refused}"
            );
        }
    }
}

#[test]
fn schemas_and_arguments_keep_the_order_of_their_members() {
    let request = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function",
        "function":{"name":"f","arguments":"{\"z\": 1.50, \"a\": 2}"}}]}],"tools":[{"type":"function","function":{"name":"f",
        "parameters":{"type":"object","properties":{"z":{"type":"number"},"a":{"type":"number"}}}}}]}"#;
    let operation = FaceOperation::ChatCompletions;
    let way = operation.to_provider("anthropic", Bytes::from_static(request.as_bytes()));
    let Ok(Way::Translated(translated)) = way else {
        unreachable!("{way:?}")
    };

    let sent = String::from_utf8(translated.body.to_vec()).unwrap();
    assert!(sent.contains(r#""input":{"z": 1.50, "a": 2}"#), "{sent}");
    assert!(
        sent.contains(r#""properties":{"z":{"type":"number"},"a":{"type":"number"}}"#),
        "{sent}"
    );
}

#[test]
fn a_chat_for_mistral_keeps_its_bytes_but_for_what_mistral_would_refuse() {
    let request = r#"{"model": "mistral-small-latest", "temperature": 0.70, "seed": 7, "max_tokens": 9, "max_completion_tokens": 20,
        "stream_options": {"include_usage": true}, "user": "kim", "store": false, "n": 1, "x": null, "messages": [
        {"role": "developer", "content": "Be short."}, {"content": [{"type": "text", "text":  "Hi"}], "role": "user"},
        {"role": "assistant", "content": null, "refusal": null, "annotations": [], "tool_calls": [ {"id": "a"} ]}]}"#;

    let way = FaceOperation::ChatCompletions.to_provider("mistral", Bytes::from_static(request.as_bytes()));

    let Ok(Way::AsItIs {
        path,
        body,
        lost,
        hides_usage,
    }) = way
    else {
        unreachable!("{way:?}")
    };
    assert_eq!((path.as_str(), hides_usage), ("/v1/chat/completions", false));
    assert_eq!(
        String::from_utf8(body.to_vec()).unwrap(),
        r#"{"model":"mistral-small-latest","temperature":0.70,"random_seed":7,"max_tokens":20,"n":1,"messages":["#
            .to_owned()
            + r#"{"role":"system","content":"Be short."},{"content":[{"type": "text", "text":  "Hi"}],"role":"user"},"#
            + r#"{"role":"assistant","tool_calls":[ {"id": "a"} ]}]}"#
    );
    assert_eq!(lost.names(), ["messages.annotations", "user"]);

    let refused = r#"{"model":"m","messages":[],"logit_bias":{"1":2}}"#;
    let refused = FaceOperation::ChatCompletions.to_provider("mistral", Bytes::from_static(refused.as_bytes()));
    assert!(refused.unwrap_err().to_string().starts_with("logit_bias"));
}

/// What a byte is changed to: the beginnings of other values, and no text.
const OTHERS: [u8; 4] = *b"\"0[\xFF";

/// Many prefixes, and many requests with one byte changed; `fuzz` does the rest.
#[test]
fn no_request_makes_a_translation_panic() {
    for (provider, _, case) in cases() {
        let body = case.request.to_string().into_bytes();
        for at in (0..body.len()).step_by(3) {
            let _ = translate(&case, &provider, Bytes::copy_from_slice(body.get(..at).unwrap()));
            for other in OTHERS {
                let mut changed = body.clone();
                *changed.get_mut(at).unwrap() = other;
                let _ = translate(&case, &provider, changed.into());
            }
        }
    }
}

/// The same for answers, each also in a form that is not its own.
#[test]
fn no_answer_makes_a_translation_panic() {
    for (provider, _, case) in cases() {
        let Ok(translated) = translate(&case, &provider, case.request.to_string().into()) else {
            continue;
        };
        let plan = translated.plan;
        let (form, stream) = match (&case.stream, &case.answer) {
            (Some(events), _) => on_wire(&case, events),
            (None, Some(answer)) => (StreamForm::Events, format!("data: {answer}\n\n")),
            (None, None) => continue,
        };
        for at in (0..stream.len()).step_by(3) {
            for other in OTHERS {
                let mut changed = stream.clone().into_bytes();
                *changed.get_mut(at).unwrap() = other;
                let mut answer = plan.begin(stamp(), Some(form));
                let _ = answer.feed(changed.clone().into());
                let _ = answer.end();
                let mut body = plan.begin(stamp(), None);
                let _ = body.feed(Bytes::from(changed.clone()).slice(6.min(at)..));
                let _ = body.end();
                let _ = plan.failure(StatusCode::BAD_REQUEST, &changed);
            }
        }
    }
}
