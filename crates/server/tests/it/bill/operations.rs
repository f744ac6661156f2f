//! What can be called: a further operation is a further row.

use std::{collections::BTreeSet, path::PathBuf};

use aipassport_domain::authorization_details::Capability;
use aipassport_providers::adapter::{self, RouteKind};
use http::Method;
use serde_json::{Value, json};

use super::question::Question;

/// A picture of one pixel.
const PICTURE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

/// One kind of call, as an app makes it.
pub(super) struct Operation {
    /// As in `authorization_details[].provider`.
    pub(super) provider: &'static str,
    /// Below the provider's drop-in prefix. `MODEL` stands for a model that the path names.
    pub(super) path: &'static str,
    pub(super) capability: Capability,
    pub(super) models: &'static [&'static str],
    pub(super) streams: Streams,
    pub(super) answers: Answers,
    pub(super) body: fn(&Question) -> Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    Never,
    /// Where the body says so.
    IfAsked,
    Always,
}

/// What comes back, and so what can differ from call to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Up to so many choices of text; some of what was read may have come from a cache.
    Text { choices: u64, caches: bool },
    /// Nothing is written; what was read is counted in tokens.
    Vectors,
    /// Nothing is written; pages, pictures or searches are counted.
    Pieces,
}

const TEXT: Answers = Answers::Text {
    choices: 1,
    caches: true,
};
const UNCACHED_TEXT: Answers = Answers::Text {
    choices: 1,
    caches: false,
};
const SEVERAL_TEXTS: Answers = Answers::Text {
    choices: 3,
    caches: true,
};

const GPT: &[&str] = &["gpt-4o-mini", "gpt-4o", "gpt-5", "gpt-5-mini"];
const CLAUDE: &[&str] = &["claude-haiku-4-5", "claude-sonnet-4-5"];
const GEMINI: &[&str] = &["gemini-2.5-flash", "gemini-2.5-pro"];
const GEMINI_IMAGES: &[&str] = &["gemini-2.5-flash-image"];
const GEMINI_SPEECH: &[&str] = &["gemini-3.8-flash-tts"];
const GEMINI_EMBEDDINGS: &[&str] = &["gemini-embedding-001", "gemini-embedding-2"];
const MISTRAL: &[&str] = &[
    "mistral-large-latest",
    "mistral-small-latest",
    "magistral-medium-latest",
];
const COMMAND: &[&str] = &["command-a-03-2025", "command-r-08-2024"];
const COHERE_EMBEDDINGS: &[&str] = &["embed-v4.0", "embed-english-v3.0"];
const RERANK: &[&str] = &["rerank-v3.5", "rerank-v5.0-pro"];

const GENERATE: &str = "/v1beta/models/MODEL:generateContent";
const STREAM_ITEMS: &str = "/v1beta/models/MODEL:streamGenerateContent";
const STREAM_EVENTS: &str = "/v1beta/models/MODEL:streamGenerateContent?alt=sse";
const EMBED: &str = "/v1beta/models/MODEL:embedContent";
const EMBED_BATCH: &str = "/v1beta/models/MODEL:batchEmbedContents";

pub(super) const OPERATIONS: &[Operation] = &[
    chat("openai", "/v1/chat/completions", GPT, SEVERAL_TEXTS, chat_completion),
    chat("openai", "/v1/responses", GPT, TEXT, response),
    chat("anthropic", "/v1/messages", CLAUDE, TEXT, message),
    chat("gemini", GENERATE, GEMINI, SEVERAL_TEXTS, content).streaming(Streams::Never),
    chat("gemini", STREAM_EVENTS, GEMINI, TEXT, content).streaming(Streams::Always),
    chat("gemini", STREAM_ITEMS, GEMINI, TEXT, content).streaming(Streams::Always),
    images("gemini", GENERATE, GEMINI_IMAGES, SEVERAL_TEXTS, content),
    images("gemini", STREAM_EVENTS, GEMINI_IMAGES, TEXT, content).streaming(Streams::Always),
    audio("gemini", GENERATE, GEMINI_SPEECH, UNCACHED_TEXT, content),
    audio("gemini", STREAM_ITEMS, GEMINI_SPEECH, UNCACHED_TEXT, content).streaming(Streams::Always),
    embeddings("gemini", EMBED, GEMINI_EMBEDDINGS, Answers::Vectors, embedded_content),
    embeddings(
        "gemini",
        EMBED_BATCH,
        GEMINI_EMBEDDINGS,
        Answers::Vectors,
        embedded_contents,
    ),
    chat(
        "mistral",
        "/v1/chat/completions",
        MISTRAL,
        SEVERAL_TEXTS,
        mistral_completion,
    ),
    code("mistral", "/v1/fim/completions", &["codestral-latest"], TEXT, middle),
    embeddings(
        "mistral",
        "/v1/embeddings",
        &["mistral-embed"],
        Answers::Vectors,
        mistral_texts,
    ),
    chat("mistral", "/v1/ocr", &["mistral-ocr-latest"], Answers::Pieces, document).streaming(Streams::Never),
    chat("cohere", "/v2/chat", COMMAND, UNCACHED_TEXT, cohere_chat),
    chat("cohere", "/v1/chat", COMMAND, UNCACHED_TEXT, cohere_chat_v1),
    embeddings("cohere", "/v2/embed", COHERE_EMBEDDINGS, Answers::Pieces, cohere_inputs),
    embeddings("cohere", "/v1/embed", COHERE_EMBEDDINGS, Answers::Pieces, cohere_texts),
    embeddings("cohere", "/v2/rerank", RERANK, Answers::Pieces, documents),
    embeddings("cohere", "/v1/rerank", RERANK, Answers::Pieces, documents),
];

