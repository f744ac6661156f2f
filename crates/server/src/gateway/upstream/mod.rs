//! The HTTP side towards providers: the only code that sends to them and the only code that sees a
//! provider credential.
//!
//! Begin with [`forward`]. Where a credential may go is decided in `target.rs` and by
//! [`crate::outbound`]; a connection is opened in `connect.rs`, used through `link.rs` and kept in
//! `pool.rs`; the body of an answer is `pieces.rs`. Besides calls, only `key_check.rs` sends.

use std::sync::Arc;

use aipassport_domain::{audit::Happened, ids::ProviderId, secret::Secret};
use aipassport_providers::adapter::ProviderAdapter;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, response};
use hyper::body::Incoming;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use self::{connect::connect, echo::EchoAlarm, link::Link, pieces::Home, pool::Pool, target::Target};
use super::{
    authenticate::Caller, error::GatewayError, grants::Destination, open_reservation::OpenReservation,
    read::is_media_type, redact::Redactor, upload::Delivery,
};
use crate::{app::App, outbound, vault::Place};

mod connect;
mod echo;
mod key_check;
mod link;
mod outgoing_body;
mod pieces;
mod pool;
pub(super) mod target;

pub(super) use self::{outgoing_body::OutgoingBody, pieces::Pieces};

/// An answer up to this size that is one JSON document is read before it is passed on, so that its
/// headers can say what it cost.
const LARGEST_WHOLE: usize = 1024 * 1024;

/// What connections to providers are made with.
pub(super) struct Upstream {
    pool: Arc<Pool>,
    tls: TlsConnector,
}

/// A request as it is to be sent.
pub(super) struct Outgoing {
    pub(super) method: Method,
    /// Path and query at the provider.
    pub(super) path: String,
    /// Those of the client's that pass.
    pub(super) headers: HeaderMap,
    pub(super) body: OutgoingBody,
}

/// A provider's answer, fit to be passed on.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: AnswerBody,
}

pub(super) enum AnswerBody {
    Whole(Bytes),
    /// A stream of events, or a document too large to hold.
    Pieces(Box<Pieces>),
}

