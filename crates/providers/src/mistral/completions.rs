//! `POST /v1/chat/completions` and `POST /v1/fim/completions`, read.

use super::{HIDDEN_TOKENS, HIDDEN_TOKENS_FOR_TOOLS, SHAPE, content};
use crate::{
    adapter::{Operation, Unread},
    draft::{Draft, Reasoning},
    json::Reader,
    openai::tools,
    request::{ReadError, ReadRequest},
};

/// An account can have a dearer tier; the price we hold for is that of the standard one.
const STANDARD_TIER: &str = r#""service_tier":"standard_only""#;

pub(super) fn read_chat(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::ChatCompletions, &mut reader);
    draft.hidden_tokens = HIDDEN_TOKENS;
    let mut has_tier = false;

    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "messages" => content::read_messages(reader, &mut draft),
        "stream" => draft.read_stream(reader),
        "max_tokens" => draft.read_cap(reader, "max_tokens"),
        "n" => {
            draft.choices = reader.count_or_null("n")?.unwrap_or(1).max(1);
            Ok(())
        }
        "tools" => {
            if reader.peek() == Some(b'[') {
                draft.hidden_tokens = HIDDEN_TOKENS + HIDDEN_TOKENS_FOR_TOOLS;
            }
            tools::read(reader, &mut draft)
        }
        "reasoning_effort" => draft.read_reasoning(reader, "reasoning_effort", "none"),
        "prompt_mode" => {
            if reader.skip_some()? {
                draft.reasoning = Reasoning::On;
            }
            Ok(())
        }
        // What is predicted and not written may be billed as if it were.
        "prediction" => reader.count_text(&mut draft.uncapped_tokens).map(|_| ()),
        "guardrails" => reader.only_null("guardrails", "what they cost is not known"),
        "service_tier" => {
            has_tier = true;
            read_tier(reader, &mut draft)
        }
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;

    if !has_tier {
        draft.insert(STANDARD_TIER);
    }
    draft.into_call(&SHAPE, request.prices)
}

/// Completes what stands between `prompt` and `suffix`: all of it is text.
pub(super) fn read_fim(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::FimCompletions, &mut reader);
    draft.hidden_tokens = HIDDEN_TOKENS;
    draft.reasoning = Reasoning::Off;

    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "stream" => draft.read_stream(reader),
        "max_tokens" => draft.read_cap(reader, "max_tokens"),
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;
    draft.into_call(&SHAPE, request.prices)
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
