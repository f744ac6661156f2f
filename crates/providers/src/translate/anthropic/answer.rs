//! An answer of Anthropic's messages, understood.

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    request::ReadError,
    translate::{
        raw::invalid,
        told::{Counts, Failure, Finish, Listener, Told},
    },
};

/// Understands one answer.
#[derive(Default)]
pub(in crate::translate) struct Messages {
    counts: Counts,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Vec<Block<'a>>,
    stop_reason: Option<String>,
    #[serde(borrow)]
    stop_details: Option<StopDetails<'a>>,
    usage: Option<Usage>,
}

/// The members of every kind of block and of delta; each kind has some of them.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StopDetails<'a> {
    #[serde(borrow)]
    explanation: Option<Cow<'a, str>>,
}

/// Cached input stands beside the rest of it, and reasoning inside the output.
#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    usage: Option<Usage>,
    #[serde(borrow)]
    error: Option<ErrorMembers<'a>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partial_json: Option<Cow<'a, str>>,
    stop_reason: Option<String>,
    #[serde(borrow)]
    stop_details: Option<StopDetails<'a>>,
}

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    error: ErrorMembers<'a>,
}

#[derive(Deserialize)]
struct ErrorMembers<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl Listener for Messages {
    fn body(&mut self, body: &[u8], tell: &mut dyn FnMut(Told<'_>)) -> Result<(), ReadError> {
        let message: Message<'_> =
            serde_json::from_slice(body).map_err(|_| invalid("the answer", "is not a message"))?;
        self.begin(&message, tell);
        for block in message.content {
            let input = block.input;
            tell_block(block, tell);
            if let Some(input) = input {
                tell(Told::Arguments(input.get().into()));
            }
        }
        self.finish(message.stop_reason.as_deref(), message.stop_details, tell);
        Ok(())
    }

    fn event(&mut self, data: &[u8], tell: &mut dyn FnMut(Told<'_>)) {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else {
            return;
        };
        match event.kind.as_ref() {
            "message_start" => {
                if let Some(message) = &event.message {
                    self.begin(message, tell);
                }
            }
            // The input of a tool follows in deltas.
            "content_block_start" => {
                if let Some(block) = event.content_block {
                    tell_block(block, tell);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = event.delta {
                    if let Some(text) = delta.text {
                        tell(Told::Text(text));
                    }
                    if let Some(json) = delta.partial_json {
                        tell(Told::Arguments(json));
                    }
                }
            }
            "message_delta" => {
                self.count(event.usage.as_ref());
                if let Some(delta) = event.delta {
                    self.finish(delta.stop_reason.as_deref(), delta.stop_details, tell);
                }
            }
            "message_stop" => tell(Told::End),
            "error" => {
                if let Some(error) = event.error {
                    tell(Told::Failure(error.into()));
                }
            }
            _ => {}
        }
    }

    fn failure(&self, _status: StatusCode, body: &[u8]) -> Option<Failure<'static>> {
        let body: ErrorBody<'_> = serde_json::from_slice(body).ok()?;
        let Failure { kind, code, message } = body.error.into();
        Some(Failure {
            kind,
            code,
            message: message.into_owned().into(),
        })
    }
}

impl Messages {
    fn begin(&mut self, message: &Message<'_>, tell: &mut dyn FnMut(Told<'_>)) {
        self.count(message.usage.as_ref());
        tell(Told::Model(message.model.as_deref().unwrap_or_default().into()));
    }

    fn count(&mut self, usage: Option<&Usage>) {
        let Some(usage) = usage else { return };
        let cached = usage.cache_read_input_tokens.unwrap_or_default();
        let cache_written = usage.cache_creation_input_tokens.unwrap_or_default();
        let uncached = usage.input_tokens.unwrap_or_default();
        let details = usage.output_tokens_details.as_ref();
        self.counts = self.counts.max(Counts {
            input: uncached.saturating_add(cached).saturating_add(cache_written),
            cached,
            cache_written,
            output: usage.output_tokens.unwrap_or_default(),
            reasoning: details.and_then(|details| details.thinking_tokens).unwrap_or_default(),
        });
    }

    fn finish(&self, reason: Option<&str>, details: Option<StopDetails<'_>>, tell: &mut dyn FnMut(Told<'_>)) {
        let finish = match reason {
            Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
            Some("tool_use") => Finish::ToolCalls,
            Some("refusal") => Finish::Filtered,
            _ => Finish::Stop,
        };
        if let Some(explanation) = details.and_then(|details| details.explanation) {
            tell(Told::Refusal(explanation));
        }
        tell(Told::Finish(finish));
        tell(Told::Counts(self.counts));
    }
}

/// Thinking stays with the provider, as OpenAI's does; so do blocks of tools that it runs itself.
fn tell_block(block: Block<'_>, tell: &mut dyn FnMut(Told<'_>)) {
    match block.kind.as_ref() {
        "text" => {
            if let Some(text) = block.text.filter(|text| !text.is_empty()) {
                tell(Told::Text(text));
            }
        }
        "tool_use" => tell(Told::Call {
            id: block.id.unwrap_or_default(),
            name: block.name.unwrap_or_default(),
            signature: None,
        }),
        _ => {}
    }
}

impl<'a> From<ErrorMembers<'a>> for Failure<'a> {
    fn from(error: ErrorMembers<'a>) -> Self {
        let (kind, code) = match error.kind.as_ref() {
            "invalid_request_error" | "billing_error" => ("invalid_request_error", None),
            "authentication_error" => ("invalid_request_error", Some("invalid_api_key")),
            "permission_error" => ("invalid_request_error", Some("permission_denied")),
            "not_found_error" => ("invalid_request_error", Some("model_not_found")),
            "request_too_large" => ("invalid_request_error", Some("request_too_large")),
            "rate_limit_error" => ("requests", Some("rate_limit_exceeded")),
            "overloaded_error" => ("server_error", Some("overloaded")),
            _ => ("server_error", None),
        };
        Self {
            kind,
            code,
            message: error.message,
        }
    }
}
