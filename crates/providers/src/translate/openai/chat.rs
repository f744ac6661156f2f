//! A chat completion as a client asks for it, read.

use std::borrow::Cow;

use super::{messages, tools};
use crate::{
    request::ReadError,
    translate::{
        asked::{Asked, Effort, Format, Schema},
        loss::Lost,
        raw::{Members, Raw, invalid, not_carried},
    },
};

type Read<T> = Result<T, ReadError>;

/// The request, and whether the client wants the usage at the end of a stream.
pub(crate) fn read(body: &[u8]) -> Read<(Asked<'_>, bool)> {
    let mut members = Raw::read(body)?.members("the body")?;
    let mut lost = Lost::default();

    let model = members.take_text("model", "model")?.unwrap_or_default();
    let messages = members.take("messages").ok_or(invalid("messages", "is missing"))?;
    let turns = messages::read(messages, &mut lost)?;
    let tools = members.take("tools");
    let tools = tools.map_or_else(|| Ok(Vec::new()), |tools| tools::read(tools, &mut lost))?;
    let tool_choice = tools::read_choice(members.take("tool_choice"))?;
    let is_stream = members.take_boolean("stream", "stream")?.unwrap_or(false);
    let include_usage = wants_usage(members.take("stream_options"))?;

    let asked = Asked {
        model,
        turns,
        tools,
        tool_choice,
        parallel_calls: members.take_boolean("parallel_tool_calls", "parallel_tool_calls")?,
        format: read_format(members.take("response_format"), &mut lost)?,
        effort: read_effort(members.take("reasoning_effort"))?,
        output_cap: read_cap(&mut members)?,
        stop: read_stop(members.take("stop"))?,
        is_stream,
        others: members,
        lost,
    };
    Ok((asked, include_usage))
}

/// The newer name wins, as it does at the provider.
fn read_cap(members: &mut Members<'_>) -> Read<Option<u64>> {
    let old = members.take_count("max_tokens", "max_tokens")?;
    let new = members.take_count("max_completion_tokens", "max_completion_tokens")?;
    Ok(new.or(old))
}

/// What `stream_options` say of the usage.
pub(crate) fn wants_usage(options: Option<Raw<'_>>) -> Read<bool> {
    let Some(options) = options else { return Ok(false) };
    let mut options = options.members("stream_options")?;
    let asked = options.take_boolean("include_usage", "stream_options.include_usage")?;
    Ok(asked.unwrap_or(false))
}

fn read_stop(stop: Option<Raw<'_>>) -> Read<Vec<Cow<'_, str>>> {
    match stop {
        None => Ok(Vec::new()),
        Some(one) if one.is_text() => Ok(vec![one.text("stop")?]),
        Some(several) => several.items("stop")?.into_iter().map(|one| one.text("stop")).collect(),
    }
}

pub(super) fn read_effort(effort: Option<Raw<'_>>) -> Read<Option<Effort>> {
    let Some(effort) = effort else { return Ok(None) };
    let effort = Effort::parse(&effort.text("reasoning_effort")?);
    effort
        .map(Some)
        .ok_or(invalid("reasoning_effort", "is not a known effort"))
}

fn read_format<'a>(format: Option<Raw<'a>>, lost: &mut Lost) -> Read<Format<'a>> {
    let Some(format) = format else {
        return Ok(Format::Text);
    };
    let mut format = format.members("response_format")?;
    match format.take_text("type", "response_format.type")?.as_deref() {
        Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::Json),
        Some("json_schema") => {
            let schema = format.take("json_schema");
            let schema = schema.ok_or(invalid("response_format.json_schema", "is missing"))?;
            read_schema(schema.members("response_format.json_schema")?, lost)
        }
        _ => Err(not_carried("response_format.type", "it is not known here")),
    }
}

pub(super) fn read_schema<'a>(mut format: Members<'a>, lost: &mut Lost) -> Read<Format<'a>> {
    let name = format.take_text("name", "response_format.json_schema.name")?;
    let is_strict = format.take_boolean("strict", "response_format.json_schema.strict")?;
    let json = format.take("schema").filter(|schema| schema.is_object());
    let json = json.ok_or(invalid("response_format.json_schema.schema", "must be an object"))?;
    lost.report_rest("response_format.json_schema", format);
    Ok(Format::Schema(Schema { name, json, is_strict }))
}
