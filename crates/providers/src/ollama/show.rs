//! `POST /api/show`: what a model is, and no more than that.
//!
//! The host would tell all that its owner wrote into the model, too: the system prompt, messages to
//! begin with, the template around them, and from which file on the host it was made.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    adapter::{Operation, Unread},
    draft::Draft,
    json::Reader,
    meter::{AnswerFormat, Metered, StreamForm, UsageMember},
    request::{ReadError, ReadRequest},
};

/// Reads the question; it is free.
pub(super) fn read(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::OllamaShow, &mut reader);
    reader.object(|reader, name| {
        reader.check_case(name)?;
        match name {
            "model" => draft.read_model(reader),
            // What `model` was called before: both could be read as the model.
            "name" => reader.only_null("name", "the model is named in `model`"),
            _ => reader.skip().map(|_| ()),
        }
    })?;
    reader.end()?;
    draft.into_free()
}

/// The answer, of which a client sees [`Known`] alone.
pub(crate) struct Shown;

impl AnswerFormat for Shown {
    fn see_body(&self, _body: &[u8], _seen: &mut Metered) {}

    fn see_event(&self, _data: &[u8], _seen: &mut Metered) -> Option<UsageMember> {
        None
    }

    /// Whatever the host says that it is.
    fn stream_form(&self, _content_type: &str) -> Option<StreamForm> {
        None
    }

    fn only_shown(&self) -> Option<fn(&[u8]) -> Bytes> {
        Some(show)
    }
}

/// Security invariant: an allow-list, so that what a later Ollama tells beside it is not shown.
#[derive(Default, Deserialize, Serialize)]
struct Known<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    details: Option<Members<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    model_info: Option<Members<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    modified_at: Option<&'a RawValue>,
}

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// What a model was made from, which may be a file of the host's.
const PARENT: &str = "parent_model";
/// The template, where the model has brought it along.
const TEMPLATE: &str = "tokenizer.chat_template";

/// What cannot be understood is not shown.
fn show(body: &[u8]) -> Bytes {
    let mut known: Known<'_> = serde_json::from_slice(body).unwrap_or_default();
    if let Some(details) = &mut known.details {
        details.remove(PARENT);
    }
    if let Some(info) = &mut known.model_info {
        info.retain(|name, _| !name.starts_with(TEMPLATE));
    }
    serde_json::to_vec(&known).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use aipassport_domain::ids::ProviderId;
    use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
    use serde_json::{Value, json};

    use super::*;
    use crate::meter::Metering;

    fn shown(answer: &str) -> Value {
        serde_json::from_slice(&show(answer.as_bytes())).unwrap()
    }

    #[test]
    fn a_model_is_shown_without_what_its_owner_wrote_into_it() {
        let answer = json!({
            "license": "MINE", "modelfile": "FROM /home/kim/secret.gguf", "system": "You are Kim's.",
            "template": "{{ .System }}", "messages": [{"role": "user", "content": "Kim?"}],
            "parameters": "stop \"<|eot|>\"", "capabilities": ["completion"], "modified_at": "2026-01-01T00:00:00Z",
            "details": {"parent_model": "/home/kim/base", "family": "llama", "families": ["llama"]},
            "model_info": {"general.architecture": "llama", "tokenizer.chat_template": "Kim", "llama.context_length": 4096,
                "tokenizer.chat_template.tool_use": "Kim"},
            "something_new": "of Kim's",
        });

        assert_eq!(
            shown(&answer.to_string()),
            json!({
                "parameters": "stop \"<|eot|>\"", "capabilities": ["completion"], "modified_at": "2026-01-01T00:00:00Z",
                "details": {"family": "llama", "families": ["llama"]},
                "model_info": {"general.architecture": "llama", "llama.context_length": 4096},
            })
        );
    }

    #[test]
    fn what_cannot_be_understood_is_not_shown() {
        for answer in [
            "",
            "no JSON",
            "[]",
            r#"{"capabilities":["a"],"system":"x""#,
            r#"{"details":"FROM /home/kim","system":"x"}"#,
            r#"{"capabilities":[],"capabilities":"x"}"#,
        ] {
            assert_eq!(shown(answer), json!({}), "{answer}");
        }
        assert_eq!(
            shown(r#"{"capabilities":["completion"],"model_info":null}"#),
            json!({"capabilities": ["completion"]})
        );
    }

    #[test]
    fn nothing_is_shown_before_all_of_it_is_there_whatever_it_is_called() {
        let answer = Bytes::from_static(b"{\"system\":\"Kim\",\n\ndata: \"capabilities\":[]}");
        for (kind, answer) in [
            (
                "application/json",
                Bytes::from_static(br#"{"system":"Kim","capabilities":[]}"#),
            ),
            ("text/event-stream", answer.clone()),
            ("application/x-ndjson", answer),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            for cut in 0..=answer.len() {
                let metering =
                    Metering::of_free_call(Operation::OllamaShow, ProviderId::new("ollama"), "llama".to_owned());
                let mut meter = metering.meter(&headers);
                assert!(!meter.passes_in_pieces());
                assert!(meter.feed(answer.slice(..cut)).is_empty() && meter.feed(answer.slice(cut..)).is_empty());
                let shown: Value = serde_json::from_slice(&meter.rest()).unwrap();
                assert_eq!(shown.get("system"), None, "{kind}, cut at {cut}");
                assert_eq!(shown.get("capabilities").is_some(), kind == "application/json");
            }
        }
    }
}
