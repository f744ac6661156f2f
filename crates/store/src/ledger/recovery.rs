//! What becomes of the calls of an instance that died: nobody knows what they cost, so each is
//! charged what it held, once, labelled as the worst case and visible to its user.
//!
//! Recovery settles like everybody else, so it may be interrupted and repeated, and it may meet the
//! instance alive after all: whoever settles a call first has settled it.

use aipassport_domain::{
    audit::CallOutcome,
    ids::{CallId, ClientId, GrantId, ProviderId, TenantId, UserId},
    ledger::Settlement,
    money::Money,
    time::Timestamp,
    usage::{TruthLabel, Usage},
};

use crate::{
    Store, StoreError,
    sql::{Row, Statement, sql},
};

/// How many are looked up at a time.
const MOST_AT_ONCE: u32 = 1000;

impl Store {
    /// Says that this instance is alive, and so may still settle what it admitted.
    pub async fn heartbeat(&self, now: Timestamp) -> Result<(), StoreError> {
        let statement = sql("insert into instances (id, seen_at) values ($1, $2)
             on conflict (id) do update set seen_at = excluded.seen_at")
        .bind(self.instance_id())
        .bind(now);
        self.write(statement).await?;
        Ok(())
    }

    /// Charges every open call of any other instance, and returns how many there were. For a store
    /// that only one server uses at a time, when that one starts.
    pub async fn recover_all_others(&self, now: Timestamp) -> Result<usize, StoreError> {
        let recovered = self
            .charge(now, || {
                sql(
                    "select tenant_id, id, grant_id, user_id, client_id, provider, held_nanos from calls
                     where settled_at is null and instance_id <> $1 limit $2",
                )
                .bind(self.instance_id())
                .bind(MOST_AT_ONCE)
            })
            .await?;
        self.forget_silent(now).await?;
        Ok(recovered)
    }

    /// Charges the open calls, admitted before `since`, of instances that have not been heard of
    /// since then, and returns how many there were.
    pub async fn recover_silent(&self, since: Timestamp, now: Timestamp) -> Result<usize, StoreError> {
        let recovered = self
            .charge(now, || {
                sql(
                    "select tenant_id, id, grant_id, user_id, client_id, provider, held_nanos from calls
                     where settled_at is null and instance_id <> $1 and admitted_at < $2
                         and instance_id not in (select id from instances where seen_at >= $2)
                     limit $3",
                )
                .bind(self.instance_id())
                .bind(since)
                .bind(MOST_AT_ONCE)
            })
            .await?;
        self.forget_silent(since).await?;
        Ok(recovered)
    }

    async fn charge(&self, now: Timestamp, orphans: impl Fn() -> Statement) -> Result<usize, StoreError> {
        let mut recovered = 0;
        loop {
            let rows = orphans().all(self.pool()).await?;
            if rows.is_empty() {
                return Ok(recovered);
            }
            for row in &rows {
                self.ledger().settle(worst_case(row)?, now);
            }
            recovered += rows.len();
            self.ledger().settled().await?;
        }
    }

    /// Forgets the instances that were last seen before `since`; their calls are settled.
    async fn forget_silent(&self, since: Timestamp) -> Result<(), StoreError> {
        let statement = sql("delete from instances where id <> $1 and seen_at < $2")
            .bind(self.instance_id())
            .bind(since);
        self.write(statement).await?;
        Ok(())
    }
}

fn worst_case(row: &Row) -> Result<Settlement, StoreError> {
    Ok(Settlement {
        call_id: CallId::new(row.text("id")?),
        tenant_id: TenantId::new(row.text("tenant_id")?),
        user_id: UserId::new(row.text("user_id")?),
        client_id: ClientId::new(row.text("client_id")?),
        grant_id: GrantId::new(row.text("grant_id")?),
        provider: ProviderId::new(row.text("provider")?),
        cost: Money::from_nanos(row.integer("held_nanos")?),
        label: TruthLabel::WorstCase,
        outcome: CallOutcome::Crashed,
        usage: Usage::default(),
        price_digest: String::new(),
    })
}
