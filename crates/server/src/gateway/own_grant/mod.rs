//! What a caller may ask about its own grant: what it may use, what is left of it, what a call cost.
//! Answered from memory and the store; nothing is sent, and it counts as no call.

use aipassport_store::Ledger;
use axum::{Router, routing::get};

use crate::app::App;

mod calls;
mod covered;
mod forecasts;
mod models;
mod passport;
pub(super) mod plain;

pub(super) use self::models::{list_on_face, on_provider_path as models, one_on_face};

/// Has what ended a moment ago written down, so that a caller finds its last call settled. Where that
/// cannot be now, it finds the hold, which is as true.
async fn settle_what_ended(app: &App) {
    let _ = app.store.settled().await;
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/passport/self", get(passport::passport))
        .route("/api/calls/{id}", get(calls::call))
        .route("/providers", get(models::providers))
        .route("/models", get(models::models))
}
