//! `POST /v1/ocr`. A document has three pages, or as many as its address says (`?pages=7`).

use std::borrow::Cow;

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, check_members, seed_of},
    switches::Report,
    tools::Tools,
};

const USUAL_PAGES: u64 = 3;
const MOST_PAGES: u64 = 1_000;

const MEMBERS: [&str; 14] = [
    "model",
    "document",
    "pages",
    "include_image_base64",
    "image_limit",
    "image_min_size",
    "bbox_annotation_format",
    "document_annotation_format",
    "document_annotation_prompt",
    "table_format",
    "extract_header",
    "extract_footer",
    "include_blocks",
    "confidence_scores_granularity",
];

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    document: &'a RawValue,
    #[serde(default)]
    pages: Option<Value>,
    #[serde(default)]
    bbox_annotation_format: Option<Value>,
    #[serde(default)]
    document_annotation_format: Option<Value>,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    check_members(body, &MEMBERS)?;
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    let document: Value = serde_json::from_str(request.document.get()).map_err(|error| Refusal::unreadable(&error))?;
    let all = pages_of(&document);
    if all > MOST_PAGES {
        return Err(Refusal::invalid("Document has more than 1000 pages", Some("document")));
    }
    let pages = request
        .pages
        .as_ref()
        .and_then(chosen)
        .map_or(all, |chosen| chosen.min(all));
    let is_annotated = request.bbox_annotation_format.is_some() || request.document_annotation_format.is_some();

    let beside = if is_annotated {
        Usage {
            annotated_pages: pages,
            ..Usage::default()
        }
    } else {
        Usage {
            pages,
            ..Usage::default()
        }
    };
    let asked = Asked {
        operation: "ocr",
        is_stream: false,
        // What is recognised is not counted.
        output_cap: Some(0),
        choices: 1,
        prompt_bytes: 0,
        seed: seed_of(request.document.get()),
        thinking_tokens: 0,
        tools: Tools::default(),
        writes_cache: false,
        beside,
        model: request.model.into_owned(),
    };
    Ok(Task::Generate(asked, Box::new(Ocr { pages })))
}

fn pages_of(document: &Value) -> u64 {
    if document.get("type").and_then(Value::as_str) == Some("image_url") {
        return 1;
    }
    document
        .get("document_url")
        .and_then(Value::as_str)
        .and_then(|url| url.split_once("?pages="))
        .and_then(|(_, pages)| pages.parse().ok())
        .unwrap_or(USUAL_PAGES)
}

/// How many pages a list of numbers, or a text of numbers and ranges, chooses.
fn chosen(pages: &Value) -> Option<u64> {
    if let Some(list) = pages.as_array() {
        return u64::try_from(list.len()).ok().filter(|count| *count > 0);
    }
    let mut count = 0;
    for part in pages.as_str()?.split(',') {
        count += match part.trim().split_once('-') {
            Some((first, last)) => last.parse::<u64>().ok()?.checked_sub(first.parse().ok()?)? + 1,
            None => 1,
        };
    }
    Some(count)
}

struct Ocr {
    pages: u64,
}

impl Dialect for Ocr {
    fn whole(&self, answer: &Answer) -> String {
        let pages: Vec<Value> = (0..self.pages)
            .map(|index| {
                json!({
                    "index": index, "markdown": answer.text.prefix(12), "images": [],
                    "dimensions": {"dpi": 200, "height": 2200, "width": 1700},
                })
            })
            .collect();
        let usage = if answer.report == Report::Missing {
            String::new()
        } else {
            let processed = answer.reported(self.pages);
            format!(r#","usage_info":{{"pages_processed":{processed},"doc_size_bytes":3002783}}"#)
        };
        format!(
            r#"{{"pages":{},"model":{},"document_annotation":null{usage}}}"#,
            Value::from(pages),
            Value::from(answer.model.as_str())
        )
    }

    fn event(&mut self, _answer: &Answer, _step: Step, _out: &mut String) {}

    fn error_event(&mut self, _out: &mut String) {}
}
