//! A body that does not come: its reader is told so in time.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    BoxError,
    body::{Body, Bytes},
    extract::{Request, State},
};
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::app::App;

/// A body that fails once it has taken too long.
struct InTime {
    body: Body,
    end: Pin<Box<Sleep>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
struct TooSlow;

/// Gives the body of `request` as long as bodies may take.
pub(crate) async fn hurry(State(app): State<App>, request: Request) -> Request {
    if http_body::Body::is_end_stream(request.body()) {
        return request;
    }
    let end = Box::pin(sleep(app.config.requests.body_timeout));
    request.map(|body| Body::new(InTime { body, end }))
}

impl http_body::Body for InTime {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        self.end.as_mut().poll(context).map(|()| Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
