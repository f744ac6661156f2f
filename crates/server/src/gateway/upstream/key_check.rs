//! Whether a provider accepts a key: the one thing that is sent to a provider without a reservation.
//!
//! It is free, it lists the models, and nothing of a client's is in it. What comes back is looked at
//! and thrown away.

use std::{future::poll_fn, pin::Pin, time::Duration};

use aipassport_domain::audit::KeyCheck;
use aipassport_providers::adapter;
use aipassport_store::ProviderCredential;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::{Outgoing, Upstream, UpstreamError, connect::connect, link::Link, prepare};
use crate::{
    config::Upstreams,
    gateway::{error::GatewayError, grants::target_of},
    vault::{Place, Vault},
};

/// Somebody waits at a page for it.
const LONGEST: Duration = Duration::from_secs(10);
/// So much of a complaint tells what it is about.
const LARGEST_COMPLAINT: usize = 64 * 1024;

impl Upstream {
    /// Shows the provider `credential`, which need not be stored yet, and says what came of it.
    ///
    /// Security invariant: the address is guarded as for a call; a key goes to no other.
    pub(in crate::gateway) async fn check_key(
        &self,
        upstreams: &Upstreams,
        vault: &Vault,
        credential: &ProviderCredential,
    ) -> KeyCheck {
        let longest = LONGEST.min(upstreams.connect_timeout + upstreams.answer_timeout);
        let checked = timeout(longest, self.ask(upstreams, vault, credential)).await;
        let checked = checked.unwrap_or_else(|_| Err(UpstreamError::TimedOut.into()));
        checked.unwrap_or_else(|error| {
            tracing::info!(credential.id = %credential.id, %error, "a key could not be checked");
            KeyCheck::NotReached
        })
    }

    async fn ask(
        &self,
        upstreams: &Upstreams,
        vault: &Vault,
        credential: &ProviderCredential,
    ) -> Result<KeyCheck, GatewayError> {
        let adapter = adapter::by_id(credential.provider.as_str()).ok_or(UpstreamError::NotAllowed)?;
        let target = target_of(credential, adapter, upstreams).map_err(|_| UpstreamError::NotAllowed)?;
        let secret = vault.open(Place::of_credential(&credential.id), &credential.sealed)?;
        let question = adapter.key_check();
        let headers = question
            .headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let outgoing = Outgoing {
            method: Method::GET,
            path: question.path.to_owned(),
            headers: headers.collect::<HeaderMap>(),
            body: Bytes::new(),
        };
        let request = prepare(adapter, &target, outgoing, &secret)?;

        let mut link = connect(&target, &self.tls, upstreams.connect_timeout).await?;
        let answer = link.send(request).await;
        let (head, body) = answer
            .map_err(|failed| UpstreamError::Broken(failed.into_error()))?
            .into_parts();
        let complaint = if head.status.is_success() {
            Bytes::new()
        } else {
            beginning(&mut link, body).await?
        };
        Ok(adapter.key_verdict(head.status, &complaint))
    }
}

async fn beginning(link: &mut Link, mut body: Incoming) -> Result<Bytes, UpstreamError> {
    let mut read = BytesMut::new();
    while read.len() < LARGEST_COMPLAINT {
        let frame = poll_fn(|context| {
            link.drive(context);
            Pin::new(&mut body).poll_frame(context)
        });
        match frame.await {
            Some(frame) => read.extend(frame.map_err(UpstreamError::Broken)?.into_data().unwrap_or_default()),
            None => break,
        }
    }
    Ok(read.freeze())
}
