//! What the gateway asks of a provider, and the providers there are.

use aipassport_domain::{audit::KeyCheck, authorization_details::Capability, ids::ProviderId};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, InvalidHeaderValue},
};
use percent_encoding::percent_decode_str;

use crate::{
    anthropic::{self, Anthropic},
    cohere::{self, Cohere},
    gemini::{self, Gemini},
    headers,
    meter::{AnswerFormat, StreamForm},
    mistral::{self, Mistral},
    multipart::{Form, FormRules},
    ollama::{self, Ollama},
    openai::{self, OpenAi},
    openai_compatible::{self, CUSTOM, VLLM},
    prices::PriceBook,
    refusal::Refusal,
    request::{NO_MODEL, ReadError, ReadRequest, StoredObject},
};

/// One AI provider's HTTP API. Shapes requests and reads answers; never sends anything.
///
/// The order of the methods is the order of a call: [`route`](Self::route), [`read`](Self::read),
/// the headers, the answer.
pub trait ProviderAdapter: Send + Sync {
    /// The registry id, as in `authorization_details[].provider` and at the head of the drop-in path;
    /// of those that users bring, what stands before their names.
    fn id(&self) -> &'static str;

    /// The name that people know.
    fn name(&self) -> &'static str;

    /// Scheme and host of the provider's own API. Upstream paths carry the version. Empty where only
    /// a user knows it.
    fn default_base_url(&self) -> &'static str;

    /// Whether it runs on a machine of a user's own: it may ask for no key.
    fn is_self_hosted(&self) -> bool {
        false
    }

    /// The one thing that `method` and `path` ask for, where `path` is as received, without the
    /// drop-in prefix (`/v1/messages`), and `query` without its question mark.
    ///
    /// Nothing is decoded or normalised: what is not a template to the byte is `None`, and so is
    /// a query with anything but the few parameters that the provider's SDKs send. The one exception
    /// is the model of a [`RouteKind::GetModel`], see [`listed_model`].
    fn route(&self, method: &Method, path: &str, query: Option<&str>) -> Option<Route>;

    /// Reads the body of a call to one of our [`RouteKind::Call`] or [`RouteKind::CountTokens`]
    /// routes, once, strictly.
    fn read(&self, request: &Unread<'_>) -> Result<ReadRequest, ReadError>;

    /// By which rules the body of a call to `route` is read, where it is a form and not JSON.
    fn form_rules(&self, _route: &Route) -> Option<&'static FormRules> {
        None
    }

    /// Reads a call from what its form has said so far, of which there are `most_bytes` at most.
    /// The body of `request` is empty: a form goes upstream as it comes.
    fn read_form(&self, _request: &Unread<'_>, _form: &Form, _most_bytes: u64) -> Result<ReadRequest, ReadError> {
        Err(NO_MODEL)
    }

    /// What the provider keeps of an answer that it was asked to keep, once it is said in as much of
    /// the answer as has come.
    fn kept_object(&self, _answer: &[u8]) -> Option<StoredObject> {
        None
    }

    /// What of a client's headers goes upstream. Security invariant: an allow-list, without any
    /// credential, cookie or account selector, so that a client cannot steer whose account pays.
    fn request_headers(&self, client: &HeaderMap) -> HeaderMap {
        headers::only(client, headers::is_plain_request_header)
    }

    /// Puts the provider credential where the provider looks for it, marked as sensitive; a bearer,
    /// unless it has a way of its own.
    fn set_credential(&self, headers: &mut HeaderMap, secret: &str) -> Result<(), InvalidHeaderValue> {
        headers.insert(AUTHORIZATION, bearer(secret)?);
        Ok(())
    }

    /// What of the upstream's headers goes to the client: an allow-list, without cookies,
    /// framing, and whatever names the account. The caller adds its own request id.
    fn response_headers(&self, upstream: &HeaderMap) -> HeaderMap {
        headers::only(upstream, headers::is_plain_response_header)
    }

    /// The header in which the provider's SDKs look for a request id: the caller puts its own
    /// there too.
    fn request_id_header(&self) -> HeaderName {
        HeaderName::from_static("x-request-id")
    }

    /// Whether this upstream answer complains about the provider credential or its account: a bad
    /// key, no right, no money. It is the user's affair, not the client's, and never passed on.
    fn is_credential_error(&self, status: StatusCode, body: &[u8]) -> bool;

