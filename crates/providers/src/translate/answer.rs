//! One answer on its way back: from the provider's words into the client's.

use bytes::Bytes;
use http::StatusCode;

use super::{
    Stamp, anthropic, cohere, gemini, openai,
    told::{Failure, Gathered, Listener, Told, Writer},
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
}

/// What the client wants to be answered in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClientFormat {
    ChatCompletion { includes_usage: bool },
    Response(openai::Echo),
}

/// A longer body is not translated: it would have to be held in memory.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

impl AnswerPlan {
    /// Begins with an answer: a stream whose events stand as `form` says, or one body.
    pub fn begin(&self, stamp: Stamp, form: Option<StreamForm>) -> Answer {
        let listener: Box<dyn Listener> = match self.provider {
            ProviderFormat::AnthropicMessages => Box::new(anthropic::Messages::default()),
            ProviderFormat::GeminiContents => Box::new(gemini::Contents::new(stamp.id.clone())),
            ProviderFormat::CohereChat => Box::new(cohere::Chat::new(self.model.clone())),
        };
        let writer: Box<dyn Writer> = match &self.client {
            ClientFormat::ChatCompletion { includes_usage } => {
                Box::new(openai::Completion::new(stamp, *includes_usage))
            }
            ClientFormat::Response(echo) => Box::new(openai::Response::new(stamp, echo.clone())),
        };
        Answer {
            listener,
            writer,
            form: form.map_or_else(|| Form::Body(Vec::new()), |form| Form::Stream(Splitter::new(form))),
        }
    }

    /// The body of an answer with an error status, in OpenAI's shape.
    pub fn failure(&self, status: StatusCode, body: &[u8]) -> Bytes {
        let stamp = Stamp {
            id: String::new(),
            created: 0,
        };
        let (kind, code) = Failure::words(status);
        let failure = self
            .begin(stamp, None)
            .listener
            .failure(status, body)
            .unwrap_or(Failure {
                kind,
                code,
                message: "the provider failed, in words that are not its own".into(),
            });
        openai::json_bytes(&openai::ErrorBody::from(&failure))
    }
}

/// Translates one answer, wherever the network has cut it.
pub struct Answer {
    listener: Box<dyn Listener>,
    writer: Box<dyn Writer>,
    form: Form,
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
        let (listener, writer) = (&mut self.listener, &mut self.writer);
        match &mut self.form {
            Form::Stream(splitter) => {
                let form = splitter.form();
                let mut written = Vec::with_capacity(piece.len());
                splitter.feed(piece, |piece| {
                    // An event too long to be read cannot be translated either.
                    let Piece::Event(event) = piece else { return };
                    let Some(data) = form.data(event) else { return };
                    listener.event(&data, &mut |told| writer.event(told, &mut written));
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
                let (listener, writer) = (&mut self.listener, &mut self.writer);
                let mut tell = |told: Told<'_>| writer.event(told, &mut written);
                if let Some(data) = form.data(&rest) {
                    listener.event(&data, &mut tell);
                }
                listener.end(&mut tell);
                Ok(written.into())
            }
            Form::Body(whole) => {
                let mut answer = Gathered::default();
                self.listener.body(whole, &mut |told| answer.add(told))?;
                Ok(self.writer.body(&answer))
            }
        }
    }
}
