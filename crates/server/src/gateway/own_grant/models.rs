//! What a caller may use: answered from the grant, free, and counted as no request.

use aipassport_domain::{authorization_details::Capability, ids::ProviderId, policy::Denial};
use aipassport_providers::adapter::{self, ProviderAdapter, RouteKind};
use axum::{
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::request;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    covered::{self, Covered},
    plain,
};
use crate::{
    app::App,
    gateway::{
        authenticate::{Caller, authenticate},
        error::GatewayError,
        known_models::ModelsOfKeys,
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
    let models: Vec<&str> = covered::by_access(access, caller.grant.prices())
        .map(|covered| covered.id)
        .collect();
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
    let listed = caller(&app, &head).await.map(|caller| {
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
            Some(caller) => {
                let granted = caller.grant.grant().authorization_details.iter();
                let granted = granted.filter_map(|access| {
                    let adapter = adapter::by_id(access.provider.as_str())?;
                    let capabilities = access.capabilities.iter().copied().collect();
                    Some(shown(adapter, access.provider.as_str(), Some(capabilities)))
                });
                granted.collect()
            }
        };
        json!({"providers": listed})
    });
    plain::respond(&app, listed)
}

/// `GET /models`: those of the caller's grant; without a credential, every one with a price.
pub(super) async fn models(State(app): State<App>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let listed = caller(&app, &head).await.map(|caller| {
        let keys = keys_of(&app, caller.as_ref());
        let models = admitted(&app, caller.as_ref(), &keys);
        let shown: Vec<_> = models.iter().map(Covered::shown).collect();
        json!({"models": shown})
    });
    plain::respond(&app, listed)
}

/// `GET /v1/models`, in OpenAI's shape, by the names that `/v1` knows them by.
pub(in crate::gateway) async fn list_on_face(app: &App, head: &request::Parts) -> Result<Value, GatewayError> {
    let caller = caller(app, head).await?;
    let keys = keys_of(app, caller.as_ref());
    let models = admitted(app, caller.as_ref(), &keys);
    let shown: Vec<_> = models.iter().map(FaceModel::of).collect();
    Ok(json!({"object": "list", "data": shown}))
}

/// `GET /v1/models/{id}`; a bare id if it is one model's alone.
pub(in crate::gateway) async fn one_on_face(app: &App, head: &request::Parts, id: &str) -> Result<Value, GatewayError> {
    let caller = caller(app, head).await?;
    let keys = keys_of(app, caller.as_ref());
    let models = admitted(app, caller.as_ref(), &keys);
    let by_address = models.iter().find(|covered| covered.address() == id);
    let mut by_id = models.iter().filter(|covered| covered.id == id);
    let found = by_address.or_else(|| by_id.next().filter(|_| by_id.next().is_none()));
    found
        .map(|covered| json!(FaceModel::of(covered)))
        .ok_or_else(|| GatewayError::NoSuchModel(id.to_owned()))
}

fn admitted<'a>(app: &'a App, caller: Option<&'a Caller>, keys: &'a ModelsOfKeys) -> Vec<Covered<'a>> {
    match caller {
        Some(caller) => covered::by_grant(caller.grant.grant(), caller.grant.prices(), keys).collect(),
        None => covered::by_broker(&app.prices).collect(),
    }
}

/// What the providers list for the keys of the caller's user.
fn keys_of(app: &App, caller: Option<&Caller>) -> ModelsOfKeys {
    let keys = caller.into_iter().flat_map(|caller| caller.grant.keys());
    app.gateway.known_models.of(app, keys)
}

/// A model in OpenAI's shape, with what OpenAI does not say of its own.
#[derive(Serialize)]
struct FaceModel<'a> {
    id: String,
    object: &'static str,
    /// When a model was made is not ours to know; the SDKs only want a number.
    created: u64,
    owned_by: &'a ProviderId,
    aipassport: covered::ShownModel<'a>,
}

impl<'a> FaceModel<'a> {
    fn of(covered: &'a Covered<'a>) -> Self {
        Self {
            id: covered.address(),
            object: "model",
            created: 0,
            owned_by: &covered.provider,
            aipassport: covered.shown(),
        }
    }
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

/// Whoever asks, with a grant in force; `None` where nobody says who they are.
async fn caller(app: &App, head: &request::Parts) -> Result<Option<Caller>, GatewayError> {
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
