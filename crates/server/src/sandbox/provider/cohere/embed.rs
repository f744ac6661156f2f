//! `POST /v2/embed` and `POST /v1/embed`.

use std::borrow::Cow;

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, seed_of},
    switches::Report,
    tools::Tools,
};

/// Up to this generation, an image has a price, and not its tokens.
const PRICED_BY_IMAGE: &str = "v3";
const TOKENS_PER_IMAGE: u64 = 1_610;
const MOST_INPUTS: usize = 96;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(default)]
    texts: Vec<String>,
    #[serde(default)]
    images: Vec<String>,
    #[serde(default)]
    inputs: Vec<Input>,
    #[serde(default)]
    embedding_types: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Input {
    content: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
    #[serde(default)]
    image_url: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

pub(super) fn read(body: &[u8], version: Version) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let count = request.texts.len() + request.images.len() + request.inputs.len();
    if !(1..=MOST_INPUTS).contains(&count) {
        return Err(Refusal::invalid(
            "invalid number of inputs, must be between 1 and 96",
            None,
        ));
    }
    let parts = || request.inputs.iter().flat_map(|input| &input.content);
    let texts = request.texts.iter().chain(parts().map(|part| &part.text));
    let text: String = texts.cloned().collect();
    let images = request.images.len() + parts().filter(|part| part.image_url.is_some()).count();
    let images = u64::try_from(images).unwrap_or(u64::MAX);

    let beside = if request.model.contains(PRICED_BY_IMAGE) {
        Usage {
            images,
            ..Usage::default()
        }
    } else {
        Usage {
            image_input_tokens: images * TOKENS_PER_IMAGE,
            ..Usage::default()
        }
    };
    let is_plain = version == Version::One && request.embedding_types.is_none();
    let asked = Asked {
        operation: "embed",
        is_stream: false,
        // Nothing is written.
        output_cap: Some(0),
        choices: 1,
        prompt_bytes: text.len(),
        seed: seed_of(&text),
        thinking_tokens: 0,
        tools: Tools::default(),
        writes_cache: false,
        beside,
        model: request.model.into_owned(),
    };
    let dialect = Embed {
        texts: request.texts,
        count,
        is_plain,
        version,
    };
    Ok(Task::Generate(asked, Box::new(dialect)))
}

struct Embed {
    texts: Vec<String>,
    count: usize,
    /// Vectors by themselves, as the first version gave them before there were kinds of them.
    is_plain: bool,
    version: Version,
}

impl Dialect for Embed {
    fn whole(&self, answer: &Answer) -> String {
        let vectors = vec![json!([0.0123, -0.0456, 0.0789]); self.count];
        let (kind, embeddings) = if self.is_plain {
            ("embeddings_floats", Value::from(vectors))
        } else {
            ("embeddings_by_type", json!({"float": vectors}))
        };
        let version = if self.version == Version::One { "1" } else { "2" };
        let units = units(answer);
        format!(
            r#"{{"id":"{}","embeddings":{embeddings},"texts":{},"meta":{{"api_version":{{"version":"{version}"}}{units}}},"response_type":"{kind}"}}"#,
            answer.id("", 0),
            Value::from(self.texts.as_slice()),
        )
    }

    fn event(&mut self, _answer: &Answer, _step: Step, _out: &mut String) {}

    fn error_event(&mut self, _out: &mut String) {}
}

/// What is billed: each unit only where there is some of it.
pub(super) fn units(answer: &Answer) -> String {
    if answer.report == Report::Missing {
        return String::new();
    }
    let usage = &answer.usage;
    let units: Vec<String> = [
        ("input_tokens", usage.input_tokens),
        ("image_tokens", usage.image_input_tokens),
        ("images", usage.images),
        ("search_units", usage.searches),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(name, count)| format!(r#""{name}":{}"#, answer.reported(count)))
    .collect();
    format!(r#","billed_units":{{{}}}"#, units.join(","))
}
