//! The AI call itself: a provider's own API and nothing else, at the broker's address.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{
    Provider, SampleAppOptions,
    broker::{Broker, BrokerError, Call, read_json},
    refusal::Refusal,
    visitors::Passport,
};

const MOST_OUTPUT_TOKENS: u32 = 600;
/// The longest line of a stream that is still looked at.
const LONGEST_LINE: usize = 1024 * 1024;

/// How fast the sandbox provider is to answer: so that a person can watch, or can stop it midway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Usual,
    Slow,
}

/// What the broker answered at once.
pub(super) enum Asked {
    Streams(AnswerStream),
    /// The access token is not good (any more).
    NotAuthenticated(Refusal),
    Refused(Refusal),
}

pub(super) async fn ask(
    options: &SampleAppOptions,
    broker: &Broker,
    passport: &Passport,
    note: &str,
    pace: Pace,
) -> Result<Asked, BrokerError> {
    let (path, body) = request(options, note, pace);
    let response = broker
        .send(Method::POST, path, Some(&passport.access_token), Call::json(&body))
        .await?;
    let status = response.status();
    if status.is_success() {
        return Ok(Asked::Streams(AnswerStream::new(response)));
    }
    let (head, body) = response.into_parts();
    let refusal = Refusal::read(status, &head.headers, &read_json(body).await);
    Ok(if status == StatusCode::UNAUTHORIZED {
        Asked::NotAuthenticated(refusal)
    } else {
        Asked::Refused(refusal)
    })
}

fn request(options: &SampleAppOptions, note: &str, pace: Pace) -> (&'static str, Value) {
    let (length, directive) = match pace {
        Pace::Usual => ("in two or three sentences", "[[sandbox: tokens=60; pace=40ms]]"),
        Pace::Slow => (
            "thoroughly, in ten sentences or more",
            "[[sandbox: tokens=400; pace=150ms]]",
        ),
    };
    let directive = if options.is_sandbox { directive } else { "" };
    let prompt = format!("Summarise this note {length}.\n\n{note}\n{directive}");
    let messages = json!([{"role": "user", "content": prompt.trim_end()}]);
    let model = &options.model;
    match options.provider {
        Provider::OpenAi => (
            "/openai/v1/chat/completions",
            json!({"model": model, "stream": true, "max_completion_tokens": MOST_OUTPUT_TOKENS, "messages": messages}),
        ),
        Provider::Anthropic => (
            "/anthropic/v1/messages",
            json!({"model": model, "stream": true, "max_tokens": MOST_OUTPUT_TOKENS, "messages": messages}),
        ),
    }
}

/// An answer on its way.
pub(super) struct AnswerStream {
    body: Incoming,
    unread: Vec<u8>,
    has_ended: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// The answer is complete.
    End,
    /// The stream said that it failed.
    Failed(Refusal),
    /// The stream stopped without a word.
    BrokenOff,
}

impl AnswerStream {
    fn new(response: Response<Incoming>) -> Self {
        Self {
            body: response.into_body(),
            unread: Vec::new(),
            has_ended: false,
        }
    }

    pub(super) async fn next(&mut self) -> Piece {
        loop {
            while let Some(line) = self.take_line() {
                match line.strip_prefix("data:").map(read_data) {
                    Some(Some(Piece::End)) => self.has_ended = true,
                    Some(Some(piece)) => return piece,
                    Some(None) | None => {}
                }
            }
            match self.body.frame().await {
                Some(Ok(frame)) if self.unread.len() < LONGEST_LINE => {
                    self.unread
                        .extend_from_slice(&frame.into_data().unwrap_or_else(|_| Bytes::new()));
                }
                _ if self.has_ended => return Piece::End,
                _ => return Piece::BrokenOff,
            }
        }
    }

    /// The next whole line.
    fn take_line(&mut self) -> Option<String> {
        let end = memchr::memchr(b'\n', &self.unread)?;
        let line: Vec<u8> = self.unread.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// What the data of one event says, in either provider's format.
fn read_data(data: &str) -> Option<Piece> {
    let data = data.trim_start();
    if data == "[DONE]" {
        return Some(Piece::End);
    }
    let event: Value = serde_json::from_str(data).ok()?;
    if event.get("error").is_some_and(|error| !error.is_null()) {
        return Some(Piece::Failed(Refusal::read(
            StatusCode::OK,
            &http::HeaderMap::new(),
            &event,
        )));
    }
    if event.get("type").and_then(Value::as_str) == Some("message_stop") {
        return Some(Piece::End);
    }
    event
        .pointer("/choices/0/delta/content")
        .or_else(|| event.pointer("/delta/text"))
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(|text| Piece::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_providers_events_are_read() {
        let text = |text: &str| Some(Piece::Text(text.to_owned()));

        assert_eq!(
            read_data(r#" {"choices":[{"index":0,"delta":{"content":"Hi"}}]}"#),
            text("Hi")
        );
        assert_eq!(
            read_data(r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}"#),
            text("Hi")
        );
        assert_eq!(read_data("[DONE]"), Some(Piece::End));
        assert_eq!(read_data(r#"{"type":"message_stop"}"#), Some(Piece::End));
        assert_eq!(read_data(r#"{"choices":[],"usage":{}}"#), None);
        assert!(matches!(
            read_data(r#"{"error":{"message":"x"}}"#),
            Some(Piece::Failed(_))
        ));
    }
}
