//! The gateway: forwards calls to AI providers within what users granted, and charges what they cost.
//!
//! Begin with `proxy.rs`: the seven steps of a call, each made from the step before. [`Gateway`] is
//! what the gateway keeps in memory; all of it can be lost. What may be called is decided in the
//! `domain` crate, what a request and an answer mean is the `providers` crate's, and money is held
//! and charged in `store`. How tokens are given, and how users decide, is not known here.

use aipassport_domain::{
    audit::KeyCheck,
    ids::{GrantId, ProviderId},
};
use aipassport_providers::adapter::ProviderAdapter;
use aipassport_store::ProviderCredential;
use axum::{
    Router,
    extract::Request,
    response::Response,
    routing::{any, post},
};

use self::{
    bodies::Bodies, error::Shape, grants::Grants, known_models::KnownModels, live::LiveCalls, proxy::Via,
    refusals::Refusals, tokens::Tokens, upstream::Upstream,
};
use crate::{app::App, config::Upstreams, vault::Vault};

mod authenticate;
mod bodies;
mod error;
mod face;
mod grants;
mod headers;
mod known_models;
mod live;
mod open_reservation;
mod own_calls;
mod own_chat;
mod own_grant;
mod proxy;
mod read;
mod redact;
mod refusals;
mod stored;
mod stream;
mod tokens;
mod translation;
mod upload;
mod upstream;
mod watch;

pub use self::{known_models::ModelsOfKeys, watch::watch};

/// What the gateway keeps in memory.
pub struct Gateway {
    tokens: Tokens,
    grants: Grants,
    live: LiveCalls,
    bodies: Bodies,
    refusals: Refusals,
    known_models: KnownModels,
    upstream: Upstream,
}

#[derive(Debug, thiserror::Error)]
#[error("TLS towards providers cannot be set up")]
pub struct GatewayStartError(#[from] rustls::Error);

impl Gateway {
    pub fn new() -> Result<Self, GatewayStartError> {
        Ok(Self {
            tokens: Tokens::default(),
            grants: Grants::default(),
            live: LiveCalls::default(),
            bodies: Bodies::default(),
            refusals: Refusals::default(),
            known_models: KnownModels::default(),
            upstream: Upstream::new()?,
        })
    }

    /// Asks the provider whether it accepts `credential`, which need not be stored yet. Free, and at
    /// most a few seconds.
    pub async fn check_key(&self, upstreams: &Upstreams, vault: &Vault, credential: &ProviderCredential) -> KeyCheck {
        let (check, models) = self.upstream.check_key(upstreams, vault, credential).await;
        if let Some(models) = models {
            self.known_models.keep(&credential.id, models);
        }
        check
    }

    /// Which models these keys have, as far as their providers have told.
    pub fn models_of<'a>(&self, keys: impl IntoIterator<Item = &'a ProviderCredential>) -> ModelsOfKeys {
        self.known_models.remembered(keys)
    }

    /// A grant was changed, paused or revoked by this process: its open streams are looked at now,
    /// not at the next interval.
    pub fn grant_changed(&self, id: &GrantId) {
        self.grants.forget(id);
        self.live.changed.notify_one();
    }
}

/// What a caller may ask about its own grant, and the faces that are no provider's.
pub fn routes() -> Router<App> {
    own_grant::routes()
        .route("/proxy/chat", post(own_chat::chat))
        .route("/proxy/code", post(own_calls::code))
        .route("/proxy/embeddings", post(own_calls::embeddings))
        .route("/proxy/images", post(own_calls::images))
        .route("/proxy/audio", post(own_calls::audio))
        .route("/v1/{*operation}", any(face::call))
}

/// Answers a request on the path of `provider`, which `adapter` speaks for.
pub async fn call(
    app: &App,
    adapter: &'static dyn ProviderAdapter,
    provider: ProviderId,
    request: Request,
) -> Response {
    let via = Via::plainly(Shape::Provider(adapter));
    proxy::answer(app, (adapter, provider), via, request).await
}
