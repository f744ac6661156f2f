//! What a person enters, on a page, through the API or on the command line: checked once, and made
//! into what the store keeps, together with the audit word for it.
//!
//! Nothing here stores: the caller does, with the event that says who did it.

use std::sync::Arc;

use aipassport_domain::{ids::TenantId, time::Timestamp};

use crate::{app::App, data::Data, random::Random, vault::Vault};

mod api_token;
mod app_key;
mod client;
mod credential;
mod limits;
mod price;
mod time_zone;
mod webhook;

pub use api_token::new_api_token;
pub use app_key::{APP_KEY_PREFIX, MadeTool, NewTool, fresh_app_key, new_app_key};
pub use client::{NewClient, new_client};
pub use credential::{NewCredential, NotAccepted, checked, new_credential};
pub use limits::limits_changed;
pub use price::{NewPrice, new_price};
pub use time_zone::new_time_zone;
pub use webhook::{FreshSecret, MOST_WEBHOOKS, MadeWebhook, NewWebhook, fresh_webhook_secret, new_webhook};

/// What an entry is made with.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    pub vault: &'a Vault,
    pub random: &'a Arc<dyn Random>,
    pub tenant_id: &'a TenantId,
    pub now: Timestamp,
}

/// What was entered is not right: says what, and what to write instead.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// The field, as the API names it.
    pub field: &'static str,
    pub text: String,
}

impl Refused {
    fn field(field: &'static str, text: impl Into<String>) -> Self {
        Self {
            field,
            text: text.into(),
        }
    }
}

impl App {
    pub fn making(&self) -> Making<'_> {
        Making {
            vault: &self.vault,
            random: &self.random,
            tenant_id: &self.tenant_id,
            now: self.clock.now(),
        }
    }
}

impl Data {
    pub fn making(&self) -> Making<'_> {
        Making {
            vault: &self.vault,
            random: &self.random,
            tenant_id: &self.tenant_id,
            now: self.clock.now(),
        }
    }
}