#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("the address is not one that a provider may have")]
    NotAllowed,
    #[error("cannot be reached")]
    Unreachable(#[source] std::io::Error),
    #[error("took too long")]
    TimedOut,
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    #[error("not an answer that can be passed on: {0}")]
    NotAnAnswer(&'static str),
    #[error("refused the credential")]
    RefusedCredential,
}

impl Upstream {
    pub(super) fn new() -> Result<Self, rustls::Error> {
        Ok(Self {
            pool: Arc::default(),
            tls: outbound::connector(outbound::public_roots())?,
        })
    }

    pub(super) fn close_stale(&self) {
        self.pool.close_stale();
    }
}

/// Sends `outgoing` with the caller's provider credential and returns the answer once its head has
/// come; a short document, once all of it has.
///
/// Security invariant: the credential is opened here, for the one reservation that `open` guards,
/// and leaves this function only in the request; every byte of the answer passes the [`Redactor`].
pub(super) async fn forward(
    app: &App,
    caller: &Caller,
    adapter: &'static dyn ProviderAdapter,
    provider: &ProviderId,
    outgoing: Outgoing,
    open: &mut OpenReservation,
) -> Result<Answer, GatewayError> {
    let destination = caller.grant.destination(provider).ok_or(GatewayError::Internal)?;
    let target = destination.target.as_ref().map_err(|error| {
        tracing::warn!(credential.id = %destination.credential.id, %error, "a credential's base URL cannot be used");
        UpstreamError::NotAllowed
    })?;
    let place = Place::of_credential(&destination.credential.id);
    let secret = app.vault.open(place, &destination.credential.sealed)?;
    let request = prepare(adapter, target, outgoing, &secret)?;

    let delivery = request.body().delivery();
    let mut patience = app.config.upstreams.answer_timeout;
    if delivery.is_some() {
        patience += app.config.requests.body_timeout;
    }
    let sent = timeout(patience, send(app, target, request, open)).await;
    let sent = sent.unwrap_or(Err(UpstreamError::TimedOut));
    // What went wrong upstream is only that the form did not come to its end.
    let problem = delivery.as_deref().and_then(Delivery::problem);
    let (link, answer) = sent.map_err(|error| problem.map_or_else(|| error.into(), GatewayError::from))?;
    let (mut head, body) = answer.into_parts();
    open.answered(head.status, &head.headers);

    let mut redactor = Redactor::new(&secret);
    redactor.redact_headers(&mut head.headers);
    let alarm = EchoAlarm {
        app: app.clone(),
        grant: Arc::clone(&caller.grant),
        provider: provider.clone(),
    };
    let home = Home {
        pool: Arc::clone(&app.gateway.upstream.pool),
        origin: target.origin.clone(),
    };
    let pieces = Pieces::new(link, body, redactor, alarm, home);
    let is_stream = open.passes_in_pieces();
    let answer = receive(app, adapter, head, is_stream, pieces).await;
    match &answer {
        Err(UpstreamError::RefusedCredential) => note_refused(app, caller, destination),
        Ok(answer) if answer.status.is_success() => note_used(app, destination),
        _ => {}
    }
    Ok(answer?)
}

fn prepare(
    adapter: &dyn ProviderAdapter,
    target: &Target,
    outgoing: Outgoing,
    secret: &Secret,
) -> Result<Request<OutgoingBody>, UpstreamError> {
    let mut request = Request::new(outgoing.body);
    *request.method_mut() = outgoing.method;
    let path = if target.path_prefix.is_empty() {
        outgoing.path
    } else {
        format!("{}{}", target.path_prefix, outgoing.path)
    };
    *request.uri_mut() = path.try_into().map_err(|_| UpstreamError::NotAllowed)?;

    let mut headers = outgoing.headers;
    headers.insert(header::HOST, target.host_header.clone());
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // A host of the user's own may ask for no key.
    if !secret.expose().is_empty() {
        adapter
            .set_credential(&mut headers, secret.expose())
            .map_err(|_| UpstreamError::RefusedCredential)?;
    }
    *request.headers_mut() = headers;
    Ok(request)
}

/// Sends on a connection that waits, or on a new one.
///
/// A request is sent again only where the first attempt gave it back unsent; a connection that broke
/// under it may have delivered it, and the provider may be working on it.
async fn send(
    app: &App,
    target: &Target,
    mut request: Request<OutgoingBody>,
    open: &mut OpenReservation,
) -> Result<(Link, Response<Incoming>), UpstreamError> {
    let upstream = &app.gateway.upstream;
    if let Some(mut link) = upstream.pool.take(&target.origin).await {
        open.sent(request.body().delivery());
        match link.send(request).await {
            Ok(answer) => return Ok((link, answer)),
            Err(mut failed) => match failed.take_message() {
                Some(unsent) => request = unsent,
                None => return Err(UpstreamError::Broken(failed.into_error())),
            },
        }
        open.not_sent();
    }

    let mut link = connect(target, &upstream.tls, app.config.upstreams.connect_timeout).await?;
    open.sent(request.body().delivery());
    match link.send(request).await {
        Ok(answer) => Ok((link, answer)),
        Err(failed) => {
            if failed.message().is_some() {
                open.not_sent();
            }
            Err(UpstreamError::Broken(failed.into_error()))
        }
    }
}

/// Reads what is needed to know that the answer can be passed on.
async fn receive(
    app: &App,
    adapter: &dyn ProviderAdapter,
    head: response::Parts,
    is_stream: bool,
    mut pieces: Pieces,
) -> Result<Answer, UpstreamError> {
    let response::Parts { status, headers, .. } = head;
    check_head(status, &headers, is_stream)?;
    let idle_timeout = app.config.upstreams.idle_timeout;
    let body = if is_stream {
        AnswerBody::Pieces(Box::new(pieces))
    } else {
        match pieces.read_whole(LARGEST_WHOLE, idle_timeout).await? {
            Some(body) => AnswerBody::Whole(body),
            None if status.is_success() => AnswerBody::Pieces(Box::new(pieces)),
            None => return Err(UpstreamError::NotAnAnswer("an error without end")),
        }
    };
    if let AnswerBody::Whole(body) = &body
        && !status.is_success()
        && adapter.is_credential_error(status, body)
    {
        return Err(UpstreamError::RefusedCredential);
    }
    Ok(Answer { status, headers, body })
}

/// Refuses what no provider's API answers with: anything but JSON, streams of it, and the sounds and
/// texts that were asked for.
fn check_head(status: StatusCode, headers: &HeaderMap, is_stream: bool) -> Result<(), UpstreamError> {
    // A redirect would take the key to wherever the upstream points.
    if status.is_informational() || status.is_redirection() {
        return Err(UpstreamError::NotAnAnswer("a status that no API answers with"));
    }
    if headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|coding| coding != "identity")
    {
        return Err(UpstreamError::NotAnAnswer(
            "compressed, though we asked for it not to be",
        ));
    }
    match headers.get(header::CONTENT_TYPE) {
        Some(_) if is_stream => Ok(()),
        Some(kind) if is_media_type(kind, "application/json") => Ok(()),
        _ => Err(UpstreamError::NotAnAnswer("not of a type that was asked for")),
    }
}

fn note_refused(app: &App, caller: &Caller, destination: &Destination) {
    let event = caller.grant.event(
        app,
        Happened::CredentialRefusedByProvider {
            provider: destination.credential.provider.clone(),
        },
    );
    let (store, id) = (app.store.clone(), destination.credential.id.clone());
    app.tasks.spawn(async move {
        if let Err(error) = store.mark_credential_refused(&id, &event).await {
            tracing::error!(%error, "could not note that a provider refused a credential");
        }
    });
}

fn note_used(app: &App, destination: &Destination) {
    let now = app.clock.now();
    if !destination.is_use_worth_noting(now) {
        return;
    }
    let (store, credential) = (app.store.clone(), destination.credential.clone());
    app.tasks.spawn(async move {
        let noted = store.mark_credential_used(&credential.tenant_id, &credential.id, now);
        if let Err(error) = noted.await {
            tracing::warn!(%error, "could not note that a credential was used");
        }
    });
}
