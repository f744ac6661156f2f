//! `POST /v1/responses`.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{CREATED, offered_tools, served, tool_choice};
use crate::sandbox::provider::{
    answer::{Answer, Block, Place, Step, Stop},
    protocol::{Asked, Dialect, Refusal, Task, asks_for_tool, seed_of},
    switches::Report,
    tools::{ToolCall, Tools},
};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    instructions: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    max_output_tokens: Option<u64>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    previous_response_id: Option<&'a RawValue>,
    #[serde(default)]
    store: Option<bool>,
    #[serde(borrow, default)]
    service_tier: Option<Cow<'a, str>>,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    if request.max_output_tokens == Some(0) {
        return Err(Refusal::invalid(
            "Invalid 'max_output_tokens': integer below minimum value.",
            Some("max_output_tokens"),
        ));
    }
    let prompt = request.input.map_or("", RawValue::get);
    let beside = [request.instructions, request.tools];

    let asked = Asked {
        operation: "responses",
        is_stream: request.stream.unwrap_or_default(),
        output_cap: request.max_output_tokens,
        choices: 1,
        prompt_bytes: prompt.len() + beside.iter().flatten().map(|part| part.get().len()).sum::<usize>(),
        seed: seed_of(prompt),
        thinking_tokens: 0,
        tools: request.tools(prompt)?,
        writes_cache: false,
        beside: Usage::default(),
        model: request.model.clone().into_owned(),
    };
    let service = served(request.service_tier.as_deref(), asked.seed);
    let dialect = Responses {
        echo: request.echo(service),
        service,
        sequence: 0,
    };
    Ok(Task::Generate(asked, Box::new(dialect)))
}

impl Request<'_> {
    fn tools(&self, prompt: &str) -> Result<Tools, Refusal> {
        #[derive(Deserialize)]
        struct Item<'a> {
            #[serde(borrow, rename = "type", default)]
            kind: Option<Cow<'a, str>>,
        }

        let offered = offered_tools(self.tools)?;
        let items: Vec<Item<'_>> = serde_json::from_str(prompt).unwrap_or_default();
        let last_kind = items.last().and_then(|item| item.kind.as_deref());
        Ok(Tools {
            offered,
            choice: tool_choice(self.tool_choice),
            has_result: last_kind == Some("function_call_output"),
            is_asked_for: asks_for_tool(prompt),
        })
    }

    /// The members of a response that repeat its request.
    fn echo(&self, service: &str) -> String {
        let raw = |value: Option<&RawValue>, usual: &str| value.map_or(usual, RawValue::get).to_owned();
        let cap = self.max_output_tokens.map_or("null".to_owned(), |cap| cap.to_string());
        format!(
            r#""background":false,"instructions":{},"max_output_tokens":{cap},"max_tool_calls":null,"metadata":{},"parallel_tool_calls":true,"previous_response_id":{},"prompt_cache_key":null,"reasoning":{{"effort":null,"summary":null}},"safety_identifier":null,"service_tier":"{service}","store":{},"temperature":1.0,"text":{{"format":{{"type":"text"}},"verbosity":"medium"}},"tool_choice":{},"tools":{},"top_logprobs":0,"top_p":1.0,"truncation":"disabled","user":null"#,
            raw(self.instructions, "null"),
            raw(self.metadata, "{}"),
            raw(self.previous_response_id, "null"),
            self.store.unwrap_or(true),
            raw(self.tool_choice, "\"auto\""),
            raw(self.tools, "[]"),
        )
    }
}

struct Responses {
    echo: String,
    service: &'static str,
    /// Numbers the events of the stream.
    sequence: u64,
}

