//! Connections: taken off the listener, read and written by hyper, or by hand where it must go wrong.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Parts, calls, raw, stream::ReplyBody};

/// The most that is read at once: larger pieces cost more to clear than they save.
const MOST_READ: usize = 64 * 1024;

/// Serves every connection until `shutdown`, then drops them all.
pub(super) async fn accept_all(
    parts: Arc<Parts>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let connections = TaskTracker::new();
    let stopping = CancellationToken::new();
    let places = Arc::new(Semaphore::new(parts.most_connections));
    let mut shutdown = pin!(shutdown);

    loop {
        let next = async {
            // Fails only when the semaphore is closed, which nobody does.
            let place = places.clone().acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = &mut shutdown => break,
            next = next => next,
        };
        let Ok((stream, _)) = accepted else {
            // Most likely out of file descriptors, which does not pass faster for asking.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (parts, stopping) = (parts.clone(), stopping.clone());
        connections.spawn(async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                () = serve_connection(parts, stream) => {}
            }
            drop(place);
        });
    }
    stopping.cancel();
    connections.close();
    connections.wait().await;
    Ok(())
}

async fn serve_connection(parts: Arc<Parts>, stream: TcpStream) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let wire = Wire(Arc::new(stream));
    let by_hand = wire.clone();
    let service = service_fn(move |request| {
        let (parts, by_hand) = (parts.clone(), by_hand.clone());
        async move { answer(&parts, request, &by_hand).await }
    });
    // An error here is a caller that went away or a fault that was asked for: nothing to report.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(wire), service)
        .await;
}

/// Answers, or writes the answer by hand and ends the connection.
async fn answer(
    parts: &Arc<Parts>,
    request: Request<Incoming>,
    wire: &Wire,
) -> Result<Response<ReplyBody>, WrittenByHand> {
    let reply = calls::answer(parts, request).await;
    if !reply.switches.need_raw_connection() {
        return Ok(reply.response);
    }
    let _ = raw::send(&wire.0, reply.response, &reply.switches.bytes).await;
    Err(WrittenByHand)
}

/// Makes hyper drop the connection without a word: everything was said.
#[derive(Debug, thiserror::Error)]
#[error("the answer was written by hand")]
struct WrittenByHand;

/// A connection that hyper serves and that can be written to beside it.
#[derive(Clone)]
struct Wire(Arc<TcpStream>);

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            let size = buffer.remaining().min(MOST_READ);
            match self.0.try_read(buffer.initialize_unfilled_to(size)) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match self.0.try_write_vectored(pieces) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Dropping the connection, which comes next, ends it.
        Poll::Ready(Ok(()))
    }
}
