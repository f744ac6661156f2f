//! The messages of a conversation as Cohere has them: close to OpenAI's.

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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    content: Vec<Content<'a>>,
    /// What the model says before it calls tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_plan: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content<'a> {
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

pub(super) fn write<'a>(turns: &'a [Turn<'a>]) -> Result<Vec<Message<'a>>, ReadError> {
    turns.iter().map(write_turn).collect()
}

fn write_turn<'a>(turn: &'a Turn<'a>) -> Result<Message<'a>, ReadError> {
    let message = |role, parts: &'a [Part<'a>]| Message {
        role,
        content: parts.iter().map(content).collect(),
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

fn content<'a>(part: &'a Part<'a>) -> Content<'a> {
    match part {
        Part::Text(text) => Content::Text { text },
        Part::Image(image) => {
            let url = match image {
                Image::Address(url) => url.clone().into_owned(),
                Image::Data { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
            };
            Content::ImageUrl {
                image_url: ImageUrl { url },
            }
        }
    }
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
