//! An answer of Gemini's, understood: one body, or the same in pieces.

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::turns::OWN_CALL;
use crate::{
    request::ReadError,
    translate::{
        raw::invalid,
        told::{Counts, Failure, Finish, Listener, Told},
    },
};

/// Understands one answer.
pub(in crate::translate) struct Contents {
    /// Names calls that the provider does not name: two answers of one conversation must not give
    /// two calls the same name.
    answer_id: String,
    calls: usize,
    has_begun: bool,
    has_finished: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    candidates: Vec<Candidate<'a>>,
    #[serde(borrow)]
    prompt_feedback: Option<PromptFeedback<'a>>,
    usage_metadata: Option<UsageMetadata>,
    #[serde(borrow)]
    model_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<ErrorMembers<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Vec<Part<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(default)]
    thought: bool,
    #[serde(borrow)]
    thought_signature: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function_call: Option<FunctionCall<'a>>,
}

#[derive(Deserialize)]
struct FunctionCall<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback<'a> {
    #[serde(borrow)]
    block_reason: Option<Cow<'a, str>>,
}

/// Cached input stands inside the rest of it, and thoughts beside the output.
#[derive(Deserialize)]
struct UsageMetadata {
    #[serde(rename = "promptTokenCount")]
    prompt: Option<u64>,
    #[serde(rename = "cachedContentTokenCount")]
    cached: Option<u64>,
    #[serde(rename = "toolUsePromptTokenCount")]
    tool_use: Option<u64>,
    #[serde(rename = "candidatesTokenCount")]
    candidates: Option<u64>,
    #[serde(rename = "thoughtsTokenCount")]
    thoughts: Option<u64>,
}

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    error: ErrorMembers<'a>,
}

#[derive(Deserialize)]
struct ErrorMembers<'a> {
    code: Option<u16>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl Contents {
    pub(in crate::translate) fn new(answer_id: String) -> Self {
        Self {
            answer_id,
            calls: 0,
            has_begun: false,
            has_finished: false,
        }
    }

    fn hear(&mut self, answer: Answer<'_>, tell: &mut dyn FnMut(Told<'_>)) {
        if let Some(error) = answer.error {
            let status = error.code.and_then(|code| StatusCode::from_u16(code).ok());
            let (kind, code) = Failure::words(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
            let message = error.message;
            tell(Told::Failure(Failure { kind, code, message }));
            return;
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            tell(Told::Model(answer.model_version.unwrap_or_default()));
        }
        // Only one is asked for.
        let candidate = answer.candidates.into_iter().next();
        let (content, reason) =
            candidate.map_or((None, None), |candidate| (candidate.content, candidate.finish_reason));
        for part in content.map(|content| content.parts).unwrap_or_default() {
            self.hear_part(part, tell);
        }
        let is_blocked = answer
            .prompt_feedback
            .is_some_and(|feedback| feedback.block_reason.is_some());
        if let Some(finish) = reason
            .map(|reason| self.finish(&reason))
            .or(is_blocked.then_some(Finish::Filtered))
            && !std::mem::replace(&mut self.has_finished, true)
        {
            tell(Told::Finish(finish));
        }
        if let Some(usage) = answer.usage_metadata {
            tell(Told::Counts(usage.into()));
        }
    }

    /// Thoughts stay with the provider, as OpenAI's do.
    fn hear_part(&mut self, part: Part<'_>, tell: &mut dyn FnMut(Told<'_>)) {
        if let Some(text) = part.text.filter(|text| !part.thought && !text.is_empty()) {
            tell(Told::Text(text));
        }
        if let Some(call) = part.function_call {
            let given = call.id.filter(|id| !id.is_empty());
            let id = given.unwrap_or_else(|| format!("{OWN_CALL}{}_{}", self.answer_id, self.calls).into());
            self.calls += 1;
            tell(Told::Call {
                id,
                name: call.name,
                signature: part.thought_signature,
            });
            tell(Told::Arguments(call.args.map_or("{}", RawValue::get).into()));
        }
    }

    fn finish(&self, reason: &str) -> Finish {
        match reason {
            "MAX_TOKENS" => Finish::Length,
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "ESCALATION" => {
                Finish::Filtered
            }
            _ if self.calls > 0 => Finish::ToolCalls,
            _ => Finish::Stop,
        }
    }
}

impl Listener for Contents {
    fn body(&mut self, body: &[u8], tell: &mut dyn FnMut(Told<'_>)) -> Result<(), ReadError> {
        let answer: Answer<'_> = serde_json::from_slice(body).map_err(|_| invalid("the answer", "has no contents"))?;
        self.hear(answer, tell);
        if self.has_finished {
            Ok(())
        } else {
            Err(invalid("the answer", "does not end"))
        }
    }

    fn event(&mut self, data: &[u8], tell: &mut dyn FnMut(Told<'_>)) {
        if let Ok(answer) = serde_json::from_slice(data) {
            self.hear(answer, tell);
        }
    }

    /// No event says that it is the last one.
    fn end(&mut self, tell: &mut dyn FnMut(Told<'_>)) {
        if self.has_finished {
            tell(Told::End);
        }
    }

    fn failure(&self, status: StatusCode, body: &[u8]) -> Option<Failure<'static>> {
        // A stream that never began answers with a list of one.
        let body: ErrorBody<'_> = serde_json::from_slice::<[ErrorBody<'_>; 1]>(body)
            .map(|[only]| only)
            .or_else(|_| serde_json::from_slice(body))
            .ok()?;
        let (kind, code) = Failure::words(status);
        Some(Failure {
            kind,
            code,
            message: body.error.message.into_owned().into(),
        })
    }
}

impl From<UsageMetadata> for Counts {
    fn from(usage: UsageMetadata) -> Self {
        let reasoning = usage.thoughts.unwrap_or_default();
        let (prompt, tool_use) = (usage.prompt.unwrap_or_default(), usage.tool_use.unwrap_or_default());
        Self {
            input: prompt.saturating_add(tool_use),
            cached: usage.cached.unwrap_or_default(),
            cache_written: 0,
            output: usage.candidates.unwrap_or_default().saturating_add(reasoning),
            reasoning,
        }
    }
}
