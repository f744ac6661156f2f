//! `POST /v1/chat/completions`.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{CREATED, offered_tools, served, tool_choice};
use crate::sandbox::provider::{
    answer::{Answer, Block, Place, Step, Stop},
    protocol::{Asked, Dialect, Refusal, Task, asks_for_tool, seed_of},
    switches::Report,
    tools::Tools,
};

const MOST_CHOICES: u64 = 16;
/// Reasoning models take the newer name of the output cap only.
const REASONING_MODELS: [&str; 4] = ["gpt-5", "o1", "o3", "o4"];

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(borrow, default)]
    service_tier: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_choice: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    request.check()?;
    let prompt = request.messages.get();

    let asked = Asked {
        operation: "chat.completions",
        is_stream: request.stream.unwrap_or_default(),
        output_cap: request.max_completion_tokens.or(request.max_tokens),
        choices: request.n.unwrap_or(1),
        prompt_bytes: prompt.len() + request.tools.map_or(0, |tools| tools.get().len()),
        seed: seed_of(prompt),
        thinking_tokens: 0,
        tools: request.tools(prompt)?,
        writes_cache: false,
        beside: Usage::default(),
        model: request.model.into_owned(),
    };
    let dialect = Chat {
        head: String::new(),
        service: served(request.service_tier.as_deref(), asked.seed),
        includes_usage: request.stream_options.is_some_and(|options| options.include_usage),
    };
    Ok(Task::Generate(asked, Box::new(dialect)))
}

impl Request<'_> {
    fn check(&self) -> Result<(), Refusal> {
        if self
            .messages
            .get()
            .trim_start_matches('[')
            .trim_start()
            .starts_with(']')
        {
            return Err(Refusal::invalid(
                "Invalid 'messages': empty array. Expected an array with minimum length 1.",
                Some("messages"),
            ));
        }
        if self.stream_options.is_some() && self.stream != Some(true) {
            return Err(Refusal::invalid(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                Some("stream_options"),
            ));
        }
        if self.max_tokens.is_some() && self.max_completion_tokens.is_some() {
            return Err(Refusal::invalid(
                "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
                Some("max_tokens"),
            ));
        }
        let is_reasoning = REASONING_MODELS.iter().any(|prefix| self.model.starts_with(prefix));
        if self.max_tokens.is_some() && is_reasoning {
            return Err(Refusal::invalid(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' \
                 instead.",
                Some("max_tokens"),
            ));
        }
        if self.max_tokens == Some(0) || self.max_completion_tokens == Some(0) {
            return Err(Refusal::invalid(
                "The output cap must be at least 1.",
                Some("max_tokens"),
            ));
        }
        if !(1..=MOST_CHOICES).contains(&self.n.unwrap_or(1)) {
            return Err(Refusal::invalid("'n' must be between 1 and 16.", Some("n")));
        }
        Ok(())
    }

    fn tools(&self, prompt: &str) -> Result<Tools, Refusal> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            role: Cow<'a, str>,
        }

        let offered = offered_tools(self.tools)?;
        if offered.is_empty() {
            return Ok(Tools::default());
        }
        let messages: Vec<Message<'_>> = serde_json::from_str(prompt).map_err(|error| Refusal::unreadable(&error))?;
        Ok(Tools {
            offered,
            choice: tool_choice(self.tool_choice),
            has_result: messages.last().is_some_and(|message| message.role == "tool"),
            is_asked_for: asks_for_tool(prompt),
        })
    }
}

struct Chat {
    /// What every event of the stream begins with.
    head: String,
    service: &'static str,
    includes_usage: bool,
}

