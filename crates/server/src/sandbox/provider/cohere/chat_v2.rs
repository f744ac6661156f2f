//! `POST /v2/chat`: server-sent events, each with its name.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::counts;
use crate::sandbox::provider::{
    answer::{Answer, Block, Place, Step, Stop},
    openai::offered_tools,
    protocol::{Asked, Dialect, Refusal, Task, asks_for_tool, check_members, seed_of},
    switches::Report,
    tools::{ToolChoice, Tools},
};

/// Reasoning is on unless it is switched off, for models that reason.
const REASONING_MODELS: &str = "command-a-reasoning";
const USUAL_THINKING_TOKENS: u64 = 8;

const MEMBERS: [&str; 21] = [
    "model",
    "messages",
    "stream",
    "tools",
    "strict_tools",
    "tool_choice",
    "documents",
    "citation_options",
    "response_format",
    "safety_mode",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "thinking",
    "priority",
];

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_choice: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    documents: Option<&'a RawValue>,
    #[serde(default)]
    thinking: Option<Thinking>,
}

#[derive(Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    token_budget: Option<u64>,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    check_members(body, &MEMBERS)?;
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let prompt = request.messages.get();
    let others = [request.tools, request.documents];

    let asked = Asked {
        operation: "chat",
        is_stream: request.stream,
        output_cap: request.max_tokens,
        choices: 1,
        prompt_bytes: prompt.len() + others.iter().flatten().map(|other| other.get().len()).sum::<usize>(),
        seed: seed_of(prompt),
        thinking_tokens: request.thinking_tokens(),
        tools: request.tools(prompt)?,
        writes_cache: false,
        beside: Usage::default(),
        model: request.model.into_owned(),
    };
    Ok(Task::Generate(asked, Box::new(Chat)))
}

impl Request<'_> {
    fn thinking_tokens(&self) -> u64 {
        if !self.model.starts_with(REASONING_MODELS) {
            return 0;
        }
        match &self.thinking {
            Some(thinking) if thinking.kind == "disabled" => 0,
            Some(Thinking { token_budget, .. }) => token_budget.unwrap_or(USUAL_THINKING_TOKENS),
            None => USUAL_THINKING_TOKENS,
        }
    }

    fn tools(&self, prompt: &str) -> Result<Tools, Refusal> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            role: Cow<'a, str>,
        }

        let messages: Vec<Message<'_>> = serde_json::from_str(prompt).map_err(|error| Refusal::unreadable(&error))?;
        let Some(last) = messages.last() else {
            return Err(Refusal::invalid(
                "messages must have at least one message",
                Some("messages"),
            ));
        };
        let offered = offered_tools(self.tools)?;
        if offered.is_empty() {
            return Ok(Tools::default());
        }
        Ok(Tools {
            offered,
            choice: match self.tool_choice.as_deref() {
                Some("REQUIRED") => ToolChoice::Any,
                Some("NONE") => ToolChoice::None,
                _ => ToolChoice::Auto,
            },
            has_result: last.role == "tool",
            is_asked_for: asks_for_tool(prompt),
        })
    }
}

struct Chat;

