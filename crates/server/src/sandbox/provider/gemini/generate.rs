//! `POST …:generateContent`, `…:streamGenerateContent` and `…:countTokens`.

use std::fmt::Write;

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::media::Media;
use crate::sandbox::provider::{
    answer::{Answer, Block, Place, Step, Stop},
    protocol::{Asked, Dialect, Refusal, Task, asks_for_tool, seed_of},
    switches::Report,
    tools::{OfferedTool, ToolCall, ToolChoice, Tools},
};

/// How much a model that thinks does so, unless a switch says otherwise.
const USUAL_THINKING: u64 = 8;
const MOST_CANDIDATES: u64 = 8;

/// How the pieces of a stream stand one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Events,
    Array,
}

/// Google reads each member under both of its spellings.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    contents: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "system_instruction")]
    system_instruction: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(default, alias = "tool_config")]
    tool_config: ToolConfig,
    #[serde(default, alias = "generation_config")]
    generation_config: GenerationConfig,
}

/// What is to be counted stands there by itself, or as the request it is for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CountTokens<'a> {
    #[serde(borrow, default, alias = "generate_content_request")]
    generate_content_request: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    #[serde(default, alias = "max_output_tokens")]
    max_output_tokens: Option<u64>,
    #[serde(default, alias = "candidate_count")]
    candidate_count: Option<u64>,
    #[serde(default, alias = "thinking_config")]
    thinking_config: ThinkingConfig,
    #[serde(default, alias = "response_modalities")]
    response_modalities: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    #[serde(default, alias = "thinking_budget")]
    thinking_budget: Option<i64>,
    #[serde(default, alias = "include_thoughts")]
    include_thoughts: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig {
    #[serde(default, alias = "function_calling_config")]
    function_calling_config: FunctionCallingConfig,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionCallingConfig {
    #[serde(default)]
    mode: String,
    #[serde(default, alias = "allowed_function_names")]
    allowed_function_names: Vec<String>,
}

pub(super) fn read(model: &str, body: &[u8], form: Option<Form>) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let prompt = request.prompt()?;
    let config = &request.generation_config;
    let choices = config.candidate_count.unwrap_or(1);
    if !(1..=MOST_CANDIDATES).contains(&choices) || (form.is_some() && choices > 1) {
        return Err(Refusal::invalid(
            "Multiple candidates is not enabled for this model",
            None,
        ));
    }
    if config.max_output_tokens == Some(0) {
        return Err(Refusal::invalid("max_output_tokens must be positive.", None));
    }

    let thinks = match config.thinking_config.thinking_budget {
        Some(budget) => budget != 0,
        None => thinks_unasked(model),
    };
    let media = Media::asked(model, &config.response_modalities)
        .filter(|media| config.max_output_tokens.is_none_or(|cap| cap >= media.tokens()));
    let asked = Asked {
        operation: "generate_content",
        model: model.to_owned(),
        is_stream: form.is_some(),
        output_cap: match media {
            // It is spoken, not written.
            Some(Media::Speech) => Some(0),
            _ => config.max_output_tokens.map(|cap| cap - media.map_or(0, Media::tokens)),
        },
        choices,
        prompt_bytes: request.prompt_bytes(prompt),
        seed: seed_of(prompt),
        thinking_tokens: if thinks { USUAL_THINKING } else { 0 },
        tools: request.tools(prompt)?,
        writes_cache: false,
        beside: media.map_or_else(Usage::default, |media| media.usage(choices)),
    };
    let dialect = GenerateContent {
        form: form.unwrap_or(Form::Events),
        media,
        shows_thoughts: config.thinking_config.include_thoughts,
        has_begun: false,
        thoughts: 0,
        candidates: 0,
        has_shown_media: false,
    };
    Ok(Task::Generate(asked, Box::new(dialect)))
}

pub(super) fn count(body: &[u8]) -> Result<Task, Refusal> {
    let count: CountTokens<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let whole = count
        .generate_content_request
        .map_or(body, |whole| whole.get().as_bytes());
    let request: Request<'_> = serde_json::from_slice(whole).map_err(|error| Refusal::unreadable(&error))?;
    let tokens = Answer::input_tokens_of(request.prompt_bytes(request.prompt()?));
    Ok(Task::Reply(format!(
        r#"{{"totalTokens":{tokens},"promptTokensDetails":[{{"modality":"TEXT","tokenCount":{tokens}}}]}}"#
    )))
}

/// The smallest models and those of the second generation think only when they are asked to.
fn thinks_unasked(model: &str) -> bool {
    !model.starts_with("gemini-2.0") && !["-lite", "-image", "-tts"].iter().any(|part| model.contains(part))
}

