//! `POST /api/embed`, and the older `POST /api/embeddings`, which tells nothing of its usage.

use std::borrow::Cow;

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::metrics;
use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, seed_of},
    tools::Tools,
};

const VECTOR: &str = "[0.010071029,-0.0017594862,0.05007221,0.04692972]";

#[derive(Deserialize)]
struct Embed<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: &'a RawValue,
}

#[derive(Deserialize)]
struct Older<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    prompt: &'a RawValue,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Embed<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let input = request.input.get();
    let count = match serde_json::from_str(input).map_err(|error| Refusal::unreadable(&error))? {
        Value::String(_) => 1,
        Value::Array(texts) if texts.iter().all(Value::is_string) => texts.len(),
        _ => return Err(Refusal::invalid("invalid input type", Some("input"))),
    };
    Ok(task(request.model, input, Form::Several(count)))
}

pub(super) fn read_older(body: &[u8]) -> Result<Task, Refusal> {
    let request: Older<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    Ok(task(request.model, request.prompt.get(), Form::One))
}

fn task(model: Cow<'_, str>, input: &str, form: Form) -> Task {
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
        model: model.into_owned(),
    };
    Task::Generate(asked, Box::new(Embeddings(form)))
}

/// What the answer holds.
enum Form {
    One,
    Several(usize),
}

struct Embeddings(Form);

impl Dialect for Embeddings {
    fn whole(&self, answer: &Answer) -> String {
        match self.0 {
            Form::One => format!(r#"{{"embedding":{VECTOR}}}"#),
            Form::Several(count) => format!(
                r#"{{"model":{},"embeddings":[{}]{}}}"#,
                Value::from(answer.model.as_str()),
                vec![VECTOR; count].join(","),
                metrics(answer, false)
            ),
        }
    }

    fn event(&mut self, _answer: &Answer, _step: Step, _out: &mut String) {}

    fn error_event(&mut self, _out: &mut String) {}

    fn reports_usage_of_whole(&self) -> bool {
        matches!(self.0, Form::Several(_))
    }
}
