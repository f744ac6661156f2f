//! What an answer says of its usage, in Google's formats.

use aipassport_domain::usage::Usage;
use serde::Deserialize;

use crate::{
    json::Reader,
    meter::{AnswerFormat, Metered, StreamForm, UsageMember},
    request::ReadError,
};

/// An answer in one piece.
pub(crate) struct GenerateContent;

impl AnswerFormat for GenerateContent {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_body(body, seen);
    }

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        see_event(data, seen);
        None
    }
}

/// An answer in one piece with images or sound, of which no more than the usage is kept.
pub(crate) struct GenerateMedia;

impl AnswerFormat for GenerateMedia {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_body(body, seen);
    }

    fn see_event(&self, _data: &[u8], _seen: &mut Metered) -> Option<UsageMember> {
        None
    }

    fn usage_member(&self) -> Option<&'static str> {
        Some("usageMetadata")
    }
}

/// The same in pieces: as events, or as the items of an array, by what the client asked for.
pub(crate) struct StreamGenerateContent;

impl AnswerFormat for StreamGenerateContent {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_body(body, seen);
    }

    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember> {
        see_event(data, seen);
        None
    }

    fn stream_form(&self, content_type: &str) -> Option<StreamForm> {
        match content_type {
            "text/event-stream" => Some(StreamForm::Events),
            "application/json" => Some(StreamForm::Items),
            _ => None,
        }
    }
}

pub(crate) struct EmbedContent;

impl AnswerFormat for EmbedContent {
    fn see_body(&self, body: &[u8], seen: &mut Metered) {
        see_body(body, seen);
    }