impl Request<'_> {
    fn prompt(&self) -> Result<&str, Refusal> {
        let contents = self.contents.map(RawValue::get).filter(|contents| *contents != "[]");
        contents.ok_or_else(|| Refusal::invalid("* GenerateContentRequest.contents: contents is not specified\n", None))
    }

    fn prompt_bytes(&self, prompt: &str) -> usize {
        let beside = [self.system_instruction, self.tools];
        prompt.len() + beside.iter().flatten().map(|part| part.get().len()).sum::<usize>()
    }

    fn tools(&self, prompt: &str) -> Result<Tools, Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Tool {
            #[serde(default, alias = "function_declarations")]
            function_declarations: Vec<Function>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Function {
            name: String,
            #[serde(default)]
            parameters: Value,
            #[serde(default, alias = "parameters_json_schema")]
            parameters_json_schema: Value,
        }

        let Some(tools) = self.tools else {
            return Ok(Tools::default());
        };
        let tools: Vec<Tool> = serde_json::from_str(tools.get()).map_err(|error| Refusal::unreadable(&error))?;
        let contents: Vec<&RawValue> = serde_json::from_str(prompt).map_err(|error| Refusal::unreadable(&error))?;
        let config = &self.tool_config.function_calling_config;
        Ok(Tools {
            offered: tools
                .into_iter()
                .flat_map(|tool| tool.function_declarations)
                .map(|function| OfferedTool {
                    name: function.name,
                    parameters: if function.parameters.is_null() {
                        function.parameters_json_schema
                    } else {
                        function.parameters
                    },
                })
                .collect(),
            choice: match (config.mode.as_str(), config.allowed_function_names.first()) {
                ("NONE", _) => ToolChoice::None,
                ("ANY", Some(name)) => ToolChoice::Named(name.clone()),
                ("ANY", None) => ToolChoice::Any,
                _ => ToolChoice::Auto,
            },
            has_result: contents.last().is_some_and(|content| {
                let text = content.get();
                text.contains("\"functionResponse\"") || text.contains("\"function_response\"")
            }),
            is_asked_for: asks_for_tool(prompt),
        })
    }
}

struct GenerateContent {
    form: Form,
    media: Option<Media>,
    shows_thoughts: bool,
    has_begun: bool,
    /// What has been generated so far: every chunk tells it.
    thoughts: u64,
    candidates: u64,
    has_shown_media: bool,
}

