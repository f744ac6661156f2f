//! What everything is handed: built once, passed down, nothing global.

use std::{ops::Deref, sync::Arc};

use aipassport_domain::ids::TenantId;
use aipassport_providers::prices::PriceBook;
use aipassport_store::Store;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    client_secret, clock::Clock, config::Config, gateway::Gateway, password::Passwords, random::Random,
    signing::SigningKeys, strangers::Strangers, vault::Vault, webhooks::Webhooks,
};

#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub config: Config,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub vault: Vault,
    pub passwords: Passwords,
    pub signing: SigningKeys,
    /// The snapshot; users may have words of their own on it ([`crate::own_prices`]).
    pub prices: Arc<PriceBook>,
    /// What was taken down for whom nobody knows.
    pub strangers: Strangers,
    /// Wrong secrets of clients.
    pub client_secrets: client_secret::Tries,
    /// Caches, upstream connections and open streams.
    pub gateway: Gateway,
    pub webhooks: Webhooks,
    /// Work that shutdown waits for.
    pub tasks: TaskTracker,
    /// Cancelled when the broker begins to stop.
    pub shutdown: CancellationToken,
    /// The only tenant until there are more.
    pub tenant_id: TenantId,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
