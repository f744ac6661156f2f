//! What answers say of their usage that are no conversation: embeddings, images, sound.

use aipassport_domain::usage::Usage;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    json::Reader,
    meter::{AnswerFormat, Metered, UsageMember},
};

pub(crate) struct Embeddings;

impl AnswerFormat for Embeddings {
    fn usage_member(&self) -> Option<&'static str> {
        Some("usage")
    }

    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        #[derive(Deserialize)]
        struct Reported {
            prompt_tokens: u64,
        }

        see_usage(body, seen, |reported: Reported| {
            Some(Usage {
                input_tokens: reported.prompt_tokens,
                ..Usage::default()
            })
        });
    }

    fn see_event(&self, _data: &[u8], _seen: &mut Metered) -> Option<UsageMember> {
        None
    }
}

/// An image, or several, in a document or in the last event of a stream.
pub(crate) struct Images;

impl AnswerFormat for Images {
    fn usage_member(&self) -> Option<&'static str> {
        Some("usage")
    }

    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_usage(body, seen, |reported: ImageUsage| Some(reported.counted()));
    }

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        see_last_event(data, seen, |reported: ImageUsage| Some(reported.counted()));
        None
    }
}

#[derive(Deserialize)]
struct ImageUsage {
    input_tokens: u64,
    output_tokens: u64,
    #[serde(default)]
    input_tokens_details: Details,
    #[serde(default)]
    output_tokens_details: Option<Details>,
}

/// What part of the tokens is what. The rest is of the kind that the operation is about.
#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    text_tokens: u64,
    #[serde(default)]
    image_tokens: u64,
}

impl ImageUsage {
    fn counted(self) -> Usage {
        let image_input_tokens = self.input_tokens_details.image_tokens;
        let output_tokens = self.output_tokens_details.unwrap_or_default().text_tokens;
        Usage {
            input_tokens: self.input_tokens.saturating_sub(image_input_tokens),
            image_input_tokens,
            image_output_tokens: self.output_tokens.saturating_sub(output_tokens),
            output_tokens,
            ..Usage::default()
        }
    }
}

/// A sound, which says nothing of its usage, or a stream of events, whose last one does.
pub(crate) struct Speech;

impl AnswerFormat for Speech {
    fn is_medium(&self, content_type: &str) -> bool {
        content_type.starts_with("audio/") || content_type == "application/octet-stream"
    }

    fn see_body(&self, _body: &[u8], _seen: &mut Metered) {}

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        #[derive(Deserialize)]
        struct Reported {
            input_tokens: u64,
            output_tokens: u64,
        }

        see_last_event(data, seen, |reported: Reported| {
            Some(Usage {
                input_tokens: reported.input_tokens,
                audio_output_tokens: reported.output_tokens,
                ..Usage::default()
            })
        });
        None
    }
}

/// A text, in a document, plain, or in a stream of events.
pub(crate) struct Transcriptions;

impl AnswerFormat for Transcriptions {
    fn is_medium(&self, content_type: &str) -> bool {
        content_type.starts_with("text/") || content_type == "application/x-subrip"
    }

    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_usage(body, seen, HeardUsage::counted);
        if !seen.is_usage_final {
            see_duration(body, seen);
        }
    }

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        see_last_event(data, seen, HeardUsage::counted);
        None
    }
}

/// Tokens or a duration, by the model.
#[derive(Deserialize)]
struct HeardUsage<'a> {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_token_details: Option<Details>,
    #[serde(borrow)]
    seconds: Option<&'a RawValue>,
}

impl HeardUsage<'_> {
    fn counted(self) -> Option<Usage> {
        if let Some(seconds) = self.seconds {
            return Some(heard(milliseconds(seconds.get())?));
        }
        let (input_tokens, output_tokens) = self.input_tokens.zip(self.output_tokens)?;
        let text_tokens = self.input_token_details.map_or(0, |details| details.text_tokens);
        Some(Usage {
            input_tokens: text_tokens.min(input_tokens),
            audio_input_tokens: input_tokens.saturating_sub(text_tokens),
            output_tokens,
            ..Usage::default()
        })
    }
}

fn heard(audio_milliseconds: u64) -> Usage {
    Usage {
        audio_milliseconds,
        ..Usage::default()
    }
}

/// The duration in a verbose document without usage. It is billed to the second.
fn see_duration(document: &[u8], seen: &mut Metered) {
    let mut duration = None;
    let read = Reader::lenient(document).and_then(|mut reader| {
        reader.object(|reader, name| {
            let value = reader.skip()?;
            if name == "duration" {
                duration = milliseconds(reader.slice(value));
            }
            Ok(())
        })
    });
    if let (Ok(()), Some(milliseconds)) = (read, duration) {
        seen.report(heard(milliseconds.div_ceil(1_000).saturating_mul(1_000)));
        seen.is_usage_final = true;
    }
}

/// Milliseconds from a JSON number of seconds, rounded up; never by way of a float.
fn milliseconds(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let (thousandths, rest) = fraction.split_at(fraction.len().min(3));
    let thousandths: u64 = format!("{thousandths:0<3}").parse().ok()?;
    let is_more = rest.bytes().any(|byte| byte != b'0');
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(thousandths + u64::from(is_more))
}

/// Looks for the `usage` of a whole document, which is final.
fn see_usage<'a, Reported: Deserialize<'a>>(
    document: &'a [u8],
    seen: &mut Metered,
    counted: impl Fn(Reported) -> Option<Usage>,
) {
    let read = Reader::lenient(document).and_then(|mut reader| {
        reader.object(|reader, name| {
            match name {
                "usage" => {
                    let value = reader.skip()?;
                    if let Some(usage) = serde_json::from_str(reader.slice(value)).ok().and_then(&counted) {
                        seen.report(usage);
                        seen.is_usage_final = true;
                    }
                }
                "error" => seen.has_failed |= reader.skip_some()?,
                _ => {
                    reader.skip()?;
                }
            }
            Ok(())
        })
    });
    seen.is_complete = read.is_ok();
}

/// The usage in an event of a stream: only the last one of each image, or of all, has any. Events
/// with a sound or an image in them are long, so that the others are not read.
fn see_last_event<'a, Reported: Deserialize<'a>>(
    event: &'a [u8],
    seen: &mut Metered,
    counted: impl Fn(Reported) -> Option<Usage>,
) {
    let has = |name: &str| memmem::find(event, name.as_bytes()).is_some();
    if has("\"usage\"") || has("\"error\"") {
        see_usage(event, seen, counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_without_a_float_and_rounded_up() {
        let read = |text| milliseconds(text);

        assert_eq!(read("7"), Some(7_000));
        assert_eq!(read("7.35"), Some(7_350));
        assert_eq!(read("0.0001"), Some(1));
        assert_eq!(read("8.470000267028809"), Some(8_471));
        for text in ["-1", "1e3", "", ".5", "\"7\"", "null", "99999999999999999999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