impl Dialect for Chat {
    fn whole(&self, answer: &Answer) -> String {
        let usage = if answer.report == Report::Missing {
            String::new()
        } else {
            format!(r#","usage":{{{}}}"#, counts(answer))
        };
        format!(
            r#"{{"id":"{}","message":{{"role":"assistant"{}}},"finish_reason":{}{usage}}}"#,
            answer.id("", 0),
            parts(answer),
            finish_reason(answer)
        )
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Start => write_event(
                out,
                "message-start",
                &format!(
                    r#""id":"{}","delta":{{"message":{{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}}"#,
                    answer.id("", 0)
                ),
            ),
            Step::Open(place) => open(answer, place, out),
            Step::Token(place, position) => token(answer, place, position, out),
            Step::Close(place) => {
                let kind = match answer.block(place) {
                    Some(Block::Tool(_)) => "tool-call-end",
                    _ => "content-end",
                };
                write_event(out, kind, &format!(r#""index":{}"#, index(answer, place)));
            }
            Step::Usage => {
                let usage = if matches!(answer.report, Report::Missing | Report::NoFinal) {
                    String::new()
                } else {
                    format!(r#","usage":{{{}}}"#, counts(answer))
                };
                let delta = format!(r#""delta":{{"finish_reason":{}{usage}}}"#, finish_reason(answer));
                write_event(out, "message-end", &delta);
            }
            Step::End => out.push_str("data: [DONE]\n\n"),
            Step::Finish(_) => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        write_event(
            out,
            "message-end",
            r#""delta":{"error":"internal server error","finish_reason":"ERROR"}"#,
        );
    }
}

/// Opens a block; a call's name is in its first event.
fn open(answer: &Answer, place: Place, out: &mut String) {
    let index = index(answer, place);
    let (kind, message) = match answer.block(place) {
        Some(Block::Tool(call)) => (
            "tool-call-start",
            format!(
                r#""tool_calls":{{"id":"{}","type":"function","function":{{"name":{},"arguments":""}}}}"#,
                answer.id("call_", index),
                Value::from(call.name.as_str())
            ),
        ),
        Some(Block::Thinking { .. }) => (
            "content-start",
            r#""content":{"type":"thinking","thinking":""}"#.to_owned(),
        ),
        _ => ("content-start", r#""content":{"type":"text","text":""}"#.to_owned()),
    };
    write_event(
        out,
        kind,
        &format!(r#""index":{index},"delta":{{"message":{{{message}}}}}"#),
    );
}

fn token(answer: &Answer, place: Place, position: u64, out: &mut String) {
    let token = answer.token(place, position);
    let (kind, message) = match answer.block(place) {
        Some(Block::Tool(_)) => (
            "tool-call-delta",
            format!(r#""tool_calls":{{"function":{{"arguments":{}}}}}"#, Value::from(token)),
        ),
        Some(Block::Thinking { .. }) => ("content-delta", format!(r#""content":{{"thinking":"{token}"}}"#)),
        _ => ("content-delta", format!(r#""content":{{"text":"{token}"}}"#)),
    };
    let index = index(answer, place);
    write_event(
        out,
        kind,
        &format!(r#""index":{index},"delta":{{"message":{{{message}}}}}"#),
    );
}

fn write_event(out: &mut String, kind: &str, members: &str) {
    let _ = write!(out, "event: {kind}\ndata: {{\"type\":\"{kind}\",{members}}}\n\n");
}

/// Calls are counted apart from what else is said.
fn index(answer: &Answer, place: Place) -> usize {
    let is_tool = |block: &Block| matches!(block, Block::Tool(_));
    let is_call = answer.block(place).is_some_and(is_tool);
    let before = answer.blocks.iter().take(place.block);
    before.filter(|block| is_tool(block) == is_call).count()
}

/// The members of a whole message.
fn parts(answer: &Answer) -> String {
    let mut content = Vec::new();
    let mut calls = Vec::new();
    for block in &answer.blocks {
        match block {
            Block::Thinking { tokens } => content.push(format!(
                r#"{{"type":"thinking","thinking":"{}"}}"#,
                answer.text.prefix(*tokens)
            )),
            Block::Text { .. } => content.push(format!(r#"{{"type":"text","text":"{}"}}"#, answer.whole_text())),
            Block::Tool(call) => calls.push(format!(
                r#"{{"id":"{}","type":"function","function":{{"name":{},"arguments":{}}}}}"#,
                answer.id("call_", calls.len()),
                Value::from(call.name.as_str()),
                Value::from(call.arguments.as_str())
            )),
        }
    }
    let mut members = String::new();
    if !content.is_empty() {
        let _ = write!(members, r#","content":[{}]"#, content.join(","));
    }
    if !calls.is_empty() {
        let plan = "I will look that up.";
        let _ = write!(members, r#","tool_plan":"{plan}","tool_calls":[{}]"#, calls.join(","));
    }
    members
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::End => "\"COMPLETE\"",
        Stop::Length => "\"MAX_TOKENS\"",
        Stop::Tools => "\"TOOL_CALL\"",
    }
}
