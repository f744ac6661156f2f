//! What answers where. Each part brings its own routes; nothing is registered elsewhere.

use aipassport_providers::adapter;
use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    middleware::map_request_with_state,
    response::Response,
};
use tower::ServiceExt;

use crate::{api, app::App, gateway, oauth, serve, web};

/// Nobody has more to say than this outside the providers' paths; some bodies are read before it is
/// known who sent them.
const LARGEST_BODY: usize = 256 * 1024;

/// Everything that answers requests.
#[derive(Clone)]
pub struct Routes {
    app: App,
    router: Router,
}

impl Routes {
    pub fn new(app: App) -> Self {
        let router = Router::new()
            .merge(oauth::routes())
            .merge(api::routes())
            .merge(web::routes(&app))
            .layer(map_request_with_state(app.clone(), serve::hurry))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            // It times bodies itself, and says so in the provider's own words.
            .merge(gateway::routes())
            .with_state(app.clone());
        Self { app, router }
    }

    /// Calls are most of what arrives, and the first segment of their path says where they go: they
    /// take no way through the router.
    pub async fn answer(self, request: Request<Body>) -> Response {
        if let Some((adapter, provider)) = adapter::at_path(request.uri().path()) {
            return gateway::call(&self.app, adapter, provider, request).await;
        }
        let Ok(answer) = self.router.oneshot(request).await;
        answer
    }
}
