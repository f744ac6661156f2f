//! One request, from its head to its answer.

use std::{
    future::pending,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header::CONTENT_TYPE, request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::sleep;

use super::{
    Parts,
    answer::Answer,
    anthropic::Anthropic,
    bill::{Ending, NewCall},
    cohere::Cohere,
    faults,
    gemini::Gemini,
    mistral::Mistral,
    ollama::Ollama,
    openai::OpenAi,
    openai_compatible::{CUSTOM, VLLM},
    own_pages,
    protocol::{self, Asked, Dialect, Protocol, Received, Refusal, Task},
    stream::{Events, ReplyBody, Whole},
    switches::{self, Echo, Hang, Switches},
};

/// Every provider the sandbox stands in for.
const PROTOCOLS: [&dyn Protocol; 8] = [&OpenAi, &Anthropic, &Gemini, &Mistral, &Cohere, &Ollama, &VLLM, &CUSTOM];

/// An answer, and what is to go wrong on its way.
pub(super) struct Reply {
    pub(super) response: Response<ReplyBody>,
    pub(super) switches: Switches,
}

impl Reply {
    fn plain(response: Response<ReplyBody>) -> Self {
        Self {
            response,
            switches: Switches::default(),
        }
    }
}

pub(super) async fn answer(parts: &Arc<Parts>, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if let Some(page) = own_pages::answer(parts, &head) {
        return Reply::plain(page);
    }
    parts.books.count_request(&head.method, path);
    let Some((protocol, path)) = find_protocol(path) else {
        return Reply::plain(own_pages::not_found());
    };

    let provider = Provider::new(parts, protocol, &head.headers);
    // A body that breaks off is not told from one that is too long: nobody is there to hear it.
    let Ok(body) = Limited::new(body, parts.body_limit).collect().await else {
        return Reply::plain(provider.refuse(&Refusal::TooLarge));
    };
    let body = body.to_bytes();
    parts.books.keep_request(&head, &body);
    let header = head.headers.get(switches::HEADER).and_then(|value| value.to_str().ok());
    match Switches::read(header, &body) {
        Ok(switches) => provider.answer(&head, path, &body, switches).await,
        Err(unknown) => Reply::plain(provider.refuse(&Refusal::invalid(unknown.to_string(), None))),
    }
}

/// The protocol a path names, and the rest of the path.
fn find_protocol(path: &str) -> Option<(&'static dyn Protocol, &str)> {
    PROTOCOLS.into_iter().find_map(|protocol| {
        let rest = path.strip_prefix('/')?.strip_prefix(protocol.name())?;
        rest.starts_with('/').then_some((protocol, rest))
    })
}

/// A provider at work on one request.
struct Provider<'a> {
    parts: &'a Arc<Parts>,
    protocol: &'static dyn Protocol,
    key: Option<&'a str>,
    request_id: String,
}

impl<'a> Provider<'a> {
    fn new(parts: &'a Arc<Parts>, protocol: &'static dyn Protocol, headers: &'a HeaderMap) -> Self {
        let number = parts.requests.fetch_add(1, Ordering::Relaxed) + 1;
        Self {
            parts,
            protocol,
            key: protocol::key(headers),
            request_id: format!("req_sandbox_{number}"),
        }
    }

    async fn answer(&self, head: &request::Parts, path: &str, body: &Bytes, switches: Switches) -> Reply {
        let received = Received {
            method: &head.method,
            path,
            query: head.uri.query(),
            headers: &head.headers,
            body,
        };
        let mut response = match self.try_answer(&received, &switches).await {
            Ok(response) => response,
            Err(refusal) => self.refuse(&refusal),
        };
        faults::spoil(&mut response, self.key, self.protocol.account_headers(), &switches);
        Reply { response, switches }
    }

    async fn try_answer(&self, received: &Received<'_>, switches: &Switches) -> Result<Response<ReplyBody>, Refusal> {
        let key_digest = self.check_key(switches)?;
        let task = self.protocol.read(received, &self.parts.catalogue)?;
        if let Some(redirect) = faults::redirect(switches) {
            return Ok(redirect);
        }
        if let Some(status) = switches.errors.status {
            wait(switches).await;
            return Err(Refusal::Switched {
                status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
                message: switches.errors.message.clone(),
            });
        }
        match task {
            Task::Generate(asked, dialect) => {
                self.generate(asked, dialect, received.body.len(), key_digest, switches)
                    .await
            }
            Task::Reply(reply) => {
                wait(switches).await;
                Ok(self.json(StatusCode::OK, ReplyBody::whole(reply)))
            }
        }
    }

