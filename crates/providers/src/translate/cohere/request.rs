//! A request to Cohere's `/v2/chat`, written.

use std::borrow::Cow;

use serde::Serialize;

use super::turns::{self, Message};
use crate::{
    request::ReadError,
    translate::{
        asked::{Asked, Effort, Format, Tool, ToolChoice},
        loss::Lost,
        raw::{Members, Raw, invalid, not_carried},
    },
};

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolDefinition<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict_tools: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    stream: bool,
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
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<Raw<'a>>,
}

#[derive(Serialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_budget: Option<u64>,
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
    if parallel_calls == Some(false) && !tools.is_empty() {
        return Err(not_carried("parallel_tool_calls", "it may call several tools at once"));
    }
    let thinking = effort.and_then(|effort| thinking(&model, effort, output_cap, &mut lost));
    let frequency_penalty = penalty("frequency_penalty", &mut others, &mut lost)?;
    let presence_penalty = penalty("presence_penalty", &mut others, &mut lost)?;
    let temperature = others.take("temperature");
    let p = others.take("top_p");
    let seed = others.take("seed");
    lost.settle(others)?;
    let request = Request {
        model: &model,
        messages: turns::write(&turns)?,
        strict_tools: tools.iter().any(|tool| tool.is_strict),
        tool_choice: match tool_choice {
            ToolChoice::Required | ToolChoice::Named(_) if !tools.is_empty() => Some("REQUIRED"),
            ToolChoice::None if !tools.is_empty() => Some("NONE"),
            _ => None,
        },
        tools: offered(&tools, &tool_choice)?,
        response_format: match format {
            Format::Text => None,
            Format::Json => Some(json_by(None)),
            Format::Schema(schema) => Some(json_by(Some(schema.json))),
        },
        max_tokens: output_cap,
        stop_sequences: &stop,
        temperature,
        p,
        seed,
        frequency_penalty,
        presence_penalty,
        thinking,
        stream: is_stream,
    };
    Ok((serde_json::to_vec(&request).unwrap_or_default(), lost))
}

/// To be told which tool to call, it is offered that one alone, and must call one.
fn offered<'a>(tools: &'a [Tool<'a>], choice: &ToolChoice<'_>) -> Result<Vec<ToolDefinition<'a>>, ReadError> {
    let is_offered = |tool: &&Tool<'a>| match choice {
        ToolChoice::Named(name) => tool.name == *name,
        _ => true,
    };
    let offered: Vec<_> = tools.iter().filter(is_offered).map(ToolDefinition::from).collect();
    if offered.is_empty() && !tools.is_empty() {
        return Err(invalid("tool_choice", "names no tool"));
    }
    Ok(offered)
}

impl<'a> From<&'a Tool<'a>> for ToolDefinition<'a> {
    fn from(tool: &'a Tool<'a>) -> Self {
        Self {
            kind: "function",
            function: Function {
                name: &tool.name,
                description: tool.description.as_deref(),
                parameters: tool.parameters,
            },
        }
    }
}

fn json_by(json_schema: Option<Raw<'_>>) -> ResponseFormat<'_> {
    ResponseFormat {
        kind: "json_object",
        json_schema,
    }
}

/// It takes penalties, but no rewards.
fn penalty<'a>(name: &'static str, others: &mut Members<'a>, lost: &mut Lost) -> Result<Option<Raw<'a>>, ReadError> {
    let Some(penalty) = others.take(name) else {
        return Ok(None);
    };
    if (0.0..=1.0).contains(&penalty.number(name)?) {
        return Ok(Some(penalty));
    }
    lost.report(name);
    Ok(None)
}

/// Only its reasoning models take it.
fn thinking(model: &str, effort: Effort, output_cap: Option<u64>, lost: &mut Lost) -> Option<Thinking> {
    if !model.contains("reasoning") {
        if effort != Effort::None {
            lost.report("reasoning_effort");
        }
        return None;
    }
    let most = output_cap.map_or(u64::MAX, |cap| cap / 2);
    let budget = effort.budget_tokens().min(most);
    Some(if budget == 0 {
        Thinking {
            kind: "disabled",
            token_budget: None,
        }
    } else {
        Thinking {
            kind: "enabled",
            token_budget: Some(budget),
        }
    })
}
