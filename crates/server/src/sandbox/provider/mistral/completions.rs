//! `POST /v1/chat/completions` and `POST /v1/fim/completions`: one answer for both.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{CREATED, usage};
use crate::sandbox::provider::{
    answer::{Answer, Block, Place, Step, Stop},
    openai::{offered_tools, tool_choice},
    protocol::{Asked, Dialect, Refusal, Task, asks_for_tool, check_members, seed_of},
    switches::Report,
    tools::Tools,
};

const MOST_CHOICES: u64 = 16;

const CHAT_MEMBERS: [&str; 29] = [
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "metadata",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "min_tokens",
    "repetition_penalty",
    "top_k",
    "logprobs",
    "top_logprobs",
    "prompt_logprobs",
    "top_prompt_logprobs",
    "n",
    "prediction",
    "parallel_tool_calls",
    "reasoning_effort",
    "prompt_mode",
    "prompt_cache_key",
    "service_tier",
    "safe_prompt",
];

const FIM_MEMBERS: [&str; 12] = [
    "model",
    "prompt",
    "suffix",
    "temperature",
    "top_p",
    "max_tokens",
    "min_tokens",
    "stream",
    "stop",
    "random_seed",
    "metadata",
    "prompt_cache_key",
];

#[derive(Deserialize)]
struct ChatRequest<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct FimRequest<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    prompt: &'a RawValue,
    #[serde(borrow, default)]
    suffix: Option<&'a RawValue>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    max_tokens: Option<u64>,
}

pub(super) fn read_chat(body: &[u8]) -> Result<Task, Refusal> {
    check_members(body, &CHAT_MEMBERS)?;
    let request: ChatRequest<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    request.check()?;
    let prompt = request.messages.get();

    let asked = Asked {
        operation: "chat.completions",
        is_stream: request.stream,
        output_cap: request.max_tokens,
        choices: request.n.unwrap_or(1),
        prompt_bytes: prompt.len() + request.tools.map_or(0, |tools| tools.get().len()),
        seed: seed_of(prompt),
        thinking_tokens: 0,
        tools: request.tools(prompt)?,
        writes_cache: false,
        beside: Usage::default(),
        model: request.model.into_owned(),
    };
    Ok(Task::Generate(asked, Box::<Completion>::default()))
}

pub(super) fn read_fim(body: &[u8]) -> Result<Task, Refusal> {
    check_members(body, &FIM_MEMBERS)?;
    let request: FimRequest<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    check_cap(request.max_tokens)?;
    let prompt = request.prompt.get();

    let asked = Asked {
        operation: "fim.completions",
        is_stream: request.stream,
        output_cap: request.max_tokens,
        choices: 1,
        prompt_bytes: prompt.len() + request.suffix.map_or(0, |suffix| suffix.get().len()),
        seed: seed_of(prompt),
        thinking_tokens: 0,
        tools: Tools::default(),
        writes_cache: false,
        beside: Usage::default(),
        model: request.model.into_owned(),
    };
    Ok(Task::Generate(asked, Box::<Completion>::default()))
}

fn check_cap(max_tokens: Option<u64>) -> Result<(), Refusal> {
    match max_tokens {
        Some(0) => Err(Refusal::invalid(
            "Input should be greater than or equal to 1",
            Some("max_tokens"),
        )),
        _ => Ok(()),
    }
}

impl ChatRequest<'_> {
    fn check(&self) -> Result<(), Refusal> {
        check_cap(self.max_tokens)?;
        if !(1..=MOST_CHOICES).contains(&self.n.unwrap_or(1)) {
            return Err(Refusal::invalid("Input should be between 1 and 16", Some("n")));
        }
        if !matches!(self.service_tier.as_deref(), None | Some("auto" | "standard_only")) {
            return Err(Refusal::invalid(
                "Input should be 'auto' or 'standard_only'",
                Some("service_tier"),
            ));
        }
        Ok(())
    }

    fn tools(&self, prompt: &str) -> Result<Tools, Refusal> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            role: Cow<'a, str>,
        }

        let messages: Vec<Message<'_>> = serde_json::from_str(prompt).map_err(|error| Refusal::unreadable(&error))?;
        let Some(last) = messages.last() else {
            return Err(Refusal::invalid("Conversation must have at least one message", None));
        };
        let offered = offered_tools(self.tools)?;
        if offered.is_empty() {
            return Ok(Tools::default());
        }
        Ok(Tools {
            offered,
            choice: tool_choice(self.tool_choice),
            has_result: last.role == "tool",
            is_asked_for: asks_for_tool(prompt),
        })
    }
}

#[derive(Default)]
struct Completion {
    /// What every event of the stream begins with.
    head: String,
}

