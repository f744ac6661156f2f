//! `POST /v1/completions`, read: what follows on a text.

use crate::{
    adapter::{Operation, Unread},
    draft::Draft,
    json::Reader,
    openai::chat::{Dialect, StreamOptions, read_choices},
    request::{ReadError, ReadRequest},
};

pub(super) fn read(request: &Unread<'_>, dialect: &Dialect, usual_cap: Option<u64>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, Operation::Completions, &mut reader);
    draft.hidden_tokens = dialect.hidden_tokens;
    draft.usual_cap = usual_cap;
    let mut prompts = 1;
    let mut stream_options = StreamOptions::Missing;

    reader.object(|reader, name| match name {
        "model" => draft.read_model(reader),
        "prompt" => {
            prompts = read_prompts(reader)?;
            Ok(())
        }
        "stream" => draft.read_stream(reader),
        "stream_options" => {
            stream_options = StreamOptions::read(reader)?;
            Ok(())
        }
        "max_tokens" => draft.read_cap(reader, "max_tokens"),
        "n" => read_choices(reader, &mut draft, "n"),
        "best_of" => read_choices(reader, &mut draft, "best_of"),
        name => (dialect.other)(name, reader, &mut draft),
    })?;
    reader.end()?;

    draft.choices = draft.choices.saturating_mul(prompts);
    if draft.is_stream {
        stream_options.ask_for_usage(&mut draft);
    }
    (dialect.finish)(&mut draft);
    let shape = (dialect.shape)(&draft);
    draft.into_call(&shape, request.prices)
}

/// How many texts are to be completed, each with choices of its own: one, written out or as tokens,
/// or a list of such.
fn read_prompts(reader: &mut Reader<'_>) -> Result<u64, ReadError> {
    if reader.peek() != Some(b'[') {
        reader.skip()?;
        return Ok(1);
    }
    let mut prompts: u64 = 0;
    reader.array(|reader| {
        prompts += u64::from(matches!(reader.peek(), Some(b'"' | b'[')));
        reader.skip().map(|_| ())
    })?;
    Ok(prompts.max(1))
}
