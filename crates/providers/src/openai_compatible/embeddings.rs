//! `POST /v1/embeddings`, read.

use crate::{
    adapter::{Operation, Unread},
    draft::Draft,
    json::Reader,
    openai::chat::Dialect,
    prices::{MostInput, Outputs},
    request::{ReadError, ReadRequest},
};

/// All of the body is text, at a token for a byte at most, or tokens, each with a comma or a bracket
/// behind it.
pub(super) fn read(request: &Unread<'_>, dialect: &Dialect) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::Embeddings, &mut reader);
    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        // Several of these servers embed conversations, too, with images of any size.
        "messages" => {
            if reader.skip_some()? {
                draft.nothing_bounds_it("the size of its input is not known");
            }
            Ok(())
        }
        name => (dialect.other)(name, reader, &mut draft),
    })?;
    reader.end()?;

    if draft.input.has_unsized {
        draft.nothing_bounds_it("the size of its input is not known");
    }
    let input = MostInput::text((request.body.len() as u64).saturating_add(dialect.hidden_tokens));
    draft.into_reading(request.prices, |model| {
        let (most, _) = model.ceiling(input, Outputs::NONE)?;
        Some(most)
    })
}
