//! Calls as they are shown: one, a page of them, and what they came to by the day.

use std::collections::BTreeMap;

use aipassport_domain::{
    audit::CallOutcome,
    authorization_details::Capability,
    ids::{CallId, ClientId, GrantId, ProviderId, TenantId, UserId},
    ledger::Held,
    money::Money,
    time::{Period, Timestamp, zone_named},
    usage::{TruthLabel, Usage},
};

use super::rows::read_other_usage;
use crate::{
    Store, StoreError,
    sql::{Row, corrupt, sql},
};

/// Spending is added up by the quarter of an hour: every zone's day begins at one.
const QUARTER_MILLIS: i64 = 15 * 60 * 1000;

/// One call, from its reservation on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    pub id: CallId,
    pub tenant_id: TenantId,
    pub grant_id: GrantId,
    pub user_id: UserId,
    pub client_id: ClientId,
    pub provider: ProviderId,
    pub model: String,
    pub capability: Capability,
    pub held: Held,
    pub output_cap: u64,
    /// `None` while the call is under way.
    pub settled: Option<SettledCall>,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledCall {
    pub at: Timestamp,
    pub cost: Money,
    pub label: TruthLabel,
    pub outcome: CallOutcome,
    pub usage: Usage,
    pub price_digest: String,
}

/// What a grant's settled calls add up to, over its whole life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantUsage {
    /// Those that count: a refused or failed call does not.
    pub requests: u64,
    pub cost: Money,
}

/// Whose calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallsOf<'a> {
    User(&'a UserId),
    Grant(&'a GrantId),
}

/// A part of a long list of calls, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPage {
    /// Only what was admitted before this call; `None` begins with the newest.
    pub before: Option<(Timestamp, CallId)>,
    pub limit: u32,
}

/// What was spent on calls admitted on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySpend {
    /// Midnight, by the clock that was asked for.
    pub day: Timestamp,
    pub cost: Money,
    /// What calls that are still under way hold.
    pub held: Money,
    pub requests: u64,
}

/// The columns are named: a prepared `*` breaks when a newer version adds one.
macro_rules! select_calls {
    ($which:literal) => {
        concat!(
            "select id, tenant_id, grant_id, user_id, client_id, provider, model, capability, held_nanos, output_cap,
                    admitted_at, settled_at, cost_nanos, label, outcome, input_tokens, cached_input_tokens,
                    cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, other_usage, price_digest
             from calls ",
            $which
        )
    };
}

