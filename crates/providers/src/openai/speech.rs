//! `POST /v1/audio/speech`, read. The answer is a sound, or a stream of events with pieces of it.

use aipassport_domain::{authorization_details::Features, usage::Usage};

use crate::{
    adapter::{Operation, Unread},
    flat::{FlatCall, Most},
    json::Reader,
    meter::{Derived, Speech},
    prices::{MostInput, PricedModel, Unit},
    request::{ReadError, ReadRequest, UpstreamBody},
};

/// OpenAI's prices by the token and by the minute agree on 21.
const MOST_TOKENS_PER_SECOND: u64 = 25;
/// Read as slowly as can be, figures spelled out.
const MOST_TOKENS_PER_CHARACTER: u64 = 12;
/// Pauses that the instructions ask for.
const TOKENS_OF_SILENCE: u64 = 60 * MOST_TOKENS_PER_SECOND;
const HIDDEN_TOKENS: u64 = 64;

pub(super) fn read(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut model = None;
    let mut characters = 0;
    let mut is_stream = false;
    let mut is_raw = false;
    reader.object(|reader, name| {
        match name {
            "model" => model = reader.text_or_null("model")?.map(std::borrow::Cow::into_owned),
            "input" => characters = reader.text()?.decode().chars().count() as u64,
            "stream_format" => {
                is_stream = reader
                    .text_or_null("stream_format")?
                    .is_some_and(|format| format == "sse");
            }
            "response_format" => {
                is_raw = reader
                    .text_or_null("response_format")?
                    .is_some_and(|format| format == "pcm");
            }
            "voice" => read_voice(reader)?,
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;

    let call = FlatCall {
        operation: Operation::Speech,
        model,
        features: Features {
            streaming: is_stream,
            ..Features::NONE
        },
        is_stream,
        body: UpstreamBody::new(request.body.clone()),
    };
    let text_bytes = request.body.len() as u64;
    let mut read = call.into_request(
        request,
        |model| most(model, characters, text_bytes),
        |model| derived(model, characters),
    )?;
    if read.metering.derived.is_none() {
        read.metering.speech = Some(Speech {
            tokens_per_second: MOST_TOKENS_PER_SECOND,
            is_raw,
        });
    }
    Ok(read)
}

/// A voice by its name. One by its id is kept at the provider, and is not the client's own.
pub(super) fn read_voice(reader: &mut Reader<'_>) -> Result<(), ReadError> {
    if reader.peek() == Some(b'"') {
        return reader.skip().map(|_| ());
    }
    reader.only_null("voice", "it names an object that is kept at the provider")
}

fn most(model: &PricedModel, characters: u64, text_bytes: u64) -> Most {
    let is_priced_by_character = model.unit_price(Unit::Character).is_some();
    if is_priced_by_character {
        return Most {
            beside: spoken(characters),
            ..Most::default()
        };
    }
    let audio_output_tokens = characters
        .saturating_mul(MOST_TOKENS_PER_CHARACTER)
        .saturating_add(TOKENS_OF_SILENCE);
    Most {
        input: MostInput::text(text_bytes.saturating_add(HIDDEN_TOKENS)),
        beside: Usage {
            audio_output_tokens,
            ..Usage::default()
        },
        ..Most::default()
    }
}

fn derived(model: &PricedModel, characters: u64) -> Option<Derived> {
    model.unit_price(Unit::Character)?;
    let usage = spoken(characters);
    let cost = model.cost(&usage)?;
    Some(Derived { usage, cost })
}

fn spoken(characters: u64) -> Usage {
    Usage {
        characters,
        ..Usage::default()
    }
}
