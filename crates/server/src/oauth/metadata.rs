//! What clients can find out by themselves: RFC 8414, RFC 9728 and our JWK Set.
//!
//! These, and nothing else here, may be read by pages of any origin: they are the same for everyone.

use aipassport_domain::{authorization_details::TYPE, ids::ProviderId};
use aipassport_providers::adapter;
use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::{app::App, signing::audience};

/// How long caches keep a key set; a new key is published this long before it signs.
const KEY_SET_MAX_AGE: &str = "public, max-age=300";
const METADATA_MAX_AGE: &str = "public, max-age=3600";

/// RFC 8414, section 3.2.
pub(super) async fn authorization_server(State(app): State<App>) -> Response {
    let issuer = &app.config.public_url;
    let secrets = ["client_secret_basic", "client_secret_post"];
    let any_client = ["none", "client_secret_basic", "client_secret_post"];
    let providers = adapter::all().iter();
    let resources = providers.map(|provider| audience(issuer, Some(&ProviderId::new(provider.id()))));
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "introspection_endpoint": format!("{issuer}/oauth/introspect"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "scopes_supported": ["ai"],
        "authorization_details_types_supported": [TYPE],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": any_client,
        "revocation_endpoint_auth_methods_supported": any_client,
        "introspection_endpoint_auth_methods_supported": secrets,
        "protected_resources": resources.chain([issuer.clone()]).collect::<Vec<_>>(),
    });
    public(Json(metadata), METADATA_MAX_AGE)
}

/// RFC 9728, section 3, for all provider paths at once.
pub(super) async fn every_provider(State(app): State<App>) -> Response {
    public(Json(protected_resource(&app.config.public_url, None)), METADATA_MAX_AGE)
}

/// The same for one provider's path; for one that a user brings, whether or not anybody does.
pub(super) async fn one_provider(State(app): State<App>, Path(provider): Path<String>) -> Response {
    if adapter::by_id(&provider).is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let provider = ProviderId::new(provider);
    let metadata = protected_resource(&app.config.public_url, Some(&provider));
    public(Json(metadata), METADATA_MAX_AGE)
}

fn protected_resource(issuer: &str, provider: Option<&ProviderId>) -> Value {
    json!({
        "resource": audience(issuer, provider),
        "authorization_servers": [issuer],
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "scopes_supported": ["ai"],
        "authorization_details_types_supported": [TYPE],
        "bearer_methods_supported": ["header"],
        "resource_name": "AIPassport",
    })
}

pub(super) async fn jwks(State(app): State<App>) -> Response {
    // RFC 7517, section 8.5.1.
    let content_type = [(header::CONTENT_TYPE, "application/jwk-set+json")];
    public((content_type, app.signing.jwks()), KEY_SET_MAX_AGE)
}

fn public(answer: impl IntoResponse, max_age: &'static str) -> Response {
    let mut response = answer.into_response();
    for (name, value) in [
        (header::CACHE_CONTROL, max_age),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        let name: HeaderName = name;
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
