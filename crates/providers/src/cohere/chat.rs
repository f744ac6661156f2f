//! `POST /v2/chat` and `POST /v1/chat`, read.

use super::{HIDDEN_TOKENS, HIDDEN_TOKENS_FOR_TOOLS, SHAPE, content};
use crate::{
    adapter::{Operation, Unread},
    draft::{Draft, Reasoning},
    json::Reader,
    openai::tools,
    request::{ReadError, ReadRequest},
};

type Read<T> = Result<T, ReadError>;

/// What a model can think at most, where the client sets no budget. Whether the output cap holds
/// for it, too, is not said.
const MOST_THINKING_TOKENS: u64 = 32_768;

/// The connector that searches the web.
const WEB_SEARCH: &str = "web-search";

pub(super) fn read(request: &Unread<'_>) -> Read<ReadRequest> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::CohereChat, &mut reader);
    draft.hidden_tokens = HIDDEN_TOKENS;
    let mut budget = None;

    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "messages" => content::read_messages(reader, &mut draft),
        "stream" => draft.read_stream(reader),
        "max_tokens" => draft.read_cap(reader, "max_tokens"),
        "tools" => {
            if reader.peek() == Some(b'[') {
                draft.hidden_tokens = HIDDEN_TOKENS + HIDDEN_TOKENS_FOR_TOOLS;
            }
            tools::read(reader, &mut draft)
        }
        "thinking" => {
            budget = read_thinking(reader, &mut draft)?;
            Ok(())
        }
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;

    let thinks = match draft.reasoning {
        Reasoning::On => true,
        Reasoning::Off => false,
        Reasoning::Unsaid => draft.model.as_deref().is_some_and(|model| {
            let known = request.prices.model(request.provider, model);
            known.is_some_and(|known| known.may_reason)
        }),
    };
    if thinks {
        draft.uncapped_tokens = budget.unwrap_or(MOST_THINKING_TOKENS);
    }
    draft.into_call(&SHAPE, request.prices)
}

/// Returns the budget, if there is one. Models that think do so unless it is switched off.
fn read_thinking(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<Option<u64>> {
    if reader.take_null()? {
        return Ok(None);
    }
    let mut budget = None;
    draft.reasoning = Reasoning::On;
    reader.object(|reader, name| match name {
        "type" => draft.read_reasoning(reader, "thinking.type", "disabled"),
        "token_budget" => {
            budget = reader.count_or_null("thinking.token_budget")?;
            Ok(())
        }
        _ => reader.skip().map(|_| ()),
    })?;
    Ok(budget)
}

pub(super) fn read_v1(request: &Unread<'_>) -> Read<ReadRequest> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::CohereChatV1, &mut reader);
    draft.hidden_tokens = HIDDEN_TOKENS;
    // Nothing here thinks without saying so.
    draft.reasoning = Reasoning::Off;

    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "stream" => draft.read_stream(reader),
        "max_tokens" => draft.read_cap(reader, "max_tokens"),
        "tools" | "tool_results" => {
            draft.features.tools |= has_some(reader)?;
            draft.hidden_tokens = HIDDEN_TOKENS + HIDDEN_TOKENS_FOR_TOOLS;
            Ok(())
        }
        "connectors" => read_connectors(reader, &mut draft),
        // What was said before is kept at the provider, in any length.
        "conversation_id" | "file_ids" => {
            if reader.skip_some()? {
                draft.features.stored_state = true;
                draft.input.has_unsized = true;
            }
            Ok(())
        }
        _ => reader.skip().map(|_| ()),
    })?;
    reader.end()?;
    draft.into_call(&SHAPE, request.prices)
}

/// Whether a list is there that is not empty.
fn has_some(reader: &mut Reader<'_>) -> Read<bool> {
    if reader.take_null()? {
        return Ok(false);
    }
    let mut has_some = false;
    reader.array(|reader| {
        has_some = true;
        reader.skip().map(|_| ())
    })?;
    Ok(has_some)
}

/// What the provider asks for documents before it answers.
fn read_connectors(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    if reader.take_null()? {
        return Ok(());
    }
    reader.array(|reader| {
        let mut id = None;
        reader.object(|reader, name| match name {
            "id" => {
                id = reader.text_or_null("connectors.id")?;
                Ok(())
            }
            _ => reader.skip().map(|_| ()),
        })?;
        if id.as_deref() == Some(WEB_SEARCH) {
            draft.features.web_search = true;
        } else {
            draft.features.server_tools = true;
        }
        draft.nothing_bounds_it("what a connector finds may be of any length");
        Ok(())
    })
}
