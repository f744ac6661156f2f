//! What the hot path remembers of grants, until their version moves.
//!
//! A snapshot may be old: the ledger refuses what was decided on an older version than the grant
//! has, the gateway forgets the snapshot and starts again. So nothing here has to expire, and a
//! revocation by another process holds on the next call.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    grant::Grant,
    ids::{GrantId, ProviderId},
    time::Timestamp,
};
use aipassport_providers::{
    adapter::{self, ProviderAdapter},
    prices::PriceBook,
};
use aipassport_store::{LiveGrant, ProviderCredential, StoreError};

use super::upstream::target::{Target, TargetError};
use crate::{app::App, config::Upstreams, own_prices};

const MOST_SNAPSHOTS: usize = 10_000;
/// How often a credential's use is written down.
const USE_NOTED_SECONDS: i64 = 60;

#[derive(Default)]
pub(super) struct Grants {
    snapshots: RwLock<HashMap<GrantId, Arc<Snapshot>>>,
}

/// A grant as it was at its version, and where its calls go.
pub(super) struct Snapshot {
    live: LiveGrant,
    prices: Arc<PriceBook>,
    destinations: Vec<Destination>,
    loaded_at: Instant,
}

/// Where calls to one provider go, and with which credential.
pub(super) struct Destination {
    pub(super) credential: ProviderCredential,
    pub(super) target: Result<Target, TargetError>,
    use_noted_at: AtomicI64,
}

impl Grants {
    /// The grant, from memory or the store; `None` if there is none.
    pub(super) async fn get(&self, app: &App, id: &GrantId) -> Result<Option<Arc<Snapshot>>, StoreError> {
        let remembered = self
            .snapshots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned();
        match remembered {
            Some(snapshot) => Ok(Some(snapshot)),
            None => self.load(app, id).await,
        }
    }

    /// The grant as the store has it now.
    pub(super) async fn load(&self, app: &App, id: &GrantId) -> Result<Option<Arc<Snapshot>>, StoreError> {
        // Before it is read: what changes meanwhile may not be in it.
        let loaded_at = Instant::now();
        let Some(live) = app.store.live_grant(&app.tenant_id, id).await? else {
            return Ok(None);
        };
        let snapshot = Arc::new(Snapshot::of(app, live, loaded_at));
        let mut snapshots = self.snapshots.write().unwrap_or_else(PoisonError::into_inner);
        if snapshots.len() >= MOST_SNAPSHOTS {
            snapshots.clear();
        }
        snapshots.insert(id.clone(), Arc::clone(&snapshot));
        Ok(Some(snapshot))
    }

    pub(super) fn forget(&self, id: &GrantId) {
        self.snapshots
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }
}

impl Snapshot {
    fn of(app: &App, live: LiveGrant, loaded_at: Instant) -> Self {
        let upstreams = &app.config.upstreams;
        let destinations = live.credentials.iter().filter_map(|credential| {
            let adapter = adapter::by_id(credential.provider.as_str())?;
            Some(Destination {
                credential: credential.clone(),
                target: target_of(credential, adapter, upstreams),
                use_noted_at: AtomicI64::new(credential.last_used_at.map_or(0, Timestamp::millis)),
            })
        });
        Self {
            destinations: destinations.collect(),
            prices: own_prices::book(&app.prices, &live.prices),
            live,
            loaded_at,
        }
    }

    pub(super) fn grant(&self) -> &Grant {
        &self.live.grant
    }

    /// What models cost the grant's user. A call keeps the book it was admitted by.
    pub(super) fn prices(&self) -> &Arc<PriceBook> {
        &self.prices
    }

    /// Whether something other than the grant's own state ended it: its client, its user, or the
    /// very token that was shown.
    pub(super) fn is_cut_off(&self, jti: &str) -> bool {
        self.live.client_disabled_at.is_some()
            || self.is_suspended()
            || self.live.revoked_jtis.iter().any(|revoked| revoked == jti)
    }

    /// Whether its user was suspended then.
    pub(super) fn is_suspended(&self) -> bool {
        self.live.user_suspended_at.is_some()
    }

    /// The keys that calls of this grant are made with.
    pub(super) fn keys(&self) -> impl Iterator<Item = &ProviderCredential> {
        self.destinations.iter().map(|destination| &destination.credential)
    }

    pub(super) fn destination(&self, provider: &ProviderId) -> Option<&Destination> {
        self.destinations
            .iter()
            .find(|destination| destination.credential.provider == *provider)
    }

    /// Whether it was read from the store at `arrived` or later. A refusal that rests on an older
    /// one is decided again: the user may have allowed more since, through another process.
    pub(super) fn was_loaded_since(&self, arrived: Instant) -> bool {
        self.loaded_at >= arrived
    }

    /// An event about this grant, by the broker, now.
    pub(super) fn event(&self, app: &App, what: Happened) -> AuditEvent {
        let grant = self.grant();
        AuditEvent {
            tenant_id: grant.tenant_id.clone(),
            at: app.clock.now(),
            actor: Actor::Broker,
            user_id: Some(grant.user_id.clone()),
            grant_id: Some(grant.id.clone()),
            what,
        }
    }
}

/// Where requests with `credential` go: to its own base URL, to the one that the operator put in its
/// provider's place, or to the provider's public one.
pub(super) fn target_of(
    credential: &ProviderCredential,
    adapter: &dyn ProviderAdapter,
    upstreams: &Upstreams,
) -> Result<Target, TargetError> {
    let public_url = adapter.default_base_url();
    let replaced = upstreams
        .base_urls
        .iter()
        .find(|(provider, _)| provider == credential.provider.as_str())
        .map(|(_, url)| url.as_str());
    let base_url = credential.base_url.as_deref().or(replaced).unwrap_or(public_url);
    Target::read(base_url, public_url, &upstreams.allow)
}

impl Destination {
    /// Whether the last note of its use is old; if so, one caller alone is told.
    pub(super) fn is_use_worth_noting(&self, now: Timestamp) -> bool {
        let noted_at = self.use_noted_at.load(Ordering::Relaxed);
        let is_old = noted_at.saturating_add(USE_NOTED_SECONDS * 1000) <= now.millis();
        is_old
            && self
                .use_noted_at
                .compare_exchange(noted_at, now.millis(), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
