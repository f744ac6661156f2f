//! The body of a request, taken off the wire for step 2.

use aipassport_domain::ids::GrantId;
use aipassport_providers::multipart::FormRules;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::{bodies::Allowance, error::GatewayError, upload::Upload};
use crate::app::App;

/// The body of a request, read at most once however often the call is decided.
pub(super) enum RequestBody {
    Unread(Body),
    /// As far as the decision needs it.
    Form(Box<Upload>),
    Read {
        bytes: Bytes,
        /// What the bytes take, for as long as they are here.
        _room: Allowance,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body must be of the type that this path takes, in UTF-8 and not compressed")]
    UnsupportedMediaType,
    #[error("the body did not arrive in time")]
    TimedOut,
    #[error("the body broke off")]
    Broken,
    #[error("too many large bodies are being read")]
    NoRoom,
}

impl RequestBody {
    pub(super) async fn read(
        &mut self,
        app: &App,
        grant_id: &GrantId,
        headers: &HeaderMap,
    ) -> Result<Bytes, BodyError> {
        if let Self::Unread(body) = self {
            let limits = &app.config.requests;
            check_headers(headers, limits.body_limit)?;
            let mut room = Allowance::default();
            let make_room = |length| room.grow(app, grant_id, length);
            let bytes = timeout(limits.body_timeout, collect(body, limits.body_limit, make_room));
            let bytes = bytes.await.map_err(|_| BodyError::TimedOut)??;
            *self = Self::Read { bytes, _room: room };
        }
        match self {
            Self::Read { bytes, .. } => Ok(bytes.clone()),
            Self::Unread(_) | Self::Form(_) => Err(BodyError::Broken),
        }
    }

    /// Reads a form as far as its call's decision needs it.
    pub(super) async fn read_form(
        &mut self,
        app: &App,
        grant_id: &GrantId,
        headers: &HeaderMap,
        rules: &'static FormRules,
    ) -> Result<&Upload, GatewayError> {
        if let Self::Unread(body) = self {
            let upload = Upload::read(app, grant_id, headers, rules, body).await?;
            *self = Self::Form(Box::new(upload));
        }
        match self {
            Self::Form(upload) => Ok(upload),
            Self::Unread(_) | Self::Read { .. } => Err(BodyError::Broken.into()),
        }
    }

    /// The form, once the call has been decided: what of it is here, and the rest.
    pub(super) fn take_form(&mut self) -> Option<Box<Upload>> {
        match std::mem::replace(self, Self::Unread(Body::empty())) {
            Self::Form(upload) => Some(upload),
            other => {
                *self = other;
                None
            }
        }
    }
}

fn check_headers(headers: &HeaderMap, limit: usize) -> Result<(), BodyError> {
    check_length(headers, limit)?;
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    match (kinds.next(), kinds.next()) {
        (Some(kind), None) if is_plain(headers) && is_media_type(kind, "application/json") && is_utf8(kind) => Ok(()),
        _ => Err(BodyError::UnsupportedMediaType),
    }
}

/// Refuses before a byte of the body is read, so that a client that waits for `100 Continue` need
/// not send it.
pub(super) fn check_length(headers: &HeaderMap, limit: usize) -> Result<(), BodyError> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    if length.is_some_and(|length| length.parse::<usize>().map_or(true, |length| length > limit)) {
        return Err(BodyError::TooLarge);
    }
    Ok(())
}

/// Whether the body comes as it is. A compressed one could be a bomb, and two readers could disagree
/// on what it says.
pub(super) fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding == "identity")
}

/// Whether a `Content-Type` is `media_type`, whatever its parameters.
pub(super) fn is_media_type(kind: &HeaderValue, media_type: &str) -> bool {
    kind.to_str()
        .ok()
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(media_type))
}

fn is_utf8(kind: &HeaderValue) -> bool {
    let parameters = kind.to_str().unwrap_or_default().split(';').skip(1);
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8"))
}

/// The whole body; copied only where it comes in more than one frame.
async fn collect(
    body: &mut Body,
    limit: usize,
    mut make_room: impl FnMut(usize) -> Result<(), BodyError>,
) -> Result<Bytes, BodyError> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or_default();
    let mut first: Option<Bytes> = None;
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        let length = whole.len() + first.as_ref().map_or(0, Bytes::len) + data.len();
        if length > limit {
            return Err(BodyError::TooLarge);
        }
        make_room(length)?;
        if first.is_none() && whole.is_empty() {
            first = Some(data);
            continue;
        }
        if let Some(first) = first.take() {
            whole.reserve(expected.min(limit).max(first.len() + data.len()));
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&data);
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}
