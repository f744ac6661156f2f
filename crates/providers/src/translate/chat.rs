//! A chat, from either of a client's formats to each of the providers'.

use super::{
    AnswerPlan, Translated,
    answer::{ClientFormat, ProviderFormat},
    anthropic,
    asked::Asked,
    cohere, gemini,
};
use crate::request::ReadError;

/// The providers whose chat is not OpenAI's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Foreign {
    Anthropic,
    Gemini,
    Cohere,
}

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
