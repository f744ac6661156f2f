//! `POST /v1/chat/completions`.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{CREATED, StreamOptions, UsageInStream, check_choices, error_event, finish_reason, usage, usage_member};
use crate::sandbox::provider::{
    answer::{Answer, Block, Place, Step},
    openai::{offered_tools, tool_choice},
    protocol::{Asked, Dialect, Refusal, Task, asks_for_tool, seed_of},
    tools::Tools,
};

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
    #[serde(default)]
    include_reasoning: Option<bool>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_choice: Option<&'a RawValue>,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    if request.stream_options.is_some() && request.stream != Some(true) {
        return Err(Refusal::invalid(
            "Stream options can only be defined when `stream=True`.",
            Some("stream_options"),
        ));
    }
    check_choices(request.n.unwrap_or(1))?;
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
        usage: UsageInStream::new(request.stream_options),
        shows_reasoning: request.include_reasoning.unwrap_or(true),
    };
    Ok(Task::Generate(asked, Box::new(dialect)))
}

impl Request<'_> {
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
    usage: UsageInStream,
    shows_reasoning: bool,
}

impl Dialect for Chat {
    fn whole(&self, answer: &Answer) -> String {
        let choices: Vec<String> = (0..answer.choices).map(|index| self.choice(answer, index)).collect();
        format!(
            r#"{{"id":"{}","object":"chat.completion","created":{CREATED},"model":{},"choices":[{}],"service_tier":null,"system_fingerprint":null{},"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}}"#,
            answer.id("chatcmpl-", 0),
            Value::from(answer.model.as_str()),
            choices.join(","),
            usage_member(answer),
        )
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Start => {
                self.head = format!(
                    r#"data: {{"id":"{}","object":"chat.completion.chunk","created":{CREATED},"model":{},"choices":["#,
                    answer.id("chatcmpl-", 0),
                    Value::from(answer.model.as_str()),
                );
                for choice in 0..answer.choices {
                    self.chunk(answer, choice, r#"{"role":"assistant","content":""}"#, "null", out);
                }
            }
            Step::Open(place) => {
                if let Some(Block::Tool(call)) = answer.block(place) {
                    self.usage.written += 1;
                    let index = tool_index(answer, place);
                    let id = answer.id("chatcmpl-tool-", index);
                    let name = Value::from(call.name.as_str());
                    let delta = format!(
                        r#"{{"tool_calls":[{{"id":"{id}","type":"function","index":{index},"function":{{"name":{name}}}}}]}}"#
                    );
                    self.chunk(answer, place.choice, &delta, "null", out);
                }
            }
            Step::Token(place, position) => self.token(answer, place, position, out),
            Step::Finish(choice) => self.chunk(answer, choice, r#"{"content":""}"#, finish_reason(answer), out),
            Step::Usage if self.usage.is_shown_at_the_end(answer) => {
                let _ = write!(out, r#"{}],"usage":{}}}"#, self.head, usage(answer));
                out.push_str("\n\n");
            }
            Step::End => out.push_str("data: [DONE]\n\n"),
            Step::Close(_) | Step::Usage => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        error_event(out);
    }

    fn reports_usage(&self) -> bool {
        self.usage.options.include_usage
    }
}

impl Chat {
    fn token(&mut self, answer: &Answer, place: Place, position: u64, out: &mut String) {
        self.usage.written += 1;
        let token = answer.token(place, position);
        let delta = match answer.block(place) {
            Some(Block::Text { .. }) => format!(r#"{{"content":"{token}"}}"#),
            Some(Block::Thinking { .. }) if self.shows_reasoning => format!(r#"{{"reasoning":"{token}"}}"#),
            Some(Block::Tool(_)) => format!(
                r#"{{"tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}]}}"#,
                tool_index(answer, place),
                Value::from(token)
            ),
            Some(Block::Thinking { .. }) | None => return,
        };
        self.chunk(answer, place.choice, &delta, "null", out);
    }

    fn chunk(&self, answer: &Answer, choice: u64, delta: &str, finish_reason: &str, out: &mut String) {
        let stop = if finish_reason == "null" {
            ""
        } else {
            r#","stop_reason":null"#
        };
        let _ = write!(
            out,
            r#"{}{{"index":{choice},"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}{stop}}}]{}}}"#,
            self.head,
            self.usage.so_far(answer)
        );
        out.push_str("\n\n");
    }

    fn choice(&self, answer: &Answer, index: u64) -> String {
        let calls: Vec<String> = answer
            .tool_calls()
            .enumerate()
            .map(|(number, call)| {
                format!(
                    r#"{{"id":"{}","type":"function","function":{{"name":{},"arguments":{}}}}}"#,
                    answer.id("chatcmpl-tool-", number),
                    Value::from(call.name.as_str()),
                    Value::from(call.arguments.as_str())
                )
            })
            .collect();
        let text = answer.whole_text();
        let content = if text.is_empty() && !calls.is_empty() {
            "null".to_owned()
        } else {
            format!("\"{text}\"")
        };
        let calls = if calls.is_empty() {
            String::new()
        } else {
            format!(r#","tool_calls":[{}]"#, calls.join(","))
        };
        let thinking = answer.blocks.iter().find_map(|block| match block {
            Block::Thinking { tokens } if self.shows_reasoning => Some(answer.text.prefix(*tokens)),
            _ => None,
        });
        let reasoning = thinking.map_or_else(|| "null".to_owned(), |text| format!("\"{text}\""));
        format!(
            r#"{{"index":{index},"message":{{"role":"assistant","content":{content},"refusal":null,"annotations":null,"audio":null,"function_call":null{calls},"reasoning":{reasoning}}},"logprobs":null,"finish_reason":{},"stop_reason":null,"token_ids":null}}"#,
            finish_reason(answer)
        )
    }
}

/// How many tool calls stand before this one.
fn tool_index(answer: &Answer, place: Place) -> usize {
    let before = answer.blocks.iter().take(place.block);
    before.filter(|block| matches!(block, Block::Tool(_))).count()
}
