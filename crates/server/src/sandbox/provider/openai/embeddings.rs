//! `POST /v1/embeddings`.

use std::{borrow::Cow, iter};

use aipassport_domain::usage::Usage;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, seed_of},
    switches::Report,
    tools::Tools,
};

const USUAL_DIMENSIONS: usize = 8;
const MOST_INPUTS: usize = 2_048;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(default)]
    dimensions: Option<usize>,
    #[serde(default)]
    encoding_format: Option<Cow<'a, str>>,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let input = request.input.get();
    let count = match serde_json::from_str(input).map_err(|error| Refusal::unreadable(&error))? {
        Value::String(text) if !text.is_empty() => 1,
        Value::Array(tokens) if tokens.first().is_some_and(Value::is_u64) => 1,
        Value::Array(inputs) if (1..=MOST_INPUTS).contains(&inputs.len()) => inputs.len(),
        _ => return Err(Refusal::invalid("'$.input' is invalid.", Some("input"))),
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
    let dialect = Embeddings {
        count,
        dimensions: request.dimensions.unwrap_or(USUAL_DIMENSIONS).clamp(1, 3_072),
        is_base64: request.encoding_format.as_deref() == Some("base64"),
    };
    Ok(Task::Generate(asked, Box::new(dialect)))
}

struct Embeddings {
    count: usize,
    dimensions: usize,
    is_base64: bool,
}

impl Embeddings {
    /// Numbers between -1 and 1 that look like none in particular.
    fn vector(&self, seed: u64) -> String {
        let thousandths = (0_u64..).map(|place| (seed ^ place).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40 & 0x3ff);
        let thousandths = thousandths.take(self.dimensions);
        if self.is_base64 {
            // The bits of a number between one and two, which every reader takes for one.
            let bytes: Vec<u8> = thousandths
                .flat_map(|value| (0x3f80_0000 | u32::try_from(value).unwrap_or_default()).to_le_bytes())
                .collect();
            return format!("\"{}\"", BASE64_STANDARD.encode(bytes));
        }
        let numbers: Vec<String> = thousandths.map(|value| format!("0.{value:04}")).collect();
        format!("[{}]", numbers.join(","))
    }
}

impl Dialect for Embeddings {
    fn whole(&self, answer: &Answer) -> String {
        let data: Vec<String> = iter::successors(Some(answer.seed), |seed| Some(seed.wrapping_add(1)))
            .take(self.count)
            .enumerate()
            .map(|(index, seed)| {
                let vector = self.vector(seed);
                format!(r#"{{"object":"embedding","index":{index},"embedding":{vector}}}"#)
            })
            .collect();
        let usage = if answer.report == Report::Missing {
            String::new()
        } else {
            let tokens = answer.reported(answer.usage.total_input_tokens());
            format!(r#","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}"#)
        };
        format!(
            r#"{{"object":"list","data":[{}],"model":{}{usage}}}"#,
            data.join(","),
            Value::from(answer.model.as_str())
        )
    }

    fn event(&mut self, _answer: &Answer, _step: Step, _out: &mut String) {}

    fn error_event(&mut self, _out: &mut String) {}
}
