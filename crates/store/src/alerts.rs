//! Alerts as their users see them: which limits are nearly or altogether used up.

use aipassport_domain::{
    ids::{TenantId, UserId},
    ledger::{Amount, LimitRule},
    limits::Window,
    money::Money,
    time::Timestamp,
};

use crate::{
    AccountOf, Store, StoreError,
    sql::{Row, corrupt, sql},
};

/// A threshold that was come to, once, in a window of a budget or request cap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRecord {
    pub id: String,
    /// Whose limit it is.
    pub account: AccountOf,
    pub rule: LimitRule,
    pub window: Window,
    pub window_start: Timestamp,
    pub resets_at: Option<Timestamp>,
    /// In percent; 100 also where too little was left for a call.
    pub threshold: u8,
    pub limit: Amount,
    /// At that time.
    pub used: Amount,
    pub at: Timestamp,
    pub seen_at: Option<Timestamp>,
}

/// Whose alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertsOf<'a> {
    pub user_id: &'a UserId,
    /// Those of the tenant's limits, too, which are for its admins.
    pub and_tenant: bool,
}

impl<'a> AlertsOf<'a> {
    /// As the column `user_id` names them.
    fn names(self) -> [&'a str; 2] {
        let user_id = self.user_id.as_str();
        [user_id, if self.and_tenant { "" } else { user_id }]
    }
}

macro_rules! select_alerts {
    ($which:literal) => {
        concat!(
            "select id, level, subject, provider, rule, period, window_start, resets_at, threshold, limit_amount,
                    used_amount, at, seen_at
             from alerts ",
            $which
        )
    };
}

impl Store {
    /// The newest alerts; those alone that nobody has said to have seen, if `unseen` is set.
    pub async fn alerts_of(
        &self,
        tenant_id: &TenantId,
        of: AlertsOf<'_>,
        unseen: bool,
        limit: u32,
    ) -> Result<Vec<AlertRecord>, StoreError> {
        let [user, tenant] = of.names();
        let rows = sql(select_alerts!(
            "where tenant_id = $1 and user_id in ($2, $3) and (seen_at is null or $4 = 0)
             order by at desc, id desc limit $5"
        ))
        .bind(tenant_id)
        .bind(user)
        .bind(tenant)
        .bind(unseen)
        .bind(limit)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }

    pub(crate) async fn alert(&self, tenant_id: &TenantId, id: &str) -> Result<Option<AlertRecord>, StoreError> {
        let row = sql(select_alerts!("where tenant_id = $1 and id = $2"))
            .bind(tenant_id)
            .bind(id)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Takes down that an alert was seen; the first time counts. `false` if there is none of that id.
    /// Writes no event: nothing that was decided changes by it.
    pub async fn see_alert(
        &self,
        tenant_id: &TenantId,
        of: AlertsOf<'_>,
        id: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let [user, tenant] = of.names();
        let found = sql("select id from alerts where tenant_id = $1 and user_id in ($2, $3) and id = $4")
            .bind(tenant_id)
            .bind(user)
            .bind(tenant)
            .bind(id)
            .first(self.pool())
            .await?;
        if found.is_none() {
            return Ok(false);
        }
        let statement = sql("update alerts set seen_at = coalesce(seen_at, $5)
             where tenant_id = $1 and user_id in ($2, $3) and id = $4")
        .bind(tenant_id)
        .bind(user)
        .bind(tenant)
        .bind(id)
        .bind(now);
        Ok(self.write(statement).await? > 0)
    }
}

fn read(row: &Row) -> Result<AlertRecord, StoreError> {
    let rule = LimitRule::parse(&row.text("rule")?).ok_or_else(|| corrupt("a rule"))?;
    let amount = |column| {
        let stored = row.integer(column)?;
        Ok::<_, StoreError>(match rule {
            LimitRule::Budget => Amount::Money(Money::from_nanos(stored)),
            _ => Amount::Count(stored.unsigned_abs()),
        })
    };
    let period = row.text("period")?;
    Ok(AlertRecord {
        id: row.text("id")?,
        account: AccountOf::parse(&row.text("level")?, row.text("subject")?, row.text("provider")?)
            .ok_or_else(|| corrupt("the name of an account"))?,
        rule,
        window: match period.as_str() {
            "" => None,
            period => Some(period.parse().map_err(corrupt)?),
        },
        window_start: row.time("window_start")?,
        resets_at: row.maybe_time("resets_at")?,
        threshold: u8::try_from(row.integer("threshold")?).map_err(corrupt)?,
        limit: amount("limit_amount")?,
        used: amount("used_amount")?,
        at: row.time("at")?,
        seen_at: row.maybe_time("seen_at")?,
    })
}
