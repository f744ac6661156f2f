//! `POST /v2/rerank` and `POST /v1/rerank`.

use std::borrow::Cow;

use aipassport_domain::usage::Usage;
use serde::Deserialize;
use serde_json::{Value, json};

use super::embed::units;
use crate::sandbox::provider::{
    answer::{Answer, Step},
    protocol::{Asked, Dialect, Refusal, Task, seed_of},
    tools::Tools,
};

/// From this generation on, tokens are billed and not searches.
const PRICED_BY_TOKEN: &str = "rerank-v5";
const DOCUMENTS_PER_SEARCH: usize = 100;
const TOKENS_PER_PART: usize = 500;
const BYTES_PER_TOKEN: usize = 4;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    query: String,
    documents: Vec<Value>,
    #[serde(default)]
    top_n: Option<usize>,
    #[serde(default)]
    return_documents: bool,
}

pub(super) fn read(body: &[u8]) -> Result<Task, Refusal> {
    let request: Request<'_> = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    if request.documents.is_empty() {
        return Err(Refusal::invalid(
            "list of documents must not be empty",
            Some("documents"),
        ));
    }
    let documents: Vec<String> = request.documents.iter().map(text_of).collect();
    let query_tokens = request.query.len().div_ceil(BYTES_PER_TOKEN);
    let room = TOKENS_PER_PART.saturating_sub(query_tokens).max(1);
    let parts: usize = documents
        .iter()
        .map(|document| document.len().div_ceil(BYTES_PER_TOKEN).div_ceil(room).max(1))
        .sum();

    let (prompt_bytes, searches) = if request.model.starts_with(PRICED_BY_TOKEN) {
        let all: usize = documents.iter().map(String::len).sum();
        (all + parts * request.query.len(), 0)
    } else {
        (0, parts.div_ceil(DOCUMENTS_PER_SEARCH))
    };
    let asked = Asked {
        operation: "rerank",
        is_stream: false,
        // Nothing is written.
        output_cap: Some(0),
        choices: 1,
        prompt_bytes,
        seed: seed_of(&request.query),
        thinking_tokens: 0,
        tools: Tools::default(),
        writes_cache: false,
        beside: Usage {
            searches: u64::try_from(searches).unwrap_or(u64::MAX),
            ..Usage::default()
        },
        model: request.model.into_owned(),
    };
    let most = request.top_n.unwrap_or(documents.len());
    let dialect = Rerank {
        documents,
        most,
        returns_documents: request.return_documents,
    };
    Ok(Task::Generate(asked, Box::new(dialect)))
}

fn text_of(document: &Value) -> String {
    let text = document.as_str().or_else(|| document.get("text")?.as_str());
    text.map_or_else(|| document.to_string(), str::to_owned)
}

struct Rerank {
    documents: Vec<String>,
    most: usize,
    returns_documents: bool,
}

impl Dialect for Rerank {
    fn whole(&self, answer: &Answer) -> String {
        let ranked = self.documents.iter().enumerate().take(self.most);
        let results: Vec<Value> = ranked
            .map(|(index, document)| {
                let score = 1.0 / (f64::from(u32::try_from(index).unwrap_or(u32::MAX)) + 1.0);
                if self.returns_documents {
                    json!({"index": index, "relevance_score": score, "document": {"text": document}})
                } else {
                    json!({"index": index, "relevance_score": score})
                }
            })
            .collect();
        format!(
            r#"{{"id":"{}","results":{},"meta":{{"api_version":{{"version":"2","is_experimental":false}}{}}}}}"#,
            answer.id("", 0),
            Value::from(results),
            units(answer)
        )
    }

    fn event(&mut self, _answer: &Answer, _step: Step, _out: &mut String) {}

    fn error_event(&mut self, _out: &mut String) {}
}
