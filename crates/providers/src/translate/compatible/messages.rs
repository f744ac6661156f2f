//! The messages of a chat completion, written.

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
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

/// A text where it is one, for not every server reads a list everywhere.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<ContentPart<'a>>),
}

pub(super) fn write<'a>(turn: &'a Turn<'a>) -> Result<Message<'a>, ReadError> {
    let message = |role, parts: &'a [Part<'a>]| Message {
        role,
        content: Some(content(parts)),
        tool_calls: Vec::new(),
        tool_call_id: None,
    };
    Ok(match turn {
        // The older role, which all of them know.
        Turn::Instruction(parts) => message("system", text_alone(parts)?),
        Turn::User(parts) => message("user", parts),
        Turn::Assistant { parts, calls } => Message {
            content: (!parts.is_empty() || calls.is_empty()).then(|| content(parts)),
            tool_calls: calls.iter().map(Call::from).collect(),
            ..message("assistant", text_alone(parts)?)
        },
        Turn::ToolResult { call_id, parts } => Message {
            tool_call_id: Some(call_id),
            ..message("tool", text_alone(parts)?)
        },
    })
}

/// Only what the user says can have pictures.
fn text_alone<'a>(parts: &'a [Part<'a>]) -> Result<&'a [Part<'a>], ReadError> {
    if parts.iter().any(|part| matches!(part, Part::Image(_))) {
        return Err(not_carried("input.content", "only what the user says can have images"));
    }
    Ok(parts)
}

fn content<'a>(parts: &'a [Part<'a>]) -> Content<'a> {
    match parts {
        [] => Content::Text(""),
        [Part::Text(text)] => Content::Text(text),
        parts => Content::Parts(parts.iter().map(ContentPart::from).collect()),
    }
}
