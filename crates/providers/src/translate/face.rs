//! What `/v1` offers, and how each of it reaches each provider.

use bytes::Bytes;

use aipassport_domain::authorization_details::Capability;
use http::Method;

use super::{
    Translated,
    answer::ClientFormat,
    chat::{self, Foreign},
    embeddings,
    loss::Lost,
    mistral, openai,
    raw::not_carried,
};
use crate::request::ReadError;

/// One of OpenAI's operations that are offered over every provider that has an equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceOperation {
    ChatCompletions,
    Responses,
    Embeddings,
    MakeImages,
    Speech,
}

/// How a request reaches its provider.
#[derive(Debug)]
pub enum Way {
    /// The provider speaks OpenAI's format itself, but for what is lost.
    AsItIs {
        path: String,
        body: Bytes,
        lost: Lost,
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
            "/v1/audio/speech" => Self::Speech,
            _ => return None,
        })
    }

    fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Embeddings => "/v1/embeddings",
            Self::MakeImages => "/v1/images/generations",
            Self::Speech => "/v1/audio/speech",
        }
    }

    pub fn capability(self) -> Capability {
        match self {
            Self::ChatCompletions | Self::Responses => Capability::Chat,
            Self::Embeddings => Capability::Embeddings,
            Self::MakeImages => Capability::Images,
            Self::Speech => Capability::Audio,
        }
    }

    /// The same request as `provider` would have it, on its own path.
    pub fn to_provider(self, provider: &str, body: Bytes) -> Result<Way, ReadError> {
        let foreign = match provider {
            "anthropic" => Foreign::Anthropic,
            "gemini" => Foreign::Gemini,
            "cohere" => Foreign::Cohere,
            _ => return self.as_it_is(provider, body),
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
            _ => Err(not_carried("model", "its provider has no equal of this path")),
        }
    }

    fn as_it_is(self, provider: &str, body: Bytes) -> Result<Way, ReadError> {
        let (body, lost) = match (provider, self) {
            ("mistral", Self::ChatCompletions) => mistral::chat(&body)?,
            ("mistral", Self::Embeddings) => mistral::embeddings(&body)?,
            _ => (body, Lost::default()),
        };
        let path = self.path().to_owned();
        Ok(Way::AsItIs { path, body, lost })
    }
}