    /// The key's digest, or the provider's refusal of it.
    fn check_key(&self, switches: &Switches) -> Result<Arc<str>, Refusal> {
        let key = match self.key {
            None if self.parts.required_keys.is_empty() && !self.protocol.needs_key() => "",
            key => key.ok_or(Refusal::NoKey)?,
        };
        let digest = self.parts.books.note_key(key);
        let required = &self.parts.required_keys;
        if switches.errors.echo == Some(Echo::Error) {
            return Err(Refusal::WrongKey { shown: key.to_owned() });
        }
        if !required.is_empty() && !required.iter().any(|known| known == key) {
            return Err(Refusal::WrongKey { shown: masked(key) });
        }
        Ok(digest)
    }

    async fn generate(
        &self,
        asked: Asked,
        dialect: Box<dyn Dialect>,
        body_bytes: usize,
        key_digest: Arc<str>,
        switches: &Switches,
    ) -> Result<Response<ReplyBody>, Refusal> {
        let Some(model) = self.parts.catalogue.model(self.protocol.name(), &asked.model) else {
            return Err(Refusal::UnknownModel(asked.model));
        };
        let served = dialect.service().and_then(|service| model.served_by(service));
        let model = served.map_or(model, Arc::new);
        let (operation, is_stream, output_cap) = (asked.operation, asked.is_stream, asked.output_cap);
        let echo = self.key.filter(|_| switches.errors.echo == Some(Echo::Text));
        let answer = Answer::plan(asked, switches, body_bytes, &self.parts.passages).with_echo(echo);

        // Billed from here on, also while it hangs: the model works as soon as it was asked.
        let mut call = self.parts.books.open(NewCall {
            provider: self.protocol.name(),
            model,
            operation,
            is_stream,
            usage: answer.usage,
            output_cap,
            key_digest,
            bills_all: switches.usage.bills_all,
            tag: switches.tag.clone(),
        });
        wait(switches).await;

        if is_stream {
            let content_type = dialect.content_type();
            let events = Events::new(answer, dialect, switches.clone(), call);
            let mut response = self.json(StatusCode::OK, ReplyBody::Events(Box::new(events)));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, faults::static_value(content_type));
            headers.insert(http::header::CACHE_CONTROL, faults::static_value("no-cache"));
            return Ok(response);
        }
        let medium = dialect.medium(&answer);
        let (content_type, bytes) = medium.unwrap_or_else(|| {
            let json = faults::spoil_json(dialect.whole(&answer), self.key, switches);
            ("application/json", json)
        });
        let body = ReplyBody::Whole(Whole::new(bytes, switches));
        call.end(if body.is_cut() { Ending::Cut } else { Ending::Complete });
        if !body.is_cut() && !faults::hides_usage(switches) && dialect.reports_usage_of_whole() {
            call.reported_usage();
        }
        let mut response = self.json(StatusCode::OK, body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, faults::static_value(content_type));
        Ok(response)
    }

    fn refuse(&self, refusal: &Refusal) -> Response<ReplyBody> {
        let body = self.protocol.refusal(refusal, &self.request_id);
        self.json(self.protocol.status(refusal), ReplyBody::whole(body))
    }

    fn json(&self, status: StatusCode, body: ReplyBody) -> Response<ReplyBody> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, faults::static_value("application/json"));
        if let Ok(request_id) = self.request_id.parse() {
            headers.insert(self.protocol.request_id_header(), request_id);
        }
        response
    }
}

/// Waits before the head of the answer, for ever where that is switched.
async fn wait(switches: &Switches) {
    if switches.time.hang == Some(Hang::Head) {
        pending::<()>().await;
    }
    if !switches.time.delay.is_zero() {
        sleep(switches.time.delay).await;
    }
}

/// A key as a provider shows it in an error.
fn masked(key: &str) -> String {
    let part = |range: Option<&str>| range.unwrap_or_default().to_owned();
    let start = part(key.get(..key.len().min(6)));
    let end = part(key.get(key.len().saturating_sub(4).max(6.min(key.len()))..));
    format!("{start}****{end}")
}
