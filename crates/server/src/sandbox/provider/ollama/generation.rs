//! `POST /api/chat` and `POST /api/generate`: one JSON document, or a line for each token.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{CREATED_AT, Options, error, length, metrics, output_cap};
use crate::sandbox::provider::{
    answer::{Answer, Block, Step, Stop},
    openai::offered_tools,
    protocol::{Asked, Dialect, Refusal, Task, asks_for_tool, seed_of},
    tools::{ToolCall, ToolChoice, Tools},
};

#[derive(Deserialize)]
struct Chat<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    options: Option<Options>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Generate<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    prompt: &'a RawValue,
    #[serde(borrow, default)]
    system: Option<&'a RawValue>,
    #[serde(borrow, default)]
    suffix: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    options: Option<Options>,
}

pub(super) fn read_chat(body: &[u8]) -> Result<Task, Refusal> {
    let request: Chat<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let prompt = request.messages.get();
    let asked = Asked {
        operation: "chat",
        is_stream: request.stream.unwrap_or(true),
        output_cap: output_cap(request.options.as_ref()),
        choices: 1,
        prompt_bytes: prompt.len() + length(request.tools),
        seed: seed_of(prompt),
        thinking_tokens: 0,
        tools: tools(&request, prompt)?,
        writes_cache: false,
        beside: Usage::default(),
        model: request.model.into_owned(),
    };
    Ok(Task::Generate(asked, Box::new(Lines { is_chat: true })))
}

pub(super) fn read_generate(body: &[u8]) -> Result<Task, Refusal> {
    let request: Generate<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let prompt = request.prompt.get();
    let asked = Asked {
        operation: "generate",
        is_stream: request.stream.unwrap_or(true),
        output_cap: output_cap(request.options.as_ref()),
        choices: 1,
        prompt_bytes: prompt.len() + length(request.system) + length(request.suffix),
        seed: seed_of(prompt),
        thinking_tokens: 0,
        tools: Tools::default(),
        writes_cache: false,
        beside: Usage::default(),
        model: request.model.into_owned(),
    };
    Ok(Task::Generate(asked, Box::new(Lines { is_chat: false })))
}

fn tools(request: &Chat<'_>, prompt: &str) -> Result<Tools, Refusal> {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
    }

    let offered = offered_tools(request.tools)?;
    if offered.is_empty() {
        return Ok(Tools::default());
    }
    let messages: Vec<Message<'_>> = serde_json::from_str(prompt).map_err(|error| Refusal::unreadable(&error))?;
    Ok(Tools {
        offered,
        choice: ToolChoice::Auto,
        has_result: messages.last().is_some_and(|message| message.role == "tool"),
        is_asked_for: asks_for_tool(prompt),
    })
}

struct Lines {
    is_chat: bool,
}

/// What one line says. Texts are as they can stand in JSON.
#[derive(Default)]
struct Part<'a> {
    text: Cow<'a, str>,
    thinking: Option<Cow<'a, str>>,
    calls: Vec<&'a ToolCall>,
}

impl Dialect for Lines {
    fn whole(&self, answer: &Answer) -> String {
        let thinking = answer.blocks.iter().find_map(|block| match block {
            Block::Thinking { tokens } => Some(Cow::Owned(answer.text.prefix(*tokens))),
            _ => None,
        });
        let part = Part {
            text: answer.whole_text().into(),
            thinking,
            calls: answer.tool_calls().collect(),
        };
        self.line(answer, &part, Some(&metrics(answer, true)))
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        let line = match step {
            Step::Token(place, position) => {
                let token = Cow::Borrowed(answer.token(place, position));
                match answer.block(place) {
                    Some(Block::Text { .. }) => Part {
                        text: token,
                        ..Part::default()
                    },
                    Some(Block::Thinking { .. }) => Part {
                        thinking: Some(token),
                        ..Part::default()
                    },
                    // Shown only when it is whole.
                    Some(Block::Tool(_)) | None => return,
                }
            }
            Step::Close(place) => match answer.block(place) {
                Some(Block::Tool(call)) => Part {
                    calls: vec![call],
                    ..Part::default()
                },
                _ => return,
            },
            // It stands in the last line.
            Step::Usage => {
                let last = self.line(answer, &Part::default(), Some(&metrics(answer, true)));
                let _ = writeln!(out, "{last}");
                return;
            }
            Step::Start | Step::Open(_) | Step::Finish(_) | Step::End => return,
        };
        let _ = writeln!(out, "{}", self.line(answer, &line, None));
    }

    fn error_event(&mut self, out: &mut String) {
        let _ = writeln!(
            out,
            "{}",
            error("an error was encountered while running the model: unexpected EOF")
        );
    }

    fn content_type(&self) -> &'static str {
        "application/x-ndjson"
    }
}

impl Lines {
    /// One line, which is the last where it has metrics.
    fn line(&self, answer: &Answer, part: &Part<'_>, metrics: Option<&str>) -> String {
        let model = Value::from(answer.model.as_str());
        let text = &part.text;
        let thinking = part.thinking.as_ref();
        let thinking = thinking.map_or_else(String::new, |thinking| format!(r#","thinking":"{thinking}""#));
        let said = if self.is_chat {
            let calls = calls(&part.calls);
            format!(r#""message":{{"role":"assistant","content":"{text}"{thinking}{calls}}}"#)
        } else {
            format!(r#""response":"{text}"{thinking}"#)
        };
        let end = match metrics {
            None => r#""done":false"#.to_owned(),
            Some(metrics) => format!(r#""done":true,"done_reason":"{}"{metrics}"#, done_reason(answer)),
        };
        format!(r#"{{"model":{model},"created_at":"{CREATED_AT}",{said},{end}}}"#)
    }
}

/// Arguments are an object here, and a text elsewhere; those that were cut short are none at all.
fn calls(calls: &[&ToolCall]) -> String {
    if calls.is_empty() {
        return String::new();
    }
    let calls: Vec<String> = calls
        .iter()
        .map(|call| {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| serde_json::json!({}));
            let name = Value::from(call.name.as_str());
            format!(r#"{{"function":{{"name":{name},"arguments":{arguments}}}}}"#)
        })
        .collect();
    format!(r#","tool_calls":[{}]"#, calls.join(","))
}

fn done_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::Length => "length",
        Stop::End | Stop::Tools => "stop",
    }
}
