//! Which features the tools of a request make use of.

use crate::{draft::Draft, json::Reader, request::ReadError};

/// Why a tool that the provider runs cannot be held for.
pub(super) const UNREPORTED: &str = "the provider bills its own tools apart, and does not report how often they ran";

/// A `tools` or `functions` array, or null.
pub(crate) fn read(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<(), ReadError> {
    if reader.take_null()? {
        return Ok(());
    }
    reader.array(|reader| {
        let with_tools = super::HIDDEN_TOKENS + super::HIDDEN_TOKENS_FOR_TOOLS;
        draft.hidden_tokens = draft.hidden_tokens.max(with_tools);
        read_tool(reader, draft)
    })
}

fn read_tool(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<(), ReadError> {
    let mut kind = None;
    let mut runs_locally = false;
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("tools.type")?;
            Ok(())
        }
        "environment" if reader.peek() == Some(b'{') => reader.object(|reader, name| {
            if name == "type" {
                runs_locally = reader.text_or_null("tools.environment.type")?.as_deref() == Some("local");
                return Ok(());
            }
            reader.skip().map(|_| ())
        }),
        // A namespace holds tools of its own.
        "tools" => read(reader, draft),
        _ => reader.skip().map(|_| ()),
    })?;

    let features = &mut draft.features;
    match kind.as_deref() {
        // The client runs these itself. `functions` has no types.
        None
        | Some(
            "function" | "custom" | "namespace" | "computer" | "computer_use_preview" | "local_shell" | "apply_patch",
        ) => {
            features.tools = true;
            return Ok(());
        }
        Some("shell") if runs_locally => {
            features.tools = true;
            return Ok(());
        }
        Some(kind) if kind.starts_with("web_search") => features.web_search = true,
        Some("code_interpreter" | "shell" | "programmatic_tool_calling") => features.code_execution = true,
        Some(_) => features.server_tools = true,
    }
    draft.nothing_bounds_it(UNREPORTED);
    Ok(())
}
