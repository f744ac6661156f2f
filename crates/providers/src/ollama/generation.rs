//! `POST /api/chat`, `POST /api/generate` and `POST /api/show`, read.
//!
//! Ollama reads JSON as Go does, to whom `Model` and `model` are one name: names are refused that are
//! not in lower case.

use super::options;
use crate::{
    adapter::{Operation, Unread},
    ceiling::Input,
    draft::{Draft, Reasoning, Shape},
    json::Reader,
    openai::tools,
    request::{ReadError, ReadRequest},
};

type Read<T> = Result<T, ReadError>;

/// What stands before the client's own input: the template and the system prompt that the host's
/// owner gave the model, which may be long.
const HIDDEN_TOKENS: u64 = 4_096;

const SHAPE: Shape = Shape {
    cap_member: options::CAP,
    heeds_no_other_cap: false,
    // More than any open model makes of one image at the size to which it is scaled down.
    tokens_per_image: 25_000,
    has_regional_surcharge: false,
};

pub(super) fn read_chat(request: &Unread<'_>) -> Read<ReadRequest> {
    read(request, Operation::OllamaChat, |name, reader, draft| match name {
        "messages" => read_messages(reader, draft),
        "tools" => tools::read(reader, draft),
        _ => reader.skip().map(|_| ()),
    })
}

pub(super) fn read_generate(request: &Unread<'_>) -> Read<ReadRequest> {
    read(request, Operation::OllamaGenerate, |name, reader, draft| match name {
        "images" => read_images(reader, draft),
        // A template can repeat what it is given as often as it likes.
        "template" => {
            let has_own = reader
                .text_or_null("template")?
                .is_some_and(|template| !template.is_empty());
            draft.input.has_unsized |= has_own;
            Ok(())
        }
        "width" => reader.only_null("width", IMAGES),
        "height" => reader.only_null("height", IMAGES),
        "steps" => reader.only_null("steps", IMAGES),
        _ => reader.skip().map(|_| ()),
    })
}

const IMAGES: &str = "what an image costs is not known";

fn read(
    request: &Unread<'_>,
    operation: Operation,
    member: impl Fn(&str, &mut Reader<'_>, &mut Draft) -> Read<()>,
) -> Read<ReadRequest> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, operation, &mut reader);
    draft.hidden_tokens = HIDDEN_TOKENS;
    let mut streams = true;
    let mut has_options = false;

    reader.object(|reader, name| {
        reader.check_case(name)?;
        match name {
            "model" => draft.read_model(reader),
            "stream" => {
                streams = reader.boolean_or_null("stream")?.unwrap_or(true);
                Ok(())
            }
            "options" => {
                has_options = true;
                options::read(reader, &mut draft)
            }
            "keep_alive" => options::read_keep_alive(reader, &mut draft),
            name => member(name, reader, &mut draft),
        }
    })?;
    reader.end()?;

    if !has_options {
        options::place_cap_in_new(&mut draft);
    }
    draft.is_stream = streams;
    draft.features.streaming = streams;
    // What is thought is shown, too; a call of a tool only when it is whole.
    draft.reasoning = Reasoning::Off;
    draft.holds_output_back = draft.features.tools;
    draft.into_call(&SHAPE, request.prices)
}

fn read_messages(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    if reader.take_null()? {
        return Ok(());
    }
    reader.array(|reader| {
        reader.object(|reader, name| {
            reader.check_case(name)?;
            match name {
                "images" => read_images(reader, draft),
                _ => reader.skip().map(|_| ()),
            }
        })
    })
}

/// A list of images, each in base64.
fn read_images(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    if reader.take_null()? {
        return Ok(());
    }
    reader.array(|reader| {
        draft.input.add(Input {
            images: 1,
            image_bytes: reader.text()?.raw().len() as u64,
            ..Input::default()
        });
        Ok(())
    })
}
