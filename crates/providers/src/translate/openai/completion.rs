//! The answer to a chat completion, written: as one body, or as chunks.

use bytes::Bytes;
use serde::Serialize;

use super::{json_bytes, write_event};
use crate::translate::{
    Stamp,
    told::{Counts, Failure, Finish, Gathered, GatheredCall, Told, Writer},
};

/// Writes one answer.
pub(crate) struct Completion {
    stamp: Stamp,
    id: String,
    /// Whether the client asked for a last chunk with the usage.
    includes_usage: bool,
    has_begun: bool,
    model: String,
    /// How many calls of tools have begun.
    calls: usize,
    /// Whether the call begun last has any arguments yet.
    has_arguments: bool,
    counts: Option<Counts>,
}

impl Completion {
    pub(crate) fn new(stamp: Stamp, includes_usage: bool) -> Self {
        Self {
            id: format!("chatcmpl-{}", stamp.id),
            stamp,
            includes_usage,
            has_begun: false,
            model: String::new(),
            calls: 0,
            has_arguments: false,
            counts: None,
        }
    }

    fn chunk(&mut self, delta: Delta<'_>, finish: Option<Finish>, events: &mut Vec<u8>) {
        let role = (!std::mem::replace(&mut self.has_begun, true)).then_some("assistant");
        let choice = ChunkChoice {
            index: 0,
            delta: Delta { role, ..delta },
            finish_reason: finish.map(finish_reason),
        };
        self.write(&[choice], ChunkUsage::Pending(()), events);
    }

    fn write(&self, choices: &[ChunkChoice<'_>], usage: ChunkUsage, events: &mut Vec<u8>) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.stamp.created,
            model: &self.model,
            choices,
            usage: self.includes_usage.then_some(usage),
        };
        write_event(&chunk, events);
    }

    /// A function that takes nothing is called with an empty object.
    fn finish_call(&mut self, events: &mut Vec<u8>) {
        if self.calls > 0 && !std::mem::replace(&mut self.has_arguments, true) {
            self.arguments("{}", events);
        }
    }

    fn arguments(&mut self, text: &str, events: &mut Vec<u8>) {
        let Some(index) = self.calls.checked_sub(1) else { return };
        self.has_arguments = true;
        let call = CallDelta {
            index,
            id: None,
            kind: None,
            function: Function {
                name: None,
                arguments: text,
            },
            extra_content: None,
        };
        self.chunk(Delta::of_call(call), None, events);
    }

    fn end(&mut self, events: &mut Vec<u8>) {
        if self.includes_usage {
            let usage = self.counts.unwrap_or_default().into();
            self.write(&[], ChunkUsage::Counted(usage), events);
        }
        events.extend_from_slice(b"data: [DONE]\n\n");
    }
}

impl Writer for Completion {
    fn event(&mut self, told: Told<'_>, events: &mut Vec<u8>) {
        match told {
            Told::Model(model) => self.model = model.into_owned(),
            Told::Text(text) => self.chunk(
                Delta {
                    content: Some(&text),
                    ..Delta::default()
                },
                None,
                events,
            ),
            Told::Refusal(refusal) => self.chunk(
                Delta {
                    refusal: Some(&refusal),
                    ..Delta::default()
                },
                None,
                events,
            ),
            Told::Call { id, name, signature } => {
                self.finish_call(events);
                let call = CallDelta {
                    index: self.calls,
                    id: Some(&id),
                    kind: Some("function"),
                    function: Function {
                        name: Some(&name),
                        arguments: "",
                    },
                    extra_content: signature.as_deref().map(Extra::of),
                };
                self.chunk(Delta::of_call(call), None, events);
                self.calls += 1;
                self.has_arguments = false;
            }
            Told::Arguments(text) if text.is_empty() => {}
            Told::Arguments(text) => self.arguments(&text, events),
            Told::Finish(finish) => {
                self.finish_call(events);
                self.chunk(Delta::default(), Some(finish), events);
            }
            Told::Counts(counts) => self.counts = Some(counts.max(self.counts.unwrap_or_default())),
            Told::Failure(failure) => write_event(&ErrorBody::from(&failure), events),
            Told::End => self.end(events),
        }
    }

    fn body(&mut self, answer: &Gathered) -> Bytes {
        let calls: Vec<Call<'_>> = answer.calls.iter().map(Call::from).collect();
        json_bytes(&Body {
            id: &self.id,
            object: "chat.completion",
            created: self.stamp.created,
            model: &answer.model,
            choices: [Choice {
                index: 0,
                message: Message {
                    role: "assistant",
                    content: answer.text.as_deref(),
                    refusal: answer.refusal.as_deref(),
                    tool_calls: calls,
                },
                logprobs: None,
                finish_reason: finish_reason(answer.finish.unwrap_or(Finish::Stop)),
            }],
            usage: answer.counts.map(Usage::from),
        })
    }
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Filtered => "content_filter",
    }
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [ChunkChoice<'a>],
    /// Missing where it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<ChunkUsage>,
}

/// Null in every chunk but the last.
#[derive(Serialize)]
#[serde(untagged)]
enum ChunkUsage {
    Pending(()),
    Counted(Usage),
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: usize,
    delta: Delta<'a>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
}

impl<'a> Delta<'a> {
    fn of_call(call: CallDelta<'a>) -> Self {
        Self {
            tool_calls: Some([call]),
            ..Self::default()
        }
    }
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Extra<'a>>,
}

/// What is not OpenAI's, where Google's own face over Gemini has it.
#[derive(Serialize)]
struct Extra<'a> {
    google: Google<'a>,
}

#[derive(Serialize)]
struct Google<'a> {
    thought_signature: &'a str,
}

impl<'a> Extra<'a> {
    fn of(thought_signature: &'a str) -> Self {
        Self {
            google: Google { thought_signature },
        }
    }
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: [Choice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Message<'a>,
    /// Asking for them is refused.
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Extra<'a>>,
}

impl<'a> From<&'a GatheredCall> for Call<'a> {
    fn from(call: &'a GatheredCall) -> Self {
        let arguments = if call.arguments.is_empty() {
            "{}"
        } else {
            &call.arguments
        };
        Self {
            id: &call.id,
            kind: "function",
            function: Function {
                name: Some(&call.name),
                arguments,
            },
            extra_content: call.signature.as_deref().map(Extra::of),
        }
    }
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: InputDetails,
    completion_tokens_details: OutputDetails,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        Self {
            prompt_tokens: counts.input,
            completion_tokens: counts.output,
            total_tokens: counts.input.saturating_add(counts.output),
            prompt_tokens_details: InputDetails {
                cached_tokens: counts.cached,
                cache_write_tokens: counts.cache_written,
            },
            completion_tokens_details: OutputDetails {
                reasoning_tokens: counts.reasoning,
            },
        }
    }
}

/// An error in OpenAI's shape, of a body and of a chunk.
#[derive(Serialize)]
pub(crate) struct ErrorBody<'a> {
    error: ErrorMembers<'a>,
}

#[derive(Serialize)]
pub(super) struct ErrorMembers<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<()>,
    code: Option<&'static str>,
}

impl<'a> From<&'a Failure<'_>> for ErrorBody<'a> {
    fn from(failure: &'a Failure<'_>) -> Self {
        Self { error: failure.into() }
    }
}

impl<'a> From<&'a Failure<'_>> for ErrorMembers<'a> {
    fn from(failure: &'a Failure<'_>) -> Self {
        Self {
            message: &failure.message,
            kind: failure.kind,
            param: None,
            code: failure.code,
        }
    }
}
