//! What `/v1` offers, and how each of it reaches each provider.

use bytes::Bytes;

use aipassport_domain::authorization_details::Capability;
use http::Method;

use super::{
    Translated,
    answer::ClientFormat,
    chat::{self, Foreign},
    embeddings, gemini,
    loss::Lost,
    mistral, openai,
    raw::not_carried,
};
use crate::{adapter, multipart::FormRules, request::ReadError};

/// One of OpenAI's operations that are offered over every provider that has an equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceOperation {
    ChatCompletions,
    Responses,
    Embeddings,
    MakeImages,
    EditImages,
    Speech,
    Transcription,
    Translation,
}

/// How a request reaches its provider.
#[derive(Debug)]
pub enum Way {
    /// The provider speaks OpenAI's format itself, but for what is lost.
    AsItIs {
        path: String,
        body: Bytes,
        lost: Lost,
        /// Whether the usage of a stream is to be kept from the client, who has not asked for it.
        hides_usage: bool,
    },
    Translated(Translated),
}

impl FaceOperation {
    /// The operation at this path, which begins with `/v1`. To the byte: nothing is normalised.
    pub fn at(method: &Method, path: &str) -> Option<Self> {
        if method != Method::POST {
            return None;
        }
        Some(match path {
            "/v1/chat/completions" => Self::ChatCompletions,
            "/v1/responses" => Self::Responses,
            "/v1/embeddings" => Self::Embeddings,
            "/v1/images/generations" => Self::MakeImages,
            "/v1/images/edits" => Self::EditImages,
            "/v1/audio/speech" => Self::Speech,
            "/v1/audio/transcriptions" => Self::Transcription,
            "/v1/audio/translations" => Self::Translation,
            _ => return None,
        })
    }

    fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Embeddings => "/v1/embeddings",
            Self::MakeImages => "/v1/images/generations",
            Self::EditImages => "/v1/images/edits",
            Self::Speech => "/v1/audio/speech",
            Self::Transcription => "/v1/audio/transcriptions",
            Self::Translation => "/v1/audio/translations",
        }
    }

    pub fn capability(self) -> Capability {
        match self {
            Self::ChatCompletions | Self::Responses => Capability::Chat,
            Self::Embeddings => Capability::Embeddings,
            Self::MakeImages | Self::EditImages => Capability::Images,
            Self::Speech | Self::Transcription | Self::Translation => Capability::Audio,
        }
    }

    /// The parts of its form that decide; `None` where the body is JSON.
    pub fn form_rules(self) -> Option<&'static FormRules> {
        let face = adapter::face();
        face.form_rules(&face.route(&Method::POST, self.path(), None)?)
    }

    /// Where a form goes at `provider`, which speaks OpenAI's format itself.
    pub fn form_path(self, provider: &str) -> Result<&'static str, ReadError> {
        match self.foreign(provider) {
            Some(_) => Err(not_carried("model", NO_EQUAL)),
            None => Ok(self.path()),
        }
    }

    /// The same request as `provider` would have it, on its own path.
    pub fn to_provider(self, provider: &str, body: Bytes) -> Result<Way, ReadError> {
        let Some(foreign) = self.foreign(provider) else {
            return self.as_it_is(provider, body);
        };
        match (self, foreign) {
            (Self::ChatCompletions, _) => {
                let (asked, includes_usage) = openai::read_chat(&body)?;
                let client = ClientFormat::ChatCompletion { includes_usage };
                chat::translate(asked, foreign, client).map(Way::Translated)
            }
            (Self::Responses, _) => {
                let (asked, echo) = openai::read_response(&body)?;
                chat::translate(asked, foreign, ClientFormat::Response(echo)).map(Way::Translated)
            }
            (Self::Embeddings, Foreign::Gemini) => embeddings::to_gemini(&body).map(Way::Translated),
            (Self::Embeddings, Foreign::Cohere) => embeddings::to_cohere(&body).map(Way::Translated),
            (Self::MakeImages, Foreign::Gemini) => gemini::write_images(&body).map(Way::Translated),
            (Self::Speech, Foreign::Gemini) => gemini::write_speech(&body).map(Way::Translated),
            _ => Err(not_carried("model", NO_EQUAL)),
        }
    }

    /// What the provider speaks, where that is not OpenAI's format.
    fn foreign(self, provider: &str) -> Option<Foreign> {
        match provider {
            "anthropic" => Some(Foreign::Anthropic),
            "gemini" => Some(Foreign::Gemini),
            "cohere" => Some(Foreign::Cohere),
            // Of OpenAI's two formats of chat they speak the older one.
            "mistral" if self == Self::Responses => Some(Foreign::Mistral),
            "vllm" | "ollama" | "custom" if self == Self::Responses => Some(Foreign::Compatible),
            _ => None,
        }
    }

    fn as_it_is(self, provider: &str, body: Bytes) -> Result<Way, ReadError> {
        let (body, lost, hides_usage) = match (provider, self) {
            ("mistral", Self::ChatCompletions) => {
                let chat = mistral::chat(&body)?;
                (chat.body, chat.lost, !chat.wants_usage)
            }
            ("mistral", Self::Embeddings) => {
                let (body, lost) = mistral::embeddings(&body)?;
                (body, lost, false)
            }
            _ => (body, Lost::default(), false),
        };
        Ok(Way::AsItIs {
            path: self.path().to_owned(),
            body,
            lost,
            hides_usage,
        })
    }
}

const NO_EQUAL: &str = "its provider has no equal of this path";
