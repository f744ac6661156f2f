//! What an answer says of its usage, in each of Cohere's formats.
//!
//! Two counts stand side by side: `tokens`, what was processed, and `billed_units`, what is paid for.

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::Number;

use crate::{
    deltas,
    json::Reader,
    meter::{AnswerFormat, Metered, StreamForm, UsageMember},
    request::ReadError,
};

/// `POST /v2/chat`.
pub(crate) struct Chat;

/// `POST /v1/chat`, streamed in lines.
pub(crate) struct ChatV1;

/// Embed and rerank: whole bodies, with the units in `meta`.
pub(crate) struct Billed;

#[derive(Default, Deserialize)]
struct BilledUnits {
    input_tokens: Option<Number>,
    output_tokens: Option<Number>,
    text_tokens: Option<Number>,
    image_tokens: Option<Number>,
    images: Option<Number>,
    search_units: Option<Number>,
}

/// The object that has the units: `usage` in the second version of chat, else `meta`.
#[derive(Deserialize)]
struct Meta {
    billed_units: Option<BilledUnits>,
}

impl AnswerFormat for Chat {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_whole(body, "usage", seen, BilledUnits::of_chat);
    }

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        if data == b"[DONE]" {
            return None;
        }
        if matches!(deltas::usage(data), deltas::Usage::Missing) && !ends_message(data) && deltas::count(data, seen) {
            return None;
        }
        if read_event(data, seen).is_err() {
            seen.output_bytes += data.len() as u64;
        }
        None
    }
}

impl AnswerFormat for ChatV1 {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_whole(body, "meta", seen, BilledUnits::of_chat);
    }

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        if read_line(data, seen).is_err() {
            seen.output_bytes += data.len() as u64;
        }
        None
    }

    fn stream_form(&self, content_type: &str) -> Option<StreamForm> {
        match content_type {
            "text/event-stream" => Some(StreamForm::Events),
            "application/stream+json" | "application/x-ndjson" | "application/jsonl" => Some(StreamForm::Lines),
            _ => None,
        }
    }
}

impl AnswerFormat for Billed {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_whole(body, "meta", seen, BilledUnits::of_reading);
    }

    fn see_event(&self, _data: &[u8], _seen: &mut Metered) -> Option<UsageMember> {
        None
    }
}

fn ends_message(data: &[u8]) -> bool {
    memchr::memmem::find(data, b"\"message-end\"").is_some()
}

fn read_event(data: &[u8], seen: &mut Metered) -> Result<(), ReadError> {
    let mut reader = Reader::lenient(data)?;
    let mut is_end = false;
    reader.object(|reader, name| match name {
        "type" => {
            is_end = reader.text_or_null("type")?.as_deref() == Some("message-end");
            Ok(())
        }
        "delta" if reader.peek() == Some(b'{') => reader.object(|reader, name| match name {
            "usage" => report(reader, seen, BilledUnits::of_chat),
            "error" => {
                seen.has_failed |= reader.skip_some()?;
                Ok(())
            }
            "message" => reader.count_text(&mut seen.output_bytes).map(|_| ()),
            _ => reader.skip().map(|_| ()),
        }),
        _ => reader.skip().map(|_| ()),
    })?;
    seen.is_complete |= is_end;
    Ok(())
}

/// A line has one of the members that carry output; the last one repeats them all.
fn read_line(data: &[u8], seen: &mut Metered) -> Result<(), ReadError> {
    let mut reader = Reader::lenient(data)?;
    reader.object(|reader, name| match name {
        "text" | "tool_call_delta" | "tool_calls" | "search_queries" => {
            reader.count_text(&mut seen.output_bytes).map(|_| ())
        }
        "finish_reason" => {
            let reason = reader.text_or_null("finish_reason")?;
            seen.has_failed |= reason.is_some_and(|reason| reason.starts_with("ERROR"));
            seen.is_complete = true;
            Ok(())
        }
        "response" if reader.peek() == Some(b'{') => reader.object(|reader, name| match name {
            "meta" => report(reader, seen, BilledUnits::of_chat),
            _ => reader.skip().map(|_| ()),
        }),
        _ => reader.skip().map(|_| ()),
    })
}

/// Looks at a whole body with its units in the member `place`.
fn see_whole(body: &[u8], place: &str, seen: &mut Metered, units: fn(&BilledUnits) -> Option<Usage>) {
    let Ok(mut reader) = Reader::lenient(body) else { return };
    let read = reader.object(|reader, name| {
        if name == place {
            return report(reader, seen, units);
        }
        reader.skip().map(|_| ())
    });
    seen.is_complete = read.is_ok();
}

/// Takes the usage out of the next value, if all of it is there and makes sense.
fn report(
    reader: &mut Reader<'_>,
    seen: &mut Metered,
    units: fn(&BilledUnits) -> Option<Usage>,
) -> Result<(), ReadError> {
    let range = reader.skip()?;
    let meta: Option<Meta> = serde_json::from_str(reader.slice(range)).ok();
    if let Some(usage) = meta.and_then(|meta| meta.billed_units).as_ref().and_then(units) {
        seen.report_all(usage);
    }
    Ok(())
}

impl BilledUnits {
    fn of_chat(&self) -> Option<Usage> {
        Some(Usage {
            input_tokens: count(self.input_tokens.as_ref()?)?,
            output_tokens: count(self.output_tokens.as_ref()?)?,
            images: counted(self.images.as_ref())?,
            searches: counted(self.search_units.as_ref())?,
            ..Usage::default()
        })
    }

    /// Text is told apart from images where there are any, in newer answers.
    fn of_reading(&self) -> Option<Usage> {
        let known = [
            &self.input_tokens,
            &self.text_tokens,
            &self.image_tokens,
            &self.images,
            &self.search_units,
        ];
        if known.iter().all(|count| count.is_none()) {
            return None;
        }
        let all = counted(self.input_tokens.as_ref())?;
        let image_tokens = counted(self.image_tokens.as_ref())?;
        let input_tokens = match &self.text_tokens {
            Some(text) => count(text)?.max(all.saturating_sub(image_tokens)),
            None => all,
        };
        Some(Usage {
            input_tokens,
            output_tokens: counted(self.output_tokens.as_ref())?,
            image_input_tokens: image_tokens,
            images: counted(self.images.as_ref())?,
            searches: counted(self.search_units.as_ref())?,
            ..Usage::default()
        })
    }
}

/// What is missing is none; what is there and no count makes the whole unreadable.
fn counted(number: Option<&Number>) -> Option<u64> {
    number.map_or(Some(0), count)
}

/// A count, which Cohere may write with a fraction of zero.
fn count(number: &Number) -> Option<u64> {
    let text = number.to_string();
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}
