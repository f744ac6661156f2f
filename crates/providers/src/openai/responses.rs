//! `POST /v1/responses`, read.

use std::ops::Range;

use super::{content, tools};
use crate::{
    adapter::{Operation, Unread},
    draft::Draft,
    json::Reader,
    request::{ObjectKind, ReadError, ReadRequest, Storing},
};

/// The provider keeps every response unless it is told not to. A grant without stored state must
/// still be able to call, so what the client leaves open is decided here.
const NOT_STORED: &str = r#""store":false,"#;

pub(super) fn read(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::Responses, &mut reader);
    draft.hidden_tokens = super::HIDDEN_TOKENS;
    let mut has_tier = false;
    let mut store = Store::Unsaid;
    let mut is_background = false;

    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "input" => content::read_input(reader, &mut draft),
        "stream" => draft.read_stream(reader),
        "max_output_tokens" => draft.read_cap(reader, "max_output_tokens"),
        "tools" => tools::read(reader, &mut draft),
        "store" => {
            store = Store::read(reader)?;
            Ok(())
        }
        "background" => {
            // A response in the background is always stored.
            is_background = reader.boolean_or_null("background")?.unwrap_or(false);
            Ok(())
        }
        "previous_response_id" => read_previous(reader, &mut draft),
        "conversation" => read_stored(reader, &mut draft).map(|_| ()),
        "prompt" => {
            if read_stored(reader, &mut draft)? {
                draft.nothing_bounds_it("a stored prompt can bring tools of its own");
            }
            Ok(())
        }
        "service_tier" => {
            has_tier = true;
            super::read_tier(reader, &mut draft)
        }
        "reasoning" => read_reasoning(reader, &mut draft),
        "context_management" => reader.only_null("context_management", "compaction runs the model more than once"),
        "modalities" => reader.only_null("modalities", "only the price of text is known"),
        "audio" => reader.only_null("audio", "the price of sound is not known"),
        "moderation" => {
            draft.holds_output_back = reader.skip_some()?;
            Ok(())
        }
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;

    if !has_tier {
        draft.insert(super::DEFAULT_TIER);
    }
    store.decide(is_background, &mut draft);
    let shape = super::shape(&draft, "max_output_tokens");
    draft.into_call(&shape, request.prices)
}

/// What the client says of keeping the response.
enum Store {
    Unsaid,
    Null(Range<usize>),
    Said(bool),
}

impl Store {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        reader.peek();
        let start = reader.position();
        Ok(match reader.boolean_or_null("store")? {
            Some(is_stored) => Self::Said(is_stored),
            None => Self::Null(start..reader.position()),
        })
    }

    /// A response in the background is always stored.
    fn decide(self, is_background: bool, draft: &mut Draft) {
        match self {
            Self::Said(false) if !is_background => {}
            Self::Unsaid if !is_background => draft.insert_not_stored(NOT_STORED),
            Self::Null(range) if !is_background => {
                draft.storing = Storing::Unsaid;
                draft.body.put_not_stored(range, "false");
            }
            _ => {
                draft.features.stored_state = true;
                draft.storing = Storing::Asked(Some(ObjectKind::Response));
            }
        }
    }
}

fn read_previous(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<(), ReadError> {
    if let Some(id) = reader.text_or_null("previous_response_id")? {
        draft.name(ObjectKind::Response, id);
        draft.input.has_unsized = true;
    }
    Ok(())
}

/// Something kept at the provider that becomes part of the input. Returns whether there is any.
fn read_stored(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<bool, ReadError> {
    let is_there = reader.skip_some()?;
    if is_there {
        draft.name(ObjectKind::Foreign, "");
        draft.input.has_unsized = true;
    }
    Ok(is_there)
}

fn read_reasoning(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<(), ReadError> {
    if reader.take_null()? {
        return Ok(());
    }
    reader.object(|reader, name| match name {
        "effort" => draft.read_reasoning(reader, "reasoning.effort", "none"),
        "mode" => match reader.text_or_null("reasoning.mode")?.as_deref() {
            None | Some("standard") => Ok(()),
            Some(_) => Err(ReadError::NotSupported {
                member: "reasoning.mode",
                reason: "only the price of the standard mode is known",
            }),
        },
        _ => reader.skip().map(|_| ()),
    })
}
