//! What a request gives a model to read: messages and their blocks.
//!
//! Only what decides the size of the input is looked at. What is not known here may be of any
//! size, so it counts as unsized and never as nothing.

use super::tools;
use crate::{ceiling::Input, draft::Draft, json::Reader, request::ReadError};

type Read<T> = Result<T, ReadError>;

pub(super) fn read_messages(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    reader.array(|reader| {
        reader.object(|reader, name| match name {
            "content" => read_blocks(reader, draft),
            _ => reader.skip().map(|_| ()),
        })
    })
}

/// A text, a list of blocks, or a single block.
pub(super) fn read_blocks(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    match reader.peek() {
        Some(b'[') => reader.array(|reader| match reader.peek() {
            Some(b'{') => read_block(reader, draft),
            _ => reader.skip().map(|_| ()),
        }),
        Some(b'{') => read_block(reader, draft),
        _ => reader.skip().map(|_| ()),
    }
}

fn read_block(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    let mut kind = None;
    let mut source = Source::default();
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("content.type")?;
            Ok(())
        }
        "source" if reader.peek() == Some(b'{') => {
            source = read_source(reader, draft)?;
            Ok(())
        }
        "content" => read_blocks(reader, draft),
        "file_id" => {
            draft.features.stored_state |= reader.skip_some()?;
            Ok(())
        }
        // A tool can also be brought in the middle of a conversation.
        "tool" if reader.peek() == Some(b'{') => reader.object(|reader, name| match name {
            "definition" if reader.peek() == Some(b'{') => tools::read_tool(reader, draft),
            _ => reader.skip().map(|_| ()),
        }),
        _ => reader.skip().map(|_| ()),
    })?;

    draft.features.stored_state |= source.is_file;
    match kind.as_deref() {
        Some("image") => draft.input.add(Input {
            images: 1,
            image_bytes: source.base64_bytes,
            ..Input::default()
        }),
        Some("document") => draft.input.has_unsized |= !source.is_text,
        Some(kind) if is_text(kind) => {}
        _ => draft.input.has_unsized = true,
    }
    Ok(())
}

/// Blocks of which the model reads no more than stands in them, and in the blocks inside them.
/// Encrypted ones too: encryption does not shorten, and base64 makes it longer by a third.
fn is_text(kind: &str) -> bool {
    matches!(
        kind,
        "text"
            | "thinking"
            | "redacted_thinking"
            | "tool_use"
            | "server_tool_use"
            | "mcp_tool_use"
            | "search_result"
            | "web_search_result"
            | "web_fetch_result"
            | "tool_addition"
            | "tool_removal"
            | "tool_reference"
            | "browser_state"
            | "compaction"
    ) || kind.ends_with("tool_result")
        || kind.ends_with("_error")
}

#[derive(Default)]
struct Source {
    base64_bytes: u64,
    is_text: bool,
    is_file: bool,
}

fn read_source(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<Source> {
    let mut kind = None;
    let mut data_bytes = 0;
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("source.type")?;
            Ok(())
        }
        "data" if reader.peek() == Some(b'"') => {
            data_bytes = reader.text()?.raw().len() as u64;
            Ok(())
        }
        "content" => read_blocks(reader, draft),
        _ => reader.skip().map(|_| ()),
    })?;
    let kind = kind.as_deref();
    Ok(Source {
        base64_bytes: if kind == Some("base64") { data_bytes } else { 0 },
        is_text: matches!(kind, Some("text" | "content")),
        is_file: kind == Some("file"),
    })
}
