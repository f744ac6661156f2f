//! A request to Anthropic's messages, written.

use std::borrow::Cow;

use serde::Serialize;

use super::{
    generation::Generation,
    turns::{self, Block, Message},
};
use crate::{
    request::ReadError,
    translate::{
        asked::{Asked, Effort, Format, Tool, ToolChoice},
        loss::Lost,
        raw::{Members, Raw, not_carried},
    },
};

/// The least that the provider thinks with.
const LEAST_BUDGET: u64 = 1_024;

#[derive(Serialize)]
pub(in crate::translate) struct Request<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolDefinition<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Serialize)]
struct ToolDefinition<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: Schema<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

/// A function's parameters; where the client names none, it takes none.
#[derive(Serialize)]
#[serde(untagged)]
enum Schema<'a> {
    Said(Raw<'a>),
    Nothing {
        #[serde(rename = "type")]
        kind: &'static str,
        properties: Nothing,
    },
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Choice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

#[derive(Serialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<u64>,
}

#[derive(Default, Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<OutputFormat<'a>>,
}

#[derive(Serialize)]
struct OutputFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Raw<'a>,
}

/// Writes what is asked, and reports in `lost` what of it is not.
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
    let generation = Generation::of(&model);
    let is_in_tool_use = turns.last().is_some_and(crate::translate::asked::Turn::is_tool_use);
    let (system, messages) = turns::write(&turns, &mut lost)?;

    let reasoning = Reasoning {
        generation,
        // Thinking stands in the way of being told which tool to call, and a turn that began
        // without shown thinking goes on without it.
        can_think: !is_in_tool_use && matches!(tool_choice, ToolChoice::Auto | ToolChoice::None),
        output_cap,
    };
    let (thinking, effort) = reasoning.write(effort, &mut lost);
    let is_thinking = thinking.as_ref().is_some_and(|thinking| thinking.kind != "disabled");
    let (temperature, top_p) = sampling(generation, is_thinking, &mut others, &mut lost)?;
    lost.settle(others)?;

    let output_config = OutputConfig {
        effort,
        format: output_format(&format)?,
    };
    let has_config = output_config.effort.is_some() || output_config.format.is_some();
    let request = Request {
        model: &model,
        max_tokens: output_cap,
        system,
        messages,
        tool_choice: choice(&tool_choice, parallel_calls, !tools.is_empty()),
        tools: tools.iter().map(ToolDefinition::from).collect(),
        thinking,
        output_config: has_config.then_some(output_config),
        temperature,
        top_p,
        stop_sequences: &stop,
        stream: is_stream,
    };
    Ok((serde_json::to_vec(&request).unwrap_or_default(), lost))
}

impl<'a> From<&'a Tool<'a>> for ToolDefinition<'a> {
    fn from(tool: &'a Tool<'a>) -> Self {
        Self {
            name: &tool.name,
            description: tool.description.as_deref(),
            input_schema: tool.parameters.map_or(
                Schema::Nothing {
                    kind: "object",
                    properties: Nothing {},
                },
                Schema::Said,
            ),
            strict: tool.is_strict,
        }
    }
}

fn choice<'a>(choice: &'a ToolChoice<'a>, parallel_calls: Option<bool>, has_tools: bool) -> Option<Choice<'a>> {
    let disable_parallel_tool_use = parallel_calls == Some(false);
    let (kind, name) = match choice {
        ToolChoice::Auto if !disable_parallel_tool_use => return None,
        ToolChoice::Auto => ("auto", None),
        ToolChoice::Required => ("any", None),
        ToolChoice::Named(name) => ("tool", Some(name.as_ref())),
        ToolChoice::None => {
            return has_tools.then_some(Choice {
                kind: "none",
                name: None,
                disable_parallel_tool_use: false,
            });
        }
    };
    has_tools.then_some(Choice {
        kind,
        name,
        disable_parallel_tool_use,
    })
}

fn output_format<'a>(format: &Format<'a>) -> Result<Option<OutputFormat<'a>>, ReadError> {
    match format {
        Format::Text => Ok(None),
        Format::Json => Err(not_carried(
            "response_format",
            "it answers in JSON only by a schema; send json_schema",
        )),
        Format::Schema(schema) => Ok(Some(OutputFormat {
            kind: "json_schema",
            schema: schema.json,
        })),
    }
}

/// Up to 4.6, models take sampling parameters: a temperature up to 1, or else `top_p`, and neither
/// of them while they think.
fn sampling<'a>(
    generation: Generation,
    is_thinking: bool,
    others: &mut Members<'a>,
    lost: &mut Lost,
) -> Result<(Option<Raw<'a>>, Option<Raw<'a>>), ReadError> {
    let temperature = others.take("temperature");
    let top_p = others.take("top_p");
    let takes_any = generation.takes_sampling() && !is_thinking;
    let mut carried = |name: &'static str, value: Option<Raw<'a>>, is_free: bool| {
        let Some(value) = value else { return Ok(None) };
        let number = value.number(name)?;
        if takes_any && is_free && (0.0..=1.0).contains(&number) {
            return Ok(Some(value));
        }
        // One is what both are anyway.
        if number.to_bits() != 1.0_f64.to_bits() {
            lost.report(name);
        }
        Ok(None)
    };
    let temperature = carried("temperature", temperature, true)?;
    let top_p = carried("top_p", top_p, temperature.is_none())?;
    Ok((temperature, top_p))
}

/// How a model is told to think.
struct Reasoning {
    generation: Generation,
    can_think: bool,
    output_cap: Option<u64>,
}

impl Reasoning {
    fn write(&self, effort: Option<Effort>, lost: &mut Lost) -> (Option<Thinking>, Option<&'static str>) {
        let Some(effort) = effort else { return (None, None) };
        if effort == Effort::None {
            let disabled = Thinking {
                kind: "disabled",
                budget_tokens: None,
            };
            return (Some(disabled), None);
        }
        if self.generation.thinks_adaptively() {
            let adaptive = self.can_think.then_some(Thinking {
                kind: "adaptive",
                budget_tokens: None,
            });
            return (adaptive, Some(self.word(effort)));
        }
        let budget = self
            .output_cap
            .map_or(u64::MAX, |cap| cap / 2)
            .min(effort.budget_tokens());
        if !self.can_think || !self.generation.thinks() || budget < LEAST_BUDGET {
            lost.report("reasoning_effort");
            return (None, None);
        }
        let enabled = Thinking {
            kind: "enabled",
            budget_tokens: Some(budget),
        };
        (Some(enabled), None)
    }

    fn word(&self, effort: Effort) -> &'static str {
        match effort {
            Effort::None | Effort::Minimal | Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::VeryHigh if self.generation.knows_very_high() => "xhigh",
            Effort::VeryHigh | Effort::Max => "max",
        }
    }
}
