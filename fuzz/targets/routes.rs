//! Every route of every provider that takes a body, so that one byte of the input picks one.

use aipassport_domain::ids::ProviderId;
use aipassport_providers::adapter::{self, ProviderAdapter, Route};
use http::Method;

const PATHS: &[(&str, &str)] = &[
    ("openai", "/v1/chat/completions"),
    ("openai", "/v1/responses"),
    ("openai", "/v1/embeddings"),
    ("openai", "/v1/images/generations"),
    ("openai", "/v1/audio/speech"),
    ("anthropic", "/v1/messages"),
    ("anthropic", "/v1/messages/count_tokens"),
    ("gemini", "/v1beta/models/gemini-2.5-flash:generateContent"),
    ("gemini", "/v1beta/models/gemini-2.5-flash:streamGenerateContent"),
    ("gemini", "/v1beta/models/gemini-2.5-flash:countTokens"),
    ("gemini", "/v1beta/models/gemini-embedding-001:embedContent"),
    ("gemini", "/v1beta/models/gemini-embedding-001:batchEmbedContents"),
    ("mistral", "/v1/chat/completions"),
    ("mistral", "/v1/fim/completions"),
    ("mistral", "/v1/embeddings"),
    ("mistral", "/v1/ocr"),
    ("cohere", "/v2/chat"),
    ("cohere", "/v2/embed"),
    ("cohere", "/v2/rerank"),
    ("cohere", "/v1/chat"),
    ("cohere", "/v1/embed"),
    ("cohere", "/v1/rerank"),
    ("ollama", "/api/chat"),
    ("ollama", "/api/generate"),
    ("ollama", "/api/embed"),
    ("ollama", "/v1/chat/completions"),
    ("vllm", "/v1/chat/completions"),
    ("vllm", "/v1/completions"),
    ("custom", "/v1/chat/completions"),
];

/// A provider and one of its routes.
pub struct Picked {
    pub adapter: &'static dyn ProviderAdapter,
    pub provider: ProviderId,
    pub route: Route,
}

/// The route that `byte` stands for; `None` where it stands for none.
pub fn pick(byte: u8) -> Option<Picked> {
    let (id, path) = PATHS.get(usize::from(byte))?;
    let adapter = adapter::by_id(id)?;
    Some(Picked {
        adapter,
        provider: ProviderId::new(*id),
        route: adapter.route(&Method::POST, path, None)?,
    })
}
