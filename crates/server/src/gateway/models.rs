//! What a caller may use: answered from the grant, free, and counted as no request.

use aipassport_domain::{authorization_details::AiAccess, grant::Grant, ids::ProviderId, policy::Denial};
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
use serde_json::{Value, json};

use super::{
    authenticate::{Caller, authenticate},
    error::GatewayError,
    plain,
};
use crate::app::App;

/// A provider's own models path.
pub(super) async fn on_provider_path(
    app: &App,
    adapter: &'static dyn ProviderAdapter,
    caller: Caller,
    kind: &RouteKind,
) -> Result<Bytes, GatewayError> {
    let caller = caller.refreshed(app).await?;
    let grant = caller.grant.grant();
    grant.check_active(app.clock.now())?;
    let provider = ProviderId::new(adapter.id());
    let Some(access) = grant.access_to(&provider) else {
        return Err(Denial::ProviderNotGranted(provider).into());
    };
    let models: Vec<&str> = covered(access, &app.prices).map(|model| model.id.as_str()).collect();
    match kind {
        RouteKind::GetModel(id) if models.contains(&id.as_str()) => Ok(adapter.model(id)),
        RouteKind::GetModel(id) => Err(GatewayError::NoSuchModel(id.clone())),
        _ => Ok(adapter.model_list(&models)),
    }
}

/// `GET /providers`: those of the caller's grant; without a credential, those the broker supports.
pub(super) async fn providers(State(app): State<App>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let listed = grant_of_caller(&app, &head).await.map(|grant| {
        let listed = adapter::all().into_iter().filter_map(|adapter| {
            let provider = ProviderId::new(adapter.id());
            let access = grant.as_ref().map(|grant| grant.access_to(&provider));
            let mut entry = json!({
                "id": adapter.id(),
                "name": adapter.name(),
                "base_url": format!("{}/{}", app.config.public_url, adapter.id()),
            });
            match access {
                Some(None) => return None,
                Some(Some(access)) => {
                    entry["capabilities"] = access.capabilities.iter().map(|one| one.as_str()).collect()
                }
                None => {}
            }
            Some(entry)
        });
        json!({"providers": listed.collect::<Vec<Value>>()})
    });
    plain::respond(&app, listed)
}

/// `GET /models`: those of the caller's grant; without a credential, every one with a price.
pub(super) async fn models(State(app): State<App>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let listed = grant_of_caller(&app, &head).await.map(|grant| {
        let listed = adapter::all().into_iter().flat_map(|adapter| {
            let provider = ProviderId::new(adapter.id());
            let models: Vec<&PricedModel> = match &grant {
                None => app.prices.models(&provider).collect(),
                Some(grant) => grant
                    .access_to(&provider)
                    .into_iter()
                    .flat_map(|access| covered(access, &app.prices))
                    .collect(),
            };
            let entry = |model: &PricedModel| json!({"provider": adapter.id(), "id": model.id, "capabilities": model.capabilities});
            models.into_iter().map(entry).collect::<Vec<Value>>()
        });
        json!({"models": listed.collect::<Vec<Value>>()})
    });
    plain::respond(&app, listed)
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
