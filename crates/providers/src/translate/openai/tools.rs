//! The tools of a chat completion: functions that the client runs.

use crate::{
    request::ReadError,
    translate::{
        asked::{Tool, ToolChoice},
        loss::Lost,
        raw::{Members, Raw, invalid, not_carried},
    },
};

type Read<T> = Result<T, ReadError>;

pub(super) fn read<'a>(tools: Raw<'a>, lost: &mut Lost) -> Read<Vec<Tool<'a>>> {
    let tools = tools.items("tools")?.into_iter();
    tools.map(|tool| read_tool(tool, lost)).collect()
}

fn read_tool<'a>(tool: Raw<'a>, lost: &mut Lost) -> Read<Tool<'a>> {
    let mut tool = tool.members("tools")?;
    let kind = tool.take_text("type", "tools.type")?;
    if kind.as_deref() != Some("function") {
        return Err(not_carried("tools.type", "only functions have equals"));
    }
    let function = tool.take("function").ok_or(invalid("tools.function", "is missing"))?;
    lost.report_rest("tools", tool);
    read_function(function.members("tools.function")?, lost)
}

pub(super) fn read_function<'a>(mut function: Members<'a>, lost: &mut Lost) -> Read<Tool<'a>> {
    let name = function.take_text("name", "tools.function.name")?;
    let is_strict = function.take_boolean("strict", "tools.function.strict")?;
    let tool = Tool {
        name: name.ok_or(invalid("tools.function.name", "is missing"))?,
        description: function.take_text("description", "tools.function.description")?,
        parameters: function.take("parameters").filter(|parameters| parameters.is_object()),
        is_strict: is_strict.unwrap_or(false),
    };
    lost.report_rest("tools.function", function);
    Ok(tool)
}

pub(super) fn read_choice(choice: Option<Raw<'_>>) -> Read<ToolChoice<'_>> {
    let Some(choice) = choice else {
        return Ok(ToolChoice::Auto);
    };
    if choice.is_text() {
        return match choice.text("tool_choice")?.as_ref() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            _ => Err(invalid("tool_choice", "is not a known choice")),
        };
    }
    let mut choice = choice.members("tool_choice")?;
    let kind = choice.take_text("type", "tool_choice.type")?;
    if kind.as_deref() != Some("function") {
        return Err(not_carried("tool_choice.type", "only a function can be named"));
    }
    // Responses name the function beside its type, chat completions inside `function`.
    let mut named = match choice.take("function") {
        Some(function) => function.members("tool_choice.function")?,
        None => choice,
    };
    let name = named.take_text("name", "tool_choice.function.name")?;
    Ok(ToolChoice::Named(
        name.ok_or(invalid("tool_choice", "must name a function"))?,
    ))
}