impl Dialect for GenerateContent {
    fn whole(&self, answer: &Answer) -> String {
        let candidates: Vec<String> = (0..answer.choices)
            .map(|choice| {
                let parts = answer.blocks.iter().enumerate();
                let parts: Vec<String> = parts
                    .filter_map(|(index, block)| self.whole_part(answer, index, block))
                    .chain(self.media.map(Media::part))
                    .collect();
                candidate(choice, &parts.join(","), self.finish_reason(answer))
            })
            .collect();
        let thoughts = answer.usage.reasoning_tokens;
        let usage = self.usage(answer, answer.usage.output_tokens - thoughts, thoughts, answer.choices);
        let usage = if answer.report == Report::Missing { "" } else { &usage };
        response(answer, &candidates.join(","), usage)
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Open(place) => {
                self.candidates += answer.block(place).map_or(0, Block::opening_tokens);
            }
            Step::Token(place, position) => self.token(answer, place, position, out),
            Step::Close(place) => {
                if let Some(Block::Tool(call)) = answer.block(place) {
                    self.chunk(answer, &function_call(answer, place.block, call), out);
                }
            }
            Step::Usage => {
                let part = self.media.map_or_else(|| r#"{"text":""}"#.to_owned(), Media::part);
                let last = candidate(0, &part, self.finish_reason(answer));
                self.has_shown_media = true;
                let hides_usage = matches!(answer.report, Report::Missing | Report::NoFinal);
                self.write(answer, &last, hides_usage, out);
            }
            Step::End if self.form == Form::Array => out.push_str("\n]\n"),
            Step::Start | Step::Finish(_) | Step::End => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        let error = json!({
            "code": 503, "message": "The model is overloaded. Please try again later.", "status": "UNAVAILABLE",
        });
        self.frame(&format!(r#"{{"error":{error}}}"#), out);
        if self.form == Form::Array {
            out.push_str("\n]\n");
        }
    }

    fn content_type(&self) -> &'static str {
        match self.form {
            Form::Events => "text/event-stream",
            Form::Array => "application/json; charset=UTF-8",
        }
    }
}

impl GenerateContent {
    fn token(&mut self, answer: &Answer, place: Place, position: u64, out: &mut String) {
        let token = answer.token(place, position);
        match answer.block(place) {
            Some(Block::Thinking { .. }) => {
                self.thoughts += 1;
                if self.shows_thoughts {
                    self.chunk(answer, &format!(r#"{{"text":"{token}","thought":true}}"#), out);
                }
            }
            Some(Block::Text { .. }) => {
                self.candidates += 1;
                self.chunk(answer, &format!(r#"{{"text":"{token}"}}"#), out);
            }
            // A call is shown once it is whole.
            Some(Block::Tool(_)) => self.candidates += 1,
            None => {}
        }
    }

    fn chunk(&mut self, answer: &Answer, part: &str, out: &mut String) {
        let hides_usage = answer.report == Report::Missing;
        self.write(answer, &candidate(0, part, ""), hides_usage, out);
    }

    fn write(&mut self, answer: &Answer, candidate: &str, hides_usage: bool, out: &mut String) {
        let usage = if hides_usage {
            String::new()
        } else {
            self.usage(answer, self.candidates, self.thoughts, u64::from(self.has_shown_media))
        };
        self.frame(&response(answer, candidate, &usage), out);
    }

    fn frame(&mut self, json: &str, out: &mut String) {
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        let _ = match (self.form, has_begun) {
            (Form::Events, _) => write!(out, "data: {json}\r\n\r\n"),
            (Form::Array, false) => write!(out, "[{json}"),
            (Form::Array, true) => write!(out, "\n,\r\n{json}"),
        };
    }

    fn whole_part(&self, answer: &Answer, index: usize, block: &Block) -> Option<String> {
        match block {
            Block::Thinking { tokens } => self
                .shows_thoughts
                .then(|| format!(r#"{{"text":"{}","thought":true}}"#, answer.text.prefix(*tokens))),
            Block::Text { .. } => Some(format!(r#"{{"text":"{}"}}"#, answer.whole_text())),
            Block::Tool(call) => Some(function_call(answer, index, call)),
        }
    }

    /// `promptTokenCount` includes what came from the cache; `candidatesTokenCount` does not include
    /// what was thought, and is missing as long as there is none.
    fn usage(&self, answer: &Answer, written: u64, thoughts: u64, media: u64) -> String {
        let input = answer.usage.total_input_tokens();
        let shown = self.media.filter(|_| media > 0);
        let candidates = written + shown.map_or(0, |shown| shown.tokens() * media);
        let mut members = format!(r#""promptTokenCount":{}"#, answer.reported(input));
        if answer.usage.cached_input_tokens > 0 {
            let cached = answer.reported(answer.usage.cached_input_tokens);
            let _ = write!(members, r#","cachedContentTokenCount":{cached}"#);
        }
        if candidates > 0 {
            let _ = write!(members, r#","candidatesTokenCount":{}"#, answer.reported(candidates));
        }
        if thoughts > 0 {
            let _ = write!(members, r#","thoughtsTokenCount":{}"#, answer.reported(thoughts));
        }
        let details = shown.map_or_else(String::new, |shown| shown.details(answer, media));
        format!(
            r#","usageMetadata":{{{members},"totalTokenCount":{},"promptTokensDetails":[{{"modality":"TEXT","tokenCount":{}}}]{details}}}"#,
            answer.reported(input + candidates + thoughts),
            answer.reported(input),
        )
    }

    fn finish_reason(&self, answer: &Answer) -> &'static str {
        match answer.stop {
            Stop::Length if self.media != Some(Media::Speech) => r#","finishReason":"MAX_TOKENS""#,
            _ => r#","finishReason":"STOP""#,
        }
    }
}

/// Arguments that the output cap cut short are no JSON; the real API leaves them out.
fn function_call(answer: &Answer, index: usize, call: &ToolCall) -> String {
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| Value::Object(Map::new()));
    format!(
        r#"{{"functionCall":{{"name":{},"args":{arguments},"id":"{}"}}}}"#,
        Value::from(call.name.as_str()),
        answer.id("call_", index)
    )
}

/// One candidate, or a part of it; the last part says why it ends.
fn candidate(index: u64, parts: &str, finish_reason: &str) -> String {
    format!(r#"{{"content":{{"parts":[{parts}],"role":"model"}}{finish_reason},"index":{index}}}"#)
}

fn response(answer: &Answer, candidates: &str, usage: &str) -> String {
    format!(
        r#"{{"candidates":[{candidates}]{usage},"modelVersion":{},"responseId":"{}"}}"#,
        Value::from(answer.model.as_str()),
        answer.id("", 0)
    )
}
