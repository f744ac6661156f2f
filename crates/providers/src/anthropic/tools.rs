//! Which features the tools of a request make use of, and what the provider's own can cost.

use crate::{draft::Draft, json::Reader, request::ReadError};

/// Why a tool that the provider runs cannot be held for.
pub(super) const UNCOUNTED: &str = "nothing limits how often the provider runs this tool, or what it bills for it";

/// The `tools` array, or null.
pub(super) fn read(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<(), ReadError> {
    if reader.take_null()? {
        return Ok(());
    }
    let mut is_first = true;
    reader.array(|reader| {
        if std::mem::take(&mut is_first) {
            draft.hidden_tokens += super::HIDDEN_TOKENS_FOR_TOOLS;
        }
        read_tool(reader, draft)
    })
}

pub(super) fn read_tool(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<(), ReadError> {
    // The arguments of a tool are shown once they are whole and valid.
    draft.holds_output_back = true;
    let mut kind = None;
    let mut max_uses = None;
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("tools.type")?;
            Ok(())
        }
        "max_uses" => {
            max_uses = reader.count_or_null("tools.max_uses")?;
            Ok(())
        }
        _ => reader.skip().map(|_| ()),
    })?;

    let Some(kind) = kind.filter(|kind| kind != "custom") else {
        draft.features.tools = true;
        return Ok(());
    };
    draft.hidden_tokens += super::HIDDEN_TOKENS_PER_KNOWN_TOOL;
    let begins = |with: &[&str]| with.iter().any(|prefix| kind.starts_with(prefix));
    if begins(&["bash_", "text_editor_", "computer_", "memory_", "browser_toolset_"]) {
        // The provider describes these, and the client runs them.
        draft.features.tools = true;
    } else if begins(&["web_search_"]) {
        draft.features.web_search = true;
        draft.rounds = super::SERVER_TOOL_ROUNDS;
        match max_uses {
            Some(uses) => draft.fees = draft.fees.saturating_add(super::search_fees(uses)),
            None => draft.nothing_bounds_it("web search needs max_uses, since each search is billed"),
        }
    } else if begins(&["web_fetch_", "tool_search_tool_"]) {
        draft.features.server_tools = true;
        draft.rounds = super::SERVER_TOOL_ROUNDS;
    } else if begins(&["code_execution_"]) {
        draft.features.code_execution = true;
        draft.nothing_bounds_it("running code is billed by time");
    } else {
        draft.features.server_tools = true;
        draft.nothing_bounds_it(UNCOUNTED);
    }
    Ok(())
}
