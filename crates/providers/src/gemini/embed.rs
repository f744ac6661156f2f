//! `POST models/MODEL:embedContent` and `:batchEmbedContents`, read.

use super::{HIDDEN_TOKENS, TOKENS_PER_IMAGE, check_model, content, names};
use crate::{
    adapter::{Operation, Unread},
    draft::Draft,
    json::Reader,
    prices::{MostInput, Outputs},
    request::{ReadError, ReadRequest},
};

type Read<T> = Result<T, ReadError>;

/// One request, or a batch of them: what is in the one is in each of the others.
pub(super) fn read(request: &Unread<'_>) -> Read<ReadRequest> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::EmbedContent, &mut reader);
    names::object(&mut reader, |reader, name| match name {
        "requests" => names::each(reader, |reader| {
            let mut names_model = false;
            names::object(reader, |reader, name| {
                names_model |= read_member(reader, name, &mut draft)?;
                Ok(())
            })?;
            // Google wants it there, and would else be free to choose.
            if names_model { Ok(()) } else { Err(NO_MODEL) }
        }),
        _ => read_member(reader, name, &mut draft).map(|_| ()),
    })?;
    reader.end()?;

    if draft.input.has_unsized {
        return Err(ReadError::NotSupported {
            member: "content",
            reason: "the size of anything but text and images is not known",
        });
    }
    let text_bytes = (request.body.len() as u64).saturating_sub(draft.input.image_bytes);
    let input = MostInput {
        tokens: text_bytes.saturating_add(HIDDEN_TOKENS),
        image_tokens: draft.input.images.saturating_mul(TOKENS_PER_IMAGE),
        audio_tokens: 0,
    };
    draft.into_reading(request.prices, |model| {
        let (most, _) = model.ceiling(input, Outputs::NONE)?;
        Some(most)
    })
}

/// Whether the member names the model.
fn read_member(reader: &mut Reader<'_>, name: &str, draft: &mut Draft) -> Read<bool> {
    match name {
        "model" => check_model(reader, draft),
        "content" => content::read_content(reader, draft).map(|()| false),
        _ => reader.skip().map(|_| false),
    }
}

const NO_MODEL: ReadError = ReadError::Invalid {
    member: "requests.model",
    problem: "must be the model of the path",
};
