//! Whether a provider accepts a key, and which models it has: the one thing that is sent to a provider
//! without a reservation.
//!
//! It is free, it lists the models, and nothing of a client's is in it. Of what comes back only the
//! models' ids are kept.

use std::{collections::BTreeSet, future::poll_fn, pin::Pin, time::Duration};

use aipassport_domain::audit::KeyCheck;
use aipassport_providers::{adapter, discovery};
use aipassport_store::ProviderCredential;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::{Outgoing, OutgoingBody, Upstream, UpstreamError, connect::connect, link::Link, prepare};
use crate::{
    config::Upstreams,
    gateway::{error::GatewayError, grants::target_of},
    vault::{Place, Vault},
};

/// Somebody waits at a page for it.
const LONGEST: Duration = Duration::from_secs(10);
/// So much of a complaint tells what it is about.
const LARGEST_COMPLAINT: usize = 64 * 1024;
/// The list of a provider with hundreds of models.
const LARGEST_LIST: usize = 4 * 1024 * 1024;

impl Upstream {
    /// Shows the provider `credential`, which need not be stored yet, and says what came of it, with
    /// the models that it listed.
    ///
    /// Security invariant: the address is guarded as for a call; a key goes to no other.
    pub(in crate::gateway) async fn check_key(
        &self,
        upstreams: &Upstreams,
        vault: &Vault,
        credential: &ProviderCredential,
    ) -> (KeyCheck, Option<BTreeSet<String>>) {
        let longest = LONGEST.min(upstreams.connect_timeout + upstreams.answer_timeout);
        let checked = timeout(longest, self.ask(upstreams, vault, credential)).await;
        let checked = checked.unwrap_or_else(|_| Err(UpstreamError::TimedOut.into()));
        checked.unwrap_or_else(|error| {
            tracing::info!(credential.id = %credential.id, %error, "a key could not be checked");
            (KeyCheck::NotReached, None)
        })
    }

    /// The models that the provider lists for `credential`; `None` where it does not say.
    pub(in crate::gateway) async fn list_models(
        &self,
        upstreams: &Upstreams,
        vault: &Vault,
        credential: &ProviderCredential,
    ) -> Option<BTreeSet<String>> {
        let adapter = adapter::by_id(credential.provider.as_str())?;
        let path = discovery::path(adapter);
        let asked = async {
            let (status, mut link, body) = self.send_question(upstreams, vault, credential, path).await?;
            let list = beginning(&mut link, body, LARGEST_LIST).await?;
            Ok::<_, GatewayError>(status.is_success().then_some(list))
        };
        match timeout(LONGEST, asked).await {
            Ok(Ok(list)) => discovery::listed(&list?),
            failed => {
                tracing::info!(credential.id = %credential.id, cause = ?failed.err(), "models could not be listed");
                None
            }
        }
    }

    async fn ask(
        &self,
        upstreams: &Upstreams,
        vault: &Vault,
        credential: &ProviderCredential,
    ) -> Result<(KeyCheck, Option<BTreeSet<String>>), GatewayError> {
        let adapter = adapter::by_id(credential.provider.as_str()).ok_or(UpstreamError::NotAllowed)?;
        let path = adapter.key_check().path;
        let (status, mut link, body) = self.send_question(upstreams, vault, credential, path).await?;
        if !status.is_success() {
            let complaint = beginning(&mut link, body, LARGEST_COMPLAINT).await?;
            return Ok((adapter.key_verdict(status, &complaint), None));
        }
        // Whether the list comes whole says nothing of the key.
        let list = beginning(&mut link, body, LARGEST_LIST).await.unwrap_or_default();
        Ok((adapter.key_verdict(status, &[]), discovery::listed(&list)))
    }

    /// Asks at `path` with the key, and returns once the head of the answer has come.
    async fn send_question(
        &self,
        upstreams: &Upstreams,
        vault: &Vault,
        credential: &ProviderCredential,
        path: &'static str,
    ) -> Result<(StatusCode, Link, Incoming), GatewayError> {
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
            path: path.to_owned(),
            headers: headers.collect::<HeaderMap>(),
            body: OutgoingBody::Document(Full::default()),
        };
        let request = prepare(adapter, &target, outgoing, &secret)?;

        let mut link = connect(&target, &self.tls, upstreams.connect_timeout).await?;
        let answer = link.send(request).await;
        let (head, body) = answer
            .map_err(|failed| UpstreamError::Broken(failed.into_error()))?
            .into_parts();
        Ok((head.status, link, body))
    }
}

async fn beginning(link: &mut Link, mut body: Incoming, most: usize) -> Result<Bytes, UpstreamError> {
    let mut read = BytesMut::new();
    while read.len() < most {
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
