//! Limits of an app, of a user or of the tenant, above those of single grants.

use aipassport_domain::{audit::Happened, limits::Limits};
use aipassport_store::LimitsOf;

/// The audit word for having set `limits`; empty ones remove what was there.
pub fn limits_changed(of: &LimitsOf, limits: &Limits) -> Happened {
    Happened::LimitsChanged {
        level: of.level(),
        client_id: of.client_id().cloned(),
        limits: serde_json::json!(limits),
    }
}
