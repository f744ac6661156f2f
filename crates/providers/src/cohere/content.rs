//! What a request gives a model to read: messages and inputs, and the parts of both.
//!
//! Only what decides the size of the input is looked at. What is not known here may be of any
//! size, so it counts as unsized and never as nothing.

use crate::{ceiling::Input, draft::Draft, json::Reader, openai::content::read_image_url, request::ReadError};

type Read<T> = Result<T, ReadError>;

/// The `messages` of chat, and the `inputs` of embed: objects with a `content`.
pub(super) fn read_messages(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    if reader.take_null()? {
        return Ok(());
    }
    reader.array(|reader| {
        reader.object(|reader, name| match name {
            "content" => read_content(reader, draft),
            _ => reader.skip().map(|_| ()),
        })
    })
}

/// A text, or a list of parts.
fn read_content(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    if reader.peek() != Some(b'[') {
        return reader.skip().map(|_| ());
    }
    reader.array(|reader| match reader.peek() {
        Some(b'{') => read_part(reader, draft),
        _ => reader.skip().map(|_| ()),
    })
}

fn read_part(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    let mut kind = None;
    let mut image_bytes = 0;
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("content.type")?;
            Ok(())
        }
        "image_url" => {
            image_bytes = read_image_url(reader)?;
            Ok(())
        }
        _ => reader.skip().map(|_| ()),
    })?;

    match kind.as_deref() {
        Some("text" | "thinking" | "document") => {}
        Some("image_url") => draft.input.add(image(image_bytes)),
        _ => draft.input.has_unsized = true,
    }
    Ok(())
}

/// The `images` of embed: a list of addresses.
pub(super) fn read_images(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    if reader.take_null()? {
        return Ok(());
    }
    reader.array(|reader| {
        let image_bytes = read_image_url(reader)?;
        draft.input.add(image(image_bytes));
        Ok(())
    })
}

fn image(image_bytes: u64) -> Input {
    Input {
        images: 1,
        image_bytes,
        ..Input::default()
    }
}
