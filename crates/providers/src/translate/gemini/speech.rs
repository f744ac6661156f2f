//! Speech: what a client asks to be said, as a request to a model of Gemini's that speaks, and what
//! it says, as the bytes of a sound.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::media::{Answer, Made, Request};
use crate::{
    request::ReadError,
    translate::{
        AnswerPlan, Translated,
        answer::{ClientFormat, ProviderFormat, SoundForm},
        loss::{Fate, Lost, NOT_KNOWN},
        openai::json_bytes,
        raw::{Raw, invalid, not_carried},
    },
};

/// OpenAI's own. The provider has others, under other names.
const FOREIGN_VOICES: [&str; 13] = [
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse",
];
/// Of the samples where the provider does not say.
const USUAL_RATE: u32 = 24_000;
const BYTES_PER_SAMPLE: u32 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    response_modalities: [&'static str; 1],
    speech_config: SpeechConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpeechConfig<'a> {
    voice_config: VoiceConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VoiceConfig<'a> {
    prebuilt_voice_config: Voice<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Voice<'a> {
    voice_name: &'a str,
}

/// What a client asks for, in the provider's words.
pub(in crate::translate) fn write_speech(body: &[u8]) -> Result<Translated, ReadError> {
    let mut members = Raw::read(body)?.members("the body")?;
    let mut lost = Lost::default();
    let model = members.take_text("model", "model")?.unwrap_or_default();
    let input = members.take_text("input", "input")?;
    let input = input.ok_or(invalid("input", "is missing"))?;
    let voice = members.take_text("voice", "voice")?;
    let voice = voice.ok_or(invalid("voice", "is missing"))?;
    if FOREIGN_VOICES.contains(&voice.as_ref()) {
        return Err(not_carried(
            "voice",
            "this provider has voices of its own, such as Kore",
        ));
    }
    let form = match members.take_text("response_format", "response_format")?.as_deref() {
        Some("wav") => SoundForm::Wave,
        Some("pcm") => SoundForm::Samples,
        // What OpenAI would send unasked is MP3.
        None => {
            lost.report("response_format");
            SoundForm::Wave
        }
        Some(_) => return Err(not_carried("response_format", "this provider speaks in wav and pcm")),
    };
    lost.settle_by(members, fate)?;
    let config = Config {
        response_modalities: ["AUDIO"],
        speech_config: SpeechConfig {
            voice_config: VoiceConfig {
                prebuilt_voice_config: Voice { voice_name: &voice },
            },
        },
    };
    Ok(Translated {
        body: json_bytes(&Request::new(&input, config)),
        path: super::path(&model, "generateContent")?,
        lost,
        plan: AnswerPlan {
            provider: ProviderFormat::GeminiContents,
            client: ClientFormat::Sound(form),
            model: model.into_owned(),
        },
    })
}

fn fate(name: &str, value: Raw<'_>) -> Fate {
    match name {
        "speed" if matches!(value.as_str(), "1" | "1.0") => Fate::Nothing,
        "stream_format" if value.as_str() == "\"audio\"" => Fate::Nothing,
        "instructions" => Fate::Refused("this provider is told how to speak in the input itself"),
        "speed" => Fate::Refused("this provider has one speed"),
        "stream_format" => Fate::Refused("this provider's speech comes whole"),
        _ => NOT_KNOWN,
    }
}

/// What the provider said, as a sound: samples of sixteen bits, the lower byte first.
pub(in crate::translate) fn read_speech(body: &[u8], form: SoundForm) -> Result<Made, ReadError> {
    let answer = Answer::read(body)?;
    let mut samples = Vec::new();
    let mut rate = None;
    for blob in answer.blobs() {
        let of_blob = rate_of(&blob.mime_type);
        if *rate.get_or_insert(of_blob) != of_blob {
            return Err(invalid("the answer", "has more than one sound"));
        }
        let decoded = STANDARD.decode(blob.data.as_bytes());
        samples.extend(decoded.map_err(|_| invalid("the answer", "has a sound that is none"))?);
    }
    Ok(match (rate, form) {
        (None, _) => Made::Nothing(answer.refusal("invalid_request_error")),
        (Some(rate), SoundForm::Wave) => {
            let mut sound = wave_header(rate, samples.len());
            sound.extend(samples);
            Made::Bytes(sound.into())
        }
        // As OpenAI's always is, for nothing tells.
        (Some(USUAL_RATE), SoundForm::Samples) => Made::Bytes(samples.into()),
        (Some(_), SoundForm::Samples) => return Err(invalid("the answer", "has another rate than it can tell")),
    })
}

/// `audio/L16;codec=pcm;rate=24000`
fn rate_of(mime_type: &str) -> u32 {
    let mut parameters = mime_type
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='));
    let rate = parameters.find(|(name, _)| *name == "rate");
    rate.and_then(|(_, rate)| rate.parse().ok()).unwrap_or(USUAL_RATE)
}

/// Of a file with one channel.
fn wave_header(rate: u32, bytes: usize) -> Vec<u8> {
    const HEADER_BEHIND_LENGTH: u32 = 36;
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut header = b"RIFF".to_vec();
    header.extend(bytes.saturating_add(HEADER_BEHIND_LENGTH).to_le_bytes());
    header.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    header.extend(rate.to_le_bytes());
    header.extend(rate.saturating_mul(BYTES_PER_SAMPLE).to_le_bytes());
    header.extend(b"\x02\0\x10\0data");
    header.extend(bytes.to_le_bytes());
    header
}
