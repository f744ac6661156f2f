//! The authorization code of an approved request (RFC 6749, section 4.1.2).
//!
//! The consent page stores its hash together with the approval, in one transaction, and sends the
//! browser back to [`resume_path`]; the authorization endpoint hands the code itself out. It is
//! worked out from the request's id under the tenant's key, so that it is passed along nowhere, and
//! a browser that comes back twice, or after a crash in between, gets the same one. What makes it
//! single-use is the store.

use aipassport_domain::{ids::AuthorizationRequestId, secret::Secret, time::Timestamp};
use aipassport_store::NewCode;

use crate::{app::App, vault::Vault};

/// The code that answers an approved request.
pub fn code_of(vault: &Vault, request_id: &AuthorizationRequestId) -> Secret {
    vault.derived_secret("aip_ac_", request_id.as_str())
}

/// What is stored when `request_id` is approved at `now`.
pub fn new_code(app: &App, request_id: &AuthorizationRequestId, now: Timestamp) -> NewCode {
    NewCode {
        hash: app.vault.hash(code_of(&app.vault, request_id).expose()),
        expires_at: now.plus_seconds(app.config.tokens.code_seconds),
    }
}

/// Where pages send the browser when they are done with a request that came in at the authorization
/// endpoint, whatever was decided: there, and only there, it is decided what comes next.
pub fn resume_path(request_id: &AuthorizationRequestId) -> String {
    format!("/oauth/authorize/{request_id}")
}
