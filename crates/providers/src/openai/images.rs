//! `POST /v1/images/generations`, a JSON document, and `POST /v1/images/edits`, a form, read.

use aipassport_domain::{authorization_details::Features, money::Money, usage::Usage};
use bytes::Bytes;

use super::image_tokens;
use crate::{
    adapter::{Operation, Unread},
    flat::{FlatCall, Most},
    json::Reader,
    meter::Derived,
    multipart::{Form, FormRules},
    prices::{MostInput, PricedModel},
    request::{ReadError, ReadRequest, UpstreamBody},
};

/// How an edit is read: how many images it brings decides what it costs.
pub(super) const EDIT: FormRules = FormRules {
    deciding: &[
        "model",
        "n",
        "size",
        "quality",
        "stream",
        "partial_images",
        "output_format",
    ],
    noted: &["svg", "complexity", "frame_count", "prompt_rewriter"],
    files: &["image", "mask", "markup"],
    most_files: 18,
    listens: false,
};

/// What the provider writes around the prompt.
const HIDDEN_TOKENS: u64 = 256;
/// The most that one image counts as that is read, whatever its size.
const TOKENS_PER_IMAGE_READ: u64 = 10_000;
const TOKENS_PER_PARTIAL_IMAGE: u64 = 100;
const UNPRICED: &str = "what it adds to the price is not known";

/// The words that decide what images cost, wherever they stand.
#[derive(Default)]
struct Asked {
    model: Option<String>,
    images: Option<u64>,
    size: Option<String>,
    quality: Option<String>,
    partial_images: Option<u64>,
    is_stream: bool,
    text_bytes: u64,
    images_read: u64,
}

pub(super) fn read(request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
    let mut reader = Reader::strict(&request.body)?;
    let mut asked = Asked {
        text_bytes: request.body.len() as u64,
        ..Asked::default()
    };
    reader.object(|reader, name| {
        let mut text =
            |member| -> Result<_, ReadError> { Ok(reader.text_or_null(member)?.map(std::borrow::Cow::into_owned)) };
        match name {
            "model" => asked.model = text("model")?,
            "size" => asked.size = text("size")?,
            "quality" => asked.quality = text("quality")?,
            "output_format" => check_format(text("output_format")?.as_deref())?,
            "n" => asked.images = reader.count_or_null("n")?,
            "partial_images" => asked.partial_images = reader.count_or_null("partial_images")?,
            "stream" => asked.is_stream = reader.boolean_or_null("stream")?.unwrap_or(false),
            "svg" => reader.only_null("svg", UNPRICED)?,
            "complexity" => reader.only_null("complexity", UNPRICED)?,
            "frame_count" => reader.only_null("frame_count", UNPRICED)?,
            "prompt_rewriter" => reader.only_null("prompt_rewriter", UNPRICED)?,
            _ => {
                reader.skip()?;
            }
        }
        Ok(())
    })?;
    reader.end()?;
    asked.into_request(request, request.body.clone())
}

pub(super) fn read_edit(request: &Unread<'_>, form: &Form) -> Result<ReadRequest, ReadError> {
    let text = |name: &str| form.value(name).map(str::to_owned);
    for &member in EDIT.noted {
        if form.has(member) {
            return Err(ReadError::NotSupported {
                member,
                reason: UNPRICED,
            });
        }
    }
    check_format(form.value("output_format"))?;
    let asked = Asked {
        model: text("model"),
        images: form.count("n")?,
        size: text("size"),
        quality: text("quality"),
        partial_images: form.count("partial_images")?,
        is_stream: form.boolean("stream")?.unwrap_or(false),
        text_bytes: form.text_bytes,
        images_read: form.files,
    };
    asked.into_request(request, Bytes::new())
}

/// An animation is priced by its frames, a drawing by what its author writes.
fn check_format(format: Option<&str>) -> Result<(), ReadError> {
    if matches!(format, None | Some("png" | "jpeg" | "webp")) {
        return Ok(());
    }
    Err(ReadError::NotSupported {
        member: "output_format",
        reason: UNPRICED,
    })
}

impl Asked {
    fn into_request(mut self, request: &Unread<'_>, body: Bytes) -> Result<ReadRequest, ReadError> {
        if self.is_stream && self.images() > 1 {
            return Err(ReadError::NotSupported {
                member: "n",
                reason: "how a stream of several images reports its usage is not known",
            });
        }
        let call = FlatCall {
            operation: Operation::Images,
            model: self.model.take(),
            features: Features {
                streaming: self.is_stream,
                ..Features::NONE
            },
            is_stream: self.is_stream,
            body: UpstreamBody::new(body),
        };
        call.into_request(request, |model| self.most(model), |model| self.derived(model))
    }

    fn images(&self) -> u64 {
        self.images.unwrap_or(1).max(1)
    }

    fn most(&self, model: &PricedModel) -> Most {
        let input = MostInput {
            image_tokens: self.images_read.saturating_mul(TOKENS_PER_IMAGE_READ),
            ..MostInput::text(self.text_bytes.saturating_add(HIDDEN_TOKENS))
        };
        if let Some(derived) = self.derived(model) {
            return Most {
                fees: derived.cost,
                ..Most::default()
            };
        }
        let Some(each) = image_tokens::most(&model.id, self.size.as_deref(), self.quality.as_deref()) else {
            return Most {
                input,
                unbounded: Some("how many tokens its images have is not known"),
                ..Most::default()
            };
        };
        let partial = self
            .partial_images
            .unwrap_or_default()
            .saturating_mul(TOKENS_PER_PARTIAL_IMAGE);
        Most {
            input,
            beside: Usage {
                image_output_tokens: each.saturating_add(partial).saturating_mul(self.images()),
                output_tokens: image_tokens::most_thought(&model.id).saturating_mul(self.images()),
                ..Usage::default()
            },
            ..Most::default()
        }
    }

    /// What the images cost of a model that is priced by the image.
    fn derived(&self, model: &PricedModel) -> Option<Derived> {
        let (size, quality) = (self.size.as_deref(), self.quality.as_deref());
        let each = size
            .zip(quality)
            .and_then(|(size, quality)| model.image_price(size, quality))
            .or_else(|| model.image_price_most())?;
        let usage = Usage {
            images: self.images(),
            ..Usage::default()
        };
        let mut cost = Money::ZERO;
        for _ in 0..self.images().min(MOST_IMAGES) {
            cost = cost.saturating_add(each);
        }
        Some(Derived { usage, cost })
    }
}

/// More are refused by the provider.
const MOST_IMAGES: u64 = 10;
