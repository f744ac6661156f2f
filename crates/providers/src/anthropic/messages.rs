//! `POST /v1/messages` and `POST /v1/messages/count_tokens`, read.

use super::{content, tools};
use crate::{
    adapter::{Operation, RouteKind, Unread},
    draft::{Draft, Reasoning, Shape},
    json::Reader,
    request::{ReadError, ReadRequest},
};

const SHAPE: Shape = Shape {
    cap_member: "max_tokens",
    heeds_no_other_cap: false,
    tokens_per_image: super::TOKENS_PER_IMAGE,
    // A workspace can be set to a region, which the request does not show.
    has_regional_surcharge: true,
};

/// Standard capacity, at the price that we hold for.
const STANDARD_TIER: &str = r#""service_tier":"standard_only""#;

pub(super) fn read(request: &Unread<'_>, has_long_context: bool) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::Messages, &mut reader);
    draft.hidden_tokens = super::HIDDEN_TOKENS;
    if has_long_context {
        draft.least_context = super::LONG_CONTEXT;
    }
    let mut has_tier = false;

    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "messages" => content::read_messages(reader, &mut draft),
        "system" => content::read_blocks(reader, &mut draft),
        "stream" => draft.read_stream(reader),
        "max_tokens" => draft.read_cap(reader, "max_tokens"),
        "tools" => tools::read(reader, &mut draft),
        "thinking" => read_thinking(reader, &mut draft),
        "service_tier" => {
            has_tier = true;
            read_tier(reader, &mut draft)
        }
        "mcp_servers" => {
            if has_any(reader)? {
                draft.features.server_tools = true;
                draft.nothing_bounds_it(tools::UNCOUNTED);
            }
            Ok(())
        }
        "container" | "thread" => {
            let is_there = reader.skip_some()?;
            draft.features.stored_state |= is_there;
            draft.input.has_unsized |= is_there;
            Ok(())
        }
        "context_management" => read_context_management(reader),
        "compaction" => reader.only_null("compaction", "it runs the model more than once"),
        "fallbacks" => reader.only_null("fallbacks", "only the model that is asked for may answer"),
        "billing_policy" => reader.only_null("billing_policy", "the provider credential decides whose account pays"),
        "speed" => match reader.text_or_null("speed")?.as_deref() {
            None | Some("standard") => Ok(()),
            Some(_) => Err(ReadError::NotSupported {
                member: "speed",
                reason: "only the price of the standard speed is known",
            }),
        },
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;

    if request.route.kind == RouteKind::CountTokens {
        return draft.into_free();
    }
    if !has_tier {
        draft.insert(STANDARD_TIER);
    }
    if draft.reasoning == Reasoning::Unsaid && !draft.model.as_deref().is_some_and(thinks_unasked) {
        draft.reasoning = Reasoning::Off;
    }
    draft.into_call(&SHAPE, request.prices)
}

/// Up to its fourth generation, a model thinks only when it is asked to.
fn thinks_unasked(model: &str) -> bool {
    let generation = model.split('-').find_map(|part| part.parse::<u32>().ok());
    generation.is_none_or(|generation| generation > 4)
}

fn read_thinking(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<(), ReadError> {
    if reader.take_null()? {
        return Ok(());
    }
    reader.object(|reader, name| match name {
        "type" => draft.read_reasoning(reader, "thinking.type", "disabled"),
        _ => reader.skip().map(|_| ()),
    })
}

fn read_tier(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<(), ReadError> {
    reader.peek();
    let start = reader.position();
    match reader.text_or_null("service_tier")?.as_deref() {
        Some("standard_only") => {}
        None | Some("auto") => draft.body.replace(start..reader.position(), r#""standard_only""#),
        Some(_) => {
            return Err(ReadError::NotSupported {
                member: "service_tier",
                reason: "the price of this tier is not known",
            });
        }
    }
    Ok(())
}

/// Clearing old parts of the conversation makes a call cheaper; summarising them is another call.
fn read_context_management(reader: &mut Reader<'_>) -> Result<(), ReadError> {
    if reader.take_null()? {
        return Ok(());
    }
    let mut clears_only = true;
    reader.object(|reader, name| match name {
        "edits" if reader.peek() == Some(b'[') => reader.array(|reader| {
            reader.object(|reader, name| {
                if name == "type" {
                    let kind = reader.text_or_null("context_management.edits.type")?;
                    clears_only &= kind.is_some_and(|kind| kind.starts_with("clear_"));
                    return Ok(());
                }
                reader.skip().map(|_| ())
            })
        }),
        _ => reader.skip().map(|_| ()),
    })?;
    if clears_only {
        return Ok(());
    }
    Err(ReadError::NotSupported {
        member: "context_management",
        reason: "only edits that clear something never cost more",
    })
}

fn has_any(reader: &mut Reader<'_>) -> Result<bool, ReadError> {
    let range = reader.skip()?;
    Ok(!matches!(reader.slice(range), "null" | "[]"))
}
