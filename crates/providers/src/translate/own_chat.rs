//! `/proxy/chat`, the face that AIPassport 0.2 had: its apps send `{model, messages}` and whatever else
//! the provider takes, and get the provider's own answer.
//!
//! Anthropic gets what was sent, with the system messages where it wants them: members of its own pass.
//! The others get what they would get from `/v1`.

use bytes::Bytes;

use super::{
    FaceOperation, Way,
    raw::{Raw, Written},
};
use crate::request::ReadError;

/// The request as `provider` would have it, and the path that it goes to.
pub fn own_chat(provider: &str, body: Bytes) -> Result<(String, Bytes), ReadError> {
    if provider == "anthropic" {
        return Ok(("/v1/messages".to_owned(), lift_instructions(&body)?));
    }
    Ok(match FaceOperation::ChatCompletions.to_provider(provider, body)? {
        Way::AsItIs { path, body, .. } => (path, body),
        Way::Translated(translated) => (translated.path, translated.body),
    })
}

/// Moves system messages to `system`, as Anthropic has it; everything else stays as it came.
fn lift_instructions(body: &[u8]) -> Result<Bytes, ReadError> {
    let mut members = Raw::read(body)?.members("the body")?;
    let system = members.take("system");
    let messages = members.take("messages");

    let mut blocks = system.map(to_blocks).unwrap_or_default();
    let is_touched = messages.is_some_and(|messages| messages.as_str().starts_with('['));
    let mut kept = Vec::new();
    for message in messages
        .filter(|_| is_touched)
        .map_or(Ok(Vec::new()), |list| list.items("messages"))?
    {
        match instruction(message)? {
            Some(content) => blocks.extend(to_blocks(content)),
            None => kept.push(message.as_str()),
        }
    }

    let mut written = Written::default();
    for (name, value) in members.rest() {
        written.add(&name, value.as_str());
    }
    if let Some(messages) = messages {
        let kept = format!("[{}]", kept.join(","));
        written.add("messages", if is_touched { &kept } else { messages.as_str() });
    }
    if !blocks.is_empty() {
        written.add("system", &format!("[{}]", blocks.join(",")));
    }
    Ok(written.end().into())
}

/// The content of a system message.
fn instruction(message: Raw<'_>) -> Result<Option<Raw<'_>>, ReadError> {
    if !message.is_object() {
        return Ok(None);
    }
    let mut members = message.members("messages")?;
    let is_system = members.take("role").is_some_and(|role| role.as_str() == "\"system\"");
    Ok(members.take("content").filter(|_| is_system))
}

/// Text becomes a block; blocks stay.
fn to_blocks(content: Raw<'_>) -> Vec<String> {
    match content.items("content") {
        Ok(blocks) => blocks.into_iter().map(|block| block.as_str().to_owned()).collect(),
        Err(_) => vec![format!(r#"{{"type":"text","text":{}}}"#, content.as_str())],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn lifted(body: &Value) -> Value {
        serde_json::from_slice(&lift_instructions(body.to_string().as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn system_messages_go_where_anthropic_wants_them() {
        let body = json!({"model": "claude", "temperature": 0.7, "system": "Be brave.", "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Hello"},
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
        ]});

        let sent = lifted(&body);

        let said: Vec<&Value> = sent["system"]
            .as_array()
            .unwrap()
            .iter()
            .map(|block| &block["text"])
            .collect();
        assert_eq!(said, ["Be brave.", "Be short.", "Be kind."]);
        assert_eq!(sent["messages"], json!([{"role": "user", "content": "Hello"}]));
        assert_eq!((&sent["model"], &sent["temperature"]), (&json!("claude"), &json!(0.7)));
    }

    #[test]
    fn what_needs_no_translation_stays_as_it_is() {
        for body in [
            json!({"model": "claude", "messages": [{"role": "user", "content": "Hello"}, "not even a message"]}),
            json!({"model": "claude", "messages": "not even a list"}),
            json!({}),
        ] {
            assert_eq!(lifted(&body), body);
        }
    }
}
