//! The REST surface of AIPassport 0.2: the same paths, names and status codes, without its holes.
//!
//! An app asks with `POST /grant-requests` and sends its user to `consentUrl`; the user decides on
//! that page, or, signed in, with `POST /grants/{id}/approve` or `/deny` (`decide.rs`); the app then
//! fetches tokens with the `requestSecret` that only it got (`tokens.rs`). It is a fourth door into
//! the one consent machine of the `domain` crate. A grant's words here (`scope.rs`, `view.rs`) are a
//! narrower language than authorization details; whatever it cannot say is in
//! `authorizationDetails`.

use axum::{
    Json, Router,
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::app::App;

mod app_client;
mod body;
mod decide;
mod error;
mod find;
mod grant_requests;
mod grants;
mod scope;
mod tokens;
mod usage;
mod view;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/health", get(health))
        .route("/grant-requests", post(grant_requests::ask))
        .route("/grants", get(grants::list))
        .route("/grants/{id}", get(grants::show).patch(grants::change))
        .route("/grants/{id}/approve", post(decide::approve))
        .route("/grants/{id}/deny", post(decide::deny))
        .route("/grants/{id}/revoke", post(grants::revoke))
        .route("/grants/{id}/pause", post(grants::pause))
        .route("/grants/{id}/resume", post(grants::resume))
        .route("/tokens", post(tokens::issue))
        .route("/tokens/{token}/inspect", get(tokens::inspect))
}

async fn health() -> Json<Value> {
    Json(json!({"status": "ok", "service": "aipassport-broker"}))
}
