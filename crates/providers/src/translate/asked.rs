//! What a client asks of a chat, whatever it and the provider write it as: the middle of every
//! translation.
//!
//! The readers of the client's formats fill it, the writers of the providers' take it apart. A
//! writer names every member of [`Asked`], so that nothing new is forgotten by one of them.

use std::borrow::Cow;

use serde::Serialize;

use super::{
    loss::Lost,
    raw::{Members, Raw},
};

#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) model: Cow<'a, str>,
    pub(crate) turns: Vec<Turn<'a>>,
    pub(crate) tools: Vec<Tool<'a>>,
    pub(crate) tool_choice: ToolChoice<'a>,
    /// Whether several tools may be called at once; `None` where the client does not say.
    pub(crate) parallel_calls: Option<bool>,
    pub(crate) format: Format<'a>,
    pub(crate) effort: Option<Effort>,
    pub(crate) output_cap: Option<u64>,
    pub(crate) stop: Vec<Cow<'a, str>>,
    pub(crate) is_stream: bool,
    /// What only some providers know: to be carried, reported or refused, name by name.
    pub(crate) others: Members<'a>,
    /// What got lost in reading, whoever the provider is.
    pub(crate) lost: Lost,
}

#[derive(Debug)]
pub(crate) enum Turn<'a> {
    /// Of the developer, not of the user.
    Instruction(Vec<Part<'a>>),
    User(Vec<Part<'a>>),
    Assistant {
        parts: Vec<Part<'a>>,
        calls: Vec<ToolCall<'a>>,
    },
    ToolResult {
        call_id: Cow<'a, str>,
        parts: Vec<Part<'a>>,
    },
}

#[derive(Debug)]
pub(crate) enum Part<'a> {
    Text(Cow<'a, str>),
    Image(Image<'a>),
}

#[derive(Debug)]
pub(crate) enum Image<'a> {
    /// `media_type` begins with `image/`; `base64` is not looked into.
    Data {
        media_type: Cow<'a, str>,
        base64: Cow<'a, str>,
    },
    /// An `https` address.
    Address(Cow<'a, str>),
}

#[derive(Debug)]
pub(crate) struct ToolCall<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    /// One JSON object, as text.
    pub(crate) arguments: Cow<'a, str>,
    /// What Gemini gave with the call.
    pub(crate) signature: Option<Cow<'a, str>>,
}

/// A function that the client itself runs.
#[derive(Debug)]
pub(crate) struct Tool<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) description: Option<Cow<'a, str>>,
    pub(crate) parameters: Option<Raw<'a>>,
    pub(crate) is_strict: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ToolChoice<'a> {
    Auto,
    None,
    Required,
    Named(Cow<'a, str>),
}

#[derive(Debug)]
pub(crate) enum Format<'a> {
    Text,
    /// Any JSON object.
    Json,
    Schema(Schema<'a>),
}

/// By which the answer is JSON.
#[derive(Debug)]
pub(crate) struct Schema<'a> {
    /// Only labels it.
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) json: Raw<'a>,
    /// Those who are not asked keep to it anyway.
    pub(crate) is_strict: Option<bool>,
}

/// How much to reason before answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    #[serde(rename = "xhigh")]
    VeryHigh,
    Max,
}

impl Effort {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::VeryHigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    /// How many tokens to reason with, for providers that count them.
    pub(crate) fn budget_tokens(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal => 1_024,
            Self::Low => 2_048,
            Self::Medium => 8_192,
            Self::High => 16_384,
            Self::VeryHigh | Self::Max => 24_576,
        }
    }
}

impl Turn<'_> {
    /// Whether this is a step of the model's own work: a call of a tool, or what came of it.
    pub(crate) fn is_tool_use(&self) -> bool {
        match self {
            Self::ToolResult { .. } => true,
            Self::Assistant { calls, .. } => !calls.is_empty(),
            _ => false,
        }
    }
}
