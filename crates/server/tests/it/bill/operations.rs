//! What can be called: a further operation is a further row.

use std::{collections::BTreeSet, path::PathBuf};

use aipassport_domain::authorization_details::Capability;
use aipassport_providers::adapter::{self, RouteKind};
use http::Method;
use serde_json::Value;

use super::{
    bodies::{
        chat_completion, cohere_chat, cohere_chat_v1, cohere_inputs, cohere_texts, content, document, documents,
        embedded_content, embedded_contents, image, image_edit, message, middle, mistral_completion, ollama_chat,
        ollama_prompt, ollama_text, open_chat, open_completion, response, speech, texts, transcript, translated_chat,
    },
    question::Question,
};

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
    pub(super) body: Body,
    /// By OpenAI's name for it at `/v1`, whatever the provider's own format.
    pub(super) is_translated: bool,
}

pub(super) type Body = fn(&Question) -> Content;

/// What is sent.
pub(super) enum Content {
    Json(Value),
    Form(Vec<u8>),
}

impl From<Value> for Content {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
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

/// A provider that a user brings.
pub(super) const MINE: &str = "custom/lab";

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
const OPENAI_EMBEDDINGS: &[&str] = &["text-embedding-3-small", "text-embedding-3-large"];
const GPT_IMAGES: &[&str] = &["gpt-image-2", "gpt-image-2.5-flare"];
const GPT_TRANSCRIBE: &[&str] = &["gpt-4o-transcribe"];
const TRANSCRIBE: &[&str] = &["whisper-1", "gpt-transcribe"];
const VLLM: &[&str] = &["qwen3-8b", "meta-llama/Llama-3.1-8B-Instruct"];
const LLAMA: &[&str] = &["llama3.2:3b"];
const NOMIC: &[&str] = &["nomic-embed-text"];
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
    embeddings("mistral", "/v1/embeddings", &["mistral-embed"], Answers::Vectors, texts),
    chat("mistral", "/v1/ocr", &["mistral-ocr-latest"], Answers::Pieces, document).streaming(Streams::Never),
    chat("cohere", "/v2/chat", COMMAND, UNCACHED_TEXT, cohere_chat),
    chat("cohere", "/v1/chat", COMMAND, UNCACHED_TEXT, cohere_chat_v1),
    embeddings("cohere", "/v2/embed", COHERE_EMBEDDINGS, Answers::Pieces, cohere_inputs),
    embeddings("cohere", "/v1/embed", COHERE_EMBEDDINGS, Answers::Pieces, cohere_texts),
    embeddings("cohere", "/v2/rerank", RERANK, Answers::Pieces, documents),
    embeddings("cohere", "/v1/rerank", RERANK, Answers::Pieces, documents),
    embeddings("openai", "/v1/embeddings", OPENAI_EMBEDDINGS, Answers::Vectors, texts),
    images("openai", "/v1/images/generations", GPT_IMAGES, Answers::Pieces, image).streaming(Streams::IfAsked),
    images("openai", "/v1/images/edits", GPT_IMAGES, Answers::Pieces, image_edit).streaming(Streams::IfAsked),
    audio("openai", "/v1/audio/speech", &["tts-1"], Answers::Pieces, speech),
    audio(
        "openai",
        "/v1/audio/speech",
        &["gpt-4o-mini-tts"],
        Answers::Pieces,
        speech,
    )
    .streaming(Streams::IfAsked),
    audio(
        "openai",
        "/v1/audio/transcriptions",
        GPT_TRANSCRIBE,
        UNCACHED_TEXT,
        transcript,
    )
    .streaming(Streams::IfAsked),
    audio(
        "openai",
        "/v1/audio/transcriptions",
        TRANSCRIBE,
        Answers::Pieces,
        transcript,
    ),
    audio(
        "openai",
        "/v1/audio/translations",
        &["whisper-1"],
        Answers::Pieces,
        transcript,
    ),
    chat("vllm", "/v1/chat/completions", VLLM, SEVERAL_TEXTS, open_chat),
    chat("vllm", "/v1/completions", VLLM, SEVERAL_TEXTS, open_completion),
    embeddings("vllm", "/v1/embeddings", &["bge-m3"], Answers::Vectors, texts),
    chat(MINE, "/v1/chat/completions", &["house-model"], SEVERAL_TEXTS, open_chat),
    chat(
        MINE,
        "/v1/completions",
        &["house-model"],
        SEVERAL_TEXTS,
        open_completion,
    ),
    embeddings(MINE, "/v1/embeddings", &["house-embedder"], Answers::Vectors, texts),
    chat("ollama", "/api/chat", LLAMA, UNCACHED_TEXT, ollama_chat),
    chat("ollama", "/api/generate", LLAMA, UNCACHED_TEXT, ollama_text),
    embeddings("ollama", "/api/embed", NOMIC, Answers::Vectors, texts),
    embeddings("ollama", "/api/embeddings", NOMIC, Answers::Vectors, ollama_prompt),
    chat("ollama", "/v1/chat/completions", LLAMA, UNCACHED_TEXT, open_chat),
    chat("ollama", "/v1/completions", LLAMA, UNCACHED_TEXT, open_completion),
    embeddings("ollama", "/v1/embeddings", NOMIC, Answers::Vectors, texts),
    chat("openai", "/v1/chat/completions", GPT, TEXT, translated_chat).translated(),
    chat("anthropic", "/v1/chat/completions", CLAUDE, TEXT, translated_chat).translated(),
    chat("gemini", "/v1/chat/completions", GEMINI, TEXT, translated_chat).translated(),
    chat("mistral", "/v1/chat/completions", MISTRAL, TEXT, translated_chat).translated(),
    chat(
        "cohere",
        "/v1/chat/completions",
        COMMAND,
        UNCACHED_TEXT,
        translated_chat,
    )
    .translated(),
    chat("ollama", "/v1/chat/completions", LLAMA, UNCACHED_TEXT, translated_chat).translated(),
];

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
        is_translated: false,
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

    const fn translated(mut self) -> Self {
        self.is_translated = true;
        self
    }

    /// Where an app sends it, at the broker.
    pub(super) fn url(&self, model: &str) -> String {
        if self.is_translated {
            return self.path.to_owned();
        }
        format!("/{}{}", self.provider, self.path.replace("MODEL", model))
    }

    /// Whether a stream of it is one of events: others have no use for the ends of their lines.
    pub(super) fn streams_events(&self) -> bool {
        let others = [
            ("cohere", "/v1/chat"),
            ("gemini", STREAM_ITEMS),
            ("ollama", "/api/chat"),
            ("ollama", "/api/generate"),
        ];
        self.is_translated || !others.contains(&(self.provider, self.path))
    }

    /// What it is called in the report.
    pub(super) fn name(&self) -> String {
        let through = if self.is_translated { " through " } else { "" };
        format!(
            "{:10} {}{through}{}",
            self.capability.as_str(),
            self.provider,
            self.path
        )
    }
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

/// Every provider there is, and one that a user brings.
fn providers() -> impl Iterator<Item = &'static str> {
    let named = adapter::all().iter().map(|adapter| adapter.id());
    named.chain([MINE])
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
        for provider in providers() {
            let url = format!("/{provider}{path}");
            let route = adapter::at_path(&url).and_then(|(adapter, _)| adapter.route(&Method::POST, &path, None));
            if let Some(RouteKind::Call(..)) = route.map(|route| route.kind) {
                let_through.insert(url);
            }
        }
    }

    let own = OPERATIONS.iter().filter(|operation| !operation.is_translated);
    let in_table = own.map(|operation| operation.url("MODEL").trim_end_matches("?alt=sse").to_owned());
    assert_eq!(let_through, in_table.collect());
}
