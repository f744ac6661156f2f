//! What an answer says of its usage: in its last line, or in the only one.

use aipassport_domain::usage::Usage;
use serde::Deserialize;

use crate::{
    json::Reader,
    meter::{AnswerFormat, Metered, StreamForm, UsageMember},
    request::ReadError,
};

/// Chat and generation, which differ in where the text stands.
pub(crate) struct Generation;

impl AnswerFormat for Generation {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        // Output that nobody counted is worst case anyway.
        let _ = read_line(body, seen);
    }

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        if read_line(data, seen).is_err() {
            // Unreadable: all of it may be output.
            seen.output_bytes += data.len() as u64;
        }
        None
    }

    fn stream_form(&self, content_type: &str) -> Option<StreamForm> {
        (content_type == "application/x-ndjson").then_some(StreamForm::Lines)
    }
}

/// Embeddings; the older of the two paths tells nothing of its usage.
pub(crate) struct Embeddings;

#[derive(Deserialize)]
struct Embedded {
    prompt_eval_count: Option<u64>,
}

impl AnswerFormat for Embeddings {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        let Ok(answer) = serde_json::from_slice::<Embedded>(body) else {
            return;
        };
        seen.is_complete = true;
        if let Some(input_tokens) = answer.prompt_eval_count {
            seen.report_all(Usage {
                input_tokens,
                ..Usage::default()
            });
        }
    }

    fn see_event(&self, _data: &[u8], _seen: &mut Metered) -> Option<UsageMember> {
        None
    }
}

#[derive(Default)]
struct Line {
    is_last: bool,
    has_loaded_only: bool,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

fn read_line(data: &[u8], seen: &mut Metered) -> Result<(), ReadError> {
    let mut line = Line::default();
    let mut bytes = 0;
    let mut has_failed = false;
    let mut reader = Reader::lenient(data)?;
    reader.object(|reader, name| {
        match name {
            "message" if reader.peek() == Some(b'{') => reader.object(|reader, name| match name {
                "content" | "thinking" | "tool_calls" => reader.count_text(&mut bytes).map(|_| ()),
                _ => reader.skip().map(|_| ()),
            })?,
            "response" | "thinking" => {
                reader.count_text(&mut bytes)?;
            }
            "done" => line.is_last = reader.boolean_or_null("done")?.unwrap_or(false),
            "done_reason" => {
                let reason = reader.text_or_null("done_reason")?;
                line.has_loaded_only = matches!(reason.as_deref(), Some("load" | "unload"));
            }
            "prompt_eval_count" => line.input_tokens = reader.count_or_null("prompt_eval_count")?,
            "eval_count" => line.output_tokens = reader.count_or_null("eval_count")?,
            "error" => has_failed = reader.skip_some()?,
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;

    seen.output_bytes += bytes;
    seen.has_failed |= has_failed;
    if line.is_last {
        seen.is_complete = true;
        line.report(seen);
    }
    Ok(())
}

impl Line {
    /// Ollama leaves out a count of zero: a prompt that it still had in memory was not read again.
    /// Where both are missing, nothing was said, but of a call that only loads or unloads.
    fn report(&self, seen: &mut Metered) {
        if self.input_tokens.is_none() && self.output_tokens.is_none() && !self.has_loaded_only {
            return;
        }
        seen.report_all(Usage {
            input_tokens: self.input_tokens.unwrap_or_default(),
            output_tokens: self.output_tokens.unwrap_or_default(),
            ..Usage::default()
        });
    }
}
