//! The turns of a conversation as Anthropic has them: instructions apart, the user and the
//! assistant in turn, and what tools returned in the user's turn.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    request::ReadError,
    translate::{
        asked::{Image, Part, ToolCall, Turn},
        loss::Lost,
        raw::{invalid, not_carried},
    },
};

#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a RawValue,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: Vec<Block<'a>>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Url { url: &'a str },
}

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// The instructions and the messages.
pub(super) fn write<'a>(
    turns: &'a [Turn<'a>],
    lost: &mut Lost,
) -> Result<(Vec<Block<'a>>, Vec<Message<'a>>), ReadError> {
    let mut system = Vec::new();
    let mut messages: Vec<Message<'a>> = Vec::new();
    for turn in turns {
        let (role, blocks) = match turn {
            Turn::Instruction(parts) => {
                if !messages.is_empty() {
                    // It is still obeyed, but no longer stands where it stood.
                    lost.report("messages.position");
                }
                system.extend(blocks(parts)?);
                continue;
            }
            Turn::User(parts) => (USER, blocks(parts)?),
            Turn::Assistant { parts, calls } => {
                let mut blocks = blocks(parts)?;
                for call in calls {
                    blocks.push(tool_use(call)?);
                }
                (ASSISTANT, blocks)
            }
            Turn::ToolResult { call_id, parts } => {
                let result = Block::ToolResult {
                    tool_use_id: call_id,
                    content: blocks(parts)?,
                };
                (USER, vec![result])
            }
        };
        // All that tools returned must stand in the one turn that follows their calls.
        match messages.last_mut() {
            Some(before) if before.role == role => before.content.extend(blocks),
            _ if blocks.is_empty() => {}
            _ => messages.push(Message { role, content: blocks }),
        }
    }
    Ok((system, messages))
}

/// Texts of nothing are refused by the provider, and say nothing.
fn blocks<'a>(parts: &'a [Part<'a>]) -> Result<Vec<Block<'a>>, ReadError> {
    let parts = parts
        .iter()
        .filter(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    parts.map(block).collect()
}

fn block<'a>(part: &'a Part<'a>) -> Result<Block<'a>, ReadError> {
    Ok(match part {
        Part::Text(text) => Block::Text { text },
        Part::Image(Image::Address(url)) => Block::Image {
            source: Source::Url { url },
        },
        Part::Image(Image::Data { media_type, base64 }) => {
            check_media_type(media_type)?;
            Block::Image {
                source: Source::Base64 {
                    media_type,
                    data: base64,
                },
            }
        }
    })
}

fn check_media_type(media_type: &str) -> Result<(), ReadError> {
    match media_type {
        "image/jpeg" | "image/png" | "image/gif" | "image/webp" => Ok(()),
        _ => Err(not_carried(
            "messages.content.image_url",
            "it takes JPEG, PNG, GIF and WebP",
        )),
    }
}

fn tool_use<'a>(call: &'a ToolCall<'a>) -> Result<Block<'a>, ReadError> {
    let input = serde_json::from_str(&call.arguments)
        .map_err(|_| invalid("messages.tool_calls.function.arguments", "must be a JSON object"))?;
    Ok(Block::ToolUse {
        id: &call.id,
        name: &call.name,
        input,
    })
}
