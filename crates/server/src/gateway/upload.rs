//! Forms with files in them: read as far as the call's decision needs, and sent on as they come.
//!
//! A form is decided on before any of it is sent, so however often the call is decided anew, nothing
//! is lost. Short ones are read whole. Of a long one the parts that decide have to come before its
//! file, and the file passes through; if its client puts the file first, it is kept, up to the limit,
//! until they come. Security invariant: every byte is looked at before it is passed on, and a part
//! that would decide otherwise, once the call has been decided, cuts the connection before the
//! form's end, so that the provider never has the whole of it.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    ops::Range,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use aipassport_domain::ids::GrantId;
use aipassport_providers::{
    multipart::{Form, FormError, FormReader, FormRules},
    request::ReadError,
};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::{
    bodies::Allowance,
    error::GatewayError,
    read::{BodyError, check_length, is_plain},
};
use crate::app::App;

/// Up to this size a form is read whole, whatever the order of its parts.
const SHORT: usize = 1024 * 1024;

/// A form: what of it is here, and the rest.
pub(super) struct Upload {
    reader: FormReader,
    kept: VecDeque<Bytes>,
    /// `None` once its end has come.
    rest: Option<Body>,
    /// When all of it has to be here.
    deadline: Pin<Box<Sleep>>,
    /// How many bytes have come.
    bytes: usize,
    /// As its headers say.
    length: Option<usize>,
    most_bytes: usize,
    delivery: Arc<Delivery>,
    /// What is kept takes this, until the upload is over.
    room: Allowance,
}

/// How far a form has come on its way to the provider.
#[derive(Default)]
pub(super) struct Delivery {
    is_complete: AtomicBool,
    problem: Mutex<Option<UploadProblem>>,
}

/// Why a form is not delivered.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum UploadProblem {
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl Upload {
    /// Takes `body` off the wire until the call can be decided.
    pub(super) async fn read(
        app: &App,
        grant_id: &GrantId,
        headers: &HeaderMap,
        rules: &'static FormRules,
        body: &mut Body,
    ) -> Result<Self, GatewayError> {
        let limits = &app.config.requests;
        check_length(headers, limits.upload_limit)?;
        let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            return Err(BodyError::UnsupportedMediaType.into());
        };
        if !is_plain(headers) {
            return Err(BodyError::UnsupportedMediaType.into());
        }
        let reader = FormReader::new(kind, rules).map_err(|_| BodyError::UnsupportedMediaType)?;
        let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let mut upload = Self {
            reader,
            kept: VecDeque::new(),
            rest: Some(std::mem::take(body)),
            deadline: Box::pin(sleep(limits.body_timeout)),
            bytes: 0,
            length,
            most_bytes: length.unwrap_or(limits.upload_limit).min(limits.upload_limit),
            delivery: Arc::default(),
            room: Allowance::default(),
        };
        upload.read_to_decision(app, grant_id).await?;
        upload.reader.decided();
        Ok(upload)
    }

    pub(super) fn form(&self) -> &Form {
        self.reader.form()
    }

    /// The most bytes that the form can have.
    pub(super) fn most_bytes(&self) -> u64 {
        self.most_bytes as u64
    }

    /// The form once more, as a body that is still to be read: without the first `prefix` bytes of
    /// the model's name.
    pub(super) fn into_body(mut self, prefix: usize) -> Body {
        if let Some(start) = self.reader.model_at() {
            cut(&mut self.kept, start..start + prefix);
        }
        let length = if self.rest.is_none() {
            Some(self.bytes)
        } else {
            self.length
        };
        Body::new(Again {
            left: length.map(|length| length.saturating_sub(prefix)),
            kept: self.kept,
            rest: self.rest,
        })
    }

    pub(super) fn delivery(&self) -> Arc<Delivery> {
        Arc::clone(&self.delivery)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let length = if self.rest.is_none() {
            Some(self.bytes)
        } else {
            self.length
        };
        length.map_or_else(SizeHint::default, |length| SizeHint::with_exact(length as u64))
    }

    /// The next bytes for the provider.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, UploadProblem>>> {
        let next = match self.kept.pop_front() {
            Some(kept) => Some(Ok(kept)),
            None => ready!(self.poll_rest(context)),
        };
        match &next {
            Some(Err(problem)) => {
                *self.delivery.lock() = Some(problem.clone());
            }
            _ if self.reader.has_ended() && self.kept.is_empty() => {
                self.delivery.is_complete.store(true, Ordering::Release);
            }
            _ => {}
        }
        Poll::Ready(next)
    }

    async fn read_to_decision(&mut self, app: &App, grant_id: &GrantId) -> Result<(), GatewayError> {
        while self.bytes <= SHORT || !self.reader.is_decidable() {
            let Some(data) = poll_fn(|context| self.poll_rest(context)).await else {
                return Ok(());
            };
            let data = data?;
            self.room.grow(app, grant_id, self.bytes)?;
            self.kept.push_back(data);
        }
        Ok(())
    }

    /// The next bytes from the client, looked at.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, UploadProblem>>> {
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let data = loop {
            let Poll::Ready(frame) = Pin::new(&mut *rest).poll_frame(context) else {
                ready!(self.deadline.as_mut().poll(context));
                return Poll::Ready(Some(Err(BodyError::TimedOut.into())));
            };
            match frame {
                None => {
                    self.rest = None;
                    let end = self.reader.end();
                    return Poll::Ready(end.err().map(|error| Err(error.into())));
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(BodyError::Broken.into()))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        break data;
                    }
                }
            }
        };
        self.bytes += data.len();
        if self.bytes > self.most_bytes {
            return Poll::Ready(Some(Err(BodyError::TooLarge.into())));
        }
        let seen = self.reader.feed(&data);
        Poll::Ready(Some(seen.map(|()| data).map_err(Into::into)))
    }
}

/// A form that was looked at, on its way to be read.
struct Again {
    kept: VecDeque<Bytes>,
    rest: Option<Body>,
    /// How many bytes are still to come, if that is known.
    left: Option<usize>,
}

impl http_body::Body for Again {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(kept) = self.kept.pop_front() {
            self.left = self.left.map(|left| left.saturating_sub(kept.len()));
            return Poll::Ready(Some(Ok(Frame::data(kept))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, |left| SizeHint::with_exact(left as u64))
    }
}

/// Takes the bytes at `range` out of what stands in `pieces`, one behind the other.
fn cut(pieces: &mut VecDeque<Bytes>, range: Range<usize>) {
    let mut at = 0;
    for piece in pieces {
        let (start, end) = (at, at + piece.len());
        let (from, to) = (range.start.clamp(start, end), range.end.clamp(start, end));
        if from < to {
            *piece = [piece.slice(..from - start), piece.slice(to - start..)].concat().into();
        }
        at = end;
    }
}

impl Delivery {
    /// Whether the form's end has left.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    pub(super) fn problem(&self) -> Option<UploadProblem> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<UploadProblem>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<UploadProblem> for GatewayError {
    fn from(problem: UploadProblem) -> Self {
        match problem {
            UploadProblem::Form(error) => ReadError::Form(error).into(),
            UploadProblem::Body(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_cut_out_wherever_the_pieces_end() {
        for (range, left) in [
            (2..5, "abfg"),
            (0..7, ""),
            (3..3, "abcdefg"),
            (6..9, "abcdef"),
            (1..2, "acdefg"),
        ] {
            let mut pieces = VecDeque::from(["abc", "def", "g"].map(Bytes::from));

            cut(&mut pieces, range);

            assert_eq!(pieces.into_iter().collect::<Vec<_>>().concat(), left.as_bytes());
        }
    }
}
