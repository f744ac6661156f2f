//! Which features the tools of a request make use of, and what the provider's own can cost.

use super::names;
use crate::{draft::Draft, json::Reader, request::ReadError};

type Read<T> = Result<T, ReadError>;

/// Why a tool that the provider runs cannot be held for.
const UNCOUNTED: &str = "nothing limits how often the provider runs this tool, or what it bills for it";

/// The `tools` of a request.
pub(super) fn read(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    let mut is_first = true;
    names::each(reader, |reader| {
        if std::mem::take(&mut is_first) {
            draft.hidden_tokens += super::HIDDEN_TOKENS_FOR_TOOLS;
            // A call is shown once it is whole.
            draft.holds_output_back = true;
        }
        names::object(reader, |reader, name| read_tool(reader, name, draft))
    })
}

fn read_tool(reader: &mut Reader<'_>, name: &str, draft: &mut Draft) -> Read<()> {
    match name {
        "functiondeclarations" => {
            draft.features.tools |= reader.skip_some()?;
            return Ok(());
        }
        "googlesearch" | "googlesearchretrieval" => return read_search(reader, draft),
        "filesearch" => {
            return reader.only_null("fileSearch", "what is kept at the provider may be another app's");
        }
        _ => {}
    }
    if !reader.skip_some()? {
        return Ok(());
    }
    draft.hidden_tokens += super::HIDDEN_TOKENS_PER_KNOWN_TOOL;
    match name {
        // The provider describes it, and the client runs it.
        "computeruse" => draft.features.tools = true,
        // What these bring is read within the same context, and billed as tokens alone.
        "codeexecution" => {
            draft.features.code_execution = true;
            draft.input.has_unsized = true;
        }
        "urlcontext" => {
            draft.features.server_tools = true;
            draft.input.has_unsized = true;
        }
        _ => {
            draft.features.server_tools = true;
            draft.nothing_bounds_it(UNCOUNTED);
        }
    }
    Ok(())
}

/// Up to the second generation, a prompt that is answered with the help of a search costs one fee,
/// however often the model searches; from the third on, each search does.
fn read_search(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    if reader.take_null()? {
        return Ok(());
    }
    let mut searches_images = false;
    names::object(reader, |reader, name| match name {
        "searchtypes" => names::object_or_null(reader, |reader, name| {
            searches_images |= reader.skip_some()? && name != "websearch";
            Ok(())
        }),
        _ => reader.skip().map(|_| ()),
    })?;

    draft.features.web_search = true;
    draft.most_units.searches = 1;
    draft.hidden_tokens += super::HIDDEN_TOKENS_PER_KNOWN_TOOL;
    draft.input.has_unsized = true;
    let has_one_fee = draft.model.as_deref().is_some_and(super::pays_one_fee_for_searching);
    if !has_one_fee || searches_images {
        draft.nothing_bounds_it("each search is billed, and nothing limits how often the model searches");
    }
    Ok(())
}
