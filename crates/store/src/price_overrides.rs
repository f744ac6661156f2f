//! Price overrides: what users say their providers' models cost.

use aipassport_domain::{
    audit::AuditEvent,
    ids::{ProviderId, TenantId, UserId},
    price_override::PriceOverride,
};

use crate::{
    Store, StoreError, approved_prices, audit, grants,
    sql::{Row, Transaction, corrupt, sql},
    users,
};

/// Stands for every model: no model has this id.
const EVERY_MODEL: &str = "*";

impl Store {
    /// Puts a user's price in the place of what the user said before of the same model; it holds
    /// from the next admission on, and what was charged before stays.
    pub async fn set_price(
        &self,
        user_id: &UserId,
        price: &PriceOverride,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        users::hold(&mut tx, &event.tenant_id, user_id).await?;
        sql(
            "insert into price_overrides (tenant_id, user_id, provider, model, price, set_at)
             values ($1, $2, $3, $4, $5, $6)
             on conflict (tenant_id, user_id, provider, model)
             do update set price = excluded.price, set_at = excluded.set_at",
        )
        .bind(&event.tenant_id)
        .bind(user_id)
        .bind(&price.provider)
        .bind(model_column(price.model.as_deref()))
        .bind(serde_json::to_string(&price.price).map_err(corrupt)?)
        .bind(event.at)
        .execute(&mut *tx)
        .await?;
        grants::raise_versions_of_user(&mut tx, &event.tenant_id, user_id).await?;
        approved_prices::forget(&mut tx, &event.tenant_id, user_id).await?;
        audit::record(&mut tx, event).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets what a user said of a model; `None` is what was said of every model. `false`, and no
    /// event, if nothing was.
    pub async fn remove_price(
        &self,
        user_id: &UserId,
        provider: &ProviderId,
        model: Option<&str>,
        event: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        users::hold(&mut tx, &event.tenant_id, user_id).await?;
        let removed = sql("delete from price_overrides
             where tenant_id = $1 and user_id = $2 and provider = $3 and model = $4")
        .bind(&event.tenant_id)
        .bind(user_id)
        .bind(provider)
        .bind(model_column(model))
        .changed(&mut *tx)
        .await?;
        if !removed {
            return Ok(false);
        }
        grants::raise_versions_of_user(&mut tx, &event.tenant_id, user_id).await?;
        approved_prices::forget(&mut tx, &event.tenant_id, user_id).await?;
        audit::record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What a user says of prices, by provider and model; what holds for every model comes first.
    pub async fn prices_of(&self, tenant_id: &TenantId, user_id: &UserId) -> Result<Vec<PriceOverride>, StoreError> {
        let rows = sql("select provider, model, price from price_overrides where tenant_id = $1 and user_id = $2")
            .bind(tenant_id)
            .bind(user_id)
            .all(self.pool())
            .await?;
        let mut prices = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        prices.sort_by(|one, other| (&one.provider, &one.model).cmp(&(&other.provider, &other.model)));
        Ok(prices)
    }
}

/// Forgets all that a user, whom the caller [holds](users::hold), said of a provider.
pub(crate) async fn forget(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    user_id: &UserId,
    provider: &ProviderId,
) -> Result<(), StoreError> {
    sql("delete from price_overrides where tenant_id = $1 and user_id = $2 and provider = $3")
        .bind(tenant_id)
        .bind(user_id)
        .bind(provider)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn model_column(model: Option<&str>) -> &str {
    model.unwrap_or(EVERY_MODEL)
}

fn read(row: &Row) -> Result<PriceOverride, StoreError> {
    let model = row.text("model")?;
    Ok(PriceOverride {
        provider: ProviderId::new(row.text("provider")?),
        model: (model != EVERY_MODEL).then_some(model),
        price: serde_json::from_str(&row.text("price")?).map_err(corrupt)?,
    })
}
