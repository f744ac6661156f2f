//! What Gemini makes beside text: pictures and speech, which come in one body.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    request::ReadError,
    translate::{raw::invalid, told::Failure},
};

/// A request for what is made of one text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a, Config> {
    contents: [Content<'a>; 1],
    generation_config: Config,
}

#[derive(Serialize)]
struct Content<'a> {
    role: &'static str,
    parts: [Text<'a>; 1],
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

impl<'a, Config> Request<'a, Config> {
    pub(super) fn new(text: &'a str, generation_config: Config) -> Self {
        Self {
            contents: [Content {
                role: "user",
                parts: [Text { text }],
            }],
            generation_config,
        }
    }
}

/// What an answer brings.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    candidates: Vec<Candidate<'a>>,
    #[serde(default)]
    prompt_feedback: PromptFeedback,
    pub(super) usage_metadata: Option<Usage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Option<Parts<'a>>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    parts: Vec<Part<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    /// A sketch, made while thinking.
    #[serde(default)]
    thought: bool,
    #[serde(borrow)]
    inline_data: Option<Blob<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    #[serde(borrow, default)]
    pub(super) mime_type: Cow<'a, str>,
    /// In base64.
    #[serde(borrow)]
    pub(super) data: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Usage {
    pub(super) prompt_token_count: u64,
    pub(super) prompt_tokens_details: Vec<OfModality>,
    pub(super) candidates_token_count: u64,
    pub(super) candidates_tokens_details: Vec<OfModality>,
    pub(super) thoughts_token_count: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct OfModality {
    modality: String,
    token_count: u64,
}

/// What comes of an answer, in the client's words.
pub(in crate::translate) enum Made {
    Bytes(bytes::Bytes),
    /// The provider made nothing, and says why.
    Nothing(Failure<'static>),
}

/// Why nothing was made that nobody will ever make.
const BLOCKED: [&str; 8] = [
    "BLOCKLIST",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_SAFETY",
    "PROHIBITED_CONTENT",
    "RECITATION",
    "SAFETY",
    "SPII",
];

impl<'a> Answer<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, ReadError> {
        serde_json::from_slice(body).map_err(|_| invalid("the answer", "has no contents"))
    }

    /// What was made.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Blob<'a>> {
        let contents = self
            .candidates
            .iter()
            .filter_map(|candidate| candidate.content.as_ref());
        let parts = contents.flat_map(|content| &content.parts);
        parts
            .filter(|part| !part.thought)
            .filter_map(|part| part.inline_data.as_ref())
    }

    /// Why nothing was.
    pub(super) fn refusal(&self, kind: &'static str) -> Failure<'static> {
        let of_candidate = self
            .candidates
            .iter()
            .find_map(|candidate| candidate.finish_reason.as_deref());
        let reason = self.prompt_feedback.block_reason.as_deref().or(of_candidate);
        let reason = reason.unwrap_or("no reason given");
        Failure {
            kind,
            code: BLOCKED.contains(&reason).then_some("moderation_blocked"),
            message: format!("the provider made nothing of this: {reason}").into(),
        }
    }
}

/// How many of the tokens are of a kind.
pub(super) fn count(details: &[OfModality], modality: &str) -> u64 {
    let of_kind = details.iter().filter(|count| count.modality == modality);
    of_kind.map(|count| count.token_count).fold(0, u64::saturating_add)
}
