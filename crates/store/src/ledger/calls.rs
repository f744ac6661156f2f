//! Calls, as pages and the API show them: what was asked of which model, and what it cost.

use aipassport_domain::{
    audit::CallOutcome,
    ids::{CallId, ClientId, GrantId, ProviderId, TenantId, UserId},
    money::Money,
    time::Timestamp,
    usage::{TruthLabel, Usage},
};

use crate::{
    Store, StoreError,
    sql::{Row, corrupt, sql},
};

/// One call: admitted, and perhaps settled. Never what was said in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    pub id: CallId,
    pub grant_id: GrantId,
    pub user_id: UserId,
    pub client_id: ClientId,
    pub provider: ProviderId,
    pub model: String,
    pub capability: String,
    pub held: Money,
    pub admitted_at: Timestamp,
    /// `None` while it is under way.
    pub settled: Option<SettledCall>,
}

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

/// Where a list of calls goes on: after this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallsBefore {
    pub admitted_at: Timestamp,
    pub id: CallId,
}

macro_rules! select_calls {
    ($which:literal) => {
        concat!(
            "select id, grant_id, user_id, client_id, provider, model, capability, held_nanos, admitted_at, settled_at,
                    cost_nanos, label, outcome, input_tokens, cached_input_tokens, cache_write_5m_tokens,
                    cache_write_1h_tokens, output_tokens, reasoning_tokens, price_digest
             from calls where ",
            $which
        )
    };
}

impl Store {
    pub async fn call(&self, tenant_id: &TenantId, id: &CallId) -> Result<Option<CallRecord>, StoreError> {
        let row = sql(select_calls!("tenant_id = $1 and id = $2"))
            .bind(tenant_id)
            .bind(id)
            .first(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The calls of a grant, newest first.
    pub async fn calls_of_grant(
        &self,
        tenant_id: &TenantId,
        grant_id: &GrantId,
        before: Option<&CallsBefore>,
        limit: u32,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let (at, id) = before.map_or((i64::MAX, ""), |before| {
            (before.admitted_at.millis(), before.id.as_str())
        });
        let rows = sql(select_calls!(
            "tenant_id = $1 and grant_id = $2 and (admitted_at < $3 or (admitted_at = $3 and id < $4))
             order by admitted_at desc, id desc limit $5"
        ))
        .bind(tenant_id)
        .bind(grant_id)
        .bind(at)
        .bind(id)
        .bind(limit)
        .all(self.pool())
        .await?;
        rows.iter().map(read).collect()
    }

    pub async fn usage_of_grant(&self, tenant_id: &TenantId, grant_id: &GrantId) -> Result<GrantUsage, StoreError> {
        let row = sql("select cast(coalesce(sum(counted_requests), 0) as bigint) as requests,
                    cast(coalesce(sum(cost_nanos), 0) as bigint) as cost
             from calls where tenant_id = $1 and grant_id = $2")
        .bind(tenant_id)
        .bind(grant_id)
        .first(self.pool())
        .await?
        .ok_or_else(|| corrupt("a sum without a row"))?;
        Ok(GrantUsage {
            requests: u64::try_from(row.integer("requests")?).unwrap_or(0),
            cost: Money::from_nanos(row.integer("cost")?),
        })
    }

    /// When each grant of a user was last used, for those that were.
    pub async fn last_calls_of(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
    ) -> Result<Vec<(GrantId, Timestamp)>, StoreError> {
        let rows = sql("select grant_id, max(admitted_at) as last_at from calls
             where tenant_id = $1 and user_id = $2 group by grant_id")
        .bind(tenant_id)
        .bind(user_id)
        .all(self.pool())
        .await?;
        rows.iter()
            .map(|row| Ok((GrantId::new(row.text("grant_id")?), row.time("last_at")?)))
            .collect()
    }

    /// What a user's calls cost in each of the spans, `[start, end)`, for one grant or for all.
    pub async fn spend_in(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        grant_id: Option<&GrantId>,
        spans: &[(Timestamp, Timestamp)],
    ) -> Result<Vec<Money>, StoreError> {
        let mut spent = Vec::with_capacity(spans.len());
        for (start, end) in spans {
            let row = sql("select cast(coalesce(sum(cost_nanos), 0) as bigint) as spent from calls
                 where tenant_id = $1 and user_id = $2 and admitted_at >= $3 and admitted_at < $4
                       and ($5 = '' or grant_id = $5)")
            .bind(tenant_id)
            .bind(user_id)
            .bind(*start)
            .bind(*end)
            .bind(grant_id.map_or("", GrantId::as_str))
            .first(self.pool())
            .await?
            .ok_or_else(|| corrupt("a sum without a row"))?;
            spent.push(Money::from_nanos(row.integer("spent")?));
        }
        Ok(spent)
    }
}

fn read(row: &Row) -> Result<CallRecord, StoreError> {
    let settled = match row.maybe_time("settled_at")? {
        Some(at) => Some(read_settled(row, at)?),
        None => None,
    };
    Ok(CallRecord {
        id: CallId::new(row.text("id")?),
        grant_id: GrantId::new(row.text("grant_id")?),
        user_id: UserId::new(row.text("user_id")?),
        client_id: ClientId::new(row.text("client_id")?),
        provider: ProviderId::new(row.text("provider")?),
        model: row.text("model")?,
        capability: row.text("capability")?,
        held: Money::from_nanos(row.integer("held_nanos")?),
        admitted_at: row.time("admitted_at")?,
        settled,
    })
}

fn read_settled(row: &Row, at: Timestamp) -> Result<SettledCall, StoreError> {
    let count = |column| row.integer(column).map(|count| u64::try_from(count).unwrap_or(0));
    Ok(SettledCall {
        at,
        cost: Money::from_nanos(row.integer("cost_nanos")?),
        label: TruthLabel::parse(&row.text("label")?).ok_or_else(|| corrupt("a truth label"))?,
        outcome: CallOutcome::parse(&row.text("outcome")?).ok_or_else(|| corrupt("an outcome"))?,
        usage: Usage {
            input_tokens: count("input_tokens")?,
            cached_input_tokens: count("cached_input_tokens")?,
            cache_write_5m_tokens: count("cache_write_5m_tokens")?,
            cache_write_1h_tokens: count("cache_write_1h_tokens")?,
            output_tokens: count("output_tokens")?,
            reasoning_tokens: count("reasoning_tokens")?,
        },
        price_digest: row.text("price_digest")?,
    })
}
