//! A response as a client asks for it, read: the newer of OpenAI's two formats of chat.

use super::{
    chat::{read_effort, read_schema},
    messages::{checked_arguments, read_address},
    tools,
};
use crate::{
    request::ReadError,
    translate::{
        asked::{Asked, Effort, Format, Image, Part, Tool, ToolCall, Turn},
        loss::Lost,
        raw::{Members, Raw, invalid, not_carried},
    },
};

type Read<T> = Result<T, ReadError>;

/// What a response repeats of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Echo {
    /// JSON, as it stood there.
    pub(crate) tools: String,
    pub(crate) tool_choice: String,
    pub(crate) parallel_tool_calls: bool,
}

pub(crate) fn read(body: &[u8]) -> Read<(Asked<'_>, Echo)> {
    let mut members = Raw::read(body)?.members("the body")?;
    let mut lost = Lost::default();

    let model = members.take_text("model", "model")?.unwrap_or_default();
    let mut turns = Vec::new();
    if let Some(instructions) = members.take_text("instructions", "instructions")? {
        turns.push(Turn::Instruction(vec![Part::Text(instructions)]));
    }
    let input = members.take("input").ok_or(invalid("input", "is missing"))?;
    read_input(input, &mut turns, &mut lost)?;
    let tools = members.take("tools");
    let tool_choice = members.take("tool_choice");
    let parallel_calls = members.take_boolean("parallel_tool_calls", "parallel_tool_calls")?;
    let echo = Echo {
        tools: tools.map_or("[]", Raw::as_str).to_owned(),
        tool_choice: tool_choice.map_or("\"auto\"", Raw::as_str).to_owned(),
        parallel_tool_calls: parallel_calls.unwrap_or(true),
    };
    // Whether events are padded is nothing that reaches the provider.
    members.take("stream_options");

    let asked = Asked {
        model,
        turns,
        tools: read_tools(tools, &mut lost)?,
        tool_choice: tools::read_choice(tool_choice)?,
        parallel_calls,
        format: read_text(members.take("text"), &mut lost)?,
        effort: read_reasoning(members.take("reasoning"), &mut lost)?,
        output_cap: members.take_count("max_output_tokens", "max_output_tokens")?,
        stop: Vec::new(),
        is_stream: members.take_boolean("stream", "stream")?.unwrap_or(false),
        others: members,
        lost,
    };
    Ok((asked, echo))
}

fn read_tools<'a>(tools: Option<Raw<'a>>, lost: &mut Lost) -> Read<Vec<Tool<'a>>> {
    let Some(tools) = tools else { return Ok(Vec::new()) };
    let read = tools.items("tools")?.into_iter().map(|tool| {
        let mut tool = tool.members("tools")?;
        if tool.take_text("type", "tools.type")?.as_deref() != Some("function") {
            return Err(not_carried("tools.type", "only functions have equals"));
        }
        tools::read_function(tool, lost)
    });
    read.collect()
}

fn read_text<'a>(text: Option<Raw<'a>>, lost: &mut Lost) -> Read<Format<'a>> {
    let Some(text) = text else { return Ok(Format::Text) };
    let mut text = text.members("text")?;
    let format = text.take("format");
    lost.report_rest("text", text);
    let Some(format) = format else {
        return Ok(Format::Text);
    };
    let mut format = format.members("text.format")?;
    match format.take_text("type", "text.format.type")?.as_deref() {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::Json),
        Some("json_schema") => read_schema(format, lost),
        _ => Err(not_carried("text.format.type", "it is not known here")),
    }
}

fn read_reasoning(reasoning: Option<Raw<'_>>, lost: &mut Lost) -> Read<Option<Effort>> {
    let Some(reasoning) = reasoning else { return Ok(None) };
    let mut reasoning = reasoning.members("reasoning")?;
    let effort = read_effort(reasoning.take("effort"))?;
    lost.report_rest("reasoning", reasoning);
    Ok(effort)
}

/// A text, or items.
fn read_input<'a>(input: Raw<'a>, turns: &mut Vec<Turn<'a>>, lost: &mut Lost) -> Read<()> {
    if input.is_text() {
        turns.push(Turn::User(vec![Part::Text(input.text("input")?)]));
        return Ok(());
    }
    for item in input.items("input")? {
        read_item(item.members("input")?, turns, lost)?;
    }
    Ok(())
}

