//! The messages of a conversation as Cohere has them: close to OpenAI's.

use serde::Serialize;

use crate::{
    request::ReadError,
    translate::{
        asked::{Part, Turn},
        chat_parts::{Call, ContentPart},
        raw::not_carried,
    },
};

#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    content: Vec<ContentPart<'a>>,
    /// What the model says before it calls tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_plan: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

pub(super) fn write<'a>(turns: &'a [Turn<'a>]) -> Result<Vec<Message<'a>>, ReadError> {
    turns.iter().map(write_turn).collect()
}

fn write_turn<'a>(turn: &'a Turn<'a>) -> Result<Message<'a>, ReadError> {
    let message = |role, parts: &'a [Part<'a>]| Message {
        role,
        content: parts.iter().map(ContentPart::from).collect(),
        tool_plan: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
    };
    Ok(match turn {
        Turn::Instruction(parts) => message("system", parts),
        Turn::User(parts) => message("user", parts),
        Turn::Assistant { parts, calls } if calls.is_empty() => message("assistant", parts),
        Turn::Assistant { parts, calls } => Message {
            tool_plan: Some(text_of(parts)?).filter(|plan| !plan.is_empty()),
            tool_calls: calls.iter().map(Call::from).collect(),
            ..message("assistant", &[])
        },
        Turn::ToolResult { call_id, parts } => Message {
            tool_call_id: Some(call_id),
            ..message("tool", parts)
        },
    })
}

fn text_of(parts: &[Part<'_>]) -> Result<String, ReadError> {
    let texts = parts.iter().map(|part| match part {
        Part::Text(text) => Ok(text.as_ref()),
        Part::Image(_) => Err(not_carried(
            "messages.content",
            "beside calls of tools stands text alone",
        )),
    });
    texts.collect()
}
