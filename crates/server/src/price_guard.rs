//! Pauses a grant whose models have become much dearer than they were when its user approved, and
//! asks: whoever lets it go on allows the new prices.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened, PauseReason},
    authorization_details::AiAccess,
    grant::{Grant, GrantState},
    ids::GrantId,
};
use aipassport_providers::prices::{DearerModel, PerMille, PriceBook, PricesOnRecord};
use aipassport_store::StoreError;

use crate::app::App;

/// What is kept with a grant of these details, approved now.
pub fn on_record(granted: &[AiAccess], prices: &PriceBook) -> String {
    to_json(&PricesOnRecord::of(granted, prices))
}

impl App {
    /// What of a grant's models has become so much dearer since it was approved that its user is to be
    /// asked.
    pub async fn dearer_models(&self, grant: &Grant) -> Result<Vec<DearerModel>, StoreError> {
        let approved = self.store.approved_prices(&self.tenant_id, &grant.id).await?;
        let Some(approved) = approved.as_deref().map(read) else {
            return Ok(Vec::new());
        };
        let prices = self.prices_of(&grant.user_id).await?;
        Ok(approved.dearer(&grant.authorization_details, &prices, self.dearest_share()))
    }

    /// Lets a paused grant go on, at the prices of today if they are why it was paused; returns it as
    /// [`Store::resume_grant`](aipassport_store::Store::resume_grant) does.
    pub async fn resume_grant(&self, id: &GrantId, event: &AuditEvent) -> Result<Option<Grant>, StoreError> {
        let Some(grant) = self.store.grant(&self.tenant_id, id).await? else {
            return Ok(None);
        };
        let allowed = if self.dearer_models(&grant).await?.is_empty() {
            None
        } else {
            let prices = self.prices_of(&grant.user_id).await?;
            Some(on_record(&grant.authorization_details, &prices))
        };
        self.store.resume_grant(id, allowed.as_deref(), event).await
    }

    /// Looks at every grant that can be used: pauses what has become too dear, and takes down what is
    /// on no record yet.
    pub async fn guard_prices(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for grant in self.store.grants(&self.tenant_id).await? {
            if self.shutdown.is_cancelled() {
                break;
            }
            if grant.state == GrantState::Active && now < grant.expires_at {
                self.guard_prices_of(&grant).await?;
            }
        }
        Ok(())
    }

    async fn guard_prices_of(&self, grant: &Grant) -> Result<(), StoreError> {
        let before = self.store.approved_prices(&self.tenant_id, &grant.id).await?;
        let mut approved = before.as_deref().map(read).unwrap_or_default();
        let prices = self.prices_of(&grant.user_id).await?;
        let dearer = approved.dearer(&grant.authorization_details, &prices, self.dearest_share());
        let Some(record) = before.as_deref().filter(|_| !dearer.is_empty()) else {
            if approved.add_missing(&grant.authorization_details, &prices) {
                let record = to_json(&approved);
                self.store
                    .complete_approved_prices(&self.tenant_id, &grant.id, before.as_deref(), &record)
                    .await?;
            }
            return Ok(());
        };
        let models: Vec<&str> = dearer.iter().map(|dearer| dearer.model.as_str()).collect();
        tracing::warn!(grant.id = %grant.id, ?models, "paused, because a price has risen");
        let paused = AuditEvent {
            tenant_id: self.tenant_id.clone(),
            at: self.clock.now(),
            actor: Actor::Broker,
            user_id: Some(grant.user_id.clone()),
            grant_id: Some(grant.id.clone()),
            what: Happened::GrantPaused {
                reason: PauseReason::PriceRise,
            },
        };
        self.store.pause_for_prices(&grant.id, record, &paused).await?;
        self.gateway.grant_changed(&grant.id);
        Ok(())
    }

    fn dearest_share(&self) -> PerMille {
        let percent = u64::from(self.config.prices.pause_when_dearer_percent);
        PerMille(percent.saturating_mul(10))
    }
}

/// A record that cannot be read is as good as none: it is written anew.
fn read(json: &str) -> PricesOnRecord {
    serde_json::from_str(json).unwrap_or_default()
}

fn to_json(record: &PricesOnRecord) -> String {
    // Maps with names for keys can always be written.
    serde_json::to_string(record).unwrap_or_default()
}
