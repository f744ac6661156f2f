//! `POST /v1/completions`: what follows on a text, or on each of several.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{CREATED, StreamOptions, UsageInStream, check_choices, error_event, finish_reason, usage, usage_member};
use crate::sandbox::provider::{
    answer::{Answer, Block, Step},
    protocol::{Asked, Dialect, Refusal, Task, seed_of},
    tools::Tools,
};

const USUAL_MAX_TOKENS: u64 = 16;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    prompt: &'a RawValue,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    n: Option<u64>,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    check_choices(request.n.unwrap_or(1))?;
    let prompt = request.prompt.get();
    let prompts = prompts(prompt)?;

    let asked = Asked {
        operation: "completions",
        is_stream: request.stream.unwrap_or_default(),
        output_cap: Some(request.max_tokens.unwrap_or(USUAL_MAX_TOKENS)),
        choices: request.n.unwrap_or(1) * prompts,
        prompt_bytes: prompt.len(),
        seed: seed_of(prompt),
        thinking_tokens: 0,
        tools: Tools::default(),
        writes_cache: false,
        beside: Usage::default(),
        model: request.model.into_owned(),
    };
    let dialect = Completions {
        head: String::new(),
        usage: UsageInStream::new(request.stream_options),
    };
    Ok(Task::Generate(asked, Box::new(dialect)))
}

/// A text, its tokens, or a list of either.
fn prompts(prompt: &str) -> Result<u64, Refusal> {
    match serde_json::from_str(prompt).map_err(|error| Refusal::unreadable(&error))? {
        Value::String(_) => Ok(1),
        Value::Array(items) if items.iter().all(Value::is_number) && !items.is_empty() => Ok(1),
        Value::Array(items) if !items.is_empty() => Ok(items.len() as u64),
        _ => Err(Refusal::invalid(
            "Either prompt or prompt_embeds must be provided and non-empty.",
            Some("prompt"),
        )),
    }
}

struct Completions {
    /// What every event of the stream begins with.
    head: String,
    usage: UsageInStream,
}

impl Dialect for Completions {
    fn whole(&self, answer: &Answer) -> String {
        let text = answer.whole_text();
        let choices: Vec<String> = (0..answer.choices)
            .map(|index| choice(index, &text, finish_reason(answer)))
            .collect();
        format!(
            r#"{{"id":"{}","object":"text_completion","created":{CREATED},"model":{},"choices":[{}],"service_tier":null,"system_fingerprint":null{},"kv_transfer_params":null}}"#,
            answer.id("cmpl-", 0),
            Value::from(answer.model.as_str()),
            choices.join(","),
            usage_member(answer),
        )
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Start => {
                self.head = format!(
                    r#"data: {{"id":"{}","object":"text_completion","created":{CREATED},"model":{},"choices":["#,
                    answer.id("cmpl-", 0),
                    Value::from(answer.model.as_str()),
                );
            }
            Step::Token(place, position) => {
                self.usage.written += 1;
                if let Some(Block::Text { .. }) = answer.block(place) {
                    self.chunk(answer, place.choice, answer.token(place, position), "null", out);
                }
            }
            Step::Finish(index) => self.chunk(answer, index, "", finish_reason(answer), out),
            Step::Usage if self.usage.is_shown_at_the_end(answer) => {
                let _ = write!(out, r#"{}],"usage":{}}}"#, self.head, usage(answer));
                out.push_str("\n\n");
            }
            Step::End => out.push_str("data: [DONE]\n\n"),
            Step::Open(_) | Step::Close(_) | Step::Usage => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        error_event(out);
    }

    fn reports_usage(&self) -> bool {
        self.usage.options.include_usage
    }
}

impl Completions {
    fn chunk(&self, answer: &Answer, index: u64, text: &str, finish_reason: &str, out: &mut String) {
        let choice = choice(index, text, finish_reason);
        let _ = write!(out, "{}{choice}]{}}}", self.head, self.usage.so_far(answer));
        out.push_str("\n\n");
    }
}

/// `text` is as it can stand in JSON.
fn choice(index: u64, text: &str, finish_reason: &str) -> String {
    format!(r#"{{"index":{index},"text":"{text}","logprobs":null,"finish_reason":{finish_reason},"stop_reason":null}}"#)
}
