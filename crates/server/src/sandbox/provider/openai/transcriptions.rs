//! `POST /v1/audio/transcriptions` and `/v1/audio/translations`.

use std::fmt::Write;

use aipassport_domain::usage::Usage;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::form::Form;
use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, seed_of},
    switches::Report,
    tools::Tools,
};

const TOKENS_PER_SECOND: u64 = 10;
/// Of a sound that does not say: 128 kilobits.
const BYTES_PER_SECOND: u64 = 16_000;

pub(super) fn read(headers: &HeaderMap, body: &[u8], is_translation: bool) -> Result<Task, Refusal> {
    let form = Form::read(headers, body)?;
    let [sound] = form.files("file")[..] else {
        return Err(Refusal::invalid("Missing required parameter: 'file'.", Some("file")));
    };
    let model = form.text("model").unwrap_or_default().to_owned();
    let prompt = form.text("prompt").unwrap_or_default();
    let milliseconds = milliseconds(sound);
    let is_by_duration = !model.contains("4o");
    let form_of = form.text("response_format").unwrap_or("json");
    let asked = Asked {
        operation: if is_translation {
            "audio.translations"
        } else {
            "audio.transcriptions"
        },
        is_stream: form.text("stream") == Some("true") && !is_by_duration,
        output_cap: None,
        choices: 1,
        prompt_bytes: prompt.len(),
        seed: seed_of(prompt).wrapping_add(sound.len() as u64),
        thinking_tokens: 0,
        tools: Tools::default(),
        writes_cache: false,
        beside: if is_by_duration {
            Usage {
                audio_milliseconds: milliseconds.div_ceil(1_000) * 1_000,
                ..Usage::default()
            }
        } else {
            Usage {
                audio_input_tokens: (milliseconds * TOKENS_PER_SECOND).div_ceil(1_000),
                ..Usage::default()
            }
        },
        model,
    };
    let dialect = Transcript {
        format: match form_of {
            "text" | "srt" | "vtt" => Format::Text,
            "verbose_json" => Format::Verbose { milliseconds },
            _ => Format::Json,
        },
        is_by_duration,
        is_translation,
    };
    Ok(Task::Generate(asked, Box::new(dialect)))
}

/// By the header of a WAVE file: bytes a second stand at 28.
fn milliseconds(sound: &[u8]) -> u64 {
    let declared = sound.get(28..32).filter(|_| sound.starts_with(b"RIFF"));
    let declared = declared.and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let per_second = declared.map_or(BYTES_PER_SECOND, u64::from).max(1);
    (sound.len() as u64 * 1_000).div_ceil(per_second)
}

enum Format {
    Json,
    Verbose { milliseconds: u64 },
    Text,
}

struct Transcript {
    format: Format,
    is_by_duration: bool,
    is_translation: bool,
}

impl Transcript {
    fn usage(&self, answer: &Answer) -> String {
        let usage = &answer.usage;
        if self.is_by_duration {
            let seconds = answer.reported(usage.audio_milliseconds / 1_000);
            return format!(r#"{{"type":"duration","seconds":{seconds}}}"#);
        }
        let (text, audio) = (usage.input_tokens, usage.audio_input_tokens);
        format!(
            r#"{{"type":"tokens","input_tokens":{},"input_token_details":{{"text_tokens":{},"audio_tokens":{}}},"output_tokens":{},"total_tokens":{}}}"#,
            answer.reported(text + audio),
            answer.reported(text),
            answer.reported(audio),
            answer.reported(usage.output_tokens),
            answer.reported(text + audio + usage.output_tokens),
        )
    }
}

impl Dialect for Transcript {
    fn whole(&self, answer: &Answer) -> String {
        let text = Value::from(answer.whole_text());
        let usage = if answer.report == Report::Missing || self.is_translation {
            String::new()
        } else {
            format!(r#","usage":{}"#, self.usage(answer))
        };
        match self.format {
            Format::Verbose { milliseconds } => {
                let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
                format!(
                    r#"{{"task":"transcribe","language":"english","duration":{seconds}.{rest:03},"text":{text},"segments":[]{usage}}}"#
                )
            }
            _ => format!(r#"{{"text":{text}{usage}}}"#),
        }
    }

    fn medium(&self, answer: &Answer) -> Option<(&'static str, Bytes)> {
        matches!(self.format, Format::Text)
            .then(|| ("text/plain; charset=utf-8", format!("{}\n", answer.whole_text()).into()))
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Token(place, position) => {
                let token = answer.token(place, position);
                let _ = write!(
                    out,
                    "data: {{\"type\":\"transcript.text.delta\",\"delta\":\"{token}\"}}\n\n"
                );
            }
            Step::Usage => {
                let text = Value::from(answer.whole_text());
                let usage = if matches!(answer.report, Report::Missing | Report::NoFinal) {
                    String::new()
                } else {
                    format!(",\"usage\":{}", self.usage(answer))
                };
                let _ = write!(
                    out,
                    "data: {{\"type\":\"transcript.text.done\",\"text\":{text}{usage}}}\n\n"
                );
            }
            _ => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        out.push_str(super::ERROR_EVENT);
    }

    /// A verbose translation tells its duration; a plain one tells nothing.
    fn reports_usage_of_whole(&self) -> bool {
        match self.format {
            Format::Json => !self.is_translation,
            Format::Verbose { .. } => true,
            Format::Text => false,
        }
    }
}
