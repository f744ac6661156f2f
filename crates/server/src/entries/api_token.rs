//! A bearer for `/api` and the 0.2 surface.

use aipassport_domain::{audit::Happened, ids::UserId, secret::Secret};
use aipassport_store::ApiToken;

use super::Making;

/// What secret scanners know it by.
const PREFIX: &str = "aip_api_";

/// The bearer, shown once, and what is stored of it. It lasts until it is revoked.
pub fn new_api_token(making: Making<'_>, user_id: &UserId) -> (Secret, ApiToken, Happened) {
    let bearer = making.random.secret(PREFIX);
    let token = ApiToken {
        hash: making.vault.hash(bearer.expose()),
        tenant_id: making.tenant_id.clone(),
        user_id: user_id.clone(),
        created_at: making.now,
        expires_at: None,
    };
    (bearer, token, Happened::ApiTokenIssued)
}
