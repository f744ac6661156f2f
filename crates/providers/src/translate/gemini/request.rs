//! A request to Gemini's `generateContent`, written.

use std::borrow::Cow;

use serde::Serialize;

use super::turns::{self, Content};
use crate::{
    request::ReadError,
    translate::{
        asked::{Asked, Effort, Format, Tool, ToolChoice},
        loss::Lost,
        raw::{Raw, not_carried},
    },
};

/// The least that a model thinks with which cannot be told not to.
const LEAST_BUDGET: u64 = 128;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    generation_config: GenerationConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Raw<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [Cow<'a, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<ThinkingConfig>,
}

/// One of the two, by the generation of the model.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ThinkingConfig {
    ThinkingBudget(u64),
    ThinkingLevel(&'static str),
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
        // The path says it.
        is_stream: _,
        mut others,
        mut lost,
    } = asked;
    if parallel_calls == Some(false) && !tools.is_empty() {
        return Err(not_carried("parallel_tool_calls", "it may call several tools at once"));
    }
    let (instruction, contents) = turns::write(&turns, &mut lost)?;
    let thinking_config = effort.and_then(|effort| thinking(&model, effort, output_cap, &mut lost));
    let (response_mime_type, response_json_schema) = match format {
        Format::Text => (None, None),
        Format::Json => (Some("application/json"), None),
        Format::Schema(schema) => (Some("application/json"), Some(schema.json)),
    };
    let generation_config = GenerationConfig {
        max_output_tokens: output_cap,
        temperature: others.take("temperature"),
        top_p: others.take("top_p"),
        seed: others.take("seed"),
        presence_penalty: others.take("presence_penalty"),
        frequency_penalty: others.take("frequency_penalty"),
        stop_sequences: &stop,
        response_mime_type,
        response_json_schema,
        thinking_config,
    };
    lost.settle(others)?;
    if tools.iter().any(|tool| tool.is_strict) {
        lost.report("tools.function.strict");
    }
    let request = Request {
        system_instruction: instruction,
        contents,
        tool_config: tool_config(&tool_choice, !tools.is_empty()),
        tools: (!tools.is_empty()).then(|| {
            [Tools {
                function_declarations: tools.iter().map(Declaration::from).collect(),
            }]
        }),
        generation_config,
    };
    Ok((serde_json::to_vec(&request).unwrap_or_default(), lost))
}

impl<'a> From<&'a Tool<'a>> for Declaration<'a> {
    fn from(tool: &'a Tool<'a>) -> Self {
        Self {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters_json_schema: tool.parameters,
        }
    }
}

fn tool_config<'a>(choice: &'a ToolChoice<'a>, has_tools: bool) -> Option<ToolConfig<'a>> {
    let (mode, name) = match choice {
        ToolChoice::Auto => return None,
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Named(name) => ("ANY", Some([name.as_ref()])),
    };
    has_tools.then_some(ToolConfig {
        function_calling_config: Calling {
            mode,
            allowed_function_names: name,
        },
    })
}

/// Up to 2.0 nothing thinks, 2.5 is told with how many tokens, and what follows how much. Not all of
/// them can be told not to: then they think as little as they can, which is reported.
fn thinking(model: &str, effort: Effort, output_cap: Option<u64>, lost: &mut Lost) -> Option<ThinkingConfig> {
    let is_pro = model.contains("pro");
    let is_off = effort == Effort::None;
    if model.starts_with("gemini-1") || model.starts_with("gemini-2.0") {
        if !is_off {
            lost.report("reasoning_effort");
        }
        return None;
    }
    if model.starts_with("gemini-2.5") {
        let most = output_cap.map_or(u64::MAX, |cap| cap / 2);
        let mut budget = effort.budget_tokens().min(most);
        if is_pro && budget < LEAST_BUDGET {
            lost.report("reasoning_effort");
            budget = LEAST_BUDGET;
        }
        return Some(ThinkingConfig::ThinkingBudget(budget));
    }
    if is_off {
        lost.report("reasoning_effort");
    }
    Some(ThinkingConfig::ThinkingLevel(match effort {
        Effort::None | Effort::Minimal if !is_pro => "minimal",
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::VeryHigh | Effort::Max => "high",
    }))
}
