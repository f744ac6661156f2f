//! What a request gives a model to read: messages, items and their parts.
//!
//! Only what decides the size of the input is looked at. What is not known here may be of any
//! size, so it counts as unsized and never as nothing.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::tools;
use crate::{
    ceiling::Input,
    draft::Draft,
    json::Reader,
    request::{ObjectKind, ReadError},
    sound,
};

type Read<T> = Result<T, ReadError>;

/// The `messages` of chat completions.
pub(super) fn read_messages(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    reader.array(|reader| {
        reader.object(|reader, name| match name {
            "content" => read_content(reader, draft),
            "audio" => reader.only_null("messages.audio", "it names a sound that is kept at the provider"),
            _ => reader.skip().map(|_| ()),
        })
    })
}

/// The `input` of responses: a text, or items.
pub(super) fn read_input(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    if reader.peek() != Some(b'[') {
        return reader.skip().map(|_| ());
    }
    reader.array(|reader| read_item(reader, draft))
}

fn read_item(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    let mut kind = None;
    let mut has_role = false;
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("input.type")?;
            Ok(())
        }
        "role" => {
            has_role = true;
            reader.skip().map(|_| ())
        }
        "content" | "output" => read_content(reader, draft),
        // Tools can also be brought in the middle of the input.
        "tools" => tools::read(reader, draft),
        _ => reader.skip().map(|_| ()),
    })?;

    match kind.as_deref() {
        None if has_role => {}
        None | Some("item_reference") => {
            draft.name(ObjectKind::Foreign, "");
            draft.input.has_unsized = true;
        }
        Some("compaction_trigger") => draft.nothing_bounds_it("compaction runs the model once more"),
        Some(kind) if IS_TEXT.contains(&kind) => {}
        Some(_) => draft.input.has_unsized = true,
    }
    Ok(())
}

/// Items of which the model reads no more than stands in them, encrypted reasoning included:
/// encryption does not shorten, and base64 makes it longer by a third.
const IS_TEXT: [&str; 24] = [
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "computer_call",
    "computer_call_output",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "configuration_update",
    "web_search_call",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "code_interpreter_call",
];

/// A text, a list of parts, or a single part.
fn read_content(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    match reader.peek() {
        Some(b'[') => reader.array(|reader| match reader.peek() {
            Some(b'{') => read_part(reader, draft),
            _ => reader.skip().map(|_| ()),
        }),
        Some(b'{') => read_part(reader, draft),
        _ => reader.skip().map(|_| ()),
    }
}

fn read_part(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    let mut kind = None;
    let mut image_bytes = 0;
    let mut sound = Input::default();
    let mut has_file_id = false;
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("content.type")?;
            Ok(())
        }
        "image_url" => {
            image_bytes = read_image_url(reader)?;
            Ok(())
        }
        "input_audio" => {
            sound = read_sound(reader)?;
            Ok(())
        }
        "file_id" => {
            has_file_id = reader.skip_some()?;
            Ok(())
        }
        "file" if reader.peek() == Some(b'{') => reader.object(|reader, name| {
            let is_there = reader.skip_some()?;
            has_file_id |= is_there && name == "file_id";
            Ok(())
        }),
        _ => reader.skip().map(|_| ()),
    })?;

    if has_file_id {
        draft.name(ObjectKind::Foreign, "");
    }
    match kind.as_deref() {
        Some("text" | "input_text" | "output_text" | "summary_text" | "reasoning_text" | "refusal") => {}
        Some("image_url" | "input_image" | "computer_screenshot") => draft.input.add(Input {
            images: 1,
            image_bytes,
            ..Input::default()
        }),
        Some("input_audio") if sound.audio_bytes > 0 => draft.input.add(sound),
        _ => draft.input.has_unsized = true,
    }
    Ok(())
}

pub(crate) fn sound_is_unpriced(member: &'static str) -> ReadError {
    ReadError::NotSupported {
        member,
        reason: "the price of sound is not known",
    }
}

/// How many bytes of the body are an image: those of a `data:` URL.
pub(crate) fn read_image_url(reader: &mut Reader<'_>) -> Read<u64> {
    let mut bytes = 0;
    match reader.peek() {
        Some(b'"') => {
            let url = reader.text()?.raw();
            if url.starts_with("data:image/") {
                bytes = url.len() as u64;
            }
        }
        Some(b'{') => reader.object(|reader, name| {
            if name == "url" {
                bytes = read_image_url(reader)?;
                return Ok(());
            }
            reader.skip().map(|_| ())
        })?,
        _ => {
            reader.skip()?;
        }
    }
    Ok(bytes)
}

/// OpenAI's models count ten.
const MOST_AUDIO_TOKENS_PER_SECOND: u64 = 16;

/// A sound in base64, which is counted by its length and not as text.
fn read_sound(reader: &mut Reader<'_>) -> Read<Input> {
    let mut sound = Input::default();
    if reader.peek() != Some(b'{') {
        reader.skip()?;
        return Ok(sound);
    }
    reader.object(|reader, name| {
        if name != "data" || reader.peek() != Some(b'"') {
            return reader.skip().map(|_| ());
        }
        let data = reader.text()?.raw();
        let milliseconds = match BASE64_STANDARD.decode(data) {
            Ok(bytes) => sound::most_milliseconds_of(&bytes),
            // The provider may still make something of it.
            Err(_) => sound::most_milliseconds(&[], data.len() as u64),
        };
        sound.audio_bytes = data.len() as u64;
        sound.audio_tokens = milliseconds
            .saturating_mul(MOST_AUDIO_TOKENS_PER_SECOND)
            .div_ceil(1_000);
        Ok(())
    })?;
    Ok(sound)
}
