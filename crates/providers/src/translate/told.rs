//! What a chat's answer tells, whatever the provider and the client write it as.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;

use crate::request::ReadError;

/// One thing that an answer tells, in the order in which it is told: of a stream, as it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told<'a> {
    /// The model that answers, by the provider's own name.
    Model(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// Why the model does not answer.
    Refusal(Cow<'a, str>),
    /// A call of a tool begins. Its arguments follow before the next call does.
    Call {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        /// What Gemini wants to be given back with the call.
        signature: Option<Cow<'a, str>>,
    },
    /// The next piece of the arguments of the call begun last.
    Arguments(Cow<'a, str>),
    Finish(Finish),
    Counts(Counts),
    /// The provider failed after it had begun.
    Failure(Failure<'a>),
    /// The answer is complete.
    End,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    ToolCalls,
    Filtered,
}

/// Usage as OpenAI counts it: the input includes what was cached, the output what was reasoned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) cache_written: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

impl Counts {
    /// Counts only grow: a provider that reports twice adds up as it goes.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached: self.cached.max(other.cached),
            cache_written: self.cache_written.max(other.cache_written),
            output: self.output.max(other.output),
            reasoning: self.reasoning.max(other.reasoning),
        }
    }
}

/// An error of the provider's, in OpenAI's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure<'a> {
    pub(crate) kind: &'static str,
    pub(crate) code: Option<&'static str>,
    pub(crate) message: Cow<'a, str>,
}

impl Failure<'_> {
    /// The kind and the code that OpenAI would give an answer with this status.
    pub(crate) fn words(status: StatusCode) -> (&'static str, Option<&'static str>) {
        match status {
            StatusCode::TOO_MANY_REQUESTS => ("requests", Some("rate_limit_exceeded")),
            StatusCode::NOT_FOUND => ("invalid_request_error", Some("model_not_found")),
            status if status.is_server_error() => ("server_error", None),
            _ => ("invalid_request_error", None),
        }
    }
}

/// Understands one answer of a provider's.
pub(crate) trait Listener: Send {
    /// A whole body.
    fn body(&mut self, body: &[u8], tell: &mut dyn FnMut(Told<'_>)) -> Result<(), ReadError>;

    /// The data of the next event of a stream. What cannot be understood tells nothing.
    fn event(&mut self, data: &[u8], tell: &mut dyn FnMut(Told<'_>));

    /// The stream has come to its end, whether or not its last event was there.
    fn end(&mut self, _tell: &mut dyn FnMut(Told<'_>)) {}

    /// The body of an answer with this error status; `None` where it is not in the provider's shape.
    fn failure(&self, status: StatusCode, body: &[u8]) -> Option<Failure<'static>>;
}

/// Writes one answer in the client's format.
pub(crate) trait Writer: Send {
    /// Writes what a stream tells next, as events.
    fn event(&mut self, told: Told<'_>, events: &mut Vec<u8>);

    fn body(&mut self, answer: &Gathered) -> Bytes;
}

/// A whole answer.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) model: String,
    pub(crate) text: Option<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) calls: Vec<GatheredCall>,
    pub(crate) finish: Option<Finish>,
    pub(crate) counts: Option<Counts>,
}

#[derive(Debug)]
pub(crate) struct GatheredCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) signature: Option<String>,
    pub(crate) arguments: String,
}

impl Gathered {
    pub(crate) fn add(&mut self, told: Told<'_>) {
        match told {
            Told::Model(model) => self.model = model.into_owned(),
            Told::Text(text) => self.text.get_or_insert_default().push_str(&text),
            Told::Refusal(refusal) => self.refusal.get_or_insert_default().push_str(&refusal),
            Told::Call { id, name, signature } => self.calls.push(GatheredCall {
                id: id.into_owned(),
                name: name.into_owned(),
                signature: signature.map(Cow::into_owned),
                arguments: String::new(),
            }),
            Told::Arguments(arguments) => {
                if let Some(call) = self.calls.last_mut() {
                    call.arguments.push_str(&arguments);
                }
            }
            Told::Finish(finish) => self.finish = Some(finish),
            Told::Counts(counts) => self.counts = Some(counts.max(self.counts.unwrap_or_default())),
            Told::Failure(_) | Told::End => {}
        }
    }
}

/// A count that may be written with a point.
pub(crate) fn whole(count: Option<f64>) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "shown, not billed; the cast saturates"
    )]
    let count = count.unwrap_or_default() as u64;
    count
}
