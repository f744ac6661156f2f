//! Whether the broker lives, and whether it can admit calls. Says nothing else to anybody
//! (`security.md` 185).

use axum::{Router, extract::State, routing::get};
use http::StatusCode;

use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
}

async fn live() -> StatusCode {
    StatusCode::OK
}

async fn ready(State(app): State<App>) -> StatusCode {
    if app.shutdown.is_cancelled() || app.store.schema_version().await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    StatusCode::OK
}
