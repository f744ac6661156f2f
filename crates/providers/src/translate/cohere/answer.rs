//! An answer of Cohere's second version of chat, understood.

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;

use crate::{
    request::ReadError,
    translate::{
        raw::invalid,
        told::{Counts, Failure, Finish, Listener, Told, whole},
    },
};

/// Understands one answer.
pub(in crate::translate) struct Chat {
    /// The answer does not say which model it is of.
    model: String,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    message: Message<'a>,
    finish_reason: Option<String>,
    usage: Option<Usage>,
}

/// Of a body, or of a delta; a delta has one thing where a body has a list of them.
#[derive(Default, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: OneOrMore<Content<'a>>,
    #[serde(borrow)]
    tool_plan: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tool_calls: OneOrMore<Call<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    More(Vec<T>),
    One(T),
    Null(()),
}

impl<T> Default for OneOrMore<T> {
    fn default() -> Self {
        Self::Null(())
    }
}

impl<T> OneOrMore<T> {
    fn into_list(self) -> Vec<T> {
        match self {
            Self::More(list) => list,
            Self::One(one) => vec![one],
            Self::Null(()) => Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<Cow<'a, str>>,
}

/// The counts may be written with a point.
#[derive(Deserialize)]
struct Usage {
    tokens: Option<Tokens>,
    billed_units: Option<Tokens>,
    cached_tokens: Option<f64>,
}

#[derive(Deserialize)]
struct Tokens {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    message: Message<'a>,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl Chat {
    pub(in crate::translate) fn new(model: String) -> Self {
        Self { model }
    }
}

impl Listener for Chat {
    fn body(&mut self, body: &[u8], tell: &mut dyn FnMut(Told<'_>)) -> Result<(), ReadError> {
        let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| invalid("the answer", "is no chat"))?;
        tell(Told::Model(self.model.as_str().into()));
        hear(answer.message, tell);
        finish(answer.finish_reason.as_deref(), answer.usage, tell);
        Ok(())
    }

    fn event(&mut self, data: &[u8], tell: &mut dyn FnMut(Told<'_>)) {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else {
            return;
        };
        let Some(delta) = event.delta else { return };
        match event.kind.as_ref() {
            "message-start" => tell(Told::Model(self.model.as_str().into())),
            "content-start" | "content-delta" | "tool-plan-delta" | "tool-call-start" => hear(delta.message, tell),
            "tool-call-delta" => {
                for call in delta.message.tool_calls.into_list() {
                    if let Some(arguments) = call.function.and_then(|function| function.arguments) {
                        tell(Told::Arguments(arguments));
                    }
                }
            }
            "message-end" => {
                if let Some(message) = delta.error {
                    let (kind, code) = Failure::words(StatusCode::INTERNAL_SERVER_ERROR);
                    tell(Told::Failure(Failure { kind, code, message }));
                    return;
                }
                finish(delta.finish_reason.as_deref(), delta.usage, tell);
                tell(Told::End);
            }
            _ => {}
        }
    }

    fn failure(&self, status: StatusCode, body: &[u8]) -> Option<Failure<'static>> {
        let body: ErrorBody<'_> = serde_json::from_slice(body).ok()?;
        let (kind, code) = Failure::words(status);
        Some(Failure {
            kind,
            code,
            message: body.message.into_owned().into(),
        })
    }
}

/// Thinking stays with the provider, as OpenAI's does; citations have no equal.
fn hear(message: Message<'_>, tell: &mut dyn FnMut(Told<'_>)) {
    let mut say = |text: Cow<'_, str>| {
        if !text.is_empty() {
            tell(Told::Text(text));
        }
    };
    if let Some(plan) = message.tool_plan {
        say(plan);
    }
    for content in message.content.into_list() {
        if let Some(text) = content.text {
            say(text);
        }
    }
    for call in message.tool_calls.into_list() {
        let function = call.function.unwrap_or(Function {
            name: None,
            arguments: None,
        });
        tell(Told::Call {
            id: call.id.unwrap_or_default(),
            name: function.name.unwrap_or_default(),
            signature: None,
        });
        tell(Told::Arguments(function.arguments.unwrap_or_default()));
    }
}

fn finish(reason: Option<&str>, usage: Option<Usage>, tell: &mut dyn FnMut(Told<'_>)) {
    tell(Told::Finish(match reason {
        Some("MAX_TOKENS") => Finish::Length,
        Some("TOOL_CALL") => Finish::ToolCalls,
        Some("ERROR_TOXIC") => Finish::Filtered,
        _ => Finish::Stop,
    }));
    if let Some(usage) = usage {
        tell(Told::Counts(usage.into()));
    }
}

impl From<Usage> for Counts {
    fn from(usage: Usage) -> Self {
        let tokens = usage.tokens.or(usage.billed_units);
        let (input, output) = tokens.map_or((None, None), |tokens| (tokens.input_tokens, tokens.output_tokens));
        Self {
            input: whole(input),
            cached: whole(usage.cached_tokens),
            cache_written: 0,
            output: whole(output),
            reasoning: 0,
        }
    }
}
