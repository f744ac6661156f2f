//! One upstream connection: the two halves that hyper gives us, always polled together.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{Connection, SendRequest},
    },
};
use hyper_util::rt::TokioIo;

use super::outgoing_body::OutgoingBody;
use crate::outbound::Stream;

/// A connection, and the way to send on it.
///
/// Nothing happens on it but when it is polled, and it is polled in the task of the call it serves:
/// a frame crosses no task on its way, and a call that is dropped closes its connection.
pub(super) struct Link {
    pub(super) sender: SendRequest<OutgoingBody>,
    pub(super) connection: Connection<TokioIo<Box<dyn Stream>>, OutgoingBody>,
}

impl Link {
    /// Lets the connection read and write what it can; says whether it is still open.
    pub(super) fn drive(&mut self, context: &mut Context<'_>) -> bool {
        Pin::new(&mut self.connection).poll(context).is_pending()
    }

    /// Whether another request can be sent: what came before has ended cleanly on both sides.
    pub(super) fn is_idle(&mut self, context: &mut Context<'_>) -> bool {
        self.drive(context) && self.sender.is_ready()
    }

    /// Sends `request` and waits for the head of its answer. A request that comes back in the error
    /// was not sent.
    pub(super) async fn send(
        &mut self,
        request: Request<OutgoingBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<OutgoingBody>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let connection = &mut self.connection;
        let mut is_open = true;
        poll_fn(|context| {
            if is_open {
                is_open = Pin::new(&mut *connection).poll(context).is_pending();
            }
            match answer.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(answer),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}
