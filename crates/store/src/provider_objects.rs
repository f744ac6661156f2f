//! What grants have left at providers: which of a provider's objects are whose.

use aipassport_domain::{
    ids::{GrantId, ProviderId, TenantId},
    secret::SecretHash,
    time::Timestamp,
};

use crate::{Store, StoreError, sql::sql};

/// Something kept at a provider, and by whose call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderObject {
    pub tenant_id: TenantId,
    pub grant_id: GrantId,
    pub provider: ProviderId,
    /// What it is, as `response`.
    pub kind: &'static str,
    /// Keyed, of the id that it has at the provider.
    pub id_hash: SecretHash,
    /// Which model made it.
    pub model: String,
}

impl Store {
    /// Notes whose an object is. May be repeated. If the process dies before, the object is
    /// nobody's: its id has been shown to no one.
    ///
    /// Writes no event: the call that made the object has its own.
    pub async fn record_provider_object(&self, object: &ProviderObject, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        sql(
            "insert into provider_objects (tenant_id, grant_id, provider, kind, id_hash, model, created_at)
             values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing",
        )
        .bind(&object.tenant_id)
        .bind(&object.grant_id)
        .bind(&object.provider)
        .bind(object.kind)
        .bind(&object.id_hash)
        .bind(object.model.as_str())
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Which model made an object of this grant's; `None` where it is not this grant's.
    pub async fn provider_object_model(
        &self,
        tenant_id: &TenantId,
        grant_id: &GrantId,
        provider: &ProviderId,
        kind: &str,
        id_hash: &SecretHash,
    ) -> Result<Option<String>, StoreError> {
        let row = sql("select model from provider_objects
             where tenant_id = $1 and grant_id = $2 and provider = $3 and kind = $4 and id_hash = $5")
        .bind(tenant_id)
        .bind(grant_id)
        .bind(provider)
        .bind(kind)
        .bind(id_hash)
        .first(self.pool())
        .await?;
        row.map(|row| row.text("model")).transpose()
    }
}
