//! The body of an answer, piece by piece as it comes, with our key overwritten.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{UpstreamError, echo::EchoAlarm, link::Link, pool::Pool};
use crate::{gateway::redact::Redactor, outbound::Origin};

/// What is ready is handed on as one piece, up to this size.
const LARGEST_PIECE: usize = 64 * 1024;
/// Where there are several frames there are many: room for them is made once.
const SEVERAL_FRAMES: usize = 16 * 1024;

/// The rest of an answer. Dropping it before its end closes the connection, and so tells the
/// provider to stop.
pub(in crate::gateway) struct Pieces {
    /// `None` once the connection is closed or back in the pool.
    link: Option<Link>,
    body: Incoming,
    /// What was read already and is to be read again.
    unread: Bytes,
    redactor: Redactor,
    alarm: Option<EchoAlarm>,
    state: State,
    home: Home,
}

enum State {
    Open,
    /// What follows the pieces already taken is the end.
    Ended,
    /// What follows the pieces already taken is this failure.
    Failed(hyper::Error),
    Over,
}

/// Where a connection goes back to.
pub(super) struct Home {
    pub(super) pool: Arc<Pool>,
    pub(super) origin: Origin,
}

impl Pieces {
    pub(super) fn new(link: Link, body: Incoming, redactor: Redactor, alarm: EchoAlarm, home: Home) -> Self {
        let mut pieces = Self {
            link: Some(link),
            body,
            unread: Bytes::new(),
            redactor,
            alarm: Some(alarm),
            state: State::Open,
            home,
        };
        pieces.sound_alarm();
        pieces
    }

    /// The next piece: all that has arrived. Never waits for more than that.
    pub(in crate::gateway) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, UpstreamError>>> {
        if !self.unread.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.unread))));
        }
        loop {
            if let Some(frames) = self.take_ready_frames(context) {
                let piece = self.redactor.redact(frames);
                self.sound_alarm();
                if !piece.is_empty() {
                    return Poll::Ready(Some(Ok(piece)));
                }
                continue;
            }
            return match std::mem::replace(&mut self.state, State::Over) {
                State::Open => {
                    self.state = State::Open;
                    Poll::Pending
                }
                State::Failed(error) => {
                    self.link = None;
                    Poll::Ready(Some(Err(UpstreamError::Broken(error))))
                }
                State::Ended => {
                    self.hand_back(context);
                    let rest = self.redactor.rest();
                    Poll::Ready((!rest.is_empty()).then_some(Ok(rest)))
                }
                State::Over => Poll::Ready(None),
            };
        }
    }

    /// Reads to the end, if that comes within `most` bytes; else `None`, and nothing is lost.
    pub(super) async fn read_whole(&mut self, most: usize, idle: Duration) -> Result<Option<Bytes>, UpstreamError> {
        let mut whole = Coalesced::default();
        loop {
            let next = timeout(idle, poll_fn(|context| self.poll_next(context))).await;
            let Some(piece) = next.map_err(|_| UpstreamError::TimedOut)? else {
                return Ok(Some(whole.take()));
            };
            whole.push(piece?);
            if whole.len() > most {
                self.unread = whole.take();
                return Ok(None);
            }
        }
    }

    /// Reads on until `find` finds something in the beginning of the answer, for at most so many
    /// bytes; nothing is lost.
    pub(in crate::gateway) async fn find_ahead<T>(
        &mut self,
        most: usize,
        idle: Duration,
        find: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, UpstreamError> {
        let mut beginning = BytesMut::new();
        let mut found = None;
        while found.is_none() && beginning.len() < most {
            let next = timeout(idle, poll_fn(|context| self.poll_next(context))).await;
            let Some(piece) = next.map_err(|_| UpstreamError::TimedOut)? else {
                break;
            };
            beginning.extend_from_slice(&piece?);
            found = find(&beginning);
        }
        self.unread = beginning.freeze();
        Ok(found)
    }

    /// Everything that is ready, as one; `None` if that is nothing. How the body goes on after it is
    /// left in `state`.
    fn take_ready_frames(&mut self, context: &mut Context<'_>) -> Option<Bytes> {
        let mut ready = Coalesced::default();
        let mut has_just_driven = false;
        while matches!(self.state, State::Open) && ready.len() < LARGEST_PIECE {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers carry nothing that we pass on.
                    if let Ok(data) = frame.into_data() {
                        ready.push(data);
                    }
                    has_just_driven = false;
                }
                Poll::Ready(Some(Err(error))) => self.state = State::Failed(error),
                Poll::Ready(None) => self.state = State::Ended,
                Poll::Pending if has_just_driven => break,
                Poll::Pending => {
                    self.drive(context);
                    has_just_driven = true;
                }
            }
        }
        (ready.len() > 0).then(|| ready.take())
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(link) = &mut self.link
            && !link.drive(context)
        {
            self.link = None;
        }
    }

    /// A connection whose answer has ended cleanly, and on which nothing follows, serves again.
    fn hand_back(&mut self, context: &mut Context<'_>) {
        if let Some(mut link) = self.link.take()
            && link.is_idle(context)
        {
            self.home.pool.put(&self.home.origin, link);
        }
    }

    fn sound_alarm(&mut self) {
        if self.redactor.has_found()
            && let Some(alarm) = self.alarm.take()
        {
            alarm.sound();
        }
    }
}

/// Several frames as one, copied only where there are several.
#[derive(Default)]
struct Coalesced {
    first: Option<Bytes>,
    more: BytesMut,
}

impl Coalesced {
    fn len(&self) -> usize {
        self.more.len().max(self.first.as_ref().map_or(0, Bytes::len))
    }

    fn push(&mut self, frame: Bytes) {
        if !self.more.is_empty() {
            self.more.extend_from_slice(&frame);
        } else if let Some(first) = self.first.take() {
            self.more.reserve(SEVERAL_FRAMES.max(first.len() + frame.len()));
            self.more.extend_from_slice(&first);
            self.more.extend_from_slice(&frame);
        } else {
            self.first = Some(frame);
        }
    }

    fn take(self) -> Bytes {
        if self.more.is_empty() {
            self.first.unwrap_or_default()
        } else {
            self.more.freeze()
        }
    }
}
