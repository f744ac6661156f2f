//! A chat, from either of a client's formats to each of the providers'.

use super::{
    AnswerPlan, Translated,
    answer::{ClientFormat, ProviderFormat},
    anthropic,
    asked::Asked,
    cohere, compatible, gemini, mistral,
};
use crate::request::ReadError;

/// The providers whose chat is not OpenAI's, or not the newer of its two.
#[derive(Clone, Copy, Debug)]
pub(super) enum Foreign {
    Anthropic,
    Gemini,
    Cohere,
    Mistral,
    Compatible,
}

const COMPLETIONS: &str = "/v1/chat/completions";

/// Puts what is asked into the provider's words.
pub(super) fn translate(asked: Asked<'_>, provider: Foreign, client: ClientFormat) -> Result<Translated, ReadError> {
    let model = asked.model.clone().into_owned();
    let (path, provider, write): (String, _, fn(Asked<'_>) -> _) = match provider {
        Foreign::Anthropic => (
            "/v1/messages".to_owned(),
            ProviderFormat::AnthropicMessages,
            anthropic::write,
        ),
        Foreign::Gemini => {
            let method = if asked.is_stream {
                "streamGenerateContent?alt=sse"
            } else {
                "generateContent"
            };
            (
                gemini::path(&model, method)?,
                ProviderFormat::GeminiContents,
                gemini::write,
            )
        }
        Foreign::Cohere => ("/v2/chat".to_owned(), ProviderFormat::CohereChat, cohere::write),
        Foreign::Mistral => (COMPLETIONS.to_owned(), ProviderFormat::Completions, mistral::write),
        Foreign::Compatible => (COMPLETIONS.to_owned(), ProviderFormat::Completions, compatible::write),
    };
    let (body, lost) = write(asked)?;
    Ok(Translated {
        body: body.into(),
        path,
        lost,
        plan: AnswerPlan {
            provider,
            client,
            model,
        },
    })
}
