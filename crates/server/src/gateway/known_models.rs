//! Which models the users' keys really have, as far as their providers have been asked.
//!
//! The list is free. It comes with the check of a key, and is asked for in the background when a client
//! looks at its models: what is not known yet is shown from the price snapshot alone. Kept in memory;
//! all of it can be lost.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aipassport_domain::{
    ids::{CredentialId, ProviderId},
    time::Timestamp,
};
use aipassport_store::ProviderCredential;

use crate::app::App;

/// How long a list is believed before it is asked for again.
const FRESH_SECONDS: i64 = 6 * 3600;
const MOST_KEYS: usize = 10_000;

/// What a key's provider lists, by provider.
pub type ModelsOfKeys = BTreeMap<ProviderId, Arc<BTreeSet<String>>>;

#[derive(Default)]
pub(super) struct KnownModels {
    by_credential: Mutex<HashMap<CredentialId, Known>>,
}

struct Known {
    /// `None` while it is asked for the first time, and where the provider did not say.
    models: Option<Arc<BTreeSet<String>>>,
    asked_at: Timestamp,
}

impl KnownModels {
    /// What is known of `credentials`; of those of which it is old or nothing, it is asked for.
    pub(super) fn of<'a>(
        &self,
        app: &App,
        credentials: impl IntoIterator<Item = &'a ProviderCredential>,
    ) -> ModelsOfKeys {
        let now = app.clock.now();
        let asked = credentials.into_iter().inspect(|credential| {
            if self.begin_to_ask(&credential.id, now) {
                app.tasks.spawn(ask(app.clone(), (*credential).clone()));
            }
        });
        self.remembered(asked)
    }

    /// What is known of `credentials`; nobody is asked.
    pub(super) fn remembered<'a>(&self, credentials: impl IntoIterator<Item = &'a ProviderCredential>) -> ModelsOfKeys {
        let found = credentials.into_iter().filter_map(|credential| {
            let models = self.lock().get(&credential.id)?.models.clone()?;
            Some((credential.provider.clone(), models))
        });
        found.collect()
    }

    /// Keeps what a provider has told of a key unasked; the next who looks asks anew.
    pub(super) fn keep(&self, id: &CredentialId, models: BTreeSet<String>) {
        let mut known = self.lock();
        if known.len() < MOST_KEYS || known.contains_key(id) {
            let told = Known {
                models: Some(Arc::new(models)),
                asked_at: Timestamp::from_millis(0),
            };
            known.insert(id.clone(), told);
        }
    }

    /// Whether it is time to ask; then it counts as asked, so that nobody else does.
    fn begin_to_ask(&self, id: &CredentialId, now: Timestamp) -> bool {
        let mut known = self.lock();
        let is_full = known.len() >= MOST_KEYS;
        match known.get_mut(id) {
            Some(known) if now < known.asked_at.plus_seconds(FRESH_SECONDS) => false,
            Some(known) => {
                known.asked_at = now;
                true
            }
            None if is_full => false,
            None => {
                let asked = Known {
                    models: None,
                    asked_at: now,
                };
                known.insert(id.clone(), asked);
                true
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CredentialId, Known>> {
        self.by_credential.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the provider does not tell changes nothing of what was known.
async fn ask(app: App, credential: ProviderCredential) {
    let upstream = &app.gateway.upstream;
    let Some(models) = upstream
        .list_models(&app.config.upstreams, &app.vault, &credential)
        .await
    else {
        return;
    };
    if let Some(known) = app.gateway.known_models.lock().get_mut(&credential.id) {
        known.models = Some(Arc::new(models));
    }
}
