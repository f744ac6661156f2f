//! One answer on its way back: from the provider's words into the client's.

use bytes::Bytes;
use http::StatusCode;

use super::{
    Stamp, anthropic, cohere, compatible, embeddings, gemini, openai,
    told::{Failure, Gathered, Listener, Writer},
};
use crate::{
    events::{Piece, Splitter, StreamForm},
    request::ReadError,
};

/// Who speaks and who listens, of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerPlan {
    pub(crate) provider: ProviderFormat,
    pub(crate) client: ClientFormat,
    /// The model that was asked for, where the answer does not name it.
    pub(crate) model: String,
}

/// What the provider answers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProviderFormat {
    AnthropicMessages,
    GeminiContents,
    CohereChat,
    /// OpenAI's older format of chat.
    Completions,
}

/// What the client wants to be answered in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClientFormat {
    ChatCompletion { includes_usage: bool },
    Response(openai::Echo),
    Embeddings { is_base64: bool },
    Images,
    Sound(SoundForm),
}

/// What a client wants to be spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SoundForm {
    Wave,
    /// Without a header.
    Samples,
}

/// A longer body is not translated: it would have to be held in memory.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

impl AnswerPlan {
    /// Begins with an answer: a stream whose events stand as `form` says, or one body.
    pub fn begin(&self, stamp: Stamp, form: Option<StreamForm>) -> Answer {
        let listener = self.listener(&stamp.id);
        let chat = |writer| Speech::Chat { listener, writer };
        let created = stamp.created;
        let speech = match &self.client {
            ClientFormat::ChatCompletion { includes_usage } => {
                chat(Box::new(openai::Completion::new(stamp, *includes_usage)))
            }
            ClientFormat::Response(echo) => chat(Box::new(openai::Response::new(stamp, echo.clone()))),
            ClientFormat::Embeddings { is_base64 } => Speech::Embeddings {
                provider: self.provider,
                model: self.model.clone(),
                is_base64: *is_base64,
            },
            ClientFormat::Images => Speech::Images { created },
            ClientFormat::Sound(form) => Speech::Sound(*form),
        };
        Answer {
            speech,
            status: StatusCode::OK,
            form: form.map_or_else(|| Form::Body(Vec::new()), |form| Form::Stream(Splitter::new(form))),
        }
    }

    /// The media type of an answer that is not a stream.
    pub fn media_type(&self, status: StatusCode) -> &'static str {
        match self.client {
            ClientFormat::Sound(SoundForm::Wave) if status.is_success() => "audio/wav",
            ClientFormat::Sound(SoundForm::Samples) if status.is_success() => "audio/pcm",
            _ => "application/json",
        }
    }

    /// The body of an answer with an error status, in OpenAI's shape.
    pub fn failure(&self, status: StatusCode, body: &[u8]) -> Bytes {
        let (kind, code) = Failure::words(status);
        let failure = self.listener("").failure(status, body).unwrap_or(Failure {
            kind,
            code,
            message: "the provider failed, in words that are not its own".into(),
        });
        openai::json_bytes(&openai::ErrorBody::from(&failure))
    }

    fn listener(&self, answer_id: &str) -> Box<dyn Listener> {
        match self.provider {
            ProviderFormat::AnthropicMessages => Box::new(anthropic::Messages::default()),
            ProviderFormat::GeminiContents => Box::new(gemini::Contents::new(answer_id.to_owned())),
            ProviderFormat::CohereChat => Box::new(cohere::Chat::new(self.model.clone())),
            ProviderFormat::Completions => Box::new(compatible::Completions::new(self.model.clone())),
        }
    }
}

/// Translates one answer, wherever the network has cut it.
pub struct Answer {
    speech: Speech,
    /// What the client is to be answered with.
    status: StatusCode,
    form: Form,
}

enum Speech {
    Chat {
        listener: Box<dyn Listener>,
        writer: Box<dyn Writer>,
    },
    /// Always one body.
    Embeddings {
        provider: ProviderFormat,
        model: String,
        is_base64: bool,
    },
    /// Always one body.
    Images { created: i64 },
    /// Always one body.
    Sound(SoundForm),
}

enum Form {
    Stream(Splitter),
    /// All of it so far.
    Body(Vec<u8>),
}

impl Answer {
    /// Takes the next bytes of the provider's and returns those for the client. Of a body, there
    /// are none before its end.
    pub fn feed(&mut self, piece: Bytes) -> Bytes {
        match &mut self.form {
            Form::Stream(splitter) => {
                let form = splitter.form();
                let mut written = Vec::with_capacity(piece.len());
                splitter.feed(piece, |piece| {
                    // An event too long to be read cannot be translated either.
                    if let Piece::Event(event) = piece {
                        self.speech.translate(form, event, &mut written);
                    }
                });
                written.into()
            }
            Form::Body(whole) => {
                if whole.len() <= LONGEST_BODY {
                    whole.extend_from_slice(&piece);
                }
                Bytes::new()
            }
        }
    }

    /// What is left once the provider has come to its end.
    pub fn end(&mut self) -> Result<Bytes, ReadError> {
        match &mut self.form {
            Form::Stream(splitter) => {
                let (form, rest) = (splitter.form(), splitter.rest());
                let mut written = Vec::new();
                self.speech.translate(form, &rest, &mut written);
                if let Speech::Chat { listener, writer } = &mut self.speech {
                    listener.end(&mut |told| writer.event(told, &mut written));
                }
                Ok(written.into())
            }
            Form::Body(whole) => {
                let (status, body) = self.speech.body(whole)?;
                self.status = status;
                Ok(body)
            }
        }
    }

    /// The status of an answer that has come to its end: some providers refuse with a success.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl Speech {
    fn translate(&mut self, form: StreamForm, event: &[u8], written: &mut Vec<u8>) {
        if let Self::Chat { listener, writer } = self
            && let Some(data) = form.data(event)
        {
            listener.event(&data, &mut |told| writer.event(told, written));
        }
    }

    fn body(&mut self, body: &[u8]) -> Result<(StatusCode, Bytes), ReadError> {
        let made = match self {
            Self::Chat { listener, writer } => {
                let mut answer = Gathered::default();
                listener.body(body, &mut |told| answer.add(told))?;
                gemini::Made::Bytes(writer.body(&answer))
            }
            Self::Embeddings {
                provider,
                model,
                is_base64,
            } => gemini::Made::Bytes(embeddings::answer(*provider, body, model, *is_base64)?),
            Self::Images { created } => gemini::read_images(body, *created)?,
            Self::Sound(form) => gemini::read_speech(body, *form)?,
        };
        Ok(match made {
            gemini::Made::Bytes(bytes) => (StatusCode::OK, bytes),
            gemini::Made::Nothing(failure) => {
                let refusal = openai::json_bytes(&openai::ErrorBody::from(&failure));
                (StatusCode::BAD_REQUEST, refusal)
            }
        })
    }
}