type Body = fn(&Question) -> Value;
type Names = &'static [&'static str];

const fn chat(provider: &'static str, path: &'static str, models: Names, answers: Answers, body: Body) -> Operation {
    Operation {
        provider,
        path,
        capability: Capability::Chat,
        models,
        streams: Streams::IfAsked,
        answers,
        body,
    }
}

const fn code(provider: &'static str, path: &'static str, models: Names, answers: Answers, body: Body) -> Operation {
    let mut operation = chat(provider, path, models, answers, body);
    operation.capability = Capability::Code;
    operation
}

const fn embeddings(
    provider: &'static str,
    path: &'static str,
    models: Names,
    answers: Answers,
    body: Body,
) -> Operation {
    let mut operation = chat(provider, path, models, answers, body).streaming(Streams::Never);
    operation.capability = Capability::Embeddings;
    operation
}

const fn images(provider: &'static str, path: &'static str, models: Names, answers: Answers, body: Body) -> Operation {
    let mut operation = embeddings(provider, path, models, answers, body);
    operation.capability = Capability::Images;
    operation
}

const fn audio(provider: &'static str, path: &'static str, models: Names, answers: Answers, body: Body) -> Operation {
    let mut operation = embeddings(provider, path, models, answers, body);
    operation.capability = Capability::Audio;
    operation
}

impl Operation {
    const fn streaming(mut self, streams: Streams) -> Self {
        self.streams = streams;
        self
    }

    /// What it is called in the report.
    pub(super) fn name(&self) -> String {
        format!("{:10} {}{}", self.capability.as_str(), self.provider, self.path)
    }
}

/// `body` with the member, where there is one.
fn set(body: &mut Value, member: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body[member] = value.into();
    }
}

/// The schema of a tool's one argument.
fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

fn function() -> Value {
    json!([{"type": "function", "function": {"name": "weather", "parameters": schema()}}])
}

fn chat_completion(question: &Question) -> Value {
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": question.prompt}],
        "stream": question.is_stream, "n": question.choices,
    });
    set(&mut body, "max_completion_tokens", question.output_cap);
    set(&mut body, "tools", question.offers_tool.then(function));
    let asks_usage = question.is_stream && question.asks_usage;
    set(
        &mut body,
        "stream_options",
        asks_usage.then(|| json!({"include_usage": true})),
    );
    body
}

fn response(question: &Question) -> Value {
    let mut body = json!({
        "model": question.model, "input": question.prompt, "stream": question.is_stream, "store": false,
    });
    set(&mut body, "max_output_tokens", question.output_cap);
    let tool = || json!([{"type": "function", "name": "weather", "parameters": schema()}]);
    set(&mut body, "tools", question.offers_tool.then(tool));
    body
}

fn message(question: &Question) -> Value {
    const THINKING: u64 = 1_024;
    let mut text = json!({"type": "text", "text": question.prompt});
    let kept = question
        .cache_lifetime
        .map(|ttl| json!({"type": "ephemeral", "ttl": ttl}));
    set(&mut text, "cache_control", kept);
    let cap = question.output_cap.unwrap_or(4_096);
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": [text]}],
        "stream": question.is_stream, "max_tokens": if question.thinks { cap + THINKING } else { cap },
    });
    let thinking = || json!({"type": "enabled", "budget_tokens": THINKING});
    set(&mut body, "thinking", question.thinks.then(thinking));
    let tool = || json!([{"name": "weather", "input_schema": schema()}]);
    set(&mut body, "tools", question.offers_tool.then(tool));
    body
}

