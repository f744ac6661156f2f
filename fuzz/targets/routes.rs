//! Every route of every provider that takes JSON, so that one byte of the input picks one; and what an
//! input of two halves consists of.
#![allow(dead_code, reason = "each target takes what it needs")]

use std::sync::LazyLock;

use aipassport_domain::ids::ProviderId;
use aipassport_providers::{
    adapter::{self, ProviderAdapter, Route, Unread},
    prices::PriceBook,
    request::{ReadError, ReadRequest},
};
use bytes::Bytes;
use http::{HeaderMap, Method};

/// As on the broker, with the provider in front.
const PATHS: &[&str] = &[
    "/openai/v1/chat/completions",
    "/openai/v1/responses",
    "/openai/v1/embeddings",
    "/openai/v1/images/generations",
    "/openai/v1/audio/speech",
    "/anthropic/v1/messages",
    "/anthropic/v1/messages/count_tokens",
    "/gemini/v1beta/models/gemini-2.5-flash:generateContent",
    "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent",
    "/gemini/v1beta/models/gemini-2.5-flash:countTokens",
    "/gemini/v1beta/models/gemini-embedding-001:embedContent",
    "/gemini/v1beta/models/gemini-embedding-001:batchEmbedContents",
    "/mistral/v1/chat/completions",
    "/mistral/v1/fim/completions",
    "/mistral/v1/embeddings",
    "/mistral/v1/ocr",
    "/cohere/v2/chat",
    "/cohere/v2/embed",
    "/cohere/v2/rerank",
    "/cohere/v1/chat",
    "/cohere/v1/embed",
    "/cohere/v1/rerank",
    "/ollama/api/chat",
    "/ollama/api/generate",
    "/ollama/api/embed",
    "/ollama/v1/chat/completions",
    "/ollama/v1/completions",
    "/ollama/v1/embeddings",
    "/vllm/v1/chat/completions",
    "/vllm/v1/completions",
    "/vllm/v1/embeddings",
    "/custom/lab/v1/chat/completions",
];

static PRICES: LazyLock<PriceBook> = LazyLock::new(|| PriceBook::embedded().expect("the snapshot is readable"));
/// What the owners of the servers among them say that they cost.
static OWN_PRICES: LazyLock<PriceBook> = LazyLock::new(|| {
    let text = include_str!("../../crates/providers/tests/own_prices.json");
    PriceBook::parse(text, "sha256:own").expect("readable")
});

/// Parts the request from the answer; no UTF-8 has it.
const BORDER: u8 = 0xFF;

/// A provider and one of its routes.
pub struct Picked {
    pub adapter: &'static dyn ProviderAdapter,
    pub provider: ProviderId,
    pub route: Route,
}

/// The route that `byte` stands for.
pub fn pick(byte: u8) -> Picked {
    at(PATHS[usize::from(byte) % PATHS.len()], None).expect("all of them are there")
}

/// The route at this path of the broker's.
pub fn at(path: &str, query: Option<&str>) -> Option<Picked> {
    let (adapter, provider) = adapter::at_path(path)?;
    let own_path = path.strip_prefix('/')?.strip_prefix(provider.as_str())?;
    let route = adapter.route(&Method::POST, own_path, query)?;
    Some(Picked {
        adapter,
        provider,
        route,
    })
}

impl Picked {
    pub fn prices(&self) -> &'static PriceBook {
        if self.adapter.is_self_hosted() {
            &OWN_PRICES
        } else {
            &PRICES
        }
    }

    pub fn read(&self, body: Bytes) -> Result<ReadRequest, ReadError> {
        self.adapter.read(&Unread {
            provider: &self.provider,
            route: &self.route,
            headers: &HeaderMap::new(),
            body,
            prices: self.prices(),
        })
    }
}

/// The request and the answer in one input.
pub fn halves(input: &[u8]) -> (Bytes, &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == BORDER);
    let request = Bytes::copy_from_slice(parts.next().unwrap_or_default());
    (request, parts.next().unwrap_or_default())
}
