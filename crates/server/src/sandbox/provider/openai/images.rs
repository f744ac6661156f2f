//! `POST /v1/images/generations` and `/v1/images/edits`.

use std::{borrow::Cow, fmt::Write};

use aipassport_domain::usage::Usage;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::{CREATED, form::Form};
use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, seed_of},
    switches::Report,
    tools::Tools,
};

/// A picture of one pixel.
const PICTURE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const TOKENS_PER_IMAGE_READ: u64 = 1_024;
const TOKENS_PER_PARTIAL_IMAGE: u64 = 100;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    prompt: Cow<'a, str>,
    n: Option<u64>,
    size: Option<Cow<'a, str>>,
    quality: Option<Cow<'a, str>>,
    stream: Option<bool>,
    partial_images: Option<u64>,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    request.into_task("images.generations", 0)
}

pub(super) fn read_edit(headers: &HeaderMap, body: &[u8]) -> Result<Task, Refusal> {
    let form = Form::read(headers, body)?;
    let images = form.files("image").len() + form.files("mask").len();
    if images == 0 {
        return Err(Refusal::invalid("Missing required parameter: 'image'.", Some("image")));
    }
    let number = |name| form.text(name).and_then(|text| text.parse().ok());
    let request = Request {
        model: form.text("model").unwrap_or_default().into(),
        prompt: form.text("prompt").unwrap_or_default().into(),
        n: number("n"),
        size: form.text("size").map(Cow::from),
        quality: form.text("quality").map(Cow::from),
        stream: Some(form.text("stream") == Some("true")),
        partial_images: number("partial_images"),
    };
    request.into_task("images.edits", images as u64)
}

impl Request<'_> {
    fn into_task(self, operation: &'static str, images_read: u64) -> Result<Task, Refusal> {
        let count = self.n.unwrap_or(1);
        if !(1..=10).contains(&count) {
            return Err(Refusal::invalid("'n' must be between 1 and 10.", Some("n")));
        }
        if self.prompt.is_empty() {
            return Err(Refusal::invalid(
                "Missing required parameter: 'prompt'.",
                Some("prompt"),
            ));
        }
        let size = self
            .size
            .as_deref()
            .filter(|size| *size != "auto")
            .unwrap_or("1024x1024");
        let quality = self
            .quality
            .as_deref()
            .filter(|quality| *quality != "auto")
            .unwrap_or("high");
        let each = tokens(&self.model, size, quality)
            .ok_or_else(|| Refusal::invalid(format!("Invalid size or quality: {size}, {quality}."), Some("size")))?;
        let is_stream = self.stream.unwrap_or_default();
        let partial_images = self.partial_images.filter(|_| is_stream).unwrap_or_default().min(3);
        let asked = Asked {
            operation,
            is_stream,
            // It writes no text.
            output_cap: Some(0),
            choices: 1,
            prompt_bytes: self.prompt.len(),
            seed: seed_of(&self.prompt),
            thinking_tokens: 0,
            tools: Tools::default(),
            writes_cache: false,
            beside: Usage {
                image_input_tokens: images_read * TOKENS_PER_IMAGE_READ,
                image_output_tokens: (each + partial_images * TOKENS_PER_PARTIAL_IMAGE) * count,
                ..Usage::default()
            },
            model: self.model.into_owned(),
        };
        let about = format!(
            r#""background":"opaque","output_format":"png","quality":{},"size":{}"#,
            Value::from(quality),
            Value::from(size)
        );
        let dialect = Images {
            kind: if operation == "images.edits" {
                "image_edit"
            } else {
                "image_generation"
            },
            about,
            count,
            partial: partial_images,
        };
        Ok(Task::Generate(asked, Box::new(dialect)))
    }
}

