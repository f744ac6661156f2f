//! `POST /v1/embeddings`.

use std::borrow::Cow;

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::usage;
use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, check_members, seed_of},
    switches::Report,
    tools::Tools,
};

const MEMBERS: [&str; 6] = [
    "model",
    "input",
    "metadata",
    "output_dimension",
    "output_dtype",
    "encoding_format",
];

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: &'a RawValue,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    check_members(body, &MEMBERS)?;
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let input = request.input.get();
    let count = match serde_json::from_str(input).map_err(|error| Refusal::unreadable(&error))? {
        Value::String(_) => 1,
        Value::Array(texts) if !texts.is_empty() => texts.len(),
        _ => {
            return Err(Refusal::invalid(
                "Input should be a valid string or list",
                Some("input"),
            ));
        }
    };
    let asked = Asked {
        operation: "embeddings",
        is_stream: false,
        // Nothing is written.
        output_cap: Some(0),
        choices: 1,
        prompt_bytes: input.len(),
        seed: seed_of(input),
        thinking_tokens: 0,
        tools: Tools::default(),
        writes_cache: false,
        beside: Usage::default(),
        model: request.model.into_owned(),
    };
    Ok(Task::Generate(asked, Box::new(Embeddings { count })))
}

struct Embeddings {
    count: usize,
}

impl Dialect for Embeddings {
    fn whole(&self, answer: &Answer) -> String {
        let vectors: Vec<String> = (0..self.count)
            .map(|index| format!(r#"{{"object":"embedding","embedding":[0.0123,-0.0456,0.0789],"index":{index}}}"#))
            .collect();
        let usage = if answer.report == Report::Missing {
            String::new()
        } else {
            format!(r#","usage":{}"#, usage(answer))
        };
        format!(
            r#"{{"id":"{}","object":"list","data":[{}],"model":{}{usage}}}"#,
            answer.id("", 0),
            vectors.join(","),
            Value::from(answer.model.as_str())
        )
    }

    fn event(&mut self, _answer: &Answer, _step: Step, _out: &mut String) {}

    fn error_event(&mut self, _out: &mut String) {}
}
