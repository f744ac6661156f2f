//! What a request gives a model to read: contents and their parts.
//!
//! Only what decides the size of the input is looked at. What is not known here may be of any
//! size, so it counts as unsized and never as nothing.

use super::names;
use crate::{ceiling::Input, draft::Draft, json::Reader, request::ReadError};

type Read<T> = Result<T, ReadError>;

/// Where the provider reads a video by itself, from an address that anybody can read. Any other
/// address can be that of a file that somebody left at the provider.
const PUBLIC_VIDEOS: [&str; 2] = ["https://www.youtube.com/watch?v=", "https://youtu.be/"];

/// The `contents` of a request.
pub(super) fn read_contents(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    names::each(reader, |reader| read_content(reader, draft))
}

/// One turn, or a system instruction.
pub(super) fn read_content(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    names::object_or_null(reader, |reader, name| match name {
        "parts" => names::each(reader, |reader| read_part(reader, draft)),
        _ => reader.skip().map(|_| ()),
    })
}

fn read_part(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    names::object(reader, |reader, name| match name {
        "inlinedata" => read_blob(reader, draft),
        "filedata" => read_file(reader, draft),
        "functionresponse" => names::object_or_null(reader, |reader, name| match name {
            "parts" => names::each(reader, |reader| read_part(reader, draft)),
            _ => reader.skip().map(|_| ()),
        }),
        "mediaresolution" => read_resolution(reader, draft),
        "mediaprocessing" => match names::word_or_null(reader, "mediaProcessing")?.as_deref() {
            None | Some("media_processing_unspecified" | "static") => Ok(()),
            Some(_) => Err(ReadError::NotSupported {
                member: "mediaProcessing",
                reason: "it lets the model read a video more than once",
            }),
        },
        name if IS_TEXT.contains(&name) => reader.skip().map(|_| ()),
        _ => {
            let is_there = reader.skip_some()?;
            draft.input.has_unsized |= is_there;
            draft.input.has_sound |= is_there;
            Ok(())
        }
    })
}

/// Members of a part of which the model reads no more than stands in them.
const IS_TEXT: [&str; 8] = [
    "text",
    "thought",
    "thoughtsignature",
    "functioncall",
    "executablecode",
    "codeexecutionresult",
    "toolcall",
    "videometadata",
];

fn read_blob(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    let mut kind = None;
    let mut data_bytes = 0;
    names::object_or_null(reader, |reader, name| match name {
        "mimetype" => {
            kind = reader.text_or_null("inlineData.mimeType")?;
            Ok(())
        }
        "data" if reader.peek() == Some(b'"') => {
            data_bytes = reader.text()?.raw().len() as u64;
            Ok(())
        }
        _ => reader.skip().map(|_| ()),
    })?;
    match kind.as_deref().and_then(|kind| kind.split('/').next()) {
        Some("image") => draft.input.add(Input {
            images: 1,
            image_bytes: data_bytes,
            ..Input::default()
        }),
        Some("text") => {}
        // A page of a PDF, a second of sound or of video counts the same however short it is written.
        kind => {
            draft.input.has_unsized = true;
            draft.input.has_sound |= kind != Some("application");
        }
    }
    Ok(())
}

fn read_file(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    names::object_or_null(reader, |reader, name| {
        if name != "fileuri" {
            return reader.skip().map(|_| ());
        }
        let uri = reader.text_or_null("fileData.fileUri")?.unwrap_or_default();
        if PUBLIC_VIDEOS.iter().any(|start| uri.starts_with(start)) {
            draft.input.has_unsized = true;
            draft.input.has_sound = true;
            return Ok(());
        }
        Err(ReadError::NotSupported {
            member: "fileData",
            reason: "a file that is kept at the provider may be another app's",
        })
    })
}

/// A level has documented maxima, a number of tokens has none.
fn read_resolution(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    if reader.peek() != Some(b'{') {
        return reader.skip().map(|_| ());
    }
    names::object(reader, |reader, name| {
        let is_there = reader.skip_some()?;
        draft.input.has_unsized |= is_there && name == "numtokens";
        Ok(())
    })
}
