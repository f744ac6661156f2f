//! Servers that speak OpenAI's format at an address that a user brings: vLLM, Ollama's second face,
//! and any other under a name of the user's.
//!
//! What they read is OpenAI's and more: how chat is read is in [`crate::openai`], what the others add
//! in `members.rs`, completions of a text in `completions.rs`, and what is embedded in
//! `embeddings.rs`. Refusals are OpenAI's, so that its SDKs
//! raise their own classes.

mod completions;
mod embeddings;
mod members;

use aipassport_domain::authorization_details::Capability;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    adapter::{KeyQuestion, Operation, ProviderAdapter, Route, RouteKind, Unread, listed_model},
    draft::{Draft, Reasoning, Shape},
    headers,
    json::Reader,
    meter::StreamForm,
    ollama,
    openai::{chat, chat::Dialect, error},
    refusal::Refusal,
    request::{ReadError, ReadRequest},
};

/// What a server writes before the client's own input: the template and the system prompt that its
/// owner gave the model, which may be long.
const HIDDEN_TOKENS: u64 = 4_096;

/// More than any open model makes of one image at the size to which servers scale it down.
const TOKENS_PER_IMAGE: u64 = 25_000;

const SHAPE: Shape = Shape {
    cap_member: "max_tokens",
    heeds_no_other_cap: true,
    tokens_per_image: TOKENS_PER_IMAGE,
    has_regional_surcharge: false,
};

/// One kind of these servers.
pub(crate) struct OpenAiCompatible {
    id: &'static str,
    name: &'static str,
    base_url: &'static str,
    /// What of the path the base URL says already.
    path_in_base_url: &'static str,
    /// How many tokens complete a text where the client does not say: what vLLM and OpenAI write.
    usual_completion: Option<u64>,
    chat: Dialect,
}

/// `vllm serve`.
pub(crate) const VLLM: OpenAiCompatible = OpenAiCompatible {
    id: "vllm",
    name: "vLLM",
    base_url: "http://127.0.0.1:8000",
    path_in_base_url: "",
    usual_completion: Some(16),
    chat: dialect(members::read, finish_open),
};

/// The second face of Ollama, whose first is [`crate::ollama`].
pub(crate) const OLLAMA: OpenAiCompatible = OpenAiCompatible {
    id: ollama::ID,
    name: ollama::NAME,
    base_url: ollama::BASE_URL,
    path_in_base_url: "",
    usual_completion: None,
    chat: dialect(members::read, finish_open),
};

/// Any other: the base URL is the one that its SDKs are given, version and all.
pub(crate) const CUSTOM: OpenAiCompatible = OpenAiCompatible {
    id: "custom",
    name: "Another provider",
    base_url: "",
    path_in_base_url: "/v1",
    usual_completion: Some(16),
    chat: dialect(members::read_foreign, finish_foreign),
};

type Member = fn(&str, &mut Reader<'_>, &mut Draft) -> Result<(), ReadError>;

const fn dialect(other: Member, finish: fn(&mut Draft)) -> Dialect {
    Dialect {
        hidden_tokens: HIDDEN_TOKENS,
        takes_stream_options: true,
        has_service_tiers: false,
        other,
        finish,
        shape: |_| SHAPE,
    }
}

/// A server of open models streams what the model reasons, too.
fn finish_open(draft: &mut Draft) {
    draft.reasoning = Reasoning::Off;
    finish_foreign(draft);
}

/// A call of a tool may be shown only when it is whole.
fn finish_foreign(draft: &mut Draft) {
    draft.holds_output_back |= draft.features.tools;
}

impl ProviderAdapter for OpenAiCompatible {
    fn id(&self) -> &'static str {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn default_base_url(&self) -> &'static str {
        self.base_url
    }

    fn is_self_hosted(&self) -> bool {
        true
    }

    fn route(&self, method: &Method, path: &str, query: Option<&str>) -> Option<Route> {
        if query.is_some_and(|query| !query.is_empty()) {
            return None;
        }
        let kind = match (method, path) {
            (&Method::POST, "/v1/chat/completions") => RouteKind::Call(Capability::Chat, Operation::ChatCompletions),
            (&Method::POST, "/v1/completions") => RouteKind::Call(Capability::Chat, Operation::Completions),
            (&Method::POST, "/v1/embeddings") => RouteKind::Call(Capability::Embeddings, Operation::Embeddings),
            (&Method::GET, "/v1/models") => RouteKind::ListModels,
            (&Method::GET, path) => {
                let id = path.strip_prefix("/v1/models/").and_then(listed_model)?;
                RouteKind::GetModel(id)
            }
            _ => return None,
        };
        Some(Route {
            kind,
            upstream_path: path.strip_prefix(self.path_in_base_url)?.to_owned(),
            model: None,
        })
    }

    fn read(&self, request: &Unread<'_>) -> Result<ReadRequest, ReadError> {
        match request.route.kind {
            RouteKind::Call(_, Operation::Completions) => completions::read(request, &self.chat, self.usual_completion),
            RouteKind::Call(_, Operation::Embeddings) => embeddings::read(request, &self.chat),
            _ => chat::read(request, &self.chat),
        }
    }

    fn is_credential_error(&self, status: StatusCode, body: &[u8]) -> bool {
        error::is_about_credential(status, body)
    }

    fn key_check(&self) -> KeyQuestion {
        KeyQuestion {
            path: if self.path_in_base_url.is_empty() {
                "/v1/models"
            } else {
                "/models"
            },
            headers: &[],
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> (StatusCode, Bytes) {
        (refusal.reason.status(), error::body(refusal))
    }

    fn stream_refusal(&self, refusal: &Refusal<'_>, _form: StreamForm, _has_begun: bool) -> Bytes {
        error::event(refusal)
    }

    fn model_list(&self, models: &[&str]) -> Bytes {
        let data: Vec<_> = models.iter().map(|id| self.model_object(id)).collect();
        headers::json(&json!({"object": "list", "data": data}))
    }

    fn model(&self, id: &str) -> Bytes {
        headers::json(&self.model_object(id))
    }
}

impl OpenAiCompatible {
    /// When a model was made is not ours to know; the SDKs only want a number.
    fn model_object(&self, id: &str) -> Value {
        json!({"id": id, "object": "model", "created": 0, "owned_by": self.id})
    }
}
