//! What answers where. Each part brings its own routes; nothing is registered elsewhere.

use axum::{Router, middleware::map_request_with_state};

use crate::{api, app::App, gateway, oauth, serve, web};

pub fn router(app: App) -> Router {
    Router::new()
        .merge(oauth::routes())
        .merge(api::routes())
        .merge(web::routes(&app))
        .layer(map_request_with_state(app.clone(), serve::hurry))
        // It times bodies itself, and says so in the provider's own words.
        .merge(gateway::routes())
        .with_state(app)
}
