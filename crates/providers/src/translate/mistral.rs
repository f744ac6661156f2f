//! Mistral: OpenAI's format of chat, less what it refuses.
//!
//! Members pass as they stand, in their order. Mistral answers 422 to names that it does not know, so
//! those that OpenAI alone knows are carried under Mistral's name, reported or refused.

use bytes::Bytes;

use super::{
    loss::Lost,
    raw::{Members, Raw, not_carried},
};
use crate::request::ReadError;

/// What it knows by OpenAI's name, or by its own.
const KNOWN: [&str; 27] = [
    "frequency_penalty",
    "guardrails",
    "logprobs",
    "max_tokens",
    "messages",
    "metadata",
    "min_tokens",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_mode",
    "random_seed",
    "reasoning_effort",
    "repetition_penalty",
    "response_format",
    "safe_prompt",
    "stop",
    "stream",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
];

/// What it knows of messages, whoever's.
const KNOWN_IN_MESSAGES: [&str; 6] = ["content", "name", "prefix", "role", "tool_call_id", "tool_calls"];

/// The same chat without what is refused.
pub(super) fn chat(body: &[u8]) -> Result<(Bytes, Lost), ReadError> {
    let members = Raw::read(body)?.members("the body")?;
    let has_newer_cap = members.has("max_completion_tokens");
    let mut lost = Lost::default();
    let mut written = Object::default();
    let mut others = Members::default();
    for (name, value) in members.rest() {
        match name.as_str() {
            // A stream of its says its usage unasked.
            "stream_options" => {}
            "max_tokens" if has_newer_cap => {}
            "max_completion_tokens" => written.add("max_tokens", value.as_str()),
            "seed" => written.add("random_seed", value.as_str()),
            "messages" => written.add("messages", &messages(value, &mut lost)?),
            known if KNOWN.contains(&known) => written.add(known, value.as_str()),
            _ => others.add(name, value),
        }
    }
    lost.settle(others)?;
    Ok((written.end().into(), lost))
}

fn messages(messages: Raw<'_>, lost: &mut Lost) -> Result<String, ReadError> {
    let messages = messages.items("messages")?.into_iter();
    let written: Result<Vec<String>, ReadError> = messages.map(|message| write_message(message, lost)).collect();
    Ok(format!("[{}]", written?.join(",")))
}

fn write_message(message: Raw<'_>, lost: &mut Lost) -> Result<String, ReadError> {
    let mut written = Object::default();
    for (name, value) in message.members("messages")?.rest() {
        match name.as_str() {
            "role" if value.text("messages.role")? == "developer" => written.add("role", "\"system\""),
            known if KNOWN_IN_MESSAGES.contains(&known) => written.add(known, value.as_str()),
            "audio" => {
                return Err(not_carried(
                    "messages.audio",
                    "sound is kept at the provider that made it",
                ));
            }
            "function_call" => return Err(not_carried("messages.function_call", "send tool_calls instead")),
            other => lost.report(format!("messages.{other}")),
        }
    }
    Ok(written.end())
}

/// A JSON object while it is being written.
#[derive(Default)]
struct Object(String);

impl Object {
    fn add(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::Value::from(name).to_string());
        self.0.push(':');
        self.0.push_str(json);
    }

    fn end(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}
