//! `POST …:embedContent` and `…:batchEmbedContents`.

use std::fmt::Write;

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, seed_of},
    switches::Report,
    tools::Tools,
};

const USUAL_DIMENSIONS: u64 = 3_072;
/// The first model that reports what it read.
const REPORTS_USAGE: &str = "gemini-embedding-2";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    /// A batch names its model in each of its requests.
    #[serde(default)]
    model: Option<String>,
    #[serde(borrow)]
    content: &'a RawValue,
    #[serde(default, alias = "output_dimensionality")]
    output_dimensionality: Option<u64>,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    requests: Vec<Request<'a>>,
}

pub(super) fn read(model: &str, body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    task(model, &[request], false)
}

pub(super) fn read_batch(model: &str, body: &[u8]) -> Result<Task, Refusal> {
    let batch: Batch<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    task(model, &batch.requests, true)
}

fn task(model: &str, requests: &[Request<'_>], is_batch: bool) -> Result<Task, Refusal> {
    let name = format!("models/{model}");
    let is_other = |request: &Request<'_>| match &request.model {
        Some(asked) => *asked != name,
        None => is_batch,
    };
    if requests.is_empty() || requests.iter().any(is_other) {
        return Err(Refusal::invalid(
            "* BatchEmbedContentsRequest.requests[0].model: all requests must have the model of the path\n",
            None,
        ));
    }
    let asked = Asked {
        operation: "embed_content",
        model: model.to_owned(),
        is_stream: false,
        // An embedding is no text.
        output_cap: Some(0),
        choices: 1,
        prompt_bytes: requests.iter().map(|request| request.content.get().len()).sum(),
        seed: requests.first().map_or(0, |request| seed_of(request.content.get())),
        thinking_tokens: 0,
        tools: Tools::default(),
        writes_cache: false,
        beside: Usage::default(),
    };
    let dimensions = requests
        .iter()
        .map(|request| request.output_dimensionality.unwrap_or(USUAL_DIMENSIONS));
    Ok(Task::Generate(
        asked,
        Box::new(Embeddings {
            dimensions: dimensions.collect(),
            is_batch,
            reports_usage: model.starts_with(REPORTS_USAGE),
        }),
    ))
}

struct Embeddings {
    /// Those of each vector.
    dimensions: Vec<u64>,
    is_batch: bool,
    reports_usage: bool,
}

impl Dialect for Embeddings {
    fn whole(&self, answer: &Answer) -> String {
        let vectors = self.dimensions.iter().zip(answer.seed..);
        let vectors: Vec<String> = vectors.map(|(dimensions, seed)| vector(*dimensions, seed)).collect();
        let usage = if self.reports_usage && answer.report != Report::Missing {
            let tokens = answer.reported(answer.usage.total_input_tokens());
            format!(
                r#","usageMetadata":{{"promptTokenCount":{tokens},"promptTokenDetails":[{{"modality":"TEXT","tokenCount":{tokens}}}]}}"#
            )
        } else {
            String::new()
        };
        let vectors = vectors.join(",");
        if self.is_batch {
            format!(r#"{{"embeddings":[{vectors}]{usage}}}"#)
        } else {
            format!(r#"{{"embedding":{vectors}{usage}}}"#)
        }
    }

    fn event(&mut self, _answer: &Answer, _step: Step, _out: &mut String) {}

    fn error_event(&mut self, _out: &mut String) {}

    fn reports_usage_of_whole(&self) -> bool {
        self.reports_usage
    }
}

/// Numbers between -1 and 1 that look like none in particular.
fn vector(dimensions: u64, seed: u64) -> String {
    let mut values = String::from(r#"{"values":["#);
    for place in 0..dimensions {
        let comma = if place == 0 { "" } else { "," };
        let mixed = (seed ^ place).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let sign = if mixed & 1 == 0 { "" } else { "-" };
        let _ = write!(values, "{comma}{sign}0.{:07}", mixed % 10_000_000);
    }
    values.push_str("]}");
    values
}
