//! What answers where. Each part brings its own routes; nothing is registered elsewhere.

use axum::Router;

use crate::{api, app::App, gateway, oauth, web};

pub fn router(app: App) -> Router {
    Router::new()
        .merge(gateway::routes())
        .merge(oauth::routes())
        .merge(api::routes())
        .merge(web::routes(&app))
        .with_state(app)
}
