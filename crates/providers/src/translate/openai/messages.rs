//! The messages of a chat completion, and what they are made of.

use std::borrow::Cow;

use crate::{
    request::ReadError,
    translate::{
        asked::{Image, Part, ToolCall, Turn},
        loss::Lost,
        raw::{Members, Raw, invalid, not_carried},
    },
};

type Read<T> = Result<T, ReadError>;

pub(super) fn read<'a>(messages: Raw<'a>, lost: &mut Lost) -> Read<Vec<Turn<'a>>> {
    let messages = messages.items("messages")?.into_iter();
    messages.map(|message| read_message(message, lost)).collect()
}

fn read_message<'a>(message: Raw<'a>, lost: &mut Lost) -> Read<Turn<'a>> {
    let mut message = message.members("messages")?;
    let role = message.take_text("role", "messages.role")?;
    let parts = message.take("content");
    let parts = parts.map_or_else(|| Ok(Vec::new()), |content| read_content(content, lost))?;
    let turn = match role.as_deref() {
        Some("system" | "developer") => Turn::Instruction(parts),
        Some("user") => Turn::User(parts),
        Some("assistant") => read_assistant(&mut message, parts)?,
        Some("tool") => Turn::ToolResult {
            call_id: message
                .take_text("tool_call_id", "messages.tool_call_id")?
                .ok_or(invalid("messages.tool_call_id", "is missing"))?,
            parts,
        },
        Some("function") => return Err(not_carried("messages.role", "function is an old name; send tool")),
        _ => return Err(invalid("messages.role", "is not a known role")),
    };
    lost.report_rest("messages", message);
    Ok(turn)
}

fn read_assistant<'a>(message: &mut Members<'a>, mut parts: Vec<Part<'a>>) -> Read<Turn<'a>> {
    if message.take("function_call").is_some() {
        return Err(not_carried("messages.function_call", "send tool_calls instead"));
    }
    if message.take("audio").is_some() {
        return Err(not_carried(
            "messages.audio",
            "sound is kept at the provider that made it",
        ));
    }
    if let Some(refusal) = message.take_text("refusal", "messages.refusal")? {
        parts.push(Part::Text(refusal));
    }
    let calls = match message.take("tool_calls") {
        None => Vec::new(),
        Some(calls) => {
            let calls = calls.items("messages.tool_calls")?.into_iter();
            calls.map(read_call).collect::<Read<_>>()?
        }
    };
    Ok(Turn::Assistant { parts, calls })
}

fn read_call(call: Raw<'_>) -> Read<ToolCall<'_>> {
    let mut call = call.members("messages.tool_calls")?;
    let kind = call.take_text("type", "messages.tool_calls.type")?;
    if kind.is_some_and(|kind| kind != "function") {
        return Err(not_carried("messages.tool_calls.type", "only functions have equals"));
    }
    let id = call.take_text("id", "messages.tool_calls.id")?;
    let function = call.take("function");
    let function = function.ok_or(invalid("messages.tool_calls.function", "is missing"))?;
    let mut function = function.members("messages.tool_calls.function")?;
    let name = function.take_text("name", "messages.tool_calls.function.name")?;
    let arguments = function.take_text("arguments", "messages.tool_calls.function.arguments")?;
    Ok(ToolCall {
        signature: read_signature(call.take("extra_content"))?,
        id: id.ok_or(invalid("messages.tool_calls.id", "is missing"))?,
        name: name.ok_or(invalid("messages.tool_calls.function.name", "is missing"))?,
        arguments: checked_arguments(arguments.unwrap_or_default())?,
    })
}

/// Where Google's own face over Gemini has it.
fn read_signature(extra: Option<Raw<'_>>) -> Read<Option<Cow<'_, str>>> {
    const MEMBER: &str = "messages.tool_calls.extra_content";
    let Some(extra) = extra else { return Ok(None) };
    let Some(google) = extra.members(MEMBER)?.take("google") else {
        return Ok(None);
    };
    google.members(MEMBER)?.take_text("thought_signature", MEMBER)
}

/// Models may write nothing where a function takes nothing.
pub(super) fn checked_arguments(arguments: Cow<'_, str>) -> Read<Cow<'_, str>> {
    if arguments.trim().is_empty() {
        return Ok("{}".into());
    }
    let is_object = Raw::read(arguments.as_bytes()).is_ok_and(Raw::is_object);
    if is_object {
        return Ok(arguments);
    }
    Err(invalid(
        "messages.tool_calls.function.arguments",
        "must be a JSON object",
    ))
}

fn read_content<'a>(content: Raw<'a>, lost: &mut Lost) -> Read<Vec<Part<'a>>> {
    if content.is_text() {
        return Ok(vec![Part::Text(content.text("messages.content")?)]);
    }
    let parts = content.items("messages.content")?.into_iter();
    parts.map(|part| read_part(part, lost)).collect()
}

fn read_part<'a>(part: Raw<'a>, lost: &mut Lost) -> Read<Part<'a>> {
    let mut part = part.members("messages.content")?;
    let kind = part.take_text("type", "messages.content.type")?;
    let read = match kind.as_deref() {
        Some("text") => part.take_text("text", "messages.content.text")?.map(Part::Text),
        Some("refusal") => part.take_text("refusal", "messages.content.refusal")?.map(Part::Text),
        Some("image_url") => match part.take("image_url") {
            Some(image) => Some(Part::Image(read_image(image, lost)?)),
            None => None,
        },
        Some("input_audio") => return Err(not_carried("messages.content.input_audio", "sound has no equal")),
        Some("file") => return Err(not_carried("messages.content.file", "files are not translated")),
        _ => return Err(not_carried("messages.content.type", "it is not known here")),
    };
    lost.report_rest("messages.content", part);
    read.ok_or(invalid("messages.content", "has a part without content"))
}

fn read_image<'a>(image: Raw<'a>, lost: &mut Lost) -> Read<Image<'a>> {
    let mut image = image.members("messages.content.image_url")?;
    let detail = image.take_text("detail", "messages.content.image_url.detail")?;
    if detail.is_some_and(|detail| detail != "auto") {
        lost.report("messages.content.image_url.detail");
    }
    let url = image.take_text("url", "messages.content.image_url.url")?;
    read_address(url.unwrap_or_default())
}

/// A `data:` URL in base64 (RFC 2397), or an `https` address.
pub(super) fn read_address(url: Cow<'_, str>) -> Read<Image<'_>> {
    if url.starts_with("https://") {
        return Ok(Image::Address(url));
    }
    let (media_type, base64) = match url {
        Cow::Borrowed(url) => split_data(url).map(|(kind, data)| (kind.into(), data.into())),
        Cow::Owned(url) => split_data(&url).map(|(kind, data)| (kind.to_owned().into(), data.to_owned().into())),
    }
    .ok_or(invalid(
        "messages.content.image_url.url",
        "must be an https address, or a data: URL of an image in base64",
    ))?;
    Ok(Image::Data { media_type, base64 })
}

fn split_data(url: &str) -> Option<(&str, &str)> {
    let (media_type, base64) = url.strip_prefix("data:")?.split_once(";base64,")?;
    media_type.starts_with("image/").then_some((media_type, base64))
}
