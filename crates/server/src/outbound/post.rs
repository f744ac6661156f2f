//! Posting one message, and hearing no more of the answer than its status.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    client::conn::http1::{self, Connection},
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::{
    connect::{ConnectError, Stream, connect},
    origin::Origin,
};

const MOST_HEADERS: usize = 100;
const LARGEST_HEAD: usize = 16 * 1024;
/// So much of the answer's body is taken, so that its sender comes to its end; nobody reads it.
const MOST_HEARD: u64 = 16 * 1024;
const LONGEST_HEARD: Duration = Duration::from_secs(1);

type Wire = Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    #[error("took too long")]
    TimedOut,
}

/// Posts `request` (its URI is a path) to `origin`, and returns the status of the answer, whatever it
/// is: no redirect is followed. All of it within `deadline`.
pub(crate) async fn post(
    origin: &Origin,
    tls: &TlsConnector,
    request: Request<Full<Bytes>>,
    deadline: Duration,
) -> Result<StatusCode, PostError> {
    let end = Instant::now() + deadline;
    let stream = connect(origin, tls, deadline).await?;
    let (mut sender, mut wire) = http1::Builder::new()
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(PostError::Broken)?;

    let answer = driven(&mut wire, sender.send_request(request));
    let answer = timeout_at(end, answer).await.map_err(|_| PostError::TimedOut)?;
    let (head, body) = answer.map_err(PostError::Broken)?.into_parts();
    // What was answered is known by now, however the rest comes.
    let _ = timeout(LONGEST_HEARD, driven(&mut wire, hear_out(body))).await;
    Ok(head.status)
}

/// Lets the connection read and write for as long as `work` goes on.
async fn driven<T>(wire: &mut Wire, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut is_open = true;
    poll_fn(|context| {
        if is_open {
            is_open = Pin::new(&mut *wire).poll(context).is_pending();
        }
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn hear_out(mut body: Incoming) {
    let mut heard = 0;
    while heard < MOST_HEARD {
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let Some(Ok(frame)) = frame else { return };
        heard += frame.data_ref().map_or(1, |data| data.len() as u64);
    }
}
