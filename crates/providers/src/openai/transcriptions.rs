//! `POST /v1/audio/transcriptions` and `/v1/audio/translations`, forms with a sound in them, read.

use aipassport_domain::{authorization_details::Features, usage::Usage};
use bytes::Bytes;

use crate::{
    adapter::{Operation, Unread},
    flat::{FlatCall, Most},
    multipart::{Form, FormRules},
    prices::{MostInput, PricedModel, Unit},
    request::{ReadError, ReadRequest, UpstreamBody},
    sound,
};

pub(super) const RULES: FormRules = FormRules {
    deciding: &["model", "stream"],
    noted: &["chunking_strategy"],
    files: &["file"],
    most_files: 1,
    listens: true,
};

/// OpenAI's models count ten.
const MOST_INPUT_TOKENS_PER_SECOND: u64 = 16;
/// Faster than anybody speaks, in any script.
const MOST_OUTPUT_TOKENS_PER_SECOND: u64 = 25;
const HIDDEN_TOKENS: u64 = 64;

pub(super) fn read(request: &Unread<'_>, form: &Form, most_bytes: u64) -> Result<ReadRequest, ReadError> {
    let is_stream = form.boolean("stream")?.unwrap_or(false);
    let call = FlatCall {
        operation: Operation::Transcription,
        model: form.value("model").map(str::to_owned),
        features: Features {
            streaming: is_stream,
            ..Features::NONE
        },
        is_stream,
        body: UpstreamBody::new(Bytes::new()),
    };
    call.into_request(request, |model| most(model, form, most_bytes), |_| None)
}

fn most(model: &PricedModel, form: &Form, most_bytes: u64) -> Most {
    let milliseconds = form
        .sound_milliseconds()
        .unwrap_or_else(|| sound::most_milliseconds(&form.file_head, most_bytes));
    if model.unit_price(Unit::Second).is_some() {
        return Most {
            beside: Usage {
                // Some are billed by whole seconds.
                audio_milliseconds: milliseconds.div_ceil(1_000).saturating_mul(1_000),
                ..Usage::default()
            },
            ..Most::default()
        };
    }
    let tokens_at = |per_second: u64| milliseconds.saturating_mul(per_second).div_ceil(1_000);
    let heard = tokens_at(MOST_INPUT_TOKENS_PER_SECOND);
    let written = tokens_at(MOST_OUTPUT_TOKENS_PER_SECOND).saturating_add(HIDDEN_TOKENS);
    // A sound that is not cut into chunks is read and written at once: what is too long for that is
    // refused by the provider.
    let is_one_chunk = !form.has("chunking_strategy");
    let at_once =
        |tokens: u64, most: Option<u64>| most.filter(|_| is_one_chunk).map_or(tokens, |most| tokens.min(most));
    let audio_tokens = at_once(heard, model.context_tokens);
    let text_tokens = form.text_bytes.saturating_add(HIDDEN_TOKENS);
    let input = if model.rates().audio_input.is_some() {
        MostInput {
            audio_tokens,
            ..MostInput::text(text_tokens)
        }
    } else {
        MostInput::text(text_tokens.saturating_add(audio_tokens))
    };
    Most {
        input,
        beside: Usage {
            output_tokens: at_once(written, model.max_output_tokens),
            ..Usage::default()
        },
        ..Most::default()
    }
}
