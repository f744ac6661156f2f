//! `POST /v2/embed` and `POST /v1/embed`, read.

use aipassport_domain::money::{CostSum, Money};

use super::{HIDDEN_TOKENS, TOKENS_PER_IMAGE, content};
use crate::{
    adapter::{Operation, Unread},
    ceiling::Input,
    draft::Draft,
    json::Reader,
    prices::{MostInput, Outputs, PricedModel, Unit},
    request::{ReadError, ReadRequest},
};

pub(super) fn read(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::Embed, &mut reader);
    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "images" => content::read_images(reader, &mut draft),
        "inputs" => content::read_messages(reader, &mut draft),
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;

    let (input, body_bytes) = (draft.input, request.body.len() as u64);
    if input.has_unsized {
        draft.nothing_bounds_it("the size of its input is not known");
    }
    draft.into_reading(request.prices, |model| most(model, input, body_bytes))
}

/// Images have a price each, or one for their tokens; text has one for its tokens.
fn most(model: &PricedModel, input: Input, body_bytes: u64) -> Option<Money> {
    let tokens = body_bytes
        .saturating_sub(input.image_bytes)
        .saturating_add(HIDDEN_TOKENS);
    let mut most = CostSum::default();
    let mut image_tokens = 0;
    match model.unit_price(Unit::Image) {
        Some(each) => most.add(input.images, each),
        None => image_tokens = input.images.saturating_mul(TOKENS_PER_IMAGE),
    }
    let read = MostInput {
        tokens,
        image_tokens,
        audio_tokens: 0,
    };
    let (of_tokens, _) = model.ceiling(read, Outputs::NONE)?;
    most.add_money(of_tokens);
    Some(most.total())
}
