//! The authorization server: from a client's request to its tokens.
//!
//! Begin with `authorize.rs`: it alone decides what comes next. Signing in and consent are pages of
//! `web` that end by sending the browser back to it. `token/` turns codes and refresh tokens into
//! access tokens, which `signing` writes. What may be granted is decided in the `domain` crate.
//! Nothing here knows of providers' formats or of budgets.
//!
//! Every parameter is taken once or not at all (`parameters.rs`), every client is authenticated in
//! one place (`client_authentication.rs`), and every refusal is an [`OAuthError`].

use axum::{
    Router,
    routing::{get, post},
};

use crate::app::App;

mod answer;
mod asked;
mod authorize;
mod client_authentication;
mod error;
mod introspect;
mod metadata;
mod parameters;
mod pkce;
mod resource;
mod revoke;
mod token;

use error::OAuthError;

pub fn routes() -> Router<App> {
    Router::new()
        .route(
            "/.well-known/oauth-authorization-server",
            get(metadata::authorization_server),
        )
        .route("/.well-known/oauth-protected-resource", get(metadata::every_provider))
        .route(
            "/.well-known/oauth-protected-resource/{*provider}",
            get(metadata::one_provider),
        )
        .route("/.well-known/jwks.json", get(metadata::jwks))
        .route("/oauth/authorize", get(authorize::authorize))
        .route("/oauth/authorize/answer/{request_id}", get(authorize::resume))
        .route("/oauth/token", post(token::token))
        .route("/oauth/introspect", post(introspect::introspect))
        .route("/oauth/revoke", post(revoke::revoke))
}
