//! Plays the files of `tests/golden/translate`: a request in a client's words in, the same in the
//! provider's out; an answer in the provider's words in, the client's out. Streams are cut at every
//! byte, and no bytes make a translation fail otherwise than by refusing.

use std::{fs, path::Path};

use aipassport_providers::{
    meter::StreamForm,
    translate::{AnswerPlan, FaceOperation, Stamp, Translated, Way},
};
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

/// The providers that speak other words.
const TRANSLATED: [&str; 1] = ["anthropic"];

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
    /// The whole body that the client sees, or the data of each event.
    client_sees: Option<Value>,
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
            let case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = path.display().to_string();
            cases.push((provider.file_name().into_string().unwrap(), name, case));
        }
    }
    cases
}

fn translate(case: &Case, provider: &str, body: Bytes) -> Result<Translated, String> {
    let operation = FaceOperation::at(&Method::POST, &case.path).expect(&case.path);
    match operation.to_provider(provider, body) {
        Ok(Way::Translated(translated)) => Ok(translated),
        Ok(Way::AsItIs { .. }) => panic!("{provider} needs no translation"),
        Err(error) => Err(error.to_string()),
    }
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
    assert!(cases.len() > 15, "only {} golden translations were found", cases.len());

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
    if case.status.is_some() {
        return serde_json::from_slice(&plan.failure(&body)).expect(name);
    }
    let mut answer = plan.begin(stamp(), None);
    assert!(answer.feed(body).is_empty(), "{name}: a body is translated at its end");
    serde_json::from_slice(&answer.end().expect(name)).expect(name)
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

/// A loss that would change what is asked is refused, and the member is named.
#[test]
fn what_would_change_the_answer_is_refused_by_name() {
    let user = |content: &str| format!(r#""messages":[{{"role":"user","content":{content}}}]"#);
    let hello = user("\"Hi\"");
    for (members, named) in [
        (format!(r#"{hello},"n":2"#), "n"),
        (format!(r#"{hello},"logprobs":true"#), "logprobs"),
        (format!(r#"{hello},"top_logprobs":3"#), "top_logprobs"),
        (format!(r#"{hello},"logit_bias":{{"50256":-100}}"#), "logit_bias"),
        (format!(r#"{hello},"modalities":["text","audio"]"#), "modalities"),
        (
            format!(r#"{hello},"audio":{{"voice":"alloy","format":"mp3"}}"#),
            "audio",
        ),
        (format!(r#"{hello},"web_search_options":{{}}"#), "web_search_options"),
        (format!(r#"{hello},"functions":[{{"name":"f"}}]"#), "functions"),
        (format!(r#"{hello},"best_of":2"#), "best_of"),
        (
            format!(r#"{hello},"response_format":{{"type":"grammar"}}"#),
            "response_format.type",
        ),
        (
            format!(r#"{hello},"tools":[{{"type":"custom","custom":{{"name":"f"}}}}]"#),
            "tools.type",
        ),
        (
            format!(r#"{hello},"tool_choice":{{"type":"allowed_tools"}}"#),
            "tool_choice.type",
        ),
        (
            user(r#"[{"type":"input_audio","input_audio":{}}]"#),
            "messages.content.input_audio",
        ),
        (
            user(r#"[{"type":"file","file":{"file_id":"f"}}]"#),
            "messages.content.file",
        ),
        (user(r#"[{"type":"hologram"}]"#), "messages.content.type"),
        (
            user(r#"[{"type":"image_url","image_url":{"url":"http://a.example/b.png"}}]"#),
            "messages.content.image_url.url",
        ),
        (
            user(r#"[{"type":"image_url","image_url":{"url":"data:text/html;base64,AA=="}}]"#),
            "messages.content.image_url.url",
        ),
        (
            r#""messages":[{"role":"function","content":"1"}]"#.to_owned(),
            "messages.role",
        ),
        (
            r#""messages":[{"role":"wizard","content":"1"}]"#.to_owned(),
            "messages.role",
        ),
        (
            r#""messages":[{"role":"user","role":"system","content":"1"}]"#.to_owned(),
            "the body",
        ),
        (
            r#""messages":[{"role":"tool","content":"1"}]"#.to_owned(),
            "messages.tool_call_id",
        ),
    ] {
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
    let Ok(Way::Translated(translated)) = operation.to_provider("anthropic", Bytes::from_static(request.as_bytes()))
    else {
        panic!("not translated");
    };

    let sent = String::from_utf8(translated.body.to_vec()).unwrap();
    assert!(sent.contains(r#""input":{"z": 1.50, "a": 2}"#), "{sent}");
    assert!(
        sent.contains(r#""properties":{"z":{"type":"number"},"a":{"type":"number"}}"#),
        "{sent}"
    );
}

/// What a byte is changed to: the beginnings of other values, and no text.
const OTHERS: [u8; 4] = *b"\"0[\xFF";

/// Every prefix, and every request with one byte of it changed.
#[test]
fn no_request_makes_a_translation_panic() {
    for (provider, _, case) in cases() {
        let body = case.request.to_string().into_bytes();
        for at in 0..body.len() {
            let _ = translate(&case, &provider, Bytes::copy_from_slice(body.get(..at).unwrap()));
            for other in OTHERS {
                let mut changed = body.clone();
                *changed.get_mut(at).unwrap() = other;
                let _ = translate(&case, &provider, changed.into());
            }
        }
    }
}

/// Every answer with one byte of it changed, and each of a format that is not its own.
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
        for at in 0..stream.len() {
            for other in OTHERS {
                let mut changed = stream.clone().into_bytes();
                *changed.get_mut(at).unwrap() = other;
                let mut answer = plan.begin(stamp(), Some(form));
                let _ = answer.feed(changed.clone().into());
                let _ = answer.end();
                let mut body = plan.begin(stamp(), None);
                let _ = body.feed(Bytes::from(changed.clone()).slice(6.min(at)..));
                let _ = body.end();
                let _ = plan.failure(&changed);
            }
        }
    }
}