fn content(question: &Question) -> Value {
    let mut config = json!({});
    set(&mut config, "maxOutputTokens", question.output_cap);
    if question.model.ends_with("-tts") {
        config["responseModalities"] = json!(["AUDIO"]);
    }
    set(
        &mut config,
        "candidateCount",
        (question.choices > 1).then_some(question.choices),
    );
    let thinking = || json!({"thinkingBudget": 512, "includeThoughts": question.asks_usage});
    set(&mut config, "thinkingConfig", question.thinks.then(thinking));
    let mut body = json!({
        "contents": [{"role": "user", "parts": [{"text": question.prompt}]}], "generationConfig": config,
    });
    let tool = || json!([{"functionDeclarations": [{"name": "weather", "parameters": schema()}]}]);
    set(&mut body, "tools", question.offers_tool.then(tool));
    body
}

fn embedded_content(question: &Question) -> Value {
    json!({"content": {"parts": [{"text": question.prompt}]}, "outputDimensionality": 8})
}

fn embedded_contents(question: &Question) -> Value {
    let requests = (0..question.pieces).map(|_| {
        let mut request = embedded_content(question);
        request["model"] = format!("models/{}", question.model).into();
        request
    });
    json!({"requests": requests.collect::<Vec<_>>()})
}

fn mistral_completion(question: &Question) -> Value {
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": question.prompt}],
        "stream": question.is_stream, "n": question.choices,
    });
    set(&mut body, "max_tokens", question.output_cap);
    set(&mut body, "tools", question.offers_tool.then(function));
    body
}

fn middle(question: &Question) -> Value {
    let mut body = json!({
        "model": question.model, "prompt": question.prompt, "suffix": "}", "stream": question.is_stream,
    });
    set(&mut body, "max_tokens", question.output_cap);
    body
}

fn mistral_texts(question: &Question) -> Value {
    json!({"model": question.model, "input": question.texts()})
}

fn document(question: &Question) -> Value {
    let address = format!("https://papers.example/paper.pdf?pages={}", question.pieces);
    let mut body = json!({
        "model": question.model, "document": {"type": "document_url", "document_url": address},
        "document_annotation_prompt": question.prompt,
    });
    set(&mut body, "pages", question.asks_usage.then(|| json!([0, 1])));
    let annotation = || json!({"type": "json_schema", "json_schema": {"name": "paper", "schema": schema()}});
    set(
        &mut body,
        "document_annotation_format",
        question.offers_tool.then(annotation),
    );
    body
}

fn cohere_chat(question: &Question) -> Value {
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": question.prompt}],
        "stream": question.is_stream,
    });
    set(&mut body, "max_tokens", question.output_cap);
    set(&mut body, "tools", question.offers_tool.then(function));
    body
}

fn cohere_chat_v1(question: &Question) -> Value {
    let mut body = json!({"model": question.model, "message": question.prompt, "stream": question.is_stream});
    set(&mut body, "max_tokens", question.output_cap);
    let tool = || {
        let city = json!({"description": "Where", "type": "str", "required": true});
        json!([{"name": "weather", "description": "The weather", "parameter_definitions": {"city": city}}])
    };
    set(&mut body, "tools", question.offers_tool.then(tool));
    body
}

fn cohere_inputs(question: &Question) -> Value {
    let mut parts = vec![json!({"type": "text", "text": question.prompt})];
    if question.offers_tool {
        parts.push(json!({"type": "image_url", "image_url": {"url": PICTURE}}));
    }
    let inputs = vec![json!({"content": parts}); usize::try_from(question.pieces).unwrap()];
    json!({
        "model": question.model, "inputs": inputs, "input_type": "search_document", "embedding_types": ["float"],
    })
}

fn cohere_texts(question: &Question) -> Value {
    json!({"model": question.model, "texts": question.texts(), "input_type": "search_document"})
}

fn documents(question: &Question) -> Value {
    let documents = vec!["A document of a few words."; usize::try_from(question.pieces * 40).unwrap()];
    json!({"model": question.model, "query": question.prompt, "documents": documents})
}

/// What stands between quotation marks anywhere in the adapters: every template is among it.
fn words_of_adapters() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut folders = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../providers/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(path).unwrap();
            let quoted = source.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
            words.extend(quoted.map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_call_that_an_adapter_lets_through_is_in_the_table() {
    let paths = words_of_adapters().into_iter().map(|word| {
        let is_path = word.starts_with('/');
        if is_path {
            word
        } else {
            format!("/v1beta/models/MODEL:{word}")
        }
    });

    let mut let_through = BTreeSet::new();
    for path in paths {
        for adapter in adapter::all() {
            let route = adapter.route(&Method::POST, &path, None);
            if let Some(RouteKind::Call(..)) = route.map(|route| route.kind) {
                let_through.insert((adapter.id(), path.clone()));
            }
        }
    }

    let path = |operation: &Operation| operation.path.trim_end_matches("?alt=sse").to_owned();
    let in_table = OPERATIONS.iter().map(|operation| (operation.provider, path(operation)));
    assert_eq!(let_through, in_table.collect());
}
