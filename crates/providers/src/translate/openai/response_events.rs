//! The events of a streamed response, as they stand on the wire.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    completion::ErrorMembers,
    response::{Item, Part},
};

/// An event with its place among the others.
#[derive(Serialize)]
pub(super) struct Numbered<'a> {
    #[serde(flatten)]
    pub(super) event: &'a Event<'a>,
    pub(super) sequence_number: u64,
}

#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Event<'a> {
    #[serde(rename = "response.created")]
    Created { response: Box<RawValue> },
    #[serde(rename = "response.in_progress")]
    InProgress { response: Box<RawValue> },
    #[serde(rename = "response.completed")]
    Completed { response: Box<RawValue> },
    #[serde(rename = "response.incomplete")]
    Incomplete { response: Box<RawValue> },
    #[serde(rename = "response.output_item.added")]
    ItemAdded { output_index: usize, item: &'a Item },
    #[serde(rename = "response.output_item.done")]
    ItemDone { output_index: usize, item: &'a Item },
    #[serde(rename = "response.content_part.added")]
    PartAdded {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        part: &'a Part,
    },
    #[serde(rename = "response.content_part.done")]
    PartDone {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        part: &'a Part,
    },
    #[serde(rename = "response.output_text.delta")]
    TextDelta(Delta<'a>),
    #[serde(rename = "response.refusal.delta")]
    RefusalDelta(Delta<'a>),
    #[serde(rename = "response.function_call_arguments.delta")]
    ArgumentsDelta(Delta<'a>),
    #[serde(rename = "response.output_text.done")]
    TextDone {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        text: &'a str,
        logprobs: [(); 0],
    },
    #[serde(rename = "response.refusal.done")]
    RefusalDone {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        refusal: &'a str,
    },
    #[serde(rename = "response.function_call_arguments.done")]
    ArgumentsDone {
        item_id: &'a str,
        output_index: usize,
        name: &'a str,
        arguments: &'a str,
    },
    #[serde(rename = "error")]
    Error {
        code: Option<&'static str>,
        message: &'a str,
        param: Option<()>,
        error: ErrorMembers<'a>,
    },
}

#[derive(Serialize)]
pub(super) struct Delta<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(rename = "delta")]
    pub(super) piece: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<[(); 0]>,
}

impl<'a> Event<'a> {
    pub(super) fn created(response: Box<RawValue>) -> Self {
        Self::Created { response }
    }

    pub(super) fn in_progress(response: Box<RawValue>) -> Self {
        Self::InProgress { response }
    }

    pub(super) fn text_done(item_id: &'a str, (output_index, content_index): (usize, usize), part: &'a Part) -> Self {
        match part {
            Part::OutputText { text, .. } => Self::TextDone {
                item_id,
                output_index,
                content_index,
                text,
                logprobs: [],
            },
            Part::Refusal { refusal } => Self::RefusalDone {
                item_id,
                output_index,
                content_index,
                refusal,
            },
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "response.created",
            Self::InProgress { .. } => "response.in_progress",
            Self::Completed { .. } => "response.completed",
            Self::Incomplete { .. } => "response.incomplete",
            Self::ItemAdded { .. } => "response.output_item.added",
            Self::ItemDone { .. } => "response.output_item.done",
            Self::PartAdded { .. } => "response.content_part.added",
            Self::PartDone { .. } => "response.content_part.done",
            Self::TextDelta(_) => "response.output_text.delta",
            Self::RefusalDelta(_) => "response.refusal.delta",
            Self::ArgumentsDelta(_) => "response.function_call_arguments.delta",
            Self::TextDone { .. } => "response.output_text.done",
            Self::RefusalDone { .. } => "response.refusal.done",
            Self::ArgumentsDone { .. } => "response.function_call_arguments.done",
            Self::Error { .. } => "error",
        }
    }
}
