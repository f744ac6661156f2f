//! Servers that speak OpenAI's format: `vllm serve` as of its version 0.11, and an unknown one that
//! has vLLM's way of it. Both take calls without a key unless one is required.

mod chat;
mod completions;
mod embeddings;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::{
    answer::{Answer, Stop},
    catalogue::Catalogue,
    protocol::{Protocol, Received, Refusal, Task},
    switches::Report,
};

/// When everything here was made, in seconds: the sandbox has no clock.
const CREATED: i64 = 1_763_769_600;
const MOST_CHOICES: u64 = 16;

pub(super) struct OpenAiCompatible {
    name: &'static str,
}

pub(super) const VLLM: OpenAiCompatible = OpenAiCompatible { name: "vllm" };
/// The face that Ollama has at `/v1`.
pub(super) const OLLAMA: OpenAiCompatible = OpenAiCompatible { name: "ollama" };
pub(super) const CUSTOM: OpenAiCompatible = OpenAiCompatible { name: "custom" };

impl Protocol for OpenAiCompatible {
    fn name(&self) -> &'static str {
        self.name
    }

    fn read(&self, received: &Received<'_>, catalogue: &Catalogue) -> Result<Task, Refusal> {
        match (received.method, received.path) {
            (&Method::POST, "/v1/chat/completions") => chat::read(received.body),
            (&Method::POST, "/v1/completions") => completions::read(received.body),
            (&Method::POST, "/v1/embeddings") => embeddings::read(received.body),
            (&Method::GET, "/v1/models") => {
                let all: Vec<String> = catalogue.ids(self.name).into_iter().map(model).collect();
                Ok(Task::Reply(format!(
                    r#"{{"object":"list","data":[{}]}}"#,
                    all.join(",")
                )))
            }
            _ => Err(Refusal::NotFound {
                method: received.method.clone(),
                path: received.path.to_owned(),
            }),
        }
    }

    fn refusal(&self, refusal: &Refusal, _request_id: &str) -> String {
        let (message, kind, parameter) = match refusal {
            // As its middleware writes it, which knows of no error objects.
            Refusal::NoKey | Refusal::WrongKey { .. } => return r#"{"error":"Unauthorized"}"#.to_owned(),
            Refusal::NotFound { .. } => return r#"{"detail":"Not Found"}"#.to_owned(),
            Refusal::UnknownModel(id) => (
                format!("The model `{id}` does not exist."),
                "NotFoundError",
                Some("model"),
            ),
            // It lets pass what it does not know.
            Refusal::UnknownMember(name) => (format!("unknown member {name}"), "BadRequestError", None),
            Refusal::TooLarge => ("The request is too large.".to_owned(), "BadRequestError", None),
            Refusal::Invalid { message, parameter } => (message.clone(), "BadRequestError", *parameter),
            Refusal::Switched { status, message } => {
                let (usual, kind) = switched(*status);
                (message.clone().unwrap_or_else(|| usual.to_owned()), kind, None)
            }
        };
        error(&message, kind, parameter, refusal.status())
    }

    fn needs_key(&self) -> bool {
        false
    }

    fn request_id_header(&self) -> &'static str {
        "x-request-id"
    }

    fn account_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

fn error(message: &str, kind: &str, parameter: Option<&str>, status: StatusCode) -> String {
    format!(
        r#"{{"error":{{"message":{},"type":"{kind}","param":{},"code":{}}}}}"#,
        Value::from(message),
        Value::from(parameter),
        status.as_u16()
    )
}

fn switched(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        404 => ("The model `gone` does not exist.", "NotFoundError"),
        429 => ("Too many requests are waiting.", "TooManyRequestsError"),
        503 => ("The engine is not ready.", "ServiceUnavailableError"),
        500.. => ("EngineCore encountered an issue.", "InternalServerError"),
        _ => ("The request was refused by a switch.", "BadRequestError"),
    }
}

/// The event by which a stream reports a failure; the stream ends as any does.
fn error_event(out: &mut String) {
    let message = "EngineCore encountered an issue.";
    let error = error(message, "InternalServerError", None, StatusCode::INTERNAL_SERVER_ERROR);
    out.push_str("data: ");
    out.push_str(&error);
    out.push_str("\n\n");
}

fn model(id: &str) -> String {
    format!(
        r#"{{"id":{0},"object":"model","created":{CREATED},"owned_by":"vllm","root":{0},"parent":null,"max_model_len":32768,"permission":[]}}"#,
        Value::from(id)
    )
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::End => "\"stop\"",
        Stop::Length => "\"length\"",
        Stop::Tools => "\"tool_calls\"",
    }
}

/// `prompt_tokens` includes what came from the cache; how much that was is said where there was any.
fn usage(answer: &Answer) -> String {
    let used = &answer.usage;
    let input = used.total_input_tokens();
    let details = if used.cached_input_tokens > 0 {
        format!(r#"{{"cached_tokens":{}}}"#, answer.reported(used.cached_input_tokens))
    } else {
        "null".to_owned()
    };
    format!(
        r#"{{"prompt_tokens":{},"total_tokens":{},"completion_tokens":{},"prompt_tokens_details":{details}}}"#,
        answer.reported(input),
        answer.reported(input + used.output_tokens),
        answer.reported(used.output_tokens),
    )
}

/// The member of a whole answer.
fn usage_member(answer: &Answer) -> String {
    if answer.report == Report::Missing {
        String::new()
    } else {
        format!(r#","usage":{}"#, usage(answer))
    }
}

/// What a request says of usage in its stream.
#[derive(Clone, Copy, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
    #[serde(default)]
    continuous_usage_stats: bool,
}

/// What a stream tells of its usage, and when.
struct UsageInStream {
    options: StreamOptions,
    /// Tokens written so far.
    written: u64,
}

impl UsageInStream {
    fn new(options: Option<StreamOptions>) -> Self {
        Self {
            options: options.unwrap_or_default(),
            written: 0,
        }
    }

    /// The member of a chunk that carries a part of the answer.
    fn so_far(&self, answer: &Answer) -> String {
        if !self.options.include_usage || !self.options.continuous_usage_stats {
            return String::new();
        }
        let input = answer.usage.total_input_tokens();
        format!(
            r#","usage":{{"prompt_tokens":{input},"total_tokens":{},"completion_tokens":{}}}"#,
            input + self.written,
            self.written
        )
    }

    fn is_shown_at_the_end(&self, answer: &Answer) -> bool {
        self.options.include_usage && !matches!(answer.report, Report::Missing | Report::NoFinal)
    }
}

fn check_choices(choices: u64) -> Result<(), Refusal> {
    if (1..=MOST_CHOICES).contains(&choices) {
        Ok(())
    } else {
        Err(Refusal::invalid(
            format!("n must be between 1 and {MOST_CHOICES}."),
            Some("n"),
        ))
    }
}