impl Dialect for Completion {
    fn whole(&self, answer: &Answer) -> String {
        let choices: Vec<String> = (0..answer.choices).map(|index| choice(answer, index)).collect();
        let usage = if answer.report == Report::Missing {
            String::new()
        } else {
            format!(r#""usage":{},"#, usage(answer))
        };
        format!(
            r#"{{"id":"{}","created":{CREATED},"model":{},{usage}"object":"chat.completion","choices":[{}]}}"#,
            answer.id("", 0),
            Value::from(answer.model.as_str()),
            choices.join(",")
        )
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Start => {
                self.head = format!(
                    r#"data: {{"id":"{}","object":"chat.completion.chunk","created":{CREATED},"model":{},"choices":["#,
                    answer.id("", 0),
                    Value::from(answer.model.as_str()),
                );
                for choice in 0..answer.choices {
                    self.chunk(choice, r#"{"role":"assistant","content":""}"#, "null", out);
                }
            }
            Step::Token(place, position) => {
                let token = answer.token(place, position);
                let delta = match answer.block(place) {
                    Some(Block::Text { .. }) => format!(r#"{{"content":"{token}"}}"#),
                    Some(Block::Thinking { .. }) => format!(r#"{{"content":[{}]}}"#, thinking(token, false)),
                    // A call is shown whole, once it is written.
                    Some(Block::Tool(_)) | None => return,
                };
                self.chunk(place.choice, &delta, "null", out);
            }
            Step::Close(place) => self.close(answer, place, out),
            // The last chunk waits for its usage.
            Step::Finish(choice) if choice + 1 < answer.choices => {
                self.chunk(choice, r#"{"content":""}"#, finish_reason(answer), out);
            }
            Step::Usage => self.last_chunk(answer, out),
            Step::End => out.push_str("data: [DONE]\n\n"),
            Step::Open(_) | Step::Finish(_) => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        out.push_str(
            r#"data: {"object":"error","message":"Internal server error","type":"internal_server_error","param":null,"code":"1000"}"#,
        );
        out.push_str("\n\n");
    }
}

impl Completion {
    fn close(&self, answer: &Answer, place: Place, out: &mut String) {
        match answer.block(place) {
            Some(Block::Thinking { .. }) => {
                let delta = format!(r#"{{"content":[{}]}}"#, thinking("", true));
                self.chunk(place.choice, &delta, "null", out);
            }
            Some(Block::Tool(_)) => {
                let before = answer.blocks.iter().take(place.block);
                let index = before.filter(|block| matches!(block, Block::Tool(_))).count();
                if let Some(call) = tool_call(answer, index) {
                    let delta = format!(r#"{{"content":"","tool_calls":[{call}]}}"#);
                    self.chunk(place.choice, &delta, "null", out);
                }
            }
            Some(Block::Text { .. }) | None => {}
        }
    }

    fn last_chunk(&self, answer: &Answer, out: &mut String) {
        let usage = if matches!(answer.report, Report::Missing | Report::NoFinal) {
            String::new()
        } else {
            format!(r#","usage":{}"#, usage(answer))
        };
        let _ = write!(
            out,
            r#"{}{{"index":{},"delta":{{"content":""}},"finish_reason":{}}}]{usage}}}"#,
            self.head,
            answer.choices - 1,
            finish_reason(answer)
        );
        out.push_str("\n\n");
    }

    fn chunk(&self, choice: u64, delta: &str, finish_reason: &str, out: &mut String) {
        let _ = write!(
            out,
            r#"{}{{"index":{choice},"delta":{delta},"finish_reason":{finish_reason}}}]}}"#,
            self.head
        );
        out.push_str("\n\n");
    }
}

fn choice(answer: &Answer, index: u64) -> String {
    let calls: Vec<String> = (0..).map_while(|number| tool_call(answer, number)).collect();
    let calls = if calls.is_empty() {
        "null".to_owned()
    } else {
        format!("[{}]", calls.join(","))
    };
    let text = answer.whole_text();
    let thought = answer.blocks.iter().find_map(|block| match block {
        Block::Thinking { tokens } => Some(answer.text.prefix(*tokens)),
        _ => None,
    });
    let content = match thought {
        None => format!("\"{text}\""),
        Some(thought) => format!(r#"[{},{{"type":"text","text":"{text}"}}]"#, thinking(&thought, true)),
    };
    format!(
        r#"{{"index":{index},"finish_reason":{},"message":{{"role":"assistant","tool_calls":{calls},"content":{content}}}}}"#,
        finish_reason(answer)
    )
}

fn thinking(text: &str, is_closed: bool) -> String {
    let closed = if is_closed { r#","closed":true"# } else { "" };
    format!(r#"{{"type":"thinking","thinking":[{{"type":"text","text":"{text}"}}]{closed}}}"#)
}

/// The tool call at `index`, if there are so many.
fn tool_call(answer: &Answer, index: usize) -> Option<String> {
    let call = answer.tool_calls().nth(index)?;
    Some(format!(
        r#"{{"id":"{}","type":"function","function":{{"name":{},"arguments":{}}},"index":{index}}}"#,
        // Nine letters and digits, as the API demands when it is shown them again.
        answer.id("", index).chars().rev().take(9).collect::<String>(),
        Value::from(call.name.as_str()),
        Value::from(call.arguments.as_str())
    ))
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::End => "\"stop\"",
        Stop::Length => "\"length\"",
        Stop::Tools => "\"tool_calls\"",
    }
}
