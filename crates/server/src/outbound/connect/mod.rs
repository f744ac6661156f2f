//! Opening one connection, to an address that may be reached.

use std::{io, net::SocketAddr, time::Duration};

use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{address_guard::is_public, origin::Origin};

/// A host with several addresses, one of them dead, is still reached in time.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(3);

/// Plain TCP, or TLS on it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the address is not one that may be reached")]
    NotAllowed,
    #[error("cannot be reached")]
    Unreachable(#[source] io::Error),
    #[error("took too long")]
    TimedOut,
}

/// Opens a connection within `deadline`.
pub(crate) async fn connect(
    origin: &Origin,
    tls: &TlsConnector,
    deadline: Duration,
) -> Result<Box<dyn Stream>, ConnectError> {
    timeout(deadline, open(origin, tls))
        .await
        .map_err(|_| ConnectError::TimedOut)?
}

async fn open(origin: &Origin, tls: &TlsConnector) -> Result<Box<dyn Stream>, ConnectError> {
    let tcp = reach(origin).await?;
    // Without this the end of a request waits for an acknowledgement of its beginning.
    tcp.set_nodelay(true).map_err(ConnectError::Unreachable)?;
    if !origin.is_tls {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(origin.plain_host().to_owned()).map_err(|_| ConnectError::NotAllowed)?;
    let stream = tls.connect(name, tcp).await.map_err(ConnectError::Unreachable)?;
    Ok(Box::new(stream))
}

/// Tries the host's addresses in turn, and none that the origin may not have.
async fn reach(origin: &Origin) -> Result<TcpStream, ConnectError> {
    let addresses = lookup_host((origin.plain_host(), origin.port))
        .await
        .map_err(ConnectError::Unreachable)?;

    let mut last_error = ConnectError::NotAllowed;
    for address in addresses.filter(|address| may_connect(origin, *address)) {
        match timeout(LONGEST_ATTEMPT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return check_peer(origin, stream),
            Ok(Err(error)) => last_error = ConnectError::Unreachable(error),
            Err(_) => last_error = ConnectError::TimedOut,
        }
    }
    Err(last_error)
}

/// What counts is the address at the other end of the socket, not what a name resolved to.
fn check_peer(origin: &Origin, stream: TcpStream) -> Result<TcpStream, ConnectError> {
    let peer = stream.peer_addr().map_err(ConnectError::Unreachable)?;
    if may_connect(origin, peer) {
        Ok(stream)
    } else {
        Err(ConnectError::NotAllowed)
    }
}

fn may_connect(origin: &Origin, address: SocketAddr) -> bool {
    origin.is_allowed || is_public(address.ip())
}

#[cfg(test)]
mod tests;