impl Dialect for Chat {
    fn service(&self) -> Option<&'static str> {
        Some(self.service)
    }

    fn whole(&self, answer: &Answer) -> String {
        let choices: Vec<String> = (0..answer.choices).map(|index| choice(answer, index)).collect();
        let usage = if answer.report == Report::Missing {
            String::new()
        } else {
            format!(r#","usage":{}"#, usage(answer))
        };
        format!(
            r#"{{"id":"{}","object":"chat.completion","created":{CREATED},"model":{},"choices":[{}]{usage},"service_tier":"{}","system_fingerprint":"fp_sandbox"}}"#,
            answer.id("chatcmpl-", 0),
            Value::from(answer.model.as_str()),
            choices.join(","),
            self.service
        )
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Start => {
                self.head = format!(
                    r#"data: {{"id":"{}","object":"chat.completion.chunk","created":{CREATED},"model":{},"service_tier":"{}","system_fingerprint":"fp_sandbox","choices":["#,
                    answer.id("chatcmpl-", 0),
                    Value::from(answer.model.as_str()),
                    self.service,
                );
                let content = if answer.tool_calls().next().is_some() {
                    "null"
                } else {
                    "\"\""
                };
                let delta = format!(r#"{{"role":"assistant","content":{content},"refusal":null}}"#);
                for choice in 0..answer.choices {
                    self.chunk(choice, &delta, "null", out);
                }
            }
            Step::Open(place) => {
                if let Some(Block::Tool(call)) = answer.block(place) {
                    let index = tool_index(answer, place);
                    let id = answer.id("call_", index);
                    let name = Value::from(call.name.as_str());
                    let delta = format!(
                        r#"{{"tool_calls":[{{"index":{index},"id":"{id}","type":"function","function":{{"name":{name},"arguments":""}}}}]}}"#
                    );
                    self.chunk(place.choice, &delta, "null", out);
                }
            }
            Step::Token(place, position) => self.token(answer, place, position, out),
            Step::Finish(choice) => self.chunk(choice, "{}", finish_reason(answer), out),
            Step::Usage if self.includes_usage && !matches!(answer.report, Report::Missing | Report::NoFinal) => {
                let _ = write!(out, r#"{}],"usage":{}}}"#, self.head, usage(answer));
                out.push_str("\n\n");
            }
            Step::End => out.push_str("data: [DONE]\n\n"),
            Step::Close(_) | Step::Usage => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        out.push_str(
            r#"data: {"error":{"message":"The server had an error while processing your request. Sorry about that!","type":"server_error","param":null,"code":null}}"#,
        );
        out.push_str("\n\n");
    }

    fn reports_usage(&self) -> bool {
        self.includes_usage
    }
}

impl Chat {
    fn token(&self, answer: &Answer, place: Place, position: u64, out: &mut String) {
        let token = answer.token(place, position);
        match answer.block(place) {
            Some(Block::Text { .. }) => {
                self.chunk(place.choice, &format!(r#"{{"content":"{token}"}}"#), "null", out);
            }
            Some(Block::Tool(_)) => {
                let index = tool_index(answer, place);
                let piece = Value::from(token);
                let delta = format!(r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":{piece}}}}}]}}"#);
                self.chunk(place.choice, &delta, "null", out);
            }
            // Reasoning is billed and not shown.
            Some(Block::Thinking { .. }) | None => {}
        }
    }

    fn chunk(&self, choice: u64, delta: &str, finish_reason: &str, out: &mut String) {
        let usage = if self.includes_usage { r#","usage":null"# } else { "" };
        let _ = write!(
            out,
            r#"{}{{"index":{choice},"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}]{usage}}}"#,
            self.head
        );
        out.push_str("\n\n");
    }
}

fn choice(answer: &Answer, index: u64) -> String {
    let calls: Vec<String> = answer
        .tool_calls()
        .enumerate()
        .map(|(number, call)| {
            format!(
                r#"{{"id":"{}","type":"function","function":{{"name":{},"arguments":{}}}}}"#,
                answer.id("call_", number),
                Value::from(call.name.as_str()),
                Value::from(call.arguments.as_str())
            )
        })
        .collect();
    let text = answer.whole_text();
    let (content, calls) = if calls.is_empty() {
        (format!("\"{text}\""), String::new())
    } else if text.is_empty() {
        ("null".to_owned(), format!(r#","tool_calls":[{}]"#, calls.join(",")))
    } else {
        (format!("\"{text}\""), format!(r#","tool_calls":[{}]"#, calls.join(",")))
    };
    format!(
        r#"{{"index":{index},"message":{{"role":"assistant","content":{content}{calls},"refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":{}}}"#,
        finish_reason(answer)
    )
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::End => "\"stop\"",
        Stop::Length => "\"length\"",
        Stop::Tools => "\"tool_calls\"",
    }
}

/// `prompt_tokens` includes what came from the cache, `completion_tokens` the reasoning.
fn usage(answer: &Answer) -> String {
    let usage = &answer.usage;
    let input = usage.total_input_tokens();
    format!(
        r#"{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":{},"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":{},"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#,
        answer.reported(input),
        answer.reported(usage.output_tokens),
        answer.reported(input + usage.output_tokens),
        answer.reported(usage.cached_input_tokens),
        answer.reported(usage.reasoning_tokens),
    )
}

/// How many tool calls stand before this one.
fn tool_index(answer: &Answer, place: Place) -> usize {
    let before = answer.blocks.iter().take(place.block);
    before.filter(|block| matches!(block, Block::Tool(_))).count()
}