fn read_item<'a>(mut item: Members<'a>, turns: &mut Vec<Turn<'a>>, lost: &mut Lost) -> Read<()> {
    // Both name the item at the provider that made it.
    item.take("id");
    item.take("status");
    match item.take_text("type", "input.type")?.as_deref() {
        None | Some("message") => turns.push(read_message(&mut item, lost)?),
        Some("function_call") => add_call(read_call(&mut item)?, turns),
        Some("function_call_output") => turns.push(Turn::ToolResult {
            call_id: item
                .take_text("call_id", "input.call_id")?
                .ok_or(invalid("input.call_id", "is missing"))?,
            parts: match item.take("output") {
                Some(output) => read_content(output, lost)?,
                None => Vec::new(),
            },
        }),
        // What a model thought is of use to that model alone.
        Some("reasoning") => {
            lost.report("input.reasoning");
            return Ok(());
        }
        Some("item_reference") => return Err(not_carried("input.type", "nothing is kept at this provider")),
        _ => return Err(not_carried("input.type", "it is not known here")),
    }
    lost.report_rest("input", item);
    Ok(())
}

fn read_message<'a>(item: &mut Members<'a>, lost: &mut Lost) -> Read<Turn<'a>> {
    let parts = match item.take("content") {
        Some(content) => read_content(content, lost)?,
        None => Vec::new(),
    };
    match item.take_text("role", "input.role")?.as_deref() {
        Some("system" | "developer") => Ok(Turn::Instruction(parts)),
        Some("user") => Ok(Turn::User(parts)),
        Some("assistant") => Ok(Turn::Assistant {
            parts,
            calls: Vec::new(),
        }),
        _ => Err(invalid("input.role", "is not a known role")),
    }
}

fn read_call<'a>(item: &mut Members<'a>) -> Read<ToolCall<'a>> {
    let id = item.take_text("call_id", "input.call_id")?;
    let name = item.take_text("name", "input.name")?;
    let arguments = item.take_text("arguments", "input.arguments")?;
    Ok(ToolCall {
        id: id.ok_or(invalid("input.call_id", "is missing"))?,
        name: name.ok_or(invalid("input.name", "is missing"))?,
        arguments: checked_arguments(arguments.unwrap_or_default())?,
        signature: None,
    })
}

/// Calls of one turn stand one by one.
fn add_call<'a>(call: ToolCall<'a>, turns: &mut Vec<Turn<'a>>) {
    match turns.last_mut() {
        Some(Turn::Assistant { calls, .. }) => calls.push(call),
        _ => turns.push(Turn::Assistant {
            parts: Vec::new(),
            calls: vec![call],
        }),
    }
}

fn read_content<'a>(content: Raw<'a>, lost: &mut Lost) -> Read<Vec<Part<'a>>> {
    if content.is_text() {
        return Ok(vec![Part::Text(content.text("input.content")?)]);
    }
    let parts = content.items("input.content")?.into_iter();
    parts.map(|part| read_part(part, lost)).collect()
}

fn read_part<'a>(part: Raw<'a>, lost: &mut Lost) -> Read<Part<'a>> {
    let mut part = part.members("input.content")?;
    let kind = part.take_text("type", "input.content.type")?;
    let read = match kind.as_deref() {
        Some("input_text" | "output_text") => part.take_text("text", "input.content.text")?.map(Part::Text),
        Some("refusal") => part.take_text("refusal", "input.content.refusal")?.map(Part::Text),
        Some("input_image") => Some(Part::Image(read_image(&mut part, lost)?)),
        Some("input_file") => return Err(not_carried("input.content.input_file", "files are not translated")),
        Some("input_audio") => return Err(not_carried("input.content.input_audio", "sound has no equal")),
        _ => return Err(not_carried("input.content.type", "it is not known here")),
    };
    // A client that sends back what it was given sends these, too.
    let _ = (part.take("annotations"), part.take("logprobs"));
    lost.report_rest("input.content", part);
    read.ok_or(invalid("input.content", "has a part without content"))
}

fn read_image<'a>(part: &mut Members<'a>, lost: &mut Lost) -> Read<Image<'a>> {
    if part.take("file_id").is_some() {
        return Err(not_carried("input.content.file_id", "nothing is kept at this provider"));
    }
    let detail = part.take_text("detail", "input.content.detail")?;
    if detail.is_some_and(|detail| detail != "auto") {
        lost.report("input.content.detail");
    }
    let url = part.take_text("image_url", "input.content.image_url")?;
    read_address(url.unwrap_or_default())
}
