//! `POST /v1/messages` and `POST /v1/messages/count_tokens`.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::sandbox::provider::{
    answer::{Answer, Block, Place, Step, Stop},
    protocol::{Asked, Dialect, Refusal, Task, asks_for_tool, seed_of},
    switches::Report,
    tools::{OfferedTool, ToolChoice, Tools},
};

/// How much a request with extended thinking thinks, unless a switch says otherwise.
const USUAL_THINKING: u64 = 8;
const SIGNATURE: &str = "EqQBCkYISandboxSignatureGAIqQ0==";

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(borrow, default)]
    system: Option<&'a RawValue>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(default)]
    tool_choice: Option<Choice>,
    #[serde(default)]
    thinking: Option<Thinking>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: String,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let Some(max_tokens) = request.max_tokens else {
        return Err(Refusal::invalid("max_tokens: Field required", None));
    };
    if max_tokens == 0 {
        return Err(Refusal::invalid("max_tokens: must be greater than or equal to 1", None));
    }
    let prompt = request.messages.get();
    let thinks = request
        .thinking
        .as_ref()
        .is_some_and(|thinking| thinking.kind != "disabled");

    let asked = Asked {
        operation: "messages",
        is_stream: request.stream.unwrap_or_default(),
        output_cap: Some(max_tokens),
        choices: 1,
        prompt_bytes: request.prompt_bytes(),
        seed: seed_of(prompt),
        thinking_tokens: if thinks { USUAL_THINKING } else { 0 },
        tools: request.tools(prompt)?,
        writes_cache: true,
        beside: Usage::default(),
        model: request.model.into_owned(),
    };
    Ok(Task::Generate(asked, Box::new(Messages)))
}