    /// The free request that shows whether a key works. Nothing of a client's is part of it.
    fn key_check(&self) -> KeyQuestion {
        KeyQuestion {
            path: "/v1/models",
            headers: &[],
        }
    }

    /// What the answer to [`key_check`](Self::key_check) says of the key. Of one that does not say
    /// yes, `body` is the beginning.
    fn key_verdict(&self, status: StatusCode, body: &[u8]) -> KeyCheck {
        match status {
            status if status.is_success() => KeyCheck::Works,
            // The provider knows the key: one that may call models need not be allowed to list them.
            StatusCode::FORBIDDEN => KeyCheck::Unclear,
            status if self.is_credential_error(status, body) => KeyCheck::Refused,
            _ => KeyCheck::Unclear,
        }
    }

    /// A refusal in the provider's own error shape, as `application/json`, so that its SDKs raise
    /// their own classes.
    fn refusal(&self, refusal: &Refusal<'_>) -> (StatusCode, Bytes);

    /// The last event of a stream that is ended early, in the provider's own shape. It follows
    /// whole events, which is all that a meter hands on; `has_begun` is false where not one has been.
    fn stream_refusal(&self, refusal: &Refusal<'_>, form: StreamForm, has_begun: bool) -> Bytes;

    /// The answer to [`RouteKind::ListModels`]: every model, on one page.
    fn model_list(&self, models: &[&str]) -> Bytes;

    /// The answer to [`RouteKind::GetModel`] for a model that the grant covers.
    fn model(&self, id: &str) -> Bytes;
}

/// How a provider is asked about a key: a `GET`, to which the caller adds the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyQuestion {
    pub path: &'static str,
    /// Names in lower case.
    pub headers: &'static [(&'static str, &'static str)],
}

/// A request on one of a provider's routes, its body whole.
pub struct Unread<'a> {
    /// As in `authorization_details[].provider`.
    pub provider: &'a ProviderId,
    pub route: &'a Route,
    pub headers: &'a HeaderMap,
    pub body: Bytes,
    pub prices: &'a PriceBook,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub kind: RouteKind,
    /// Path and query at the provider, beginning with a slash.
    pub upstream_path: String,
    /// The model, where the path names it.
    pub model: Option<String>,
}

impl Route {
    /// To the path that was asked for, whose model the body names.
    pub(crate) fn unchanged(kind: RouteKind, path: &str) -> Self {
        Self {
            kind,
            upstream_path: path.to_owned(),
            model: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// Costs money: read, authorized, reserved, forwarded, metered, settled.
    Call(Capability, Operation),
    /// Counting or cutting into tokens, free: the same steps, at no cost.
    CountTokens,
    /// Answered from the grant; nothing is sent.
    ListModels,
    /// Answered from the grant; nothing is sent. The id is what the path stands for.
    GetModel(String),
    /// About something that the provider keeps; free. The same steps, for whoever's it is.
    Stored(StoredObject),
    /// Always the same, for whoever may ask the provider anything; nothing is sent.
    Constant(&'static str),
}

/// A wire format: what a request looks like, and what its answer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    ChatCompletions,
    /// What follows on a text, in OpenAI's older format.
    Completions,
    FimCompletions,
    Responses,
    Embeddings,
    Images,
    Speech,
    Transcription,
    Messages,
    GenerateContent,
    StreamGenerateContent,
    /// The same in one piece that may be very large: images, or sound.
    GenerateMedia,
    EmbedContent,
    Ocr,
    /// With annotations, at another price.
    AnnotatedOcr,
    CohereChat,
    CohereChatV1,
    Embed,
    Rerank,
    OllamaChat,
    OllamaGenerate,
    OllamaEmbed,
    OllamaShow,
}

impl Operation {
    /// As in `gen_ai.operation.name`, or the nearest to it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::FimCompletions => "fim_completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Images => "image_generation",
            Self::Speech => "text_to_speech",
            Self::Transcription => "speech_to_text",
            Self::Messages => "messages",
            Self::GenerateContent | Self::GenerateMedia => "generate_content",
            Self::StreamGenerateContent => "stream_generate_content",
            Self::EmbedContent => "embed_content",
            Self::Ocr | Self::AnnotatedOcr => "ocr",
            Self::CohereChat | Self::CohereChatV1 | Self::OllamaChat => "chat",
            Self::Embed | Self::OllamaEmbed => "embed",
            Self::Rerank => "rerank",
            Self::OllamaGenerate => "generate",
            Self::OllamaShow => "show",
        }
    }

