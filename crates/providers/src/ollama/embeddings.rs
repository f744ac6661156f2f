//! `POST /api/embed`, and the older `POST /api/embeddings`, read.

use super::options;
use crate::{
    adapter::{Operation, Unread},
    draft::Draft,
    json::Reader,
    prices::{MostInput, Outputs},
    request::{ReadError, ReadRequest},
};

/// What a model puts before and behind each text, of which there are fewer than bytes.
const HIDDEN_TOKENS: u64 = 512;

/// All of the body is text, at a token for a byte at most.
pub(super) fn read(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::OllamaEmbed, &mut reader);
    reader.object(|reader, name| {
        reader.check_case(name)?;
        match name {
            "model" => draft.read_model(reader),
            "keep_alive" => options::read_keep_alive(reader, &mut draft),
            _ => reader.skip().map(|_| ()),
        }
    })?;
    reader.end()?;

    let input = MostInput::text((request.body.len() as u64).saturating_add(HIDDEN_TOKENS));
    draft.into_reading(request.prices, |model| {
        let (most, _) = model.ceiling(input, Outputs::NONE)?;
        Some(most)
    })
}
