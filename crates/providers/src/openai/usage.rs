//! What an answer says of its usage, in each of OpenAI's formats.

use std::ops::Range;

use aipassport_domain::usage::Usage;
use serde::Deserialize;

use crate::{
    deltas,
    json::Reader,
    meter::{AnswerFormat, Metered, Served, UsageMember},
    prices::ServiceTier,
    request::ReadError,
};

pub(crate) struct ChatCompletions;

impl AnswerFormat for ChatCompletions {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_body(body, seen);
    }

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        see_chunk(data, seen)
    }
}

pub(crate) struct Responses;

impl AnswerFormat for Responses {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_body(body, seen);
    }

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        see_event(data, seen);
        None
    }
}

/// The members of both formats: those of chat completions, and the newer ones of responses.
#[derive(Deserialize)]
struct ReportedUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Default, Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    cache_write_tokens_details: Option<CacheWrites>,
}

#[derive(Deserialize)]
struct CacheWrites {
    ttl_12h_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

/// Looks at the data of one chunk of a chat completion, and returns where its usage stands.
fn see_chunk(data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
    if data == b"[DONE]" {
        seen.is_complete = true;
        seen.is_usage_final |= seen.usage.is_some();
        return None;
    }
    match deltas::usage(data) {
        deltas::Usage::Missing if deltas::count(data, seen) => return None,
        deltas::Usage::Null(range) => {
            if let Some(range) = last_member(data, range)
                && deltas::count(data, seen)
            {
                let stands_alone = false;
                return Some(UsageMember { range, stands_alone });
            }
        }
        _ => {}
    }
    let mut chunk = Chunk::default();
    if chunk.read(data, seen).is_err() {
        // Unreadable: all of it may be output.
        seen.output_bytes += data.len() as u64;
        return None;
    }
    // Beside choices it is what was used so far, until the stream ends.
    seen.is_usage_final |= chunk.has_counts && !chunk.has_choices;
    let range = chunk.usage?;
    Some(UsageMember {
        range,
        stands_alone: chunk.has_counts && !chunk.has_choices,
    })
}

/// The member at `range` with the comma before it, where nothing follows but the padding that
/// OpenAI adds: then the brace that follows is that of the whole chunk.
fn last_member(data: &[u8], range: Range<usize>) -> Option<Range<usize>> {
    let start = range.start.checked_sub(1)?;
    let rest = data.get(range.end..)?;
    let padding = rest
        .strip_prefix(b",\"obfuscation\":\"")
        .and_then(|rest| rest.strip_suffix(b"\"}"));
    let is_last = rest == b"}" || padding.is_some_and(|padding| padding.iter().all(u8::is_ascii_alphanumeric));
    (is_last && data.get(start) == Some(&b',')).then_some(start..range.end)
}

#[derive(Default)]
struct Chunk {
    usage: Option<Range<usize>>,
    has_counts: bool,
    has_choices: bool,
}

impl Chunk {
    fn read(&mut self, data: &[u8], seen: &mut Metered) -> Result<(), ReadError> {
        let mut reader = Reader::lenient(data)?;
        reader.peek();
        let mut before = reader.position() + 1;
        let mut is_first = true;
        reader.object(|reader, name| {
            match name {
                "usage" => {
                    let value = reader.skip()?;
                    self.has_counts |= report(reader.slice(value.clone()), seen);
                    let takes_comma_behind = is_first && reader.peek() == Some(b',');
                    let end = if takes_comma_behind {
                        reader.position() + 1
                    } else {
                        value.end
                    };
                    self.usage = Some(before..end);
                }
                "choices" if reader.peek() == Some(b'[') => reader.array(|reader| {
                    self.has_choices = true;
                    reader.object(|reader, name| match name {
                        // Completions of a text have it bare.
                        "delta" | "text" => reader.count_text(&mut seen.output_bytes).map(|_| ()),
                        _ => reader.skip().map(|_| ()),
                    })
                })?,
                "service_tier" => {
                    let value = reader.skip()?;
                    see_tier(reader.slice(value), seen);
                }
                "error" => seen.has_failed |= reader.skip_some()?,
                // Some that speak this format send the bare error.
                "object" => seen.has_failed |= reader.text_or_null("object")?.as_deref() == Some("error"),
                _ => {
                    reader.skip()?;
                }
            }
            before = reader.position();
            is_first = false;
            Ok(())
        })?;
        reader.end()
    }
}

/// Looks at the data of one event of a response.
fn see_event(data: &[u8], seen: &mut Metered) {
    // All output is first announced by events with a delta; the others only repeat it.
    if matches!(deltas::usage(data), deltas::Usage::Missing) && deltas::count(data, seen) {
        return;
    }
    if read_event(data, seen).is_err() {
        seen.output_bytes += data.len() as u64;
    }
}

fn read_event(data: &[u8], seen: &mut Metered) -> Result<(), ReadError> {
    let mut reader = Reader::lenient(data)?;
    let mut kind = None;
    reader.object(|reader, name| match name {
        "type" => {
            kind = reader.text_or_null("type")?;
            Ok(())
        }
        "delta" => reader.count_text(&mut seen.output_bytes).map(|_| ()),
        "response" if reader.peek() == Some(b'{') => reader.object(|reader, name| {
            let value = reader.skip()?;
            match name {
                "usage" => seen.is_usage_final |= report(reader.slice(value), seen),
                "service_tier" => see_tier(reader.slice(value), seen),
                _ => {}
            }
            Ok(())
        }),
        _ => reader.skip().map(|_| ()),
    })?;

    match kind.as_deref() {
        Some("response.completed" | "response.incomplete") => seen.is_complete = true,
        Some("response.failed" | "error") => seen.has_failed = true,
        _ => {}
    }
    Ok(())
}

/// Looks at a whole body of either format.
fn see_body(body: &[u8], seen: &mut Metered) {
    let Ok(mut reader) = Reader::lenient(body) else { return };
    let read = reader.object(|reader, name| {
        match name {
            "usage" => {
                let value = reader.skip()?;
                seen.is_usage_final |= report(reader.slice(value), seen);
            }
            "service_tier" => {
                let value = reader.skip()?;
                see_tier(reader.slice(value), seen);
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

/// The service that worked on the call, which need not be the one that was asked for. What has not
/// been decided yet is `auto`.
fn see_tier(tier: &str, seen: &mut Metered) {
    seen.served = match tier {
        r#""default""# => Served::Usual,
        r#""flex""# => Served::At(ServiceTier::Flex),
        r#""priority""# | r#""fast""# => Served::At(ServiceTier::Priority),
        _ => Served::Unsaid,
    };
}

/// Whether `usage` has counts. The input includes what was cached, the output what was reasoned.
fn report(usage: &str, seen: &mut Metered) -> bool {
    let Ok(Some(reported)) = serde_json::from_str::<Option<ReportedUsage>>(usage) else {
        return false;
    };
    let (Some(input_tokens), Some(output_tokens)) = (
        reported.prompt_tokens.or(reported.input_tokens),
        reported.completion_tokens.or(reported.output_tokens),
    ) else {
        return false;
    };
    let input = reported.prompt_tokens_details.or(reported.input_tokens_details);
    let output = reported.completion_tokens_details.or(reported.output_tokens_details);

    let (input, output) = (input.unwrap_or_default(), output.unwrap_or_default());
    let audio_input_tokens = input.audio_tokens.unwrap_or_default();
    let audio_output_tokens = output.audio_tokens.unwrap_or_default();
    let cached = input.cached_tokens.unwrap_or_default();
    let written = input.cache_write_tokens.unwrap_or_default();
    let written_long = input
        .cache_write_tokens_details
        .and_then(|writes| writes.ttl_12h_tokens)
        .unwrap_or_default()
        .min(written);
    seen.cache_writes.report(written, written - written_long, written_long);
    seen.report(Usage {
        input_tokens: input_tokens
            .saturating_sub(cached)
            .saturating_sub(written)
            .saturating_sub(audio_input_tokens),
        cached_input_tokens: cached,
        audio_input_tokens,
        cache_write_5m_tokens: seen.cache_writes.short,
        cache_write_1h_tokens: seen.cache_writes.long(),
        output_tokens: output_tokens.saturating_sub(audio_output_tokens),
        audio_output_tokens,
        reasoning_tokens: output.reasoning_tokens.unwrap_or_default(),
        ..Usage::default()
    });
    true
}
