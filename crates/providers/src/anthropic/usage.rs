//! What an answer says of its usage, in Anthropic's formats.

use aipassport_domain::usage::Usage;
use serde::Deserialize;

use crate::{
    deltas,
    json::Reader,
    meter::{AnswerFormat, Metered, UsageMember},
    request::ReadError,
};

pub(crate) struct Messages;

impl AnswerFormat for Messages {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_body(body, seen);
    }

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        see_event(data, seen);
        None
    }
}

#[derive(Deserialize)]
struct ReportedUsage {
    /// Without what was read from or written to a cache.
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheWrites>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<ServerToolUse>,
    inference_geo: Option<String>,
}

#[derive(Default, Deserialize)]
struct CacheWrites {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct ServerToolUse {
    web_search_requests: Option<u64>,
}

/// Looks at the data of one event of a message.
fn see_event(data: &[u8], seen: &mut Metered) {
    if matches!(deltas::usage(data), deltas::Usage::Missing) && deltas::count(data, seen) {
        return;
    }
    if read_event(data, seen).is_err() {
        // Unreadable: all of it may be output.
        seen.output_bytes += data.len() as u64;
    }
}

fn read_event(data: &[u8], seen: &mut Metered) -> Result<(), ReadError> {
    let mut reader = Reader::lenient(data)?;
    let mut kind = None;
    let mut has_usage = false;
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("type")?;
            Ok(())
        }
        "delta" | "content_block" => reader.count_text(&mut seen.output_bytes).map(|_| ()),
        "usage" => {
            let value = reader.skip()?;
            has_usage = report(reader.slice(value), seen);
            Ok(())
        }
        "message" if reader.peek() == Some(b'{') => reader.object(|reader, name| {
            let value = reader.skip()?;
            if name == "usage" {
                report(reader.slice(value), seen);
            }
            Ok(())
        }),
        _ => reader.skip().map(|_| ()),
    })?;

    match kind.as_deref() {
        // The counts of `message_start` are those of the beginning; these are of the whole.
        Some("message_delta") => seen.is_usage_final |= has_usage,
        Some("message_stop") => seen.is_complete = true,
        Some("error") => seen.has_failed = true,
        _ => {}
    }
    Ok(())
}

/// Looks at a whole message.
fn see_body(body: &[u8], seen: &mut Metered) {
    let Ok(mut reader) = Reader::lenient(body) else { return };
    let read = reader.object(|reader, name| {
        match name {
            "usage" => {
                let value = reader.skip()?;
                seen.is_usage_final = report(reader.slice(value), seen);
            }
            "error" => seen.has_failed |= reader.skip_some()?,
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    });
    seen.is_complete = read.is_ok();
}

/// Whether `usage` has counts of output.
fn report(usage: &str, seen: &mut Metered) -> bool {
    let Ok(Some(reported)) = serde_json::from_str::<Option<ReportedUsage>>(usage) else {
        return false;
    };
    let written = reported.cache_creation_input_tokens.unwrap_or_default();
    let writes = reported.cache_creation.unwrap_or_default();
    let short = writes.ephemeral_5m_input_tokens.unwrap_or_default();
    let long = writes.ephemeral_1h_input_tokens.unwrap_or_default();
    seen.cache_writes.report(written, short, long);
    seen.report(Usage {
        input_tokens: reported.input_tokens.unwrap_or_default(),
        cached_input_tokens: reported.cache_read_input_tokens.unwrap_or_default(),
        cache_write_5m_tokens: seen.cache_writes.short,
        cache_write_1h_tokens: seen.cache_writes.long(),
        output_tokens: reported.output_tokens.unwrap_or_default(),
        reasoning_tokens: reported
            .output_tokens_details
            .unwrap_or_default()
            .thinking_tokens
            .unwrap_or_default(),
        ..Usage::default()
    });
    let searches = reported.server_tool_use.unwrap_or_default().web_search_requests;
    seen.web_searches = seen.web_searches.max(searches.unwrap_or_default());
    seen.has_regional_surcharge |= reported.inference_geo.is_some_and(|region| !has_plain_price(&region));
    reported.output_tokens.is_some()
}

fn has_plain_price(region: &str) -> bool {
    matches!(region, "global" | "not_available")
}
