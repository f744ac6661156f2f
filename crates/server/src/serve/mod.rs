//! Listening: the accept loop, TLS, connection limits and a stop that waits for what is under way.
//!
//! Nobody holds a connection for nothing: heads, bodies and the reading of answers all have their
//! time (`security.md` 125).

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::routes::Routes;

mod crowd;
mod slow_body;
mod slow_reader;

use crowd::Crowd;
pub(crate) use slow_body::hurry;
use slow_reader::UnlessStalled;

/// What a listener asks for the answer to each request.
pub trait Answer: Clone + Send + Sync + 'static {
    fn answer(self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
}

impl Answer for Routes {
    fn answer(self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send {
        Self::answer(self, request)
    }
}

impl Answer for Router {
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let Ok(answer) = self.oneshot(request).await;
        answer
    }
}

/// The other end of the connection, in the extensions of every request.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// How a listener treats its connections.
#[derive(Clone)]
pub struct Listening {
    pub tls: Option<TlsAcceptor>,
    pub header_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub stall_timeout: Duration,
    pub most_connections: usize,
    /// How much of them one address may take.
    pub connections_per_address_percent: usize,
    /// Who connects for many.
    pub proxies: Vec<IpAddr>,
    /// How long calls under way may go on after the stop began.
    pub drain_timeout: Duration,
}

/// How many headers a request may have, and how large its head may be.
const MOST_HEADERS: usize = 100;
const LARGEST_HEAD: usize = 64 * 1024;
/// A refused accept (too many files open) is tried again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `routes` until `shutdown` is cancelled and what is under way has ended.
pub async fn serve(listener: TcpListener, answer: impl Answer, listening: Listening, shutdown: CancellationToken) {
    let connections = TaskTracker::new();
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(listening.most_connections));
    let crowd = Crowd::new(&listening);
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = async { (place.await, listener.accept().await) } => accepted,
        };
        let (Ok(place), Ok((stream, peer))) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(guest) = crowd.enter(peer.ip()) else {
            continue;
        };
        let (answer, listening, watcher) = (answer.clone(), listening.clone(), graceful.watcher());
        connections.spawn(async move {
            let _held = (place, guest);
            // Without this the first token of a stream waits for an acknowledgement.
            let _ = stream.set_nodelay(true);
            match accept_tls(stream, listening.tls.as_ref(), listening.header_timeout).await {
                Some(Stream::Plain(stream)) => connection(stream, peer, answer, &listening, watcher).await,
                Some(Stream::Tls(stream)) => connection(*stream, peer, answer, &listening, watcher).await,
                None => {}
            }
        });
    }
    drop(listener);
    connections.close();
    let drained = async {
        graceful.shutdown().await;
        connections.wait().await;
    };
    if tokio::time::timeout(listening.drain_timeout, drained).await.is_err() {
        tracing::warn!("stopped while calls were still under way");
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

async fn accept_tls(stream: TcpStream, tls: Option<&TlsAcceptor>, timeout: Duration) -> Option<Stream> {
    let Some(acceptor) = tls else {
        return Some(Stream::Plain(stream));
    };
    let accepted = tokio::time::timeout(timeout, acceptor.accept(stream))
        .await
        .ok()?
        .ok()?;
    Some(Stream::Tls(Box::new(accepted)))
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    answer: impl Answer,
    listening: &Listening,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer));
        answered(answer.clone(), request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(listening.header_timeout)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(
            TokioIo::new(UnlessStalled::new(stream, listening.stall_timeout)),
            service,
        );
    // A broken connection is the client's affair; what it had under way settles itself.
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended");
    }
}

async fn answered(answer: impl Answer, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if !has_one_host(&request) {
        return Ok(status(StatusCode::BAD_REQUEST));
    }
    let answered = AssertUnwindSafe(answer.answer(request.map(Body::new)))
        .catch_unwind()
        .await;
    Ok(answered.unwrap_or_else(|_| {
        // The panic has said on standard error where it was; it is this request's affair alone.
        tracing::error!("a request panicked");
        status(StatusCode::INTERNAL_SERVER_ERROR)
    }))
}

/// RFC 9112, section 3.2: two readers of another request could take it for two different sites'.
fn has_one_host(request: &Request<Incoming>) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11)
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
