//! `POST /v1/embeddings`.

use std::borrow::Cow;

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{CREATED, usage_member};
use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, seed_of},
    tools::Tools,
};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(borrow, default)]
    encoding_format: Option<Cow<'a, str>>,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let input = request.input.get();
    let count = match serde_json::from_str(input).map_err(|error| Refusal::unreadable(&error))? {
        Value::String(_) => 1,
        Value::Array(tokens) if !tokens.is_empty() && tokens.iter().all(Value::is_number) => 1,
        Value::Array(texts) if !texts.is_empty() => texts.len(),
        _ => {
            return Err(Refusal::invalid(
                "Input should be a valid string or list.",
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
    // OpenAI's Python SDK asks for base64 where its caller does not say.
    let vector = match request.encoding_format.as_deref() {
        Some("base64") => r#""ZmZmPwAAgL8=""#,
        _ => "[0.9,-1.0]",
    };
    Ok(Task::Generate(asked, Box::new(Embeddings { vector, count })))
}

struct Embeddings {
    vector: &'static str,
    count: usize,
}

impl Dialect for Embeddings {
    fn whole(&self, answer: &Answer) -> String {
        let vectors: Vec<String> = (0..self.count)
            .map(|index| {
                format!(
                    r#"{{"index":{index},"object":"embedding","embedding":{}}}"#,
                    self.vector
                )
            })
            .collect();
        format!(
            r#"{{"id":"{}","object":"list","created":{CREATED},"model":{},"data":[{}]{}}}"#,
            answer.id("embd-", 0),
            Value::from(answer.model.as_str()),
            vectors.join(","),
            usage_member(answer)
        )
    }

    fn event(&mut self, _answer: &Answer, _step: Step, _out: &mut String) {}

    fn error_event(&mut self, _out: &mut String) {}
}
