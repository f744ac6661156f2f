//! `POST /v1/chat/completions`, read.

use super::{content, speech, tools};
use crate::{
    adapter::{Operation, Unread},
    draft::{Draft, Shape},
    json::Reader,
    request::{ReadError, ReadRequest, Storing},
};

/// How a provider's chat completions differ from OpenAI's own.
pub(crate) struct Dialect {
    /// What the provider writes before the client's own input, generously.
    pub(crate) hidden_tokens: u64,
    /// Whether a stream tells its usage only on request, in `stream_options`.
    pub(crate) takes_stream_options: bool,
    /// Whether `service_tier` decides the price.
    pub(crate) has_service_tiers: bool,
    /// Reads a member that OpenAI's own does not have.
    pub(crate) other: fn(&str, &mut Reader<'_>, &mut Draft) -> Result<(), ReadError>,
    /// What is known of the answer once all is read.
    pub(crate) finish: fn(&mut Draft),
    pub(crate) shape: fn(&Draft) -> Shape,
}

pub(crate) fn read(request: &Unread<'_>, dialect: &Dialect) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::ChatCompletions, &mut reader);
    draft.hidden_tokens = dialect.hidden_tokens;
    let mut has_tier = false;
    let mut stream_options = StreamOptions::Missing;

    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "messages" => content::read_messages(reader, &mut draft),
        "stream" => draft.read_stream(reader),
        "stream_options" => {
            stream_options = StreamOptions::read(reader)?;
            Ok(())
        }
        "max_completion_tokens" => draft.read_cap(reader, "max_completion_tokens"),
        "max_tokens" => draft.read_cap(reader, "max_tokens"),
        "n" => read_choices(reader, &mut draft, "n"),
        "best_of" => read_choices(reader, &mut draft, "best_of"),
        "tools" | "functions" => tools::read(reader, &mut draft),
        "store" => {
            if reader.boolean_or_null("store")?.unwrap_or(false) {
                draft.features.stored_state = true;
                draft.storing = Storing::Asked(None);
            }
            Ok(())
        }
        "service_tier" if dialect.has_service_tiers => {
            has_tier = true;
            super::read_tier(reader, &mut draft)
        }
        "reasoning_effort" => draft.read_reasoning(reader, "reasoning_effort", "none"),
        "modalities" => read_modalities(reader, &mut draft),
        "audio" => read_audio(reader),
        "prediction" => reader.only_null("prediction", "it cannot be combined with a limit on output tokens"),
        "web_search_options" => {
            if reader.skip_some()? {
                draft.features.web_search = true;
                draft.nothing_bounds_it(tools::UNREPORTED);
            }
            Ok(())
        }
        "moderation" => {
            draft.holds_output_back = reader.skip_some()?;
            Ok(())
        }
        name => (dialect.other)(name, reader, &mut draft),
    })?;
    reader.end()?;

    if dialect.has_service_tiers && !has_tier {
        draft.insert(super::DEFAULT_TIER);
    }
    if draft.is_stream && dialect.takes_stream_options {
        stream_options.ask_for_usage(&mut draft);
    }
    (dialect.finish)(&mut draft);
    let shape = (dialect.shape)(&draft);
    draft.into_call(&shape, request.prices)
}

pub(crate) fn read_choices(reader: &mut Reader<'_>, draft: &mut Draft, member: &'static str) -> Result<(), ReadError> {
    let choices = reader.count_or_null(member)?.unwrap_or(1);
    draft.choices = draft.choices.max(choices);
    Ok(())
}

fn read_modalities(reader: &mut Reader<'_>, draft: &mut Draft) -> Result<(), ReadError> {
    if reader.take_null()? {
        return Ok(());
    }
    reader.array(|reader| match reader.text()?.decode().as_ref() {
        "text" => Ok(()),
        "audio" => {
            draft.outputs.audio = true;
            Ok(())
        }
        _ => Err(ReadError::NotSupported {
            member: "modalities",
            reason: "only the prices of text and sound are known",
        }),
    })
}

/// How an answer that is spoken is to sound.
fn read_audio(reader: &mut Reader<'_>) -> Result<(), ReadError> {
    if reader.take_null()? {
        return Ok(());
    }
    reader.object(|reader, name| match name {
        "voice" => speech::read_voice(reader),
        _ => reader.skip().map(|_| ()),
    })
}

/// Where the client says whether a stream ends with its usage.
pub(crate) enum StreamOptions {
    Missing,
    Null(std::ops::Range<usize>),
    /// An object without `include_usage`, opening at `brace`.
    Silent {
        brace: usize,
        is_empty: bool,
    },
    /// `include_usage` is false or null.
    Declined(std::ops::Range<usize>),
    Asked,
}

impl StreamOptions {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        reader.peek();
        let start = reader.position();
        if reader.take_null()? {
            return Ok(Self::Null(start..reader.position()));
        }
        let mut options = Self::Silent {
            brace: start,
            is_empty: true,
        };
        reader.object(|reader, name| {
            if name == "include_usage" {
                reader.peek();
                let start = reader.position();
                options = match reader.boolean_or_null("stream_options.include_usage")? {
                    Some(true) => Self::Asked,
                    _ => Self::Declined(start..reader.position()),
                };
                return Ok(());
            }
            if let Self::Silent { is_empty, .. } = &mut options {
                *is_empty = false;
            }
            reader.skip().map(|_| ())
        })?;
        Ok(options)
    }

    /// Asks for usage where the client does not, and notes to hide it.
    pub(crate) fn ask_for_usage(self, draft: &mut Draft) {
        draft.hides_usage = !matches!(self, Self::Asked);
        match self {
            Self::Asked => {}
            Self::Missing => draft.insert(r#""stream_options":{"include_usage":true}"#),
            Self::Null(range) => draft.body.replace(range, r#"{"include_usage":true}"#),
            Self::Declined(range) => draft.body.replace(range, "true"),
            Self::Silent { brace, is_empty: true } => {
                draft.body.replace(brace + 1..brace + 1, r#""include_usage":true"#);
            }
            Self::Silent { brace, is_empty: false } => draft.body.insert_member(brace, r#""include_usage":true"#),
        }
    }
}
