//! `POST models/MODEL:generateContent`, in one piece and as a stream, and `:countTokens`, read.

use std::ops::Range;

use aipassport_domain::authorization_details::Capability;

use super::{content, names, tools};
use crate::{
    adapter::{Operation, RouteKind, Unread},
    draft::{Draft, NewCap, Reasoning, Shape},
    json::Reader,
    prices::{Outputs, PricedModel, ServiceTier},
    request::{ReadError, ReadRequest, Storing},
};

type Read<T> = Result<T, ReadError>;

const SHAPE: Shape = Shape {
    cap_member: "maxOutputTokens",
    heeds_no_other_cap: false,
    tokens_per_image: super::TOKENS_PER_IMAGE,
    has_regional_surcharge: false,
};

pub(super) fn read(request: &Unread<'_>, operation: Operation) -> Read<ReadRequest> {
    let mut reader = Reader::strict(&request.body)?;
    let mut draft = Draft::new(request, operation, &mut reader);
    let brace = reader.position();
    draft.hidden_tokens = super::HIDDEN_TOKENS;
    draft.is_stream = operation == Operation::StreamGenerateContent;
    draft.features.streaming = draft.is_stream;

    let mut asked = Asked::default();
    names::object(&mut reader, |reader, name| match name {
        "generatecontentrequest" => names::object_or_null(reader, |reader, name| asked.read(reader, name, &mut draft)),
        _ => asked.read(reader, name, &mut draft),
    })?;
    reader.end()?;

    if request.route.kind == RouteKind::CountTokens {
        return draft.into_free();
    }
    if !asked.has_contents {
        return Err(ReadError::Invalid {
            member: "contents",
            problem: "must be there",
        });
    }
    if draft.is_stream && draft.choices > 1 {
        return Err(ReadError::NotSupported {
            member: "candidateCount",
            reason: "a stream does not say when the last of several candidates has ended",
        });
    }
    draft.new_cap = Some(asked.config.new_cap(brace));
    asked.modalities.decide(request, &mut draft)?;
    draft.into_call(&SHAPE, request.prices)
}

/// What is found in a request beside what goes into the draft at once.
#[derive(Default)]
struct Asked {
    has_contents: bool,
    config: Config,
    modalities: Modalities,
}

/// The `generationConfig`, as far as it decides where the output cap goes.
#[derive(Default)]
enum Config {
    #[default]
    Missing,
    Null(Range<usize>),
    Object {
        brace: usize,
        is_empty: bool,
    },
}

/// The kinds of output that are asked for by name.
#[derive(Default)]
struct Modalities {
    text: bool,
    image: bool,
    audio: bool,
}

impl Asked {
    fn read(&mut self, reader: &mut Reader<'_>, name: &str, draft: &mut Draft) -> Read<()> {
        match name {
            "model" => super::check_model(reader, draft).map(|_| ()),
            "contents" => {
                self.has_contents = true;
                content::read_contents(reader, draft)
            }
            "systeminstruction" => content::read_content(reader, draft),
            "tools" => tools::read(reader, draft),
            "generationconfig" => self.read_config(reader, draft),
            "servicetier" => read_tier(reader, draft),
            "store" => {
                if reader.boolean_or_null("store")?.unwrap_or(false) {
                    draft.features.stored_state = true;
                    draft.storing = Storing::Asked(None);
                }
                Ok(())
            }
            "cachedcontent" => reader.only_null("cachedContent", "what is kept at the provider may be another app's"),
            "continuationtoken" => {
                reader.only_null("continuationToken", "what is kept at the provider may be another app's")
            }
            _ => reader.skip().map(|_| ()),
        }
    }

    fn read_config(&mut self, reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
        reader.peek();
        let start = reader.position();
        if reader.take_null()? {
            self.config = Config::Null(start..reader.position());
            return Ok(());
        }
        let mut is_empty = true;
        names::object(reader, |reader, name| {
            is_empty = false;
            match name {
                "maxoutputtokens" => read_cap(reader, draft),
                "candidatecount" => {
                    let count = reader.count_or_null("candidateCount")?.unwrap_or(1);
                    draft.choices = count.max(1);
                    Ok(())
                }
                "thinkingconfig" => read_thinking(reader, draft),
                "responsemodalities" => names::each(reader, |reader| self.modalities.read(reader)),
                "routingconfig" | "modelselectionconfig" | "modelconfig" => reader.only_null(
                    "generationConfig.routingConfig",
                    "only the model that is asked for may answer",
                ),
                _ => reader.skip().map(|_| ()),
            }
        })?;
        self.config = Config::Object { brace: start, is_empty };
        Ok(())
    }
}

