//! Calls that were refused, counted by the minute: a flood of them costs one row for each reason.

use aipassport_domain::{
    ids::{GrantId, TenantId},
    time::Timestamp,
};

use crate::{
    Store, StoreError,
    sql::{Row, corrupt, sql},
};

const MINUTE_MILLIS: i64 = 60_000;
/// A name is the client's own text; more of it tells nobody anything.
const LONGEST_MODEL: usize = 200;

/// How often calls of a grant were refused in one minute, by rule and by the model asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusalCount {
    pub tenant_id: TenantId,
    pub grant_id: GrantId,
    /// Any moment of it when recorded, its first when read.
    pub minute: Timestamp,
    pub rule: String,
    pub model: String,
    pub count: u64,
}

impl Store {
    /// Adds to what was counted before. Callers gather what they can of a few seconds in one batch.
    pub async fn record_refusals(&self, refusals: &[RefusalCount]) -> Result<(), StoreError> {
        let mut refusals: Vec<RefusalCount> = refusals.iter().map(storable).collect();
        // One order for all instances, so that no two of them wait for each other's rows.
        refusals.sort_unstable();
        let mut tx = self.begin_write().await?;
        for refusal in &refusals {
            sql(
                "insert into refusals (tenant_id, grant_id, minute, rule, model, count) values ($1, $2, $3, $4, $5, $6)
                 on conflict (tenant_id, grant_id, minute, rule, model)
                 do update set count = refusals.count + excluded.count",
            )
            .bind(&refusal.tenant_id)
            .bind(&refusal.grant_id)
            .bind(refusal.minute)
            .bind(&refusal.rule)
            .bind(&refusal.model)
            .bind(i64::try_from(refusal.count).unwrap_or(i64::MAX))
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The refusals of a grant since a moment, the newest minute first.
    pub async fn refusals_of(
        &self,
        tenant_id: &TenantId,
        grant_id: &GrantId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<RefusalCount>, StoreError> {
        let rows = sql("select minute, rule, model, count from refusals
             where tenant_id = $1 and grant_id = $2 and minute >= $3
             order by minute desc, rule, model limit $4")
        .bind(tenant_id)
        .bind(grant_id)
        .bind(minute_of(since))
        .bind(limit)
        .all(self.pool())
        .await?;
        rows.iter().map(|row| read(row, tenant_id, grant_id)).collect()
    }
}

fn storable(refusal: &RefusalCount) -> RefusalCount {
    let mut model = refusal.model.replace('\0', "\u{fffd}");
    model.truncate(model.floor_char_boundary(LONGEST_MODEL));
    RefusalCount {
        minute: minute_of(refusal.minute),
        model,
        ..refusal.clone()
    }
}

fn minute_of(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis().div_euclid(MINUTE_MILLIS) * MINUTE_MILLIS)
}

fn read(row: &Row, tenant_id: &TenantId, grant_id: &GrantId) -> Result<RefusalCount, StoreError> {
    Ok(RefusalCount {
        tenant_id: tenant_id.clone(),
        grant_id: grant_id.clone(),
        minute: row.time("minute")?,
        rule: row.text("rule")?,
        model: row.text("model")?,
        count: u64::try_from(row.integer("count")?).map_err(corrupt)?,
    })
}
