//! `POST /v1/audio/speech`: a sound, or a stream of events with pieces of it.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::Deserialize;

use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, seed_of},
    switches::Report,
    tools::Tools,
};

/// Of MPEG 2, layer III, 24,000 samples a second at 64 kilobits: 24 milliseconds in 192 bytes.
const FRAME_HEADER: [u8; 4] = [0xff, 0xf3, 0x84, 0xc4];
const FRAME_BYTES: usize = 192;
const FRAME_MILLIS: u64 = 24;
const RAW_BYTES_PER_MILLI: u64 = 48;
const MILLIS_PER_CHARACTER: u64 = 60;
const TOKENS_PER_SECOND: u64 = 20;
const LONGEST_INPUT: usize = 4_096;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: Cow<'a, str>,
    #[serde(borrow, default)]
    instructions: Cow<'a, str>,
    #[serde(default)]
    response_format: Option<Cow<'a, str>>,
    #[serde(default)]
    stream_format: Option<Cow<'a, str>>,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let characters = request.input.chars().count();
    if !(1..=LONGEST_INPUT).contains(&characters) {
        return Err(Refusal::invalid(
            "The input must have 1 to 4096 characters.",
            Some("input"),
        ));
    }
    let characters = characters as u64;
    let is_stream = request.stream_format.as_deref() == Some("sse");
    let is_by_character = request.model.starts_with("tts-1");
    if is_stream && is_by_character {
        return Err(Refusal::invalid(
            "sse is not supported for this model.",
            Some("stream_format"),
        ));
    }
    let milliseconds = characters * MILLIS_PER_CHARACTER;
    let (prompt_bytes, beside) = if is_by_character {
        let beside = Usage {
            characters,
            ..Usage::default()
        };
        (0, beside)
    } else {
        let beside = Usage {
            audio_output_tokens: (milliseconds * TOKENS_PER_SECOND).div_ceil(1_000),
            ..Usage::default()
        };
        (request.input.len() + request.instructions.len(), beside)
    };
    let asked = Asked {
        operation: "audio.speech",
        is_stream,
        // It writes no text.
        output_cap: Some(0),
        choices: 1,
        prompt_bytes,
        seed: seed_of(&request.input),
        thinking_tokens: 0,
        tools: Tools::default(),
        writes_cache: false,
        beside,
        model: request.model.into_owned(),
    };
    let dialect = Speech {
        is_raw: request.response_format.as_deref() == Some("pcm"),
        milliseconds,
    };
    Ok(Task::Generate(asked, Box::new(dialect)))
}

struct Speech {
    is_raw: bool,
    milliseconds: u64,
}

impl Speech {
    fn sound(&self, milliseconds: u64) -> Vec<u8> {
        if self.is_raw {
            let length = milliseconds * RAW_BYTES_PER_MILLI;
            return vec![0; usize::try_from(length).unwrap_or_default()];
        }
        let frames = usize::try_from(milliseconds.div_ceil(FRAME_MILLIS)).unwrap_or_default();
        let mut frame = FRAME_HEADER.to_vec();
        frame.resize(FRAME_BYTES, 0x55);
        frame.repeat(frames)
    }
}

impl Dialect for Speech {
    fn whole(&self, _answer: &Answer) -> String {
        String::new()
    }

    fn medium(&self, _answer: &Answer) -> Option<(&'static str, Bytes)> {
        let kind = if self.is_raw { "audio/pcm" } else { "audio/mpeg" };
        Some((kind, self.sound(self.milliseconds).into()))
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        match step {
            Step::Start => {
                for _ in 0..self.milliseconds.div_ceil(1_000) {
                    let piece = BASE64_STANDARD.encode(self.sound(FRAME_MILLIS));
                    let _ = write!(
                        out,
                        "data: {{\"type\":\"speech.audio.delta\",\"audio\":\"{piece}\"}}\n\n"
                    );
                }
            }
            Step::Usage => {
                let usage = &answer.usage;
                let usage = if matches!(answer.report, Report::Missing | Report::NoFinal) {
                    String::new()
                } else {
                    format!(
                        ",\"usage\":{{\"input_tokens\":{},\"output_tokens\":{},\"total_tokens\":{}}}",
                        answer.reported(usage.total_input_tokens()),
                        answer.reported(usage.audio_output_tokens),
                        answer.reported(usage.total_input_tokens() + usage.audio_output_tokens),
                    )
                };
                let _ = write!(out, "data: {{\"type\":\"speech.audio.done\"{usage}}}\n\n");
            }
            _ => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        out.push_str(super::ERROR_EVENT);
    }

    fn reports_usage_of_whole(&self) -> bool {
        false
    }
}
