//! What a request gives a model to read: messages and their chunks.
//!
//! Only what decides the size of the input is looked at. What is not known here may be of any
//! size, so it counts as unsized and never as nothing.

use crate::{
    ceiling::Input,
    draft::Draft,
    json::Reader,
    openai::content::{read_image_url, sound_is_unpriced},
    request::ReadError,
};

type Read<T> = Result<T, ReadError>;

pub(super) fn read_messages(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    reader.array(|reader| {
        reader.object(|reader, name| match name {
            "content" => read_content(reader, draft),
            _ => reader.skip().map(|_| ()),
        })
    })
}

/// A text, or a list of chunks.
fn read_content(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    if reader.peek() != Some(b'[') {
        return reader.skip().map(|_| ());
    }
    reader.array(|reader| match reader.peek() {
        Some(b'{') => read_chunk(reader, draft),
        _ => reader.skip().map(|_| ()),
    })
}

fn read_chunk(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    let mut kind = None;
    let mut image_bytes = 0;
    let mut names_stored = false;
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("content.type")?;
            Ok(())
        }
        "image_url" => {
            image_bytes = read_image_url(reader)?;
            Ok(())
        }
        "file_id" => {
            names_stored = reader.skip_some()?;
            Ok(())
        }
        // A resource holds a chunk of its own.
        "content" if reader.peek() == Some(b'{') => read_chunk(reader, draft),
        _ => reader.skip().map(|_| ()),
    })?;

    draft.features.stored_state |= names_stored;
    match kind.as_deref() {
        Some("text" | "thinking" | "reference" | "resource") => {}
        Some("image_url") => draft.input.add(Input {
            images: 1,
            image_bytes,
            ..Input::default()
        }),
        Some("input_audio") => return Err(sound_is_unpriced("input_audio")),
        Some("file" | "resource_link") => {
            draft.features.stored_state = true;
            draft.input.has_unsized = true;
        }
        _ => draft.input.has_unsized = true,
    }
    Ok(())
}
