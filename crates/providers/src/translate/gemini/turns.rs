//! The turns of a conversation as Gemini has them: the user's and the model's contents, in parts.

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

/// What ids of calls begin with that the provider gave none.
pub(super) const OWN_CALL: &str = "call_own_";
/// What the provider documents for calls that another model made.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

#[derive(Serialize)]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<ContentPart<'a>>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentPart<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<InlineData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InlineData<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    args: &'a RawValue,
}

#[derive(Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    response: Output,
}

#[derive(Serialize)]
struct Output {
    output: String,
}

const USER: &str = "user";
const MODEL: &str = "model";

/// The instructions, where there are any, and the contents.
pub(super) fn write<'a>(
    turns: &'a [Turn<'a>],
    lost: &mut Lost,
) -> Result<(Option<Content<'a>>, Vec<Content<'a>>), ReadError> {
    let mut instructions = Vec::new();
    let mut contents: Vec<Content<'a>> = Vec::new();
    let mut calls: Vec<&ToolCall<'a>> = Vec::new();
    let mut is_after_result = false;
    for turn in turns {
        let is_result = matches!(turn, Turn::ToolResult { .. });
        let (role, parts) = match turn {
            Turn::Instruction(parts) => {
                if !contents.is_empty() {
                    // It is still obeyed, but no longer stands where it stood.
                    lost.report("messages.position");
                }
                instructions.extend(write_parts(parts)?);
                continue;
            }
            Turn::User(parts) => (USER, write_parts(parts)?),
            Turn::Assistant { parts, calls: made } => {
                calls.extend(made);
                let mut parts = write_parts(parts)?;
                for (place, call) in made.iter().enumerate() {
                    parts.push(write_call(call, place)?);
                }
                (MODEL, parts)
            }
            Turn::ToolResult { call_id, parts } => {
                let call = calls.iter().rev().find(|call| call.id == *call_id);
                let call = call.ok_or(invalid("messages.tool_call_id", "names no call before it"))?;
                (USER, vec![write_result(call, parts)?])
            }
        };
        // What tools returned stands together, as their calls did.
        match contents.last_mut() {
            Some(before) if is_result && is_after_result => before.parts.extend(parts),
            _ if parts.is_empty() => {}
            _ => contents.push(Content {
                role: Some(role),
                parts,
            }),
        }
        is_after_result = is_result;
    }
    let instruction = (!instructions.is_empty()).then_some(Content {
        role: None,
        parts: instructions,
    });
    Ok((instruction, contents))
}

fn write_parts<'a>(parts: &'a [Part<'a>]) -> Result<Vec<ContentPart<'a>>, ReadError> {
    let mut written = Vec::new();
    for part in parts {
        written.push(match part {
            Part::Text(text) if text.is_empty() => continue,
            Part::Text(text) => ContentPart {
                text: Some(text),
                ..ContentPart::default()
            },
            Part::Image(Image::Data { media_type, base64 }) => ContentPart {
                inline_data: Some(InlineData {
                    mime_type: media_type,
                    data: base64,
                }),
                ..ContentPart::default()
            },
            Part::Image(Image::Address(_)) => {
                return Err(not_carried(
                    "messages.content.image_url.url",
                    "it fetches no pictures; send a data: URL",
                ));
            }
        });
    }
    Ok(written)
}

/// The first call of a turn carries what the model thought; without it, newer models refuse the
/// turn.
fn write_call<'a>(call: &'a ToolCall<'a>, place: usize) -> Result<ContentPart<'a>, ReadError> {
    let args = serde_json::from_str(&call.arguments)
        .map_err(|_| invalid("messages.tool_calls.function.arguments", "must be a JSON object"))?;
    let signature = call.signature.as_deref();
    Ok(ContentPart {
        function_call: Some(FunctionCall {
            id: given_id(call),
            name: &call.name,
            args,
        }),
        thought_signature: signature.or((place == 0).then_some(NO_SIGNATURE)),
        ..ContentPart::default()
    })
}

fn write_result<'a>(call: &'a ToolCall<'a>, parts: &[Part<'_>]) -> Result<ContentPart<'a>, ReadError> {
    let mut output = String::new();
    for part in parts {
        match part {
            Part::Text(text) => output.push_str(text),
            Part::Image(_) => return Err(not_carried("messages.content", "its tools return text")),
        }
    }
    Ok(ContentPart {
        function_response: Some(FunctionResponse {
            id: given_id(call),
            name: &call.name,
            response: Output { output },
        }),
        ..ContentPart::default()
    })
}

fn given_id<'a>(call: &'a ToolCall<'a>) -> Option<&'a str> {
    Some(call.id.as_ref()).filter(|id| !id.starts_with(OWN_CALL))
}
