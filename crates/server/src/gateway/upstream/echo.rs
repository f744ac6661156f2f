//! What is done when a provider's answer has our key in it.

use std::sync::Arc;

use aipassport_domain::{audit::Happened, ids::ProviderId};

use crate::{app::App, gateway::grants::Snapshot};

/// Tells the user, once for each answer: their activity shows the event.
pub(super) struct EchoAlarm {
    pub(super) app: App,
    pub(super) grant: Arc<Snapshot>,
    pub(super) provider: ProviderId,
}

impl EchoAlarm {
    pub(super) fn sound(self) {
        tracing::warn!(provider = %self.provider, grant.id = %self.grant.grant().id, "an answer contained its credential");
        let event = self.grant.event(
            &self.app,
            Happened::CredentialEchoRedacted {
                provider: self.provider,
            },
        );
        let store = self.app.store.clone();
        self.app.tasks.spawn(async move {
            if let Err(error) = store.append(&event).await {
                tracing::error!(%error, "could not record that a credential was echoed");
            }
        });
    }
}