/// Zero is left out of Google's messages, and could be read as no cap at all.
fn read_cap(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    reader.peek();
    let start = reader.position();
    draft.read_cap(reader, SHAPE.cap_member)?;
    if reader.slice(start..reader.position()) == "0" {
        return Err(ReadError::Invalid {
            member: "maxOutputTokens",
            problem: "must be at least 1",
        });
    }
    Ok(())
}

/// Only the second generation can be told not to think at all: a budget of zero. Later ones take it
/// for little.
fn read_thinking(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    names::object_or_null(reader, |reader, name| {
        let value = reader.skip()?;
        let can_be_off = draft
            .model
            .as_deref()
            .is_some_and(|model| model.starts_with("gemini-2."));
        if name == "thinkingbudget" && reader.slice(value) == "0" && can_be_off {
            draft.reasoning = Reasoning::Off;
        }
        Ok(())
    })
}

fn read_tier(reader: &mut Reader<'_>, draft: &mut Draft) -> Read<()> {
    match names::word_or_null(reader, "serviceTier")?.as_deref() {
        None | Some("standard" | "unspecified") => {}
        Some("flex") => draft.tier = Some(ServiceTier::Flex),
        Some("priority") => draft.tier = Some(ServiceTier::Priority),
        Some(_) => {
            return Err(ReadError::NotSupported {
                member: "serviceTier",
                reason: "the price of this tier is not known",
            });
        }
    }
    Ok(())
}

impl Config {
    fn new_cap(&self, outer_brace: usize) -> NewCap {
        match self {
            Self::Missing => NewCap {
                range: outer_brace + 1..outer_brace + 1,
                before: r#""generationConfig":{"maxOutputTokens":"#,
                after: "},",
            },
            Self::Null(range) => NewCap {
                range: range.clone(),
                before: r#"{"maxOutputTokens":"#,
                after: "}",
            },
            Self::Object { brace, is_empty } => NewCap {
                range: brace + 1..brace + 1,
                before: r#""maxOutputTokens":"#,
                after: if *is_empty { "" } else { "," },
            },
        }
    }
}

impl Modalities {
    fn read(&mut self, reader: &mut Reader<'_>) -> Read<()> {
        match names::word_or_null(reader, "responseModalities")?.as_deref() {
            None | Some("modality_unspecified") => {}
            Some("text") => self.text = true,
            Some("image") => self.image = true,
            Some("audio") => self.audio = true,
            Some(_) => {
                return Err(ReadError::NotSupported {
                    member: "responseModalities",
                    reason: "only the prices of text, images and sound are known",
                });
            }
        }
        Ok(())
    }

    /// What the answer can be, and so which capability makes it. Where nothing is said, a model that
    /// can make images may make them.
    fn decide(&self, request: &Unread<'_>, draft: &mut Draft) -> Read<()> {
        let model = draft.model.as_deref().unwrap_or_default();
        let known = request.prices.model(request.provider, model);
        let rates = known.map(PricedModel::rates);
        let is_unsaid = !(self.text || self.image || self.audio);
        let makes_images = rates.is_some_and(|rates| rates.image_output.is_some());
        let image = self.image || (is_unsaid && makes_images);
        if image && self.audio {
            return Err(ReadError::NotSupported {
                member: "responseModalities",
                reason: "images and sound are asked for apart",
            });
        }
        draft.outputs = Outputs {
            // A model may think, or say something, beside what it is asked to make.
            text: rates.is_none_or(|rates| rates.output.is_some()),
            audio: self.audio,
            image,
        };
        let is_for_sound = known.is_some_and(|known| !known.capabilities.contains(&Capability::Chat));
        if image {
            draft.capability = Capability::Images;
        } else if self.audio || is_for_sound {
            draft.capability = Capability::Audio;
        }
        draft.holds_output_back |= image || self.audio;
        // A search is told beside the usage, and has a fee.
        if (image || self.audio) && !draft.is_stream && !draft.features.web_search {
            draft.operation = Operation::GenerateMedia;
        }
        Ok(())
    }
}
