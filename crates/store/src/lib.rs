//! What AIPassport remembers: one API over SQLite and PostgreSQL, and the exact ledger.
//!
//! A public method is one transaction and one thing that happens (`redeem_code`, `revoke_grant`);
//! its doc comment is its promise. Whatever changes state takes the [`AuditEvent`] that says so and
//! writes both together; the tenant and the time of the change are the event's. Everything is keyed
//! by tenant first. Every change that affects what a grant admits raises `grants.version` of all
//! grants concerned in the same transaction, so that the ledger refuses calls decided before it.
//!
//! Nothing here reads a clock or draws a random number: identifiers, hashes, sealed bytes and times
//! are handed in. Begin with `grants.rs`; `sql.rs` is how statements are run on either engine.
//!
//! [`AuditEvent`]: aipassport_domain::audit::AuditEvent

mod accounts;
mod alerts;
mod app_keys;
mod approved_prices;
mod audit;
mod authorization_requests;
mod clients;
mod codes;
mod credentials;
mod data_keys;
mod error;
mod grants;
mod ledger;
mod limits;
mod migrations;
mod open;
mod price_overrides;
mod provider_objects;
mod refresh_tokens;
mod sign_in;
mod signing_keys;
mod single_use;
mod sql;
mod sweep;
mod tenants;
mod time_zones;
mod turnstile;
mod users;
mod webhook_deliveries;
mod webhooks;

pub use alerts::{AlertRecord, AlertsOf};
pub use app_keys::{AppKey, NewAppKey, NewTool};
pub use audit::AuditRecord;
pub use authorization_requests::Decision;
pub use codes::{CodeRecord, NewCode, Redemption};
pub use credentials::{KeyChecked, ProviderCredential};
pub use error::{OpenError, StoreError};
pub use grants::LiveGrant;
pub use ledger::{
    AccountOf, CallPage, CallRecord, CallsOf, DaySpend, Fault, Finding, Ledger, LimitsOf, RefusalCount, ReserveError,
    SettledCall,
};
pub use open::{DatabaseUrl, Store};
pub use provider_objects::ProviderObject;
pub use refresh_tokens::{NewRefreshToken, RefreshToken, Rotation};
pub use sign_in::{ApiToken, BrowserSession};
pub use signing_keys::{SigningKey, SigningKeyState};
pub use users::User;
pub use webhook_deliveries::{Delivery, LeasedDelivery, Message};
pub use webhooks::{FormerSecret, Webhook};

/// A part of a long list, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only what has a lower sequence than this; `None` begins with the newest.
    pub before: Option<i64>,
    pub limit: u32,
}