pub(super) fn count(body: &[u8], models: &[&str]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    if !models.contains(&request.model.as_ref()) {
        return Err(Refusal::UnknownModel(request.model.into_owned()));
    }
    let tokens = Answer::input_tokens_of(request.prompt_bytes());
    Ok(Task::Reply(format!(r#"{{"input_tokens":{tokens}}}"#)))
}

impl Request<'_> {
    fn prompt_bytes(&self) -> usize {
        let beside = [self.system, self.tools];
        self.messages.get().len() + beside.iter().flatten().map(|part| part.get().len()).sum::<usize>()
    }

    fn tools(&self, prompt: &str) -> Result<Tools, Refusal> {
        #[derive(Deserialize)]
        struct Tool {
            name: String,
            /// Only the caller's own tools have a schema.
            #[serde(default)]
            input_schema: Option<Value>,
        }

        let Some(tools) = self.tools else {
            return Ok(Tools::default());
        };
        let tools: Vec<Tool> = serde_json::from_str(tools.get()).map_err(|error| Refusal::unreadable(&error))?;
        let messages: Vec<&RawValue> = serde_json::from_str(prompt).map_err(|error| Refusal::unreadable(&error))?;
        Ok(Tools {
            offered: tools
                .into_iter()
                .filter_map(|tool| {
                    Some(OfferedTool {
                        name: tool.name,
                        parameters: tool.input_schema?,
                    })
                })
                .collect(),
            choice: match &self.tool_choice {
                Some(choice) if choice.kind == "none" => ToolChoice::None,
                Some(choice) if choice.kind == "any" => ToolChoice::Any,
                Some(choice) if choice.kind == "tool" => ToolChoice::Named(choice.name.clone()),
                _ => ToolChoice::Auto,
            },
            has_result: messages
                .last()
                .is_some_and(|message| message.get().contains("\"tool_result\"")),
            is_asked_for: asks_for_tool(prompt),
        })
    }
}

struct Messages;

impl Dialect for Messages {
    fn whole(&self, answer: &Answer) -> String {
        let blocks: Vec<String> = answer
            .blocks
            .iter()
            .enumerate()
            .map(|(index, block)| whole_block(answer, index, block))
            .collect();
        let usage = usage_member(answer, answer.usage.output_tokens, answer.report == Report::Missing);
        format!(
            r#"{{"model":{},"id":"{}","type":"message","role":"assistant","content":[{}],"stop_reason":"{}","stop_sequence":null{usage}}}"#,
            Value::from(answer.model.as_str()),
            answer.id("msg_", 0),
            blocks.join(","),
            stop_reason(answer)
        )
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Start => {
                // The first token is counted before anything of it is sent.
                let started = answer.usage.output_tokens.min(1);
                let usage = usage_member(answer, started, answer.report == Report::Missing);
                let message = format!(
                    r#""message":{{"model":{},"id":"{}","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null{usage}}}"#,
                    Value::from(answer.model.as_str()),
                    answer.id("msg_", 0),
                );
                write_event("message_start", &message, out);
            }
            Step::Open(place) => open(answer, place, out),
            Step::Token(place, position) => token(answer, place, position, out),
            Step::Close(place) => {
                if let Some(Block::Thinking { .. }) = answer.block(place) {
                    delta(
                        place,
                        &format!(r#"{{"type":"signature_delta","signature":"{SIGNATURE}"}}"#),
                        out,
                    );
                }
                write_event("content_block_stop", &format!(r#""index":{}"#, place.block), out);
            }
            Step::Usage => {
                let hides_usage = matches!(answer.report, Report::Missing | Report::NoFinal);
                let usage = usage_member(answer, answer.usage.output_tokens, hides_usage);
                let reason = stop_reason(answer);
                write_event(
                    "message_delta",
                    &format!(r#""delta":{{"stop_reason":"{reason}","stop_sequence":null}}{usage}"#),
                    out,
                );
            }
            Step::End => out.push_str("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
            Step::Finish(_) => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        write_event(
            "error",
            r#""error":{"type":"overloaded_error","message":"Overloaded"}"#,
            out,
        );
    }
}

fn open(answer: &Answer, place: Place, out: &mut String) {
    let block = match answer.block(place) {
        Some(Block::Thinking { .. }) => r#"{"type":"thinking","thinking":"","signature":""}"#.to_owned(),
        Some(Block::Text { .. }) => r#"{"type":"text","text":""}"#.to_owned(),
        Some(Block::Tool(call)) => tool_use(answer, place.block, &call.name, "{}"),
        None => return,
    };
    let index = place.block;
    write_event(
        "content_block_start",
        &format!(r#""index":{index},"content_block":{block}"#),
        out,
    );
    if index == 0 {
        out.push_str("event: ping\ndata: {\"type\": \"ping\"}\n\n");
    }
}

fn token(answer: &Answer, place: Place, position: u64, out: &mut String) {
    let token = answer.token(place, position);
    match answer.block(place) {
        Some(Block::Thinking { .. }) => {
            delta(
                place,
                &format!(r#"{{"type":"thinking_delta","thinking":"{token}"}}"#),
                out,
            );
        }
        Some(Block::Text { .. }) => delta(place, &format!(r#"{{"type":"text_delta","text":"{token}"}}"#), out),
        Some(Block::Tool(_)) => {
            let piece = Value::from(token);
            delta(
                place,
                &format!(r#"{{"type":"input_json_delta","partial_json":{piece}}}"#),
                out,
            );
        }
        None => {}
    }
}

fn delta(place: Place, delta: &str, out: &mut String) {
    write_event(
        "content_block_delta",
        &format!(r#""index":{},"delta":{delta}"#, place.block),
        out,
    );
}

fn write_event(kind: &str, members: &str, out: &mut String) {
    let _ = write!(out, "event: {kind}\ndata: ");
    let _ = write!(out, r#"{{"type":"{kind}",{members}}}"#);
    out.push_str("\n\n");
}

fn whole_block(answer: &Answer, index: usize, block: &Block) -> String {
    match block {
        Block::Thinking { tokens } => {
            let thinking = answer.text.prefix(*tokens);
            format!(r#"{{"type":"thinking","thinking":"{thinking}","signature":"{SIGNATURE}"}}"#)
        }
        Block::Text { .. } => format!(r#"{{"type":"text","text":"{}"}}"#, answer.whole_text()),
        Block::Tool(call) => {
            // Arguments that the output cap cut short are no JSON; the real API shows what it could read.
            let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| Value::Object(Map::new()));
            tool_use(answer, index, &call.name, &input.to_string())
        }
    }
}

fn tool_use(answer: &Answer, index: usize, name: &str, input: &str) -> String {
    format!(
        r#"{{"type":"tool_use","id":"{}","name":{},"input":{input}}}"#,
        answer.id("toolu_", index),
        Value::from(name)
    )
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::End => "end_turn",
        Stop::Length => "max_tokens",
        Stop::Tools => "tool_use",
    }
}

/// `input_tokens` is only what was neither read from nor written to the cache. Counts in a stream
/// are cumulative.
fn usage_member(answer: &Answer, output_tokens: u64, is_hidden: bool) -> String {
    if is_hidden {
        return String::new();
    }
    let usage = &answer.usage;
    format!(
        r#","usage":{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},"cache_creation":{{"ephemeral_5m_input_tokens":{},"ephemeral_1h_input_tokens":{}}},"output_tokens":{},"service_tier":"standard"}}"#,
        answer.reported(usage.input_tokens),
        answer.reported(usage.cache_write_5m_tokens + usage.cache_write_1h_tokens),
        answer.reported(usage.cached_input_tokens),
        answer.reported(usage.cache_write_5m_tokens),
        answer.reported(usage.cache_write_1h_tokens),
        answer.reported(output_tokens),
    )
}
