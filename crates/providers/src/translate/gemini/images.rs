//! Pictures: what a client asks of OpenAI's images, as a request to a model of Gemini's that makes
//! them, and what it makes, in OpenAI's shape.

use bytes::Bytes;
use serde::Serialize;

use super::media::{Answer, Made, Request, count};
use crate::{
    request::ReadError,
    translate::{
        AnswerPlan, Translated,
        answer::{ClientFormat, ProviderFormat},
        loss::{Fate, Lost, NOT_KNOWN},
        openai::json_bytes,
        raw::{Raw, invalid, not_carried},
    },
};

/// The shapes that a picture can have.
const SHAPES: [(u64, u64, &str); 10] = [
    (1, 1, "1:1"),
    (2, 3, "2:3"),
    (3, 2, "3:2"),
    (3, 4, "3:4"),
    (4, 3, "4:3"),
    (4, 5, "4:5"),
    (5, 4, "5:4"),
    (9, 16, "9:16"),
    (16, 9, "16:9"),
    (21, 9, "21:9"),
];
/// What a square of its measures.
const SQUARE: (u64, u64) = (1_024, 1_024);
/// A shape stands for all that differ from it by less than one part in so many.
const TOLERANCE: u64 = 50;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    response_modalities: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    image_config: Option<ImageConfig>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageConfig {
    aspect_ratio: &'static str,
}

/// What a client asks for, in the provider's words.
pub(in crate::translate) fn write_images(body: &[u8]) -> Result<Translated, ReadError> {
    let mut members = Raw::read(body)?.members("the body")?;
    let mut lost = Lost::default();
    let model = members.take_text("model", "model")?.unwrap_or_default();
    let prompt = members.take_text("prompt", "prompt")?;
    let prompt = prompt.ok_or(invalid("prompt", "is missing"))?;
    let size = members.take_text("size", "size")?;
    let shape = size.map_or(Ok(None), |size| shape(&size, &mut lost))?;
    lost.settle_by(members, fate)?;
    let config = Config {
        response_modalities: ["IMAGE"],
        image_config: shape.map(|aspect_ratio| ImageConfig { aspect_ratio }),
    };
    Ok(Translated {
        body: json_bytes(&Request::new(&prompt, config)),
        path: super::path(&model, "generateContent")?,
        lost,
        plan: AnswerPlan {
            provider: ProviderFormat::GeminiContents,
            client: ClientFormat::Images,
            model: model.into_owned(),
        },
    })
}

/// The shape of a picture of this size. How large it is, the model decides.
fn shape(size: &str, lost: &mut Lost) -> Result<Option<&'static str>, ReadError> {
    if size == "auto" {
        return Ok(None);
    }
    let sides = size.split_once('x').and_then(|(width, height)| {
        let pixels = |text: &str| text.parse::<u32>().ok().filter(|pixels| *pixels > 0).map(u64::from);
        Some((pixels(width)?, pixels(height)?))
    });
    let (width, height) = sides.ok_or(invalid("size", "must be auto, or a width and a height"))?;
    let fits = |shape: &&(u64, u64, &str)| {
        let (one, other) = (width * shape.1, height * shape.0);
        one.abs_diff(other) * TOLERANCE < one.max(other)
    };
    let (_, _, name) = SHAPES
        .iter()
        .find(fits)
        .ok_or(not_carried("size", "this provider's pictures have other shapes"))?;
    if (width, height) != SQUARE {
        lost.report("size");
    }
    Ok(Some(name))
}

fn fate(name: &str, value: Raw<'_>) -> Fate {
    match (name, value.as_str()) {
        ("background" | "moderation" | "quality", "\"auto\"")
        | ("background", "\"opaque\"")
        | ("n", "1")
        | ("partial_images", "0")
        | ("response_format", "\"b64_json\"")
        | ("stream", "false") => Fate::Nothing,
        // The answer says which format it has.
        ("output_format", "\"png\"") | ("moderation" | "output_compression" | "quality" | "style" | "user", _) => {
            Fate::Reported
        }
        ("background", _) => Fate::Refused("this provider's pictures are opaque"),
        ("n", _) => Fate::Refused("this provider makes one picture at a time"),
        ("output_format", _) => Fate::Refused("this provider does not let the format be chosen"),
        ("partial_images" | "stream", _) => Fate::Refused("this provider's pictures come whole"),
        ("response_format", _) => Fate::Refused("nothing is kept at this provider"),
        _ => NOT_KNOWN,
    }
}

#[derive(Serialize)]
struct Images<'a> {
    created: i64,
    data: Vec<Image<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_format: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Image<'a> {
    b64_json: &'a str,
}

#[derive(Serialize)]
struct Usage {
    input_tokens: u64,
    input_tokens_details: Details,
    output_tokens: u64,
    output_tokens_details: Details,
    total_tokens: u64,
}

#[derive(Serialize)]
struct Details {
    text_tokens: u64,
    image_tokens: u64,
}

/// What the provider made, in OpenAI's shape.
pub(in crate::translate) fn read_images(body: &[u8], created: i64) -> Result<Made, ReadError> {
    let answer = Answer::read(body)?;
    let Some(first) = answer.blobs().next() else {
        return Ok(Made::Nothing(answer.refusal("image_generation_user_error")));
    };
    let usage = answer.usage_metadata.as_ref().map(|usage| {
        let (input, read) = (usage.prompt_token_count, count(&usage.prompt_tokens_details, "IMAGE"));
        let output = usage.candidates_token_count.saturating_add(usage.thoughts_token_count);
        let drawn = count(&usage.candidates_tokens_details, "IMAGE");
        let details = |all: u64, image_tokens| Details {
            text_tokens: all.saturating_sub(image_tokens),
            image_tokens,
        };
        Usage {
            input_tokens: input,
            input_tokens_details: details(input, read),
            output_tokens: output,
            output_tokens_details: details(output, drawn),
            total_tokens: input.saturating_add(output),
        }
    });
    let written: Bytes = json_bytes(&Images {
        created,
        data: answer.blobs().map(|blob| Image { b64_json: &blob.data }).collect(),
        output_format: first.mime_type.strip_prefix("image/"),
        usage,
    });
    Ok(Made::Bytes(written))
}
