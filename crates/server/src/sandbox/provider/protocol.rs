//! What a provider's folder brings: reading its requests, and writing its answers and errors.

use std::{borrow::Cow, collections::BTreeMap};

use aipassport_domain::usage::Usage;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde::de::IgnoredAny;

use super::{
    answer::{Answer, Step},
    catalogue::Catalogue,
    tools::Tools,
};

/// One provider's HTTP API.
pub(super) trait Protocol: Sync {
    /// The name in the path, as `openai`.
    fn name(&self) -> &'static str;

    /// Says what is asked, or how this provider would refuse it.
    fn read(&self, received: &Received<'_>, catalogue: &Catalogue) -> Result<Task, Refusal>;

    /// The body of a refusal.
    fn refusal(&self, refusal: &Refusal, request_id: &str) -> String;

    /// Its status, where this provider has one of its own.
    fn status(&self, refusal: &Refusal) -> StatusCode {
        refusal.status()
    }

    /// Whether it answers nobody who shows no key, whatever key that may be.
    fn needs_key(&self) -> bool {
        true
    }

    /// The header that carries the request's id.
    fn request_id_header(&self) -> &'static str;

    /// Headers by which this provider tells on the account, sent when noise is switched on.
    fn account_headers(&self) -> &'static [(&'static str, &'static str)];
}

/// How an answer looks on the wire in one operation of one provider.
pub(super) trait Dialect: Send {
    fn whole(&self, answer: &Answer) -> String;

    /// An answer in one piece that is no JSON: its type and its bytes.
    fn medium(&self, _answer: &Answer) -> Option<(&'static str, Bytes)> {
        None
    }

    /// Appends what a stream says at `step`, if anything.
    fn event(&mut self, answer: &Answer, step: Step, out: &mut String);

    /// Appends the event by which this provider reports a failure within a stream.
    fn error_event(&mut self, out: &mut String);

    /// How a stream of it is announced.
    fn content_type(&self) -> &'static str {
        "text/event-stream; charset=utf-8"
    }

    /// The service that works on it, where that is not the usual one.
    fn service(&self) -> Option<&'static str> {
        None
    }

    /// Whether a stream that runs to its end tells what was used.
    fn reports_usage(&self) -> bool {
        true
    }

    /// Whether an answer in one piece does.
    fn reports_usage_of_whole(&self) -> bool {
        true
    }
}

/// A request, its path without the provider's name.
pub(super) struct Received<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
pub(super) enum Task {
    Generate(Asked, Box<dyn Dialect>),
    /// An answer that costs nothing: a list of models, a count of tokens.
    Reply(String),
}

/// A generation, whatever its provider's words for it.
pub(super) struct Asked {
    pub(super) operation: &'static str,
    pub(super) model: String,
    pub(super) is_stream: bool,
    pub(super) output_cap: Option<u64>,
    pub(super) choices: u64,
    /// How long the prompt is, and something that differs from prompt to prompt. Neither depends
    /// on the other members of the body, so that a proxy that adds a cap gets the same answer.
    pub(super) prompt_bytes: usize,
    pub(super) seed: u64,
    pub(super) thinking_tokens: u64,
    pub(super) tools: Tools,
    pub(super) writes_cache: bool,
    /// What is billed beside its tokens of text.
    pub(super) beside: Usage,
}

/// Why a request is not answered.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    NoKey,
    WrongKey {
        shown: String,
    },
    UnknownModel(String),
    NotFound {
        method: Method,
        path: String,
    },
    TooLarge,
    /// A member that this provider does not know, and does not let pass.
    UnknownMember(String),
    Invalid {
        message: String,
        parameter: Option<&'static str>,
    },
    /// Because a switch says so.
    Switched {
        status: StatusCode,
        message: Option<String>,
    },
}

impl Refusal {
    pub(super) fn invalid(message: impl Into<String>, parameter: Option<&'static str>) -> Self {
        Self::Invalid {
            message: message.into(),
            parameter,
        }
    }

    pub(super) fn unreadable(error: &serde_json::Error) -> Self {
        Self::invalid(
            format!("We could not parse the JSON body of your request: {error}"),
            None,
        )
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoKey | Self::WrongKey { .. } => StatusCode::UNAUTHORIZED,
            Self::UnknownModel(_) | Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnknownMember(_) | Self::Invalid { .. } => StatusCode::BAD_REQUEST,
            Self::Switched { status, .. } => *status,
        }
    }
}

/// The key as any vendor's SDK sends it.
pub(super) fn key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let plain = ["x-api-key", "x-goog-api-key"];
    let plain = plain.iter().find_map(|name| headers.get(*name));
    bearer
        .or_else(|| plain.and_then(|value| value.to_str().ok()))
        .filter(|key| !key.is_empty())
}

/// A number that differs from prompt to prompt: FNV-1a over its length and its last bytes, because
/// reading a long prompt whole would take longer than answering it.
pub(super) fn seed_of(prompt: &str) -> u64 {
    let bytes = prompt.as_bytes();
    let tail = bytes.get(bytes.len().saturating_sub(256)..).unwrap_or(bytes);
    let length = bytes.len().to_le_bytes();
    tail.iter().chain(&length).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Whether the prompt says in plain words that a tool is to be called.
pub(super) fn asks_for_tool(prompt: &str) -> bool {
    ["se the tool", "se a tool", "all the tool"]
        .iter()
        .any(|phrase| memchr::memmem::find(prompt.as_bytes(), phrase.as_bytes()).is_some())
}

/// Refuses what is not among the members that the API knows.
pub(super) fn check_members(body: &[u8], known: &[&str]) -> Result<(), Refusal> {
    #[expect(
        clippy::zero_sized_map_values,
        reason = "serde reads names of members into a map, not into a set"
    )]
    let members: BTreeMap<Cow<'_, str>, IgnoredAny> =
        serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    match members.into_keys().find(|name| !known.contains(&name.as_ref())) {
        Some(unknown) => Err(Refusal::UnknownMember(unknown.into_owned())),
        None => Ok(()),
    }
}
