//! Reading a small body whole, within a size and a time.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use tokio::time::timeout;

use crate::app::App;

/// It is larger than allowed, broke off, or did not arrive in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotRead;

pub(crate) async fn read(app: &App, body: Body, largest: usize) -> Result<Bytes, NotRead> {
    // A client that sends slowly must not hold its place for ever (`security.md` 125).
    timeout(app.config.requests.body_timeout, to_bytes(body, largest))
        .await
        .map_err(|_| NotRead)?
        .map_err(|_| NotRead)
}
