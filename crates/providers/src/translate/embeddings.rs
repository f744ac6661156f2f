//! Embeddings, from OpenAI's format to Gemini's and Cohere's and back.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    AnswerPlan, Translated,
    answer::{ClientFormat, ProviderFormat},
    gemini,
    loss::Lost,
    openai::json_bytes,
    raw::{Raw, invalid, not_carried},
};
use crate::request::ReadError;

/// What a client asks for.
struct Asked<'a> {
    model: Cow<'a, str>,
    texts: Vec<Cow<'a, str>>,
    dimensions: Option<u64>,
    /// Cohere wants to know what for; OpenAI does not ask.
    input_type: Option<Cow<'a, str>>,
    is_base64: bool,
    lost: Lost,
}

/// Says nothing of what the vectors are for, as far as Cohere allows.
const INPUT_TYPE: &str = "search_document";

fn read(body: &[u8]) -> Result<Asked<'_>, ReadError> {
    let mut members = Raw::read(body)?.members("the body")?;
    let mut lost = Lost::default();
    let model = members.take_text("model", "model")?.unwrap_or_default();
    let input = members.take("input").ok_or(invalid("input", "is missing"))?;
    let texts = if input.is_text() {
        vec![input.text("input")?]
    } else {
        let items = input.items("input")?.into_iter();
        let texts = items.map(|item| {
            if item.is_text() {
                item.text("input")
            } else {
                Err(not_carried("input", "this provider's tokens are others; send texts"))
            }
        });
        texts.collect::<Result<_, _>>()?
    };
    let encoding = members.take_text("encoding_format", "encoding_format")?;
    let is_base64 = match encoding.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(invalid("encoding_format", "is not a known format")),
    };
    let asked = Asked {
        model,
        texts,
        dimensions: members.take_count("dimensions", "dimensions")?,
        input_type: members.take_text("input_type", "input_type")?,
        is_base64,
        lost: {
            lost.settle(members)?;
            lost
        },
    };
    Ok(asked)
}

/// The same for Gemini, as a batch.
pub(super) fn to_gemini(body: &[u8]) -> Result<Translated, ReadError> {
    #[derive(Serialize)]
    struct Batch<'a> {
        requests: Vec<One<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct One<'a> {
        model: String,
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        output_dimensionality: Option<u64>,
    }
    #[derive(Serialize)]
    struct Content<'a> {
        parts: [Part<'a>; 1],
    }
    #[derive(Serialize)]
    struct Part<'a> {
        text: &'a str,
    }

    let mut asked = read(body)?;
    if asked.input_type.is_some() {
        asked.lost.report("input_type");
    }
    let requests = asked.texts.iter().map(|text| One {
        model: format!("models/{}", asked.model),
        content: Content { parts: [Part { text }] },
        output_dimensionality: asked.dimensions,
    });
    let batch = Batch {
        requests: requests.collect(),
    };
    let path = gemini::path(&asked.model, "batchEmbedContents")?;
    let written = json_bytes(&batch);
    Ok(asked.into_translated(written, path, ProviderFormat::GeminiContents))
}

/// The same for Cohere.
pub(super) fn to_cohere(body: &[u8]) -> Result<Translated, ReadError> {
    #[derive(Serialize)]
    struct Embed<'a> {
        model: &'a str,
        texts: &'a [Cow<'a, str>],
        input_type: &'a str,
        embedding_types: [&'static str; 1],
        #[serde(skip_serializing_if = "Option::is_none")]
        output_dimension: Option<u64>,
    }

    let asked = read(body)?;
    let embed = Embed {
        model: &asked.model,
        texts: &asked.texts,
        input_type: asked.input_type.as_deref().unwrap_or(INPUT_TYPE),
        embedding_types: ["float"],
        output_dimension: asked.dimensions,
    };
    let written = json_bytes(&embed);
    Ok(asked.into_translated(written, "/v2/embed".to_owned(), ProviderFormat::CohereChat))
}

impl Asked<'_> {
    fn into_translated(self, body: Bytes, path: String, provider: ProviderFormat) -> Translated {
        Translated {
            body,
            path,
            lost: self.lost,
            plan: AnswerPlan {
                provider,
                model: self.model.into_owned(),
                client: ClientFormat::Embeddings {
                    is_base64: self.is_base64,
                },
            },
        }
    }
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Entry<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

/// Numbers as they stand in the provider's answer, or their bytes.
#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Numbers(&'a RawValue),
    Bytes(String),
}

#[derive(Default, Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// The provider's answer in OpenAI's shape.
pub(super) fn answer(provider: ProviderFormat, body: &[u8], model: &str, is_base64: bool) -> Result<Bytes, ReadError> {
    let (vectors, tokens) = match provider {
        ProviderFormat::CohereChat => of_cohere(body),
        _ => of_gemini(body),
    }
    .ok_or(invalid("the answer", "has no embeddings"))?;
    let embeddings = vectors.into_iter().enumerate().map(|(index, numbers)| {
        let embedding = if is_base64 {
            Vector::Bytes(base64(numbers)?)
        } else {
            Vector::Numbers(numbers)
        };
        Ok(Entry {
            object: "embedding",
            index,
            embedding,
        })
    });
    Ok(json_bytes(&List {
        object: "list",
        data: embeddings.collect::<Result<_, ReadError>>()?,
        model,
        usage: Usage {
            prompt_tokens: tokens,
            total_tokens: tokens,
        },
    }))
}

fn of_gemini(body: &[u8]) -> Option<(Vec<&RawValue>, u64)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer<'a> {
        #[serde(borrow)]
        embeddings: Vec<Values<'a>>,
        usage_metadata: Option<Metadata>,
    }
    #[derive(Deserialize)]
    struct Values<'a> {
        #[serde(borrow)]
        values: &'a RawValue,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        prompt_token_count: Option<u64>,
    }

    let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
    let tokens = answer.usage_metadata.and_then(|usage| usage.prompt_token_count);
    let vectors = answer.embeddings.into_iter().map(|one| one.values);
    Some((vectors.collect(), tokens.unwrap_or_default()))
}

fn of_cohere(body: &[u8]) -> Option<(Vec<&RawValue>, u64)> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        embeddings: ByType<'a>,
        meta: Option<Meta>,
    }
    #[derive(Deserialize)]
    struct ByType<'a> {
        #[serde(borrow)]
        float: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Meta {
        billed_units: Option<Units>,
    }
    #[derive(Deserialize)]
    struct Units {
        input_tokens: Option<f64>,
    }

    let answer: Answer<'_> = serde_json::from_slice(body).ok()?;
    let units = answer.meta.and_then(|meta| meta.billed_units);
    let tokens = units.and_then(|units| units.input_tokens);
    Some((answer.embeddings.float, super::told::whole(tokens)))
}

/// As OpenAI has it: 32 bits each, the lowest first.
fn base64(numbers: &RawValue) -> Result<String, ReadError> {
    let numbers: Vec<f32> =
        serde_json::from_str(numbers.get()).map_err(|_| invalid("the answer", "has a vector of no numbers"))?;
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    Ok(STANDARD.encode(bytes))
}
