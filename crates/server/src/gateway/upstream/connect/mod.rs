//! Opening one connection to a provider. No proxy of the environment has a say.

use std::{net::SocketAddr, time::Duration};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{UpstreamError, address_guard::is_public, link::Link, outgoing_body::OutgoingBody, target::Target};

/// A provider with several addresses, one of them dead, is still reached in time.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(3);
const MOST_HEADERS: usize = 100;
const LARGEST_HEAD: usize = 64 * 1024;

/// Plain TCP, or TLS on it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens a connection within `deadline`.
pub(super) async fn connect(target: &Target, tls: &TlsConnector, deadline: Duration) -> Result<Link, UpstreamError> {
    timeout(deadline, open(target, tls))
        .await
        .map_err(|_| UpstreamError::TimedOut)?
}

async fn open(target: &Target, tls: &TlsConnector) -> Result<Link, UpstreamError> {
    let tcp = reach(target).await?;
    // Without this the end of a request waits for an acknowledgement of its beginning.
    tcp.set_nodelay(true).map_err(UpstreamError::Unreachable)?;
    let stream: Box<dyn Stream> = if target.origin.is_tls {
        let name = target.origin.host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|_| UpstreamError::NotAllowed)?;
        let stream = tls.connect(name, tcp).await.map_err(UpstreamError::Unreachable)?;
        Box::new(stream)
    } else {
        Box::new(tcp)
    };
    let (sender, connection) = http1::Builder::new()
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .handshake::<_, OutgoingBody>(TokioIo::new(stream))
        .await
        .map_err(UpstreamError::Broken)?;
    Ok(Link { sender, connection })
}

/// Tries the host's addresses in turn, and none that the target may not have.
async fn reach(target: &Target) -> Result<TcpStream, UpstreamError> {
    let host = target.origin.host.trim_matches(['[', ']']);
    let addresses = lookup_host((host, target.origin.port))
        .await
        .map_err(UpstreamError::Unreachable)?;

    let mut last_error = UpstreamError::NotAllowed;
    for address in addresses.filter(|address| may_connect(target, *address)) {
        match timeout(LONGEST_ATTEMPT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return check_peer(target, stream),
            Ok(Err(error)) => last_error = UpstreamError::Unreachable(error),
            Err(_) => last_error = UpstreamError::TimedOut,
        }
    }
    Err(last_error)
}

/// What counts is the address at the other end of the socket, not what a name resolved to.
fn check_peer(target: &Target, stream: TcpStream) -> Result<TcpStream, UpstreamError> {
    let peer = stream.peer_addr().map_err(UpstreamError::Unreachable)?;
    if may_connect(target, peer) {
        Ok(stream)
    } else {
        Err(UpstreamError::NotAllowed)
    }
}

fn may_connect(target: &Target, address: SocketAddr) -> bool {
    target.is_allowed || is_public(address.ip())
}

#[cfg(test)]
mod tests;