impl Store {
    pub async fn call(&self, tenant_id: &TenantId, id: &CallId) -> Result<Option<CallRecord>, StoreError> {
        self.settle_what_ended().await;
        let row = sql(select_calls!("where tenant_id = $1 and id = $2"))
            .bind(tenant_id)
            .bind(id)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Calls under way and settled, the newest first.
    pub async fn calls_of(
        &self,
        tenant_id: &TenantId,
        of: CallsOf<'_>,
        page: &CallPage,
    ) -> Result<Vec<CallRecord>, StoreError> {
        self.settle_what_ended().await;
        let mut calls = Vec::new();
        for grant_id in self.grants_behind(tenant_id, of).await? {
            let (before, id) = match &page.before {
                Some((at, id)) => (*at, id.as_str()),
                None => (Timestamp::from_millis(i64::MAX), ""),
            };
            let rows = sql(select_calls!(
                "where tenant_id = $1 and grant_id = $2 and (admitted_at, id) < ($3, $4)
                 order by admitted_at desc, id desc limit $5"
            ))
            .bind(tenant_id)
            .bind(&grant_id)
            .bind(before)
            .bind(id)
            .bind(page.limit)
            .all(self.pool())
            .await?;
            for row in &rows {
                calls.push(read(row)?);
            }
        }
        calls.sort_by(|one, other| (other.held.at, &other.id).cmp(&(one.held.at, &one.id)));
        calls.truncate(page.limit.try_into().unwrap_or(usize::MAX));
        Ok(calls)
    }

    /// What was spent on each day since the day of `since`, oldest first; days without calls are
    /// left out. Days are those of the zone of that IANA name.
    pub async fn spend_by_day(
        &self,
        tenant_id: &TenantId,
        of: CallsOf<'_>,
        since: Timestamp,
        time_zone: &str,
    ) -> Result<Vec<DaySpend>, StoreError> {
        let zone = zone_named(time_zone);
        let (since, _) = Period::DAY.window(since, &zone);
        let mut days = BTreeMap::new();
        for grant_id in self.grants_behind(tenant_id, of).await? {
            let rows = sql("select admitted_at / $4 as quarter,
                        cast(coalesce(sum(cost_nanos), 0) as bigint) as cost,
                        cast(coalesce(sum(case when settled_at is null then held_nanos end), 0) as bigint) as held,
                        cast(coalesce(sum(counted_requests), 0) as bigint) as requests
                 from calls where tenant_id = $1 and grant_id = $2 and admitted_at >= $3
                 group by 1")
            .bind(tenant_id)
            .bind(&grant_id)
            .bind(since)
            .bind(QUARTER_MILLIS)
            .all(self.pool())
            .await?;
            for row in &rows {
                let at = Timestamp::from_millis(row.integer("quarter")?.saturating_mul(QUARTER_MILLIS));
                let (day, _) = Period::DAY.window(at, &zone);
                let spend = days.entry(day).or_insert(DaySpend {
                    day,
                    cost: Money::ZERO,
                    held: Money::ZERO,
                    requests: 0,
                });
                spend.cost = spend.cost.saturating_add(money(row, "cost")?);
                spend.held = spend.held.saturating_add(money(row, "held")?);
                spend.requests = spend.requests.saturating_add(count(row, "requests")?);
            }
        }
        Ok(days.into_values().collect())
    }

    pub async fn usage_of_grant(&self, tenant_id: &TenantId, grant_id: &GrantId) -> Result<GrantUsage, StoreError> {
        self.settle_what_ended().await;
        let row = sql("select cast(coalesce(sum(counted_requests), 0) as bigint) as requests,
                    cast(coalesce(sum(cost_nanos), 0) as bigint) as cost
             from calls where tenant_id = $1 and grant_id = $2")
        .bind(tenant_id)
        .bind(grant_id)
        .first(self.pool())
        .await?
        .ok_or_else(|| corrupt("a sum without a row"))?;
        Ok(GrantUsage {
            requests: count(&row, "requests")?,
            cost: money(&row, "cost")?,
        })
    }

    /// When each grant of a user was last used, for those that were.
    pub async fn last_calls_of(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
    ) -> Result<Vec<(GrantId, Timestamp)>, StoreError> {
        let mut last = Vec::new();
        let newest = CallPage { before: None, limit: 1 };
        for grant_id in self.grants_behind(tenant_id, CallsOf::User(user_id)).await? {
            let calls = self.calls_of(tenant_id, CallsOf::Grant(&grant_id), &newest).await?;
            last.extend(calls.first().map(|call| (grant_id, call.held.at)));
        }
        Ok(last)
    }

    /// Calls are found by their grant; a user's are those of all its grants.
    async fn grants_behind(&self, tenant_id: &TenantId, of: CallsOf<'_>) -> Result<Vec<GrantId>, StoreError> {
        let user_id = match of {
            CallsOf::Grant(id) => return Ok(vec![id.clone()]),
            CallsOf::User(id) => id,
        };
        let rows = sql("select id from grants where tenant_id = $1 and user_id = $2")
            .bind(tenant_id)
            .bind(user_id)
            .all(self.pool())
            .await?;
        rows.iter().map(|row| row.text("id").map(GrantId::new)).collect()
    }
}

fn read(row: &Row) -> Result<CallRecord, StoreError> {
    let capability = row.text("capability")?;
    Ok(CallRecord {
        id: CallId::new(row.text("id")?),
        tenant_id: TenantId::new(row.text("tenant_id")?),
        grant_id: GrantId::new(row.text("grant_id")?),
        user_id: UserId::new(row.text("user_id")?),
        client_id: ClientId::new(row.text("client_id")?),
        provider: ProviderId::new(row.text("provider")?),
        model: row.text("model")?,
        capability: Capability::ALL
            .into_iter()
            .find(|known| known.as_str() == capability)
            .ok_or_else(|| corrupt("a capability"))?,
        held: Held {
            amount: money(row, "held_nanos")?,
            at: row.time("admitted_at")?,
        },
        output_cap: count(row, "output_cap")?,
        settled: match row.maybe_time("settled_at")? {
            Some(at) => Some(read_settled(row, at)?),
            None => None,
        },
    })
}

fn read_settled(row: &Row, at: Timestamp) -> Result<SettledCall, StoreError> {
    let mut usage = Usage {
        input_tokens: count(row, "input_tokens")?,
        cached_input_tokens: count(row, "cached_input_tokens")?,
        cache_write_5m_tokens: count(row, "cache_write_5m_tokens")?,
        cache_write_1h_tokens: count(row, "cache_write_1h_tokens")?,
        output_tokens: count(row, "output_tokens")?,
        reasoning_tokens: count(row, "reasoning_tokens")?,
        ..Usage::default()
    };
    if let Some(others) = row.maybe_text("other_usage")? {
        read_other_usage(&others, &mut usage)?;
    }
    Ok(SettledCall {
        at,
        cost: money(row, "cost_nanos")?,
        label: TruthLabel::parse(&row.text("label")?).ok_or_else(|| corrupt("a truth label"))?,
        outcome: CallOutcome::parse(&row.text("outcome")?).ok_or_else(|| corrupt("an outcome"))?,
        usage,
        price_digest: row.text("price_digest")?,
    })
}

fn money(row: &Row, column: &str) -> Result<Money, StoreError> {
    row.integer(column).map(Money::from_nanos)
}

fn count(row: &Row, column: &str) -> Result<u64, StoreError> {
    u64::try_from(row.integer(column)?).map_err(corrupt)
}
