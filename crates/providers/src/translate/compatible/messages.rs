//! The messages of a chat completion, written.

use serde::Serialize;

use crate::{
    request::ReadError,
    translate::{
        asked::{Image, Part, ToolCall, Turn},
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

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ContentPart<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
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

impl<'a> From<&'a Part<'a>> for ContentPart<'a> {
    fn from(part: &'a Part<'a>) -> Self {
        match part {
            Part::Text(text) => Self::Text { text },
            Part::Image(image) => Self::ImageUrl {
                image_url: ImageUrl {
                    url: match image {
                        Image::Address(url) => url.clone().into_owned(),
                        Image::Data { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
                    },
                },
            },
        }
    }
}

impl<'a> From<&'a ToolCall<'a>> for Call<'a> {
    fn from(call: &'a ToolCall<'a>) -> Self {
        Self {
            id: &call.id,
            kind: "function",
            function: Function {
                name: &call.name,
                arguments: &call.arguments,
            },
        }
    }
}
