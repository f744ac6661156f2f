//! stub

use axum::Router;

use crate::app::App;

pub fn routes() -> Router<App> {
    Router::new()
}

/// stub
pub struct Gateway;

/// stub
#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct GatewayStartError;

impl Gateway {
    /// stub
    pub fn new(_config: &crate::config::Config) -> Result<Self, GatewayStartError> {
        Ok(Self)
    }
}
