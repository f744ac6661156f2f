//! Steps 6 and 7 of a call: the answer passes to the client, its usage is read on the way, and at its
//! end, whichever that is, the reservation is settled.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use aipassport_domain::audit::CallOutcome;
use aipassport_providers::{adapter::ProviderAdapter, meter::StreamForm, translate};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::header;
use http_body::Frame;

use super::{
    error::{Asked, GatewayError, Shape},
    headers,
    live::Registration,
    open_reservation::OpenReservation,
    proxy::Via,
    translation,
    upstream::{Answer, AnswerBody, Pieces, UpstreamError},
};
use crate::app::App;

/// Puts the answer into the client's hands.
pub(super) fn meter(
    app: &App,
    adapter: &'static dyn ProviderAdapter,
    via: &Via,
    answer: Answer,
    mut open: OpenReservation,
    call: Registration,
) -> Result<Response, GatewayError> {
    let form = open.stream_form();
    let (id, now) = (call.live().id(), app.clock.now());
    let mut head = match &via.translation {
        Some(translation) => translation.head(&answer.headers, form),
        None => adapter.response_headers(&answer.headers),
    };
    headers::insert_lost(&mut head, &via.lost);
    headers::finish(&mut head, id.as_str(), via.shape.adapter().or(Some(adapter)));
    if let Some(rate) = &open.left().rate {
        headers::insert_rate_limit(&mut head, rate, now);
    }

    let mut status = answer.status;
    let body = match answer.body {
        AnswerBody::Whole(bytes) => {
            let mut passed_on = open.meter(bytes);
            let rest = open.complete();
            if !rest.is_empty() {
                passed_on = [passed_on, rest].concat().into();
            }
            if let Some(translation) = &via.translation {
                let translated = translation.whole(status, passed_on, id, now);
                let whole = translated.inspect_err(|_| open.end(CallOutcome::UpstreamFailed))?;
                (status, passed_on) = (whole.status, whole.body);
                head.insert(header::CONTENT_TYPE, whole.kind);
            }
            headers::insert_cost(&mut head, open.left(), open.held(), open.charge().cost);
            Body::from(passed_on)
        }
        AnswerBody::Pieces(pieces) => {
            let translation = via
                .translation
                .as_ref()
                .map(|translation| translation.begin(id, now, form));
            call.carry(Streaming {
                pieces,
                open,
                translation,
            });
            Body::new(StreamedBody {
                call,
                shape: via.shape,
                // Whatever a provider's stream looks like, OpenAI's is one of events.
                form: form.map(|form| via.translation.as_ref().map_or(form, |_| StreamForm::Events)),
                has_begun: false,
                has_ended: false,
            })
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = head;
    Ok(response)
}

/// An answer on its way. Dropped, it closes the connection upstream and settles.
pub(super) struct Streaming {
    pieces: Box<Pieces>,
    open: OpenReservation,
    /// `None` where the client speaks the provider's words, and once the answer is over.
    translation: Option<translate::Answer>,
}

impl Streaming {
    pub(super) fn end(&mut self, outcome: CallOutcome) {
        self.open.end(outcome);
    }

    /// The next bytes for the client; `None` at the end of a complete answer.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, UpstreamError>> {
        loop {
            match self.pieces.poll_next(context) {
                Poll::Ready(Some(Ok(piece))) => {
                    let passed_on = self.translated(piece);
                    if !passed_on.is_empty() {
                        return Poll::Ready(Ok(Some(passed_on)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.open.end(CallOutcome::UpstreamFailed);
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(None) => {
                    let rest = self.complete();
                    return Poll::Ready(rest.map(|rest| (!rest.is_empty()).then_some(rest)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn translated(&mut self, piece: Bytes) -> Bytes {
        let metered = self.open.meter(piece);
        match &mut self.translation {
            Some(translation) => translation.feed(metered),
            None => metered,
        }
    }

    /// What was kept back of the answer, which has come to its end.
    fn complete(&mut self) -> Result<Bytes, UpstreamError> {
        let rest = self.open.complete();
        let Some(mut translation) = self.translation.take() else {
            return Ok(rest);
        };
        let before = translation.feed(rest);
        let rest = translation::end(&mut translation).inspect_err(|_| self.open.end(CallOutcome::UpstreamFailed))?;
        Ok([before, rest].concat().into())
    }
}

/// The body of a streamed response, polled by the client's connection.
struct StreamedBody {
    call: Registration,
    shape: Shape,
    /// `None` for a document that is no stream of events: it can only break off.
    form: Option<StreamForm>,
    has_begun: bool,
    has_ended: bool,
}

impl http_body::Body for StreamedBody {
    type Data = Bytes;
    type Error = GatewayError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GatewayError>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let polled = self.call.poll_stream(context, Streaming::poll_next);
        let error = match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(Ok(Some(piece)))) => {
                self.has_begun = true;
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            Poll::Ready(Ok(Ok(None))) => None,
            Poll::Ready(Ok(Err(error))) => Some(GatewayError::Upstream(error)),
            Poll::Ready(Err(ending)) => Some(GatewayError::from(ending)),
        };
        self.has_ended = true;
        self.call.finish();
        Poll::Ready(error.map(|error| self.last_frame(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended
    }
}

impl StreamedBody {
    /// Says why the stream ends here, if its format can.
    fn last_frame(&self, error: GatewayError) -> Result<Frame<Bytes>, GatewayError> {
        let live = self.call.live();
        let app = self.call.app();
        let asked = Asked {
            shape: self.shape,
            provider: None,
            request_id: live.id().as_str(),
            of: Some(live.of()),
            now: app.clock.now(),
        };
        match self.form {
            Some(form) => Ok(Frame::data(error.last_event(app, asked, form, self.has_begun))),
            None => Err(error),
        }
    }
}
