//! A chat completion, understood: one body, or chunks.

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    request::ReadError,
    translate::{
        raw::invalid,
        told::{Counts, Failure, Finish, Listener, Told},
    },
};

/// Understands one answer.
pub(in crate::translate) struct Completions {
    /// Where the answer does not name its model.
    model: String,
    has_begun: bool,
    has_finished: bool,
    has_ended: bool,
    /// The call that is being written.
    call: Option<OpenCall>,
}

struct OpenCall {
    index: usize,
    id: String,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<Usage>,
    error: Option<Value>,
    /// An error may stand there bare.
    #[serde(borrow)]
    object: Option<Cow<'a, str>>,
    message: Option<Value>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Option<Message<'a>>,
    /// The same of a chunk.
    #[serde(borrow)]
    delta: Option<Message<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    refusal: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

/// Mistral's models that reason have parts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Parts(#[serde(borrow)] Vec<Part<'a>>),
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    /// A text that holds JSON; or, with some, the JSON itself.
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

impl Completions {
    pub(in crate::translate) fn new(model: String) -> Self {
        Self {
            model,
            has_begun: false,
            has_finished: false,
            has_ended: false,
            call: None,
        }
    }

    fn hear(&mut self, answer: Answer<'_>, tell: &mut dyn FnMut(Told<'_>)) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let named = answer.model.filter(|model| !model.is_empty());
            tell(Told::Model(named.unwrap_or_else(|| self.model.clone().into())));
        }
        // Only one is asked for.
        if let Some(choice) = answer.choices.unwrap_or_default().into_iter().next() {
            if let Some(message) = choice.message.or(choice.delta) {
                self.hear_message(message, tell);
            }
            if let Some(reason) = choice.finish_reason {
                self.finish(&reason, tell);
            }
        }
        if let Some(usage) = answer.usage {
            tell(Told::Counts(usage.into()));
        }
    }

    /// Thinking stays with the provider, as OpenAI's does.
    fn hear_message(&mut self, message: Message<'_>, tell: &mut dyn FnMut(Told<'_>)) {
        let texts = match message.content {
            None => Vec::new(),
            Some(Content::Text(text)) => vec![text],
            Some(Content::Parts(parts)) => parts.into_iter().filter_map(|part| part.text).collect(),
        };
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            tell(Told::Text(text));
        }
        if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
            tell(Told::Refusal(refusal));
        }
        for (place, call) in message.tool_calls.unwrap_or_default().into_iter().enumerate() {
            self.hear_call(call, place, tell);
        }
    }

    /// A call, or more of one. Not all servers count calls, and some repeat ids with every piece or
    /// make up new ones: a call begins where it is named, unless it is the one that is being written.
    fn hear_call(&mut self, call: Call<'_>, place: usize, tell: &mut dyn FnMut(Told<'_>)) {
        let index = call.index.unwrap_or(place);
        let id = call.id.filter(|id| !id.is_empty());
        let function = call.function.unwrap_or(Function {
            name: None,
            arguments: None,
        });
        let name = function.name.filter(|name| !name.is_empty());
        if let Some(name) = name {
            let is_open = |open: &OpenCall| open.index == index && id.as_ref().is_none_or(|id| open.id == *id);
            if !self.call.as_ref().is_some_and(is_open) {
                let id = id.unwrap_or_default();
                self.call = Some(OpenCall {
                    index,
                    id: id.clone().into_owned(),
                });
                tell(Told::Call {
                    id,
                    name,
                    signature: None,
                });
            }
        } else if self.call.as_ref().is_none_or(|open| open.index != index) {
            // More of a call that is over, or was never there: nobody could tell whose it is.
            return self.fail("the provider mingles its calls of tools".into(), tell);
        }
        if let Some(arguments) = function.arguments {
            tell(Told::Arguments(as_text(arguments)));
        }
    }

    fn finish(&mut self, reason: &str, tell: &mut dyn FnMut(Told<'_>)) {
        if self.has_ended || std::mem::replace(&mut self.has_finished, true) {
            return;
        }
        let finish = match reason {
            "length" | "model_length" => Finish::Length,
            "tool_calls" | "function_call" => Finish::ToolCalls,
            "content_filter" => Finish::Filtered,
            "error" => return self.fail("the model failed".into(), tell),
            _ => Finish::Stop,
        };
        tell(Told::Finish(finish));
    }

    /// Nothing that follows is told.
    fn fail(&mut self, message: Cow<'_, str>, tell: &mut dyn FnMut(Told<'_>)) {
        if !std::mem::replace(&mut self.has_ended, true) {
            let (kind, code) = Failure::words(StatusCode::INTERNAL_SERVER_ERROR);
            tell(Told::Failure(Failure { kind, code, message }));
        }
    }

    fn complete(&mut self, tell: &mut dyn FnMut(Told<'_>)) {
        if self.has_finished && !std::mem::replace(&mut self.has_ended, true) {
            tell(Told::End);
        }
    }
}

