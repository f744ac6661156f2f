//! What a caller may use: answered from the grant, free, and counted as no request.

use std::collections::BTreeSet;

use aipassport_domain::{
    authorization_details::{AiAccess, Capability, ModelPattern},
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
use serde_json::{Value, json};

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
    let models: Vec<&str> = covered(access, caller.grant.prices()).map(|model| model.id).collect();
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
    let listed = caller_with_grant(&app, &head).await.map(|caller| {
        let shown = |adapter: &dyn ProviderAdapter, id: &str, capabilities| ShownProvider {
            id: id.to_owned(),
            name: ProviderId::custom_name(id).unwrap_or(adapter.name()).to_owned(),
            base_url: format!("{}/{id}", app.config.public_url),
            capabilities,
        };
        let listed: Vec<ShownProvider> = match &caller {
            None => adapter::all()
                .iter()
                .map(|adapter| shown(*adapter, adapter.id(), None))
                .collect(),
            Some(caller) => granted(caller)
                .map(|(adapter, access)| {
                    let capabilities = access.capabilities.iter().copied().collect();
                    shown(adapter, access.provider.as_str(), Some(capabilities))
                })
                .collect(),
        };
        json!({"providers": listed})
    });
    plain::respond(&app, listed)
}

/// `GET /models`: those of the caller's grant; without a credential, every one with a price.
pub(super) async fn models(State(app): State<App>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let listed = caller_with_grant(&app, &head).await.map(|caller| {
        let listed: Vec<Value> = match &caller {
            None => adapter::all()
                .iter()
                .flat_map(|adapter| {
                    let provider = ProviderId::new(adapter.id());
                    app.prices
                        .models(&provider)
                        .map(|model| show(&provider, &model.id, &model.capabilities))
                        .collect::<Vec<_>>()
                })
                .collect(),
            Some(caller) => granted(caller)
                .flat_map(|(_, access)| {
                    let models = covered(access, caller.grant.prices());
                    models.map(|model| show(&access.provider, model.id, &model.priced.capabilities))
                })
                .collect(),
        };
        json!({"models": listed})
    });
    plain::respond(&app, listed)
}

#[derive(Serialize)]
struct ShownProvider {
    id: String,
    name: String,
    base_url: String,
    /// What of it is granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Vec<Capability>>,
}

fn show(provider: &ProviderId, id: &str, capabilities: &BTreeSet<Capability>) -> Value {
    json!({"provider": provider, "id": id, "capabilities": capabilities})
}

/// What is granted of each provider that there is.
fn granted(caller: &Caller) -> impl Iterator<Item = (&'static dyn ProviderAdapter, &AiAccess)> {
    let details = caller.grant.grant().authorization_details.iter();
    details.filter_map(|access| Some((adapter::by_id(access.provider.as_str())?, access)))
}

/// A model that a call would be admitted for.
struct Covered<'a> {
    id: &'a str,
    priced: &'a PricedModel,
}

/// The models that are covered by the grant and of a known price: those of the book, and those that
/// the grant names and the user has said a price for without naming them.
fn covered<'a>(access: &'a AiAccess, prices: &'a PriceBook) -> impl Iterator<Item = Covered<'a>> {
    let listed = prices
        .models(&access.provider)
        .filter(|model| access.covers_model(&model.id))
        .map(|priced| Covered { id: &priced.id, priced });
    let named = access.models.iter().filter_map(|pattern| {
        let ModelPattern::Exact(id) = pattern else { return None };
        let priced = prices.model(&access.provider, id)?;
        (priced.id != *id).then_some(Covered { id, priced })
    });
    listed.chain(named).filter(|model| {
        let is_granted = |capability: &_| access.has_capability(*capability);
        model.priced.capabilities.iter().any(is_granted)
    })
}

/// Whoever asks, with a live grant; `None` where nobody says who they are.
async fn caller_with_grant(app: &App, head: &request::Parts) -> Result<Option<Caller>, GatewayError> {
    let now = app.clock.now();
    match authenticate(app, head, None, now).await {
        Err(GatewayError::NoToken) => Ok(None),
        Err(error) => Err(error),
        Ok(caller) => {
            let caller = caller.refreshed(app).await?;
            caller.grant.grant().check_active(now)?;
            Ok(Some(caller))
        }
    }
}