    /// How its answers are read.
    pub(crate) fn format(self) -> &'static dyn AnswerFormat {
        match self {
            Self::ChatCompletions | Self::Completions | Self::FimCompletions => &openai::ChatCompletions,
            Self::Responses => &openai::Responses,
            Self::Embeddings => &openai::Embeddings,
            Self::Images => &openai::Images,
            Self::Speech => &openai::Speech,
            Self::Transcription => &openai::Transcriptions,
            Self::Messages => &anthropic::Messages,
            Self::GenerateContent => &gemini::GenerateContent,
            Self::GenerateMedia => &gemini::GenerateMedia,
            Self::StreamGenerateContent => &gemini::StreamGenerateContent,
            Self::EmbedContent => &gemini::EmbedContent,
            Self::Ocr => &mistral::Ocr { is_annotated: false },
            Self::AnnotatedOcr => &mistral::Ocr { is_annotated: true },
            Self::CohereChat => &cohere::Chat,
            Self::CohereChatV1 => &cohere::ChatV1,
            Self::Embed | Self::Rerank => &cohere::Billed,
            Self::OllamaChat | Self::OllamaGenerate => &ollama::Generation,
            Self::OllamaEmbed => &ollama::Embeddings,
            Self::OllamaShow => &ollama::Shown,
        }
    }
}

/// Every provider with a name of its own, in the order in which people are shown them.
pub fn all() -> &'static [&'static dyn ProviderAdapter] {
    &[&OpenAi, &Anthropic, &Gemini, &Mistral, &Cohere, &Ollama, &VLLM]
}

/// Those that have no name but the one that a user gives them.
pub fn custom() -> &'static dyn ProviderAdapter {
    &CUSTOM
}

/// The provider with this registry id; `custom/NAME` is one that a user brings.
pub fn by_id(id: &str) -> Option<&'static dyn ProviderAdapter> {
    let named = all().iter().copied().find(|provider| provider.id() == id);
    named.or_else(|| ProviderId::custom_name(id).map(|_| custom()))
}

/// The provider whose path this is, and its registry id: there is something behind it.
pub fn at_path(path: &str) -> Option<(&'static dyn ProviderAdapter, ProviderId)> {
    let path = path.strip_prefix('/')?;
    let first = path.find('/')?;
    let end = match path.get(..first)? {
        "custom" => first + 1 + path.get(first + 1..)?.find('/')?,
        _ => first,
    };
    let (id, rest) = path.split_at_checked(end)?;
    let adapter = by_id(id).filter(|_| rest.len() > 1)?;
    let adapter = match id {
        ollama::ID if rest.starts_with("/v1/") => &openai_compatible::OLLAMA,
        _ => adapter,
    };
    Some((adapter, ProviderId::new(id)))
}

/// The provider whose formats and errors `/v1` speaks.
pub fn face() -> &'static dyn ProviderAdapter {
    &OpenAi
}

/// A model id that can stand in a path as it is. Nothing is decoded, so nothing can hide.
pub(crate) fn is_model_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@".contains(&byte);
    !id.is_empty()
        && id.len() <= LONGEST_MODEL_ID
        && id.bytes().all(is_plain)
        && !id.starts_with('.')
        && !id.ends_with('.')
}

/// The model that one segment of a path asks to see. SDKs percent-encode it, for at self-hosted
/// providers it may have a slash (`meta-llama/Llama-3`); so it alone is decoded, once.
///
/// Nothing is sent for it, and it is only compared with the ids that the grant covers. A slash that
/// stands for itself divides the path: no model is asked for then.
pub(crate) fn listed_model(segment: &str) -> Option<String> {
    if segment.contains('/') {
        return None;
    }
    let id = percent_decode_str(segment).decode_utf8().ok()?;
    let is_short = id.len() <= LONGEST_MODEL_ID;
    (is_short && id.split('/').all(is_model_id)).then(|| id.into_owned())
}

const LONGEST_MODEL_ID: usize = 200;

/// `Bearer` and the secret, never shown in logs.
fn bearer(secret: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {secret}"))?;
    value.set_sensitive(true);
    Ok(value)
}
