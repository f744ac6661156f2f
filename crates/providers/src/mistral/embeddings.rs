//! `POST /v1/embeddings`, read.

use super::HIDDEN_TOKENS;
use crate::{
    adapter::{Operation, Unread},
    draft::Draft,
    json::Reader,
    prices::{MostInput, Outputs},
    request::{ReadError, ReadRequest},
};

/// All of the body is text, at a token for a byte at most.
pub(super) fn read(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::Embeddings, &mut reader);
    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;

    let input = MostInput::text((request.body.len() as u64).saturating_add(HIDDEN_TOKENS));
    draft.into_reading(request.prices, |model| {
        let (most, _) = model.ceiling(input, Outputs::NONE)?;
        Some(most)
    })
}
