//! Opening one connection to a provider, to speak HTTP/1.1 on.

use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio_rustls::TlsConnector;

use super::{UpstreamError, link::Link, outgoing_body::OutgoingBody, target::Target};
use crate::outbound::{self, ConnectError};

const MOST_HEADERS: usize = 100;
const LARGEST_HEAD: usize = 64 * 1024;

/// Opens a connection within `deadline`.
pub(super) async fn connect(target: &Target, tls: &TlsConnector, deadline: Duration) -> Result<Link, UpstreamError> {
    let stream = outbound::connect(&target.origin, tls, deadline).await?;
    let (sender, connection) = http1::Builder::new()
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .handshake::<_, OutgoingBody>(TokioIo::new(stream))
        .await
        .map_err(UpstreamError::Broken)?;
    Ok(Link { sender, connection })
}

impl From<ConnectError> for UpstreamError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::NotAllowed => Self::NotAllowed,
            ConnectError::Unreachable(cause) => Self::Unreachable(cause),
            ConnectError::TimedOut => Self::TimedOut,
        }
    }
}