impl Listener for Completions {
    fn body(&mut self, body: &[u8], tell: &mut dyn FnMut(Told<'_>)) -> Result<(), ReadError> {
        let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| invalid("the answer", "is no completion"))?;
        self.hear(answer, tell);
        if self.has_finished && !self.has_ended {
            Ok(())
        } else {
            Err(invalid("the answer", "does not end"))
        }
    }

    fn event(&mut self, data: &[u8], tell: &mut dyn FnMut(Told<'_>)) {
        if self.has_ended {
            return;
        }
        if data == b"[DONE]" {
            self.complete(tell);
            return;
        }
        let Ok(answer) = serde_json::from_slice::<Answer<'_>>(data) else {
            return;
        };
        match answer.complaint() {
            Some(message) => self.fail(message.into(), tell),
            None => self.hear(answer, tell),
        }
    }

    /// Not every server says that an event is the last one.
    fn end(&mut self, tell: &mut dyn FnMut(Told<'_>)) {
        self.complete(tell);
    }

    fn failure(&self, status: StatusCode, body: &[u8]) -> Option<Failure<'static>> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let (kind, code) = Failure::words(status);
        let message = [
            "/error/message",
            "/error",
            "/message",
            "/message/detail/0/msg",
            "/detail/0/msg",
            "/detail",
        ];
        let message = message.into_iter().find_map(|place| body.pointer(place)?.as_str())?;
        Some(Failure {
            kind,
            code,
            message: message.to_owned().into(),
        })
    }
}

impl Answer<'_> {
    /// What it says, where it is an error.
    fn complaint(&self) -> Option<String> {
        let error = match &self.error {
            None if self.object.as_deref() == Some("error") => self.message.as_ref()?,
            error => error.as_ref()?,
        };
        let message = error.get("message").unwrap_or(error);
        Some(message.as_str().map_or_else(|| message.to_string(), str::to_owned))
    }
}

/// What a text says; JSON that is none, as it stands.
fn as_text(value: &RawValue) -> Cow<'_, str> {
    serde_json::from_str::<String>(value.get()).map_or_else(|_| value.get().into(), Cow::Owned)
}

impl From<Usage> for Counts {
    fn from(usage: Usage) -> Self {
        let input = usage.prompt_tokens_details;
        let reasoning = usage
            .completion_tokens_details
            .and_then(|details| details.reasoning_tokens);
        let (cached, cache_written) =
            input.map_or((None, None), |input| (input.cached_tokens, input.cache_write_tokens));
        Self {
            input: usage.prompt_tokens.unwrap_or_default(),
            cached: cached.unwrap_or_default(),
            cache_written: cache_written.unwrap_or_default(),
            output: usage.completion_tokens.unwrap_or_default(),
            reasoning: reasoning.unwrap_or_default(),
        }
    }
}