impl Dialect for Responses {
    fn service(&self) -> Option<&'static str> {
        Some(self.service)
    }

    fn whole(&self, answer: &Answer) -> String {
        self.response(answer, final_status(answer))
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Start => {
                for kind in ["response.created", "response.in_progress"] {
                    let response = self.response(answer, "in_progress");
                    self.write(kind, &format!(r#""response":{response}"#), out);
                }
            }
            Step::Open(place) => self.open(answer, place, out),
            Step::Token(place, position) => {
                let token = Value::from(answer.token(place, position));
                let index = place.block;
                match answer.block(place) {
                    Some(Block::Text { .. }) => {
                        let id = answer.id("msg_", index);
                        let delta = format!(
                            r#""item_id":"{id}","output_index":{index},"content_index":0,"delta":{token},"logprobs":[]"#
                        );
                        self.write("response.output_text.delta", &delta, out);
                    }
                    Some(Block::Tool(_)) => {
                        let id = answer.id("fc_", index);
                        let delta = format!(r#""item_id":"{id}","output_index":{index},"delta":{token}"#);
                        self.write("response.function_call_arguments.delta", &delta, out);
                    }
                    Some(Block::Thinking { .. }) | None => {}
                }
            }
            Step::Close(place) => self.close(answer, place, out),
            Step::Usage => {
                let status = final_status(answer);
                let response = self.response(answer, status);
                self.write(&format!("response.{status}"), &format!(r#""response":{response}"#), out);
            }
            Step::Finish(_) | Step::End => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        let error = r#""code":"server_error","message":"The server had an error while processing your request. Sorry about that!","param":null"#;
        self.write("error", error, out);
    }
}

impl Responses {
    fn open(&mut self, answer: &Answer, place: Place, out: &mut String) {
        let Some(block) = answer.block(place) else { return };
        let index = place.block;
        let item = item(answer, index, block, "in_progress");
        self.write(
            "response.output_item.added",
            &format!(r#""output_index":{index},"item":{item}"#),
            out,
        );
        if let Block::Text { .. } = block {
            let id = answer.id("msg_", index);
            let part = part("");
            self.write(
                "response.content_part.added",
                &format!(r#""item_id":"{id}","output_index":{index},"content_index":0,"part":{part}"#),
                out,
            );
        }
    }

    fn close(&mut self, answer: &Answer, place: Place, out: &mut String) {
        let Some(block) = answer.block(place) else { return };
        let index = place.block;
        match block {
            Block::Text { .. } => {
                let (id, text) = (answer.id("msg_", index), answer.whole_text());
                let at = format!(r#""item_id":"{id}","output_index":{index},"content_index":0"#);
                let part = part(&text);
                self.write(
                    "response.output_text.done",
                    &format!(r#"{at},"text":"{text}","logprobs":[]"#),
                    out,
                );
                self.write("response.content_part.done", &format!(r#"{at},"part":{part}"#), out);
            }
            Block::Tool(call) => {
                let id = answer.id("fc_", index);
                let arguments = Value::from(call.arguments.as_str());
                let done = format!(r#""item_id":"{id}","output_index":{index},"arguments":{arguments}"#);
                self.write("response.function_call_arguments.done", &done, out);
            }
            Block::Thinking { .. } => {}
        }
        let item = item(answer, index, block, final_status(answer));
        self.write(
            "response.output_item.done",
            &format!(r#""output_index":{index},"item":{item}"#),
            out,
        );
    }

    fn write(&mut self, kind: &str, members: &str, out: &mut String) {
        let number = self.sequence;
        self.sequence += 1;
        let _ = write!(out, "event: {kind}\ndata: ");
        let _ = write!(out, r#"{{"type":"{kind}","sequence_number":{number},{members}}}"#);
        out.push_str("\n\n");
    }

    fn response(&self, answer: &Answer, status: &str) -> String {
        let is_done = status != "in_progress";
        let output: Vec<String> = answer
            .blocks
            .iter()
            .enumerate()
            .filter(|_| is_done)
            .map(|(index, block)| item(answer, index, block, status))
            .collect();
        let reason = if status == "incomplete" {
            r#"{"reason":"max_output_tokens"}"#
        } else {
            "null"
        };
        let usage = if is_done && !matches!(answer.report, Report::Missing | Report::NoFinal) {
            usage(answer)
        } else {
            "null".to_owned()
        };
        format!(
            r#"{{"id":"{}","object":"response","created_at":{CREATED},"status":"{status}","error":null,"incomplete_details":{reason},"model":{},"output":[{}],{},"usage":{usage}}}"#,
            answer.id("resp_", 0),
            Value::from(answer.model.as_str()),
            output.join(","),
            self.echo
        )
    }
}

fn final_status(answer: &Answer) -> &'static str {
    if answer.stop == Stop::Length {
        "incomplete"
    } else {
        "completed"
    }
}

fn item(answer: &Answer, index: usize, block: &Block, status: &str) -> String {
    let is_open = status == "in_progress";
    match block {
        Block::Thinking { .. } => format!(
            r#"{{"id":"{}","type":"reasoning","summary":[]}}"#,
            answer.id("rs_", index)
        ),
        Block::Text { .. } => {
            let content = if is_open {
                String::new()
            } else {
                part(&answer.whole_text())
            };
            format!(
                r#"{{"id":"{}","type":"message","status":"{status}","content":[{content}],"role":"assistant"}}"#,
                answer.id("msg_", index)
            )
        }
        Block::Tool(ToolCall { name, arguments }) => {
            let arguments = if is_open { "" } else { arguments };
            format!(
                r#"{{"id":"{}","type":"function_call","status":"{status}","arguments":{},"call_id":"{}","name":{}}}"#,
                answer.id("fc_", index),
                Value::from(arguments),
                answer.id("call_", index),
                Value::from(name.as_str())
            )
        }
    }
}

fn part(text: &str) -> String {
    format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":"{text}"}}"#)
}

/// `input_tokens` includes what came from the cache, `output_tokens` the reasoning.
fn usage(answer: &Answer) -> String {
    let usage = &answer.usage;
    let input = usage.total_input_tokens();
    format!(
        r#"{{"input_tokens":{},"input_tokens_details":{{"cached_tokens":{}}},"output_tokens":{},"output_tokens_details":{{"reasoning_tokens":{}}},"total_tokens":{}}}"#,
        answer.reported(input),
        answer.reported(usage.cached_input_tokens),
        answer.reported(usage.output_tokens),
        answer.reported(usage.reasoning_tokens),
        answer.reported(input + usage.output_tokens),
    )
}
