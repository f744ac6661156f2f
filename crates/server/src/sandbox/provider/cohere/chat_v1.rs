//! `POST /v1/chat`: a stream of lines, each a JSON object.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::counts;
use crate::sandbox::provider::{
    answer::{Answer, Block, Step, Stop},
    protocol::{Asked, Dialect, Refusal, Task, asks_for_tool, seed_of},
    switches::Report,
    tools::{OfferedTool, Tools},
};

/// The model that answers where none is named.
const DEFAULT_MODEL: &str = "command-r-08-2024";

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: &'a RawValue,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    #[serde(default)]
    tool_results: Option<Value>,
    #[serde(borrow, default)]
    chat_history: Option<&'a RawValue>,
    #[serde(borrow, default)]
    documents: Option<&'a RawValue>,
    #[serde(borrow, default)]
    preamble: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    #[serde(default)]
    parameter_definitions: Map<String, Value>,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let message = request.message.get();
    let others = [request.chat_history, request.documents, request.preamble];
    let asked = Asked {
        operation: "chat.v1",
        is_stream: request.stream,
        output_cap: request.max_tokens,
        choices: 1,
        prompt_bytes: message.len() + others.iter().flatten().map(|other| other.get().len()).sum::<usize>(),
        seed: seed_of(message),
        thinking_tokens: 0,
        tools: Tools {
            has_result: request.tool_results.is_some_and(|results| !results.is_null()),
            is_asked_for: asks_for_tool(message),
            offered: request.tools.into_iter().flatten().map(Tool::offered).collect(),
            ..Tools::default()
        },
        writes_cache: false,
        beside: Usage::default(),
        model: request.model.unwrap_or(Cow::Borrowed(DEFAULT_MODEL)).into_owned(),
    };
    let message: String = serde_json::from_str(message).map_err(|error| Refusal::unreadable(&error))?;
    Ok(Task::Generate(asked, Box::new(Chat { message })))
}

impl Tool {
    fn offered(self) -> OfferedTool {
        OfferedTool {
            name: self.name,
            parameters: json!({"properties": self.parameter_definitions}),
        }
    }
}

struct Chat {
    /// What the user said, which the answer repeats.
    message: String,
}

impl Dialect for Chat {
    fn whole(&self, answer: &Answer) -> String {
        self.response(answer, answer.report != Report::Missing)
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Start => {
                let members = format!(r#""event_type":"stream-start","generation_id":"{}""#, answer.id("", 1));
                write_line(out, false, &members);
            }
            Step::Open(place) => {
                if let Some(Block::Tool(call)) = answer.block(place) {
                    let name = Value::from(call.name.as_str());
                    let delta = format!(r#"{{"index":{},"name":{name}}}"#, place.block);
                    write_tool_delta(out, &delta);
                }
            }
            Step::Token(place, position) => {
                let token = answer.token(place, position);
                if let Some(Block::Tool(_)) = answer.block(place) {
                    let piece = Value::from(token);
                    let delta = format!(r#"{{"index":{},"parameters":{piece}}}"#, place.block);
                    write_tool_delta(out, &delta);
                } else {
                    write_line(
                        out,
                        false,
                        &format!(r#""event_type":"text-generation","text":"{token}""#),
                    );
                }
            }
            Step::Finish(_) if answer.tool_calls().next().is_some() => {
                let members = format!(
                    r#""event_type":"tool-calls-generation","tool_calls":[{}]"#,
                    calls(answer)
                );
                write_line(out, false, &members);
            }
            Step::Usage => {
                let is_told = !matches!(answer.report, Report::Missing | Report::NoFinal);
                let members = format!(
                    r#""event_type":"stream-end","response":{},"finish_reason":{}"#,
                    self.response(answer, is_told),
                    finish_reason(answer)
                );
                write_line(out, true, &members);
            }
            Step::Close(_) | Step::Finish(_) | Step::End => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        let members =
            r#""event_type":"stream-end","finish_reason":"ERROR","response":{"text":"","finish_reason":"ERROR"}"#;
        write_line(out, true, members);
    }

    fn content_type(&self) -> &'static str {
        "application/stream+json"
    }
}

impl Chat {
    fn response(&self, answer: &Answer, is_told: bool) -> String {
        let text = answer.whole_text();
        let message = Value::from(self.message.as_str());
        let calls = match calls(answer) {
            calls if calls.is_empty() => String::new(),
            calls => format!(r#","tool_calls":[{calls}]"#),
        };
        let meta = if is_told {
            format!(r#","meta":{{"api_version":{{"version":"1"}},{}}}"#, counts(answer))
        } else {
            String::new()
        };
        format!(
            r#"{{"response_id":"{}","text":"{text}","generation_id":"{}","chat_history":[{{"role":"USER","message":{message}}},{{"role":"CHATBOT","message":"{text}"}}],"finish_reason":{}{calls}{meta}}}"#,
            answer.id("", 0),
            answer.id("", 1),
            finish_reason(answer)
        )
    }
}

fn write_line(out: &mut String, is_finished: bool, members: &str) {
    let _ = writeln!(out, r#"{{"is_finished":{is_finished},{members}}}"#);
}

fn write_tool_delta(out: &mut String, delta: &str) {
    write_line(
        out,
        false,
        &format!(r#""event_type":"tool-calls-chunk","tool_call_delta":{delta}"#),
    );
}

fn calls(answer: &Answer) -> String {
    let calls: Vec<String> = answer
        .tool_calls()
        .map(|call| {
            // Cut short by the output cap, they are no object any more.
            let parameters: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            json!({"name": call.name, "parameters": parameters}).to_string()
        })
        .collect();
    calls.join(",")
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::End | Stop::Tools => "\"COMPLETE\"",
        Stop::Length => "\"MAX_TOKENS\"",
    }
}
