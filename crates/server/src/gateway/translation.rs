//! A call whose client speaks other words than its provider: the answer's way back.

use aipassport_domain::{ids::CallId, time::Timestamp};
use aipassport_providers::{
    adapter,
    meter::StreamForm,
    translate::{Answer, AnswerPlan, Stamp},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::upstream::UpstreamError;

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const NOT_UNDERSTOOD: UpstreamError = UpstreamError::NotAnAnswer("not in the provider's own format");

/// How the answer to one call becomes the client's.
pub(super) struct Translation(pub(super) AnswerPlan);

/// A whole answer in the client's words.
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) kind: HeaderValue,
    pub(super) body: Bytes,
}

impl Translation {
    /// The head of a translated answer; none of the provider's own headers mean anything to the client.
    pub(super) fn head(&self, upstream: &HeaderMap, form: Option<StreamForm>) -> HeaderMap {
        let mut head = adapter::face().response_headers(upstream);
        let kind = form.map_or_else(|| self.kind(StatusCode::OK), |_| EVENTS);
        head.insert(header::CONTENT_TYPE, kind);
        head
    }

    fn kind(&self, status: StatusCode) -> HeaderValue {
        HeaderValue::from_static(self.0.media_type(status))
    }

    pub(super) fn begin(&self, id: &CallId, at: Timestamp, form: Option<StreamForm>) -> Answer {
        let stamp = Stamp {
            id: id.as_str().to_owned(),
            created: at.millis().div_euclid(1000),
        };
        self.0.begin(stamp, form)
    }

    /// A whole answer.
    pub(super) fn whole(
        &self,
        status: StatusCode,
        body: Bytes,
        id: &CallId,
        at: Timestamp,
    ) -> Result<Whole, UpstreamError> {
        let (status, body) = if status.is_success() {
            let mut answer = self.begin(id, at, None);
            answer.feed(body);
            let body = end(&mut answer)?;
            (answer.status(), body)
        } else {
            (status, self.0.failure(status, &body))
        };
        let kind = self.kind(status);
        Ok(Whole { status, kind, body })
    }
}

/// What is left of an answer that has come to its end.
pub(super) fn end(answer: &mut Answer) -> Result<Bytes, UpstreamError> {
    answer.end().map_err(|_| NOT_UNDERSTOOD)
}
