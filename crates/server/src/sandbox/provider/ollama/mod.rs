//! Ollama's own API, as of its version 0.12, and OpenAI's format beside it. It asks for no key unless
//! one is required.

mod embeddings;
mod generation;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    answer::Answer,
    catalogue::Catalogue,
    openai_compatible::OLLAMA,
    protocol::{Protocol, Received, Refusal, Task},
    switches::Report,
};

/// When everything here was made: the sandbox has no clock.
const CREATED_AT: &str = "2025-11-22T00:00:00.123456789Z";

pub(super) struct Ollama;

impl Protocol for Ollama {
    fn name(&self) -> &'static str {
        "ollama"
    }

    fn read(&self, received: &Received<'_>, catalogue: &Catalogue) -> Result<Task, Refusal> {
        match (received.method, received.path) {
            (_, path) if path.starts_with("/v1/") => OLLAMA.read(received, catalogue),
            (&Method::POST, "/api/chat") => generation::read_chat(received.body),
            (&Method::POST, "/api/generate") => generation::read_generate(received.body),
            (&Method::POST, "/api/embed") => embeddings::read(received.body),
            (&Method::POST, "/api/embeddings") => embeddings::read_older(received.body),
            (&Method::POST, "/api/show") => show(received.body, catalogue),
            (&Method::GET, "/api/tags") => {
                let all: Vec<String> = catalogue.ids(self.name()).into_iter().map(model).collect();
                Ok(Task::Reply(format!(r#"{{"models":[{}]}}"#, all.join(","))))
            }
            (&Method::GET, "/api/version") => Ok(Task::Reply(r#"{"version":"0.12.6"}"#.to_owned())),
            _ => Err(Refusal::NotFound {
                method: received.method.clone(),
                path: received.path.to_owned(),
            }),
        }
    }

    fn refusal(&self, refusal: &Refusal, _request_id: &str) -> String {
        let message = match refusal {
            Refusal::NoKey | Refusal::WrongKey { .. } => "unauthorized".to_owned(),
            Refusal::UnknownModel(id) => format!("model '{id}' not found"),
            Refusal::NotFound { .. } => return "404 page not found".to_owned(),
            Refusal::TooLarge => "http: request body too large".to_owned(),
            // It lets pass what it does not know.
            Refusal::UnknownMember(name) => format!("unknown member {name}"),
            Refusal::Invalid { message, .. } => message.clone(),
            Refusal::Switched { status, message } => message.clone().unwrap_or_else(|| switched(*status).to_owned()),
        };
        error(&message)
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

fn error(message: &str) -> String {
    format!(r#"{{"error":{}}}"#, Value::from(message))
}

fn switched(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "model 'gone' not found",
        503 => "server busy, please try again.  maximum pending requests exceeded",
        500.. => "llama runner process has terminated: exit status 2",
        _ => "the request was refused by a switch",
    }
}

fn model(id: &str) -> String {
    format!(
        r#"{{"name":{0},"model":{0},"modified_at":"{CREATED_AT}","size":2019393189,"digest":"a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72","details":{DETAILS}}}"#,
        Value::from(id)
    )
}

const DETAILS: &str = r#"{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"3.2B","quantization_level":"Q4_K_M"}"#;

fn show(body: &[u8], catalogue: &Catalogue) -> Result<Task, Refusal> {
    #[derive(Deserialize)]
    struct Request {
        model: String,
    }

    let request: Request = serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
    if catalogue.model("ollama", &request.model).is_none() {
        return Err(Refusal::UnknownModel(request.model));
    }
    Ok(Task::Reply(format!(
        r#"{{"modelfile":"FROM /srv/sandbox.gguf","system":"You are the sandbox.","parameters":"","template":"{{{{ .Prompt }}}}","details":{DETAILS},"model_info":{{"general.architecture":"llama","llama.context_length":131072}},"capabilities":["completion","tools"],"modified_at":"{CREATED_AT}"}}"#
    )))
}

/// What a request says of the length of its answer. Below one it is as long as it gets.
#[derive(Default, Deserialize)]
struct Options {
    #[serde(default)]
    num_predict: Option<i64>,
}

fn output_cap(options: Option<&Options>) -> Option<u64> {
    let asked = options.and_then(|options| options.num_predict)?;
    u64::try_from(asked).ok().filter(|asked| *asked > 0)
}

/// How many bytes a member of the request has.
fn length(member: Option<&RawValue>) -> usize {
    member.map_or(0, |member| member.get().len())
}

/// The members that end an answer. A count of zero is left out, as Go's `omitempty` does.
fn metrics(answer: &Answer, has_output: bool) -> String {
    if matches!(answer.report, Report::Missing | Report::NoFinal) {
        return String::new();
    }
    let usage = &answer.usage;
    let count = |name: &str, count: u64| match count {
        0 => String::new(),
        _ => format!(r#","{name}":{}"#, answer.reported(count)),
    };
    let output = if has_output {
        format!(
            "{},\"eval_duration\":4535599000",
            count("eval_count", usage.output_tokens)
        )
    } else {
        String::new()
    };
    format!(
        r#","total_duration":4883583458,"load_duration":1334875{},"prompt_eval_duration":342546000{output}"#,
        count("prompt_eval_count", usage.total_input_tokens()),
    )
}
