//! Mistral: OpenAI's format of chat, less what it refuses.
//!
//! Members pass as they stand, in their order. Mistral answers 422 to names that it does not know, so
//! those that OpenAI alone knows are carried under Mistral's name, reported or refused.

use bytes::Bytes;

use super::{
    asked::Asked,
    compatible,
    loss::Lost,
    openai,
    raw::{Members, Raw, Written, not_carried},
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

const KNOWN_OF_EMBEDDINGS: [&str; 6] = [
    "encoding_format",
    "input",
    "metadata",
    "model",
    "output_dimension",
    "output_dtype",
];

/// A chat as Mistral takes it.
pub(super) struct Chat {
    pub(super) body: Bytes,
    pub(super) lost: Lost,
    /// Whether the client wants the usage of a stream, which Mistral says unasked.
    pub(super) wants_usage: bool,
}

/// The same chat without what is refused.
pub(super) fn chat(body: &[u8]) -> Result<Chat, ReadError> {
    let members = Raw::read(body)?.members("the body")?;
    let has_newer_cap = members.has("max_completion_tokens");
    let mut wants_usage = false;
    let mut lost = Lost::default();
    let mut written = Written::default();
    let mut others = Members::default();
    for (name, value) in members.rest() {
        match name.as_str() {
            "stream_options" => wants_usage = openai::wants_usage(Some(value))?,
            "max_tokens" if has_newer_cap => {}
            "max_completion_tokens" => written.add("max_tokens", value.as_str()),
            "seed" => written.add("random_seed", value.as_str()),
            "messages" => written.add("messages", &messages(value, &mut lost)?),
            known if KNOWN.contains(&known) => written.add(known, value.as_str()),
            _ => others.add(name, value),
        }
    }
    lost.settle(others)?;
    Ok(Chat {
        body: written.end().into(),
        lost,
        wants_usage,
    })
}

/// What is asked in OpenAI's newer format, as a chat.
pub(super) fn write(asked: Asked<'_>) -> Result<(Vec<u8>, Lost), ReadError> {
    let (written, mut lost) = compatible::write(asked)?;
    let chat = chat(&written)?;
    for name in chat.lost.names() {
        lost.report(name.clone());
    }
    Ok((chat.body.into(), lost))
}

/// The same embeddings.
pub(super) fn embeddings(body: &[u8]) -> Result<(Bytes, Lost), ReadError> {
    let mut lost = Lost::default();
    let mut written = Written::default();
    let mut others = Members::default();
    for (name, value) in Raw::read(body)?.members("the body")?.rest() {
        match name.as_str() {
            "dimensions" => written.add("output_dimension", value.as_str()),
            known if KNOWN_OF_EMBEDDINGS.contains(&known) => written.add(known, value.as_str()),
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
    let mut written = Written::default();
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
