//! A request for a chat completion, written.

use std::borrow::Cow;

use serde::Serialize;

use super::messages::{self, Message};
use crate::{
    request::ReadError,
    translate::{
        asked::{Asked, Effort, Format, Schema, Tool, ToolChoice},
        loss::Lost,
        raw::Raw,
    },
};

/// What OpenAI labels an answer with that has no other name; one must be there.
const UNNAMED: &str = "answer";

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolDefinition<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<Effort>,
    /// The older name, which all of them know.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Raw<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct ToolDefinition<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Word(&'static str),
    Named {
        #[serde(rename = "type")]
        kind: &'static str,
        function: Name<'a>,
    },
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonObject,
    JsonSchema { json_schema: JsonSchema<'a> },
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'a str,
    schema: Raw<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Writes what is asked, and reports what of it is not.
pub(in crate::translate) fn write(asked: Asked<'_>) -> Result<(Vec<u8>, Lost), ReadError> {
    let Asked {
        model,
        turns,
        tools,
        tool_choice,
        parallel_calls,
        format,
        effort,
        output_cap,
        stop,
        is_stream,
        mut others,
        mut lost,
    } = asked;
    let temperature = others.take("temperature");
    let top_p = others.take("top_p");
    lost.settle(others)?;
    let has_tools = !tools.is_empty();
    let request = Request {
        model: &model,
        messages: turns.iter().map(messages::write).collect::<Result<_, _>>()?,
        tools: tools.iter().map(ToolDefinition::from).collect(),
        tool_choice: choice(&tool_choice).filter(|_| has_tools),
        parallel_tool_calls: parallel_calls.filter(|_| has_tools),
        response_format: response_format(&format),
        reasoning_effort: effort,
        max_tokens: output_cap,
        stop: &stop,
        temperature,
        top_p,
        stream: is_stream,
        // A response always ends with its usage.
        stream_options: is_stream.then_some(StreamOptions { include_usage: true }),
    };
    Ok((serde_json::to_vec(&request).unwrap_or_default(), lost))
}

impl<'a> From<&'a Tool<'a>> for ToolDefinition<'a> {
    fn from(tool: &'a Tool<'a>) -> Self {
        Self {
            kind: "function",
            function: Function {
                name: &tool.name,
                description: tool.description.as_deref(),
                parameters: tool.parameters,
                strict: tool.is_strict,
            },
        }
    }
}

fn choice<'a>(choice: &'a ToolChoice<'a>) -> Option<Choice<'a>> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(Choice::Word("none")),
        ToolChoice::Required => Some(Choice::Word("required")),
        ToolChoice::Named(name) => Some(Choice::Named {
            kind: "function",
            function: Name { name },
        }),
    }
}

fn response_format<'a>(format: &'a Format<'a>) -> Option<ResponseFormat<'a>> {
    match format {
        Format::Text => None,
        Format::Json => Some(ResponseFormat::JsonObject),
        Format::Schema(Schema { name, json, is_strict }) => Some(ResponseFormat::JsonSchema {
            json_schema: JsonSchema {
                name: name.as_deref().unwrap_or(UNNAMED),
                schema: *json,
                strict: *is_strict,
            },
        }),
    }
}