    fn see_event(&self, _data: &[u8], _seen: &mut Metered) -> Option<UsageMember> {
        None
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ReportedUsage {
    /// With what was read from a cache.
    prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    /// What the provider's own tools brought, beside the prompt.
    tool_use_prompt_token_count: Option<u64>,
    /// Without what was thought, if the total says so.
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    total_token_count: Option<u64>,
    /// Embeddings spell it in the singular.
    #[serde(alias = "promptTokenDetails")]
    prompt_tokens_details: Vec<OfModality>,
    cache_tokens_details: Vec<OfModality>,
    tool_use_prompt_tokens_details: Vec<OfModality>,
    candidates_tokens_details: Vec<OfModality>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfModality {
    modality: Option<String>,
    token_count: Option<u64>,
}

/// What one answer, or one piece of it, says.
#[derive(Default)]
struct Said {
    usage: Option<ReportedUsage>,
    /// A candidate has ended, or the prompt was blocked.
    has_ended: bool,
    is_grounded: bool,
}

fn see_body(body: &[u8], seen: &mut Metered) {
    let said = Said::read(body, seen);
    seen.is_complete = said.is_ok();
    if let Ok(said) = said {
        seen.is_usage_final = said.report(seen);
    }
}

fn see_event(data: &[u8], seen: &mut Metered) {
    let Ok(said) = Said::read(data, seen) else {
        // Unreadable: all of it may be output.
        seen.output_bytes += data.len() as u64;
        return;
    };
    seen.is_complete |= said.has_ended;
    // Every piece tells what has been used by then; it is of the whole once the answer has ended.
    seen.is_usage_final |= said.report(seen) && seen.is_complete;
}

impl Said {
    fn read(data: &[u8], seen: &mut Metered) -> Result<Self, ReadError> {
        let mut said = Self::default();
        let mut reader = Reader::lenient(data)?;
        reader.object(|reader, name| match name {
            "candidates" if reader.peek() == Some(b'[') => reader.array(|reader| said.read_candidate(reader, seen)),
            "promptFeedback" if reader.peek() == Some(b'{') => reader.object(|reader, name| {
                let is_there = reader.skip_some()?;
                said.has_ended |= is_there && name == "blockReason";
                Ok(())
            }),
            "usageMetadata" => {
                let value = reader.skip()?;
                said.usage = serde_json::from_str(reader.slice(value)).ok().flatten();
                Ok(())
            }
            "error" => {
                seen.has_failed |= reader.skip_some()?;
                Ok(())
            }
            _ => reader.skip().map(|_| ()),
        })?;
        Ok(said)
    }

    fn read_candidate(&mut self, reader: &mut Reader<'_>, seen: &mut Metered) -> Result<(), ReadError> {
        reader.object(|reader, name| match name {
            "content" => reader.count_text(&mut seen.output_bytes).map(|_| ()),
            "finishReason" => {
                self.has_ended |= reader.skip_some()?;
                Ok(())
            }
            "groundingMetadata" if reader.peek() == Some(b'{') => reader.object(|reader, name| {
                let value = reader.skip()?;
                let has_any = !matches!(reader.slice(value), "null" | "[]");
                self.is_grounded |= has_any && matches!(name, "webSearchQueries" | "groundingChunks");
                Ok(())
            }),
            _ => reader.skip().map(|_| ()),
        })
    }

    /// Whether there are counts.
    fn report(&self, seen: &mut Metered) -> bool {
        let Some(usage) = self.usage.as_ref().and_then(ReportedUsage::counts) else {
            return false;
        };
        seen.report(Usage {
            // One fee for the prompt, however many searches it took.
            searches: u64::from(self.is_grounded),
            ..usage
        });
        true
    }
}

impl ReportedUsage {
    /// `None` where nothing is said of the input. What is not said beside it is zero: Google leaves
    /// zeros out.
    fn counts(&self) -> Option<Usage> {
        let prompt = self.prompt_token_count?;
        let from_tools = self.tool_use_prompt_token_count.unwrap_or_default();
        let cached = self.cached_content_token_count.unwrap_or_default().min(prompt);
        let input_of = |modality| {
            let of_prompt = count(&self.prompt_tokens_details, modality);
            of_prompt.saturating_add(count(&self.tool_use_prompt_tokens_details, modality))
        };

        let cached_audio = count(&self.cache_tokens_details, "AUDIO").min(cached);
        let cached_images = count(&self.cache_tokens_details, "IMAGE").min(cached - cached_audio);
        let audio = input_of("AUDIO").saturating_sub(cached_audio);
        let images = input_of("IMAGE").saturating_sub(cached_images);
        let fresh = prompt.saturating_add(from_tools).saturating_sub(cached);

        let audio_output = count(&self.candidates_tokens_details, "AUDIO");
        let image_output = count(&self.candidates_tokens_details, "IMAGE");
        let output = self.output(prompt.saturating_add(from_tools));
        Some(Usage {
            input_tokens: fresh.saturating_sub(audio).saturating_sub(images),
            cached_input_tokens: cached - cached_audio - cached_images,
            audio_input_tokens: audio,
            cached_audio_input_tokens: cached_audio,
            image_input_tokens: images,
            cached_image_input_tokens: cached_images,
            output_tokens: output.saturating_sub(audio_output).saturating_sub(image_output),
            audio_output_tokens: audio_output,
            image_output_tokens: image_output,
            reasoning_tokens: self.thoughts_token_count.unwrap_or_default(),
            ..Usage::default()
        })
    }

    /// Everything that was written. Whether thoughts stand inside the candidates' count or beside it,
    /// the total tells; where it tells neither, the most that the counts can mean is taken.
    fn output(&self, input: u64) -> u64 {
        let candidates = self.candidates_token_count.unwrap_or_default();
        let thoughts = self.thoughts_token_count.unwrap_or_default();
        let beside = candidates.saturating_add(thoughts);
        match self.total_token_count.map(|total| total.saturating_sub(input)) {
            Some(output) if output == candidates && thoughts <= candidates => candidates,
            Some(output) => output.max(beside),
            None => beside,
        }
    }
}

fn count(details: &[OfModality], modality: &str) -> u64 {
    let is_asked = |count: &&OfModality| count.modality.as_deref() == Some(modality);
    let counts = details.iter().filter(is_asked);
    counts
        .filter_map(|count| count.token_count)
        .fold(0, u64::saturating_add)
}