/// The tokens of one image: 4,160 for a square in high quality before the second version; since
/// then by the formula of the price calculator.
fn tokens(model: &str, size: &str, quality: &str) -> Option<u64> {
    let (width, height) = size.split_once('x')?;
    let (width, height): (u64, u64) = (width.parse().ok()?, height.parse().ok()?);
    let levels: &[(&str, u64)] = if model.starts_with("gpt-image-2.") {
        &[("low", 16), ("medium", 24), ("high", 48), ("xhigh", 64), ("max", 96)]
    } else {
        &[("low", 16), ("medium", 48), ("high", 96)]
    };
    let (_, level) = levels.iter().find(|(name, _)| *name == quality)?;
    if !model.starts_with("gpt-image-2") {
        return match (size, quality) {
            ("1024x1024", "low") => Some(272),
            ("1024x1024", "medium") => Some(1_056),
            ("1024x1024", "high") => Some(4_160),
            ("1024x1536", "low") => Some(408),
            ("1024x1536", "medium") => Some(1_584),
            ("1024x1536", "high") => Some(6_240),
            ("1536x1024", "low") => Some(400),
            ("1536x1024", "medium") => Some(1_568),
            ("1536x1024", "high") => Some(6_208),
            _ => None,
        };
    }
    let (long, short) = (width.max(height), width.min(height));
    let is_allowed = width % 16 == 0 && height % 16 == 0 && long <= 3 * short && long <= 3_840;
    if !is_allowed || width * height > 8_294_400 || short == 0 {
        return None;
    }
    let beside = (2 * level * short + long) / (2 * long);
    Some((level * beside * (2_000_000 + width * height)).div_ceil(4_000_000))
}

struct Images {
    /// What its events are called after.
    kind: &'static str,
    about: String,
    count: u64,
    partial: u64,
}

impl Dialect for Images {
    fn whole(&self, answer: &Answer) -> String {
        let data = vec![format!(r#"{{"b64_json":"{PICTURE}"}}"#); usize::try_from(self.count).unwrap_or(1)];
        let usage = if answer.report == Report::Missing {
            String::new()
        } else {
            format!(r#","usage":{}"#, usage(answer))
        };
        format!(
            r#"{{"created":{CREATED},{},"data":[{}]{usage}}}"#,
            self.about,
            data.join(",")
        )
    }

    fn event(&mut self, answer: &Answer, step: Step, out: &mut String) {
        let (kind, about) = (self.kind, &self.about);
        match step {
            Step::Start => {
                for index in 0..self.partial {
                    let name = format!("{kind}.partial_image");
                    let _ = write!(
                        out,
                        "event: {name}\ndata: {{\"type\":\"{name}\",\"b64_json\":\"{PICTURE}\",\"created_at\":{CREATED},\
                         \"partial_image_index\":{index},{about}}}\n\n"
                    );
                }
            }
            Step::Usage => {
                let name = format!("{kind}.completed");
                let usage = if matches!(answer.report, Report::Missing | Report::NoFinal) {
                    String::new()
                } else {
                    format!(",\"usage\":{}", usage(answer))
                };
                let _ = write!(
                    out,
                    "event: {name}\ndata: {{\"type\":\"{name}\",\"b64_json\":\"{PICTURE}\",\"created_at\":{CREATED},\
                     {about}{usage}}}\n\n"
                );
            }
            _ => {}
        }
    }

    fn error_event(&mut self, out: &mut String) {
        out.push_str(super::ERROR_EVENT);
    }
}

fn usage(answer: &Answer) -> String {
    let usage = &answer.usage;
    let (input, output) = (usage.total_input_tokens(), usage.total_output_tokens());
    format!(
        r#"{{"input_tokens":{},"input_tokens_details":{{"text_tokens":{},"image_tokens":{}}},"output_tokens":{},"output_tokens_details":{{"image_tokens":{},"text_tokens":0}},"total_tokens":{}}}"#,
        answer.reported(input),
        answer.reported(input - usage.image_input_tokens),
        answer.reported(usage.image_input_tokens),
        answer.reported(output),
        answer.reported(output),
        answer.reported(input + output),
    )
}
