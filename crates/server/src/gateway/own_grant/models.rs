//! What a caller may use: answered from the grant, free, and counted as no request.

use std::collections::BTreeSet;

use aipassport_domain::{
    authorization_details::{AiAccess, Capability},
    grant::Grant,
    ids::ProviderId,
    policy::Denial,
};
use aipassport_providers::{
    adapter::{self, ProviderAdapter, RouteKind},
    prices::{PriceBook, PricedModel},
};
use axum::{
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::request;
use serde::Serialize;
use serde_json::json;

use super::plain;
use crate::{
    app::App,
    gateway::{
        authenticate::{Caller, authenticate},
        error::GatewayError,
    },
};

/// A provider's own models path.
pub(in crate::gateway) async fn on_provider_path(
    app: &App,
    (adapter, provider): (&'static dyn ProviderAdapter, &ProviderId),
    caller: Caller,
    kind: &RouteKind,
) -> Result<Bytes, GatewayError> {
    let caller = caller.refreshed(app).await?;
    let grant = caller.grant.grant();
    grant.check_active(app.clock.now())?;
    let Some(access) = grant.access_to(provider) else {
        return Err(Denial::ProviderNotGranted(provider.clone()).into());
    };
    let models: Vec<&str> = covered(access, &app.prices).map(|model| model.id.as_str()).collect();
    match kind {
        RouteKind::GetModel(id) if models.contains(&id.as_str()) => Ok(adapter.model(id)),
        RouteKind::Constant(json) => Ok(Bytes::from_static(json.as_bytes())),
        RouteKind::GetModel(id) => Err(GatewayError::NoSuchModel(id.clone())),
        _ => Ok(adapter.model_list(&models)),
    }
}

/// `GET /providers`: those of the caller's grant; without a credential, those the broker supports.
pub(super) async fn providers(State(app): State<App>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let listed = grant_of_caller(&app, &head).await.map(|grant| {
        let entry = |adapter: &&dyn ProviderAdapter| {
            let access = match &grant {
                Some(grant) => Some(grant.access_to(&ProviderId::new(adapter.id()))?),
                None => None,
            };
            Some(ShownProvider {
                id: adapter.id(),
                name: adapter.name(),
                base_url: format!("{}/{}", app.config.public_url, adapter.id()),
                capabilities: access.map(|access| access.capabilities.iter().copied().collect()),
            })
        };
        let listed: Vec<ShownProvider> = adapter::all().iter().filter_map(entry).collect();
        json!({"providers": listed})
    });
    plain::respond(&app, listed)
}

/// `GET /models`: those of the caller's grant; without a credential, every one with a price.
pub(super) async fn models(State(app): State<App>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let listed = grant_of_caller(&app, &head).await.map(|grant| {
        let mut listed = Vec::new();
        for adapter in adapter::all() {
            let provider = ProviderId::new(adapter.id());
            let models: Vec<&PricedModel> = match &grant {
                None => app.prices.models(&provider).collect(),
                Some(grant) => {
                    let access = grant.access_to(&provider);
                    access.map_or_else(Vec::new, |access| covered(access, &app.prices).collect())
                }
            };
            listed.extend(models.into_iter().map(|model| ShownModel {
                provider: adapter.id(),
                id: &model.id,
                capabilities: &model.capabilities,
            }));
        }
        json!({"models": listed})
    });
    plain::respond(&app, listed)
}

#[derive(Serialize)]
struct ShownProvider {
    id: &'static str,
    name: &'static str,
    base_url: String,
    /// What of it is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<Capability>>,
}

#[derive(Serialize)]
struct ShownModel<'a> {
    provider: &'static str,
    id: &'a str,
    capabilities: &'a BTreeSet<Capability>,
}

/// The models that a call would be admitted for: covered by the grant, and of a known price.
fn covered<'a>(access: &'a AiAccess, prices: &'a PriceBook) -> impl Iterator<Item = &'a PricedModel> {
    prices.models(&access.provider).filter(|model| {
        let is_granted = |capability: &_| access.has_capability(*capability);
        access.covers_model(&model.id) && model.capabilities.iter().any(is_granted)
    })
}

/// The live grant of whoever asks; `None` where nobody says who they are.
async fn grant_of_caller(app: &App, head: &request::Parts) -> Result<Option<Grant>, GatewayError> {
    let now = app.clock.now();
    match authenticate(app, head, None, now).await {
        Err(GatewayError::NoToken) => Ok(None),
        Err(error) => Err(error),
        Ok(caller) => {
            let caller = caller.refreshed(app).await?;
            caller.grant.grant().check_active(now)?;
            Ok(Some(caller.grant.grant().clone()))
        }
    }
}
