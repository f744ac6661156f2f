//! The body of a request to a provider: a document, or a form that may still be coming in.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

use crate::gateway::upload::{Delivery, Upload, UploadProblem};

pub(in crate::gateway) enum OutgoingBody {
    Document(Full<Bytes>),
    Form(Box<Upload>),
}

impl OutgoingBody {
    /// How far a form has come.
    pub(super) fn delivery(&self) -> Option<Arc<Delivery>> {
        match self {
            Self::Document(_) => None,
            Self::Form(upload) => Some(upload.delivery()),
        }
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = UploadProblem;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadProblem>>> {
        match self.get_mut() {
            Self::Document(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|impossible| match impossible {}),
            Self::Form(upload) => upload.poll_next(context).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Document(body) => body.is_end_stream(),
            Self::Form(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Document(body) => body.size_hint(),
            Self::Form(upload) => upload.size_hint(),
        }
    }
}
