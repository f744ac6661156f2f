//! OpenAI's API, as published in November 2026: chat completions, responses, embeddings, images,
//! audio and models.

mod chat;
mod embeddings;
mod form;
mod images;
mod responses;
mod speech;
mod stored;
mod transcriptions;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    catalogue::Catalogue,
    protocol::{Protocol, Received, Refusal, Task},
    tools::{OfferedTool, ToolChoice},
};

/// When everything here was made, in seconds: the sandbox has no clock.
const CREATED: i64 = 1_763_769_600;

/// How a stream that is no conversation reports a failure.
const ERROR_EVENT: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"server_error\",\"code\":null,\
                           \"message\":\"The server had an error while processing your request.\",\"param\":null}}\n\n";

pub(super) struct OpenAi;

impl Protocol for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn read(&self, received: &Received<'_>, catalogue: &Catalogue) -> Result<Task, Refusal> {
        match (received.method, received.path) {
            (&Method::POST, "/v1/chat/completions") => chat::read(received.body),
            (&Method::POST, "/v1/responses") => responses::read(received.body),
            (&Method::POST, "/v1/embeddings") => embeddings::read(received.body),
            (&Method::POST, "/v1/images/generations") => images::read(received.body),
            (&Method::POST, "/v1/images/edits") => images::read_edit(received.headers, received.body),
            (&Method::POST, "/v1/audio/speech") => speech::read(received.body),
            (&Method::POST, "/v1/audio/transcriptions") => transcriptions::read(received.headers, received.body, false),
            (&Method::POST, "/v1/audio/translations") => transcriptions::read(received.headers, received.body, true),
            (method, path) if path.starts_with("/v1/responses/") => {
                stored::read(method, path).ok_or_else(|| not_found(received))
            }
            (&Method::GET, "/v1/models") => {
                let all: Vec<String> = catalogue.ids(self.name()).into_iter().map(model).collect();
                Ok(Task::Reply(format!(
                    r#"{{"object":"list","data":[{}]}}"#,
                    all.join(",")
                )))
            }
            (&Method::GET, path) => match path.strip_prefix("/v1/models/") {
                Some(id) if catalogue.model(self.name(), id).is_some() => Ok(Task::Reply(model(id))),
                Some(id) => Err(Refusal::UnknownModel(id.to_owned())),
                None => Err(not_found(received)),
            },
            _ => Err(not_found(received)),
        }
    }

    fn refusal(&self, refusal: &Refusal, _request_id: &str) -> String {
        let (message, kind, code, parameter) = describe(refusal);
        let text = |value: Option<&str>| Value::from(value).to_string();
        format!(
            r#"{{"error":{{"message":{},"type":"{kind}","param":{},"code":{}}}}}"#,
            Value::from(message),
            text(parameter),
            text(code)
        )
    }

    fn request_id_header(&self) -> &'static str {
        "x-request-id"
    }

    fn account_headers(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("openai-organization", "sandbox-org-7f3a"),
            ("openai-project", "proj_sandbox"),
            ("openai-processing-ms", "12"),
            ("openai-version", "2020-10-01"),
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", "9999"),
        ]
    }
}

fn model(id: &str) -> String {
    format!(
        r#"{{"id":{},"object":"model","created":{CREATED},"owned_by":"system"}}"#,
        Value::from(id)
    )
}

fn not_found(received: &Received<'_>) -> Refusal {
    Refusal::NotFound {
        method: received.method.clone(),
        path: received.path.to_owned(),
    }
}

/// Message, type, code and parameter of an error.
fn describe(refusal: &Refusal) -> (String, &'static str, Option<&'static str>, Option<&'static str>) {
    const REQUEST: &str = "invalid_request_error";
    match refusal {
        Refusal::NoKey => (
            "You didn't provide an API key. You need to provide your API key in an Authorization header using \
             Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
                .to_owned(),
            REQUEST,
            None,
            None,
        ),
        Refusal::WrongKey { shown } => (
            format!(
                "Incorrect API key provided: {shown}. You can find your API key at \
                 https://platform.openai.com/account/api-keys."
            ),
            REQUEST,
            Some("invalid_api_key"),
            None,
        ),
        Refusal::UnknownModel(id) => (
            format!("The model `{id}` does not exist or you do not have access to it."),
            REQUEST,
            Some("model_not_found"),
            None,
        ),
        Refusal::NotFound { method, path } => (format!("Invalid URL ({method} {path})"), REQUEST, None, None),
        Refusal::TooLarge => ("The request is too large.".to_owned(), REQUEST, None, None),
        Refusal::UnknownMember(name) => (
            format!("Unrecognized request argument supplied: {name}"),
            REQUEST,
            None,
            None,
        ),
        Refusal::Invalid { message, parameter } => (message.clone(), REQUEST, None, *parameter),
        Refusal::Switched { status, message } => {
            let (usual, kind, code) = switched(*status);
            (message.clone().unwrap_or_else(|| usual.to_owned()), kind, code, None)
        }
    }
}

fn switched(status: StatusCode) -> (&'static str, &'static str, Option<&'static str>) {
    match status.as_u16() {
        401 => (
            "Incorrect API key provided: sk-sand****cut.",
            "invalid_request_error",
            Some("invalid_api_key"),
        ),
        403 => (
            "Country, region, or territory not supported",
            "request_forbidden",
            Some("unsupported_country_region_territory"),
        ),
        429 => (
            "Rate limit reached for requests per min (RPM).",
            "requests",
            Some("rate_limit_exceeded"),
        ),
        503 => (
            "The engine is currently overloaded, please try again later",
            "server_error",
            Some("overloaded"),
        ),
        500.. => (
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
            None,
        ),
        _ => ("The request was refused by a switch.", "invalid_request_error", None),
    }
}

/// The service that works on a call: the one that was asked for, but for every fourth that asked for
/// priority when there was too much of it.
fn served(asked: Option<&str>, seed: u64) -> &'static str {
    match asked {
        Some("flex") => "flex",
        Some("priority" | "fast") if !seed.is_multiple_of(4) => "priority",
        _ => "default",
    }
}

/// The functions among the offered tools. In chat completions a function is a member of its tool.
pub(super) fn offered_tools(tools: Option<&RawValue>) -> Result<Vec<OfferedTool>, Refusal> {
    #[derive(Deserialize)]
    struct Function {
        name: String,
        #[serde(default)]
        parameters: Value,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Tool {
        Nested { function: Function },
        Flat(Function),
        Other {},
    }

    let Some(tools) = tools else {
        return Ok(Vec::new());
    };
    let tools: Vec<Tool> = serde_json::from_str(tools.get()).map_err(|error| Refusal::unreadable(&error))?;
    let functions = tools.into_iter().filter_map(|tool| match tool {
        Tool::Nested { function } | Tool::Flat(function) => Some(function),
        Tool::Other {} => None,
    });
    Ok(functions
        .map(|function| OfferedTool {
            name: function.name,
            parameters: function.parameters,
        })
        .collect())
}

pub(super) fn tool_choice(choice: Option<&RawValue>) -> ToolChoice {
    let choice: Value = choice
        .and_then(|choice| serde_json::from_str(choice.get()).ok())
        .unwrap_or_default();
    let named = choice.pointer("/function/name").or_else(|| choice.get("name"));
    match (choice.as_str(), named.and_then(Value::as_str)) {
        (Some("none"), _) => ToolChoice::None,
        (Some("required" | "any"), _) => ToolChoice::Any,
        (_, Some(name)) => ToolChoice::Named(name.to_owned()),
        _ => ToolChoice::Auto,
    }
}
