//! The ledger on PostgreSQL: one task, and one transaction for all who wait at this instance.
//!
//! Instances meet in the rows. A batch takes the rows of its grants, which it may have to revoke, then
//! those of their accounts, then those of the accounts above them, each in the order of their keys,
//! byte by byte; changes of grants and of limits take them in the same order. So a call is admitted
//! before a revocation or refused after it, never in between, and nobody waits in a circle. What fails for a lock is tried
//! again; what fails otherwise has not happened, and its callers are told so.

use std::{collections::BTreeSet, time::Duration};

use aipassport_domain::{
    ids::{CallId, GrantId, ProviderId, TenantId, UserId},
    ledger::{Held, Reservation, Settlement},
    money::Money,
    time::Timestamp,
};
use sqlx::{
    PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::{
    alerts::{self, NewAlert},
    batch::{AccountKey, Books, GrantRow, Needs, Operation},
    levels::{AboveKey, Levels, LimitsOf},
    outcome::{Outcome, Settled, UsedUpGrant},
    queue::{Inbox, Message, Queue, queue},
    rows::{integer, kind_and_data, other_usage, state_of},
};
use crate::open::check_idle;

/// Short, so that a change of a grant that waits for us while we wait for it ends our wait first.
const LONGEST_LOCK: &str = "250ms";
/// How often a batch that met a lock is tried.
const MOST_ATTEMPTS: usize = 8;
/// Then the server counts as away.
const LONGEST_STEP: Duration = Duration::from_secs(5);

/// Starts the writer on the database at `url`. Connects when it is first needed.
pub(crate) fn start(url: &str, instance_id: &str) -> sqlx::Result<Queue> {
    let options: PgConnectOptions = url.parse()?;
    let pool = check_idle(PgPoolOptions::new())
        .max_connections(1)
        .acquire_timeout(LONGEST_STEP)
        // A commit is on the disk when it returns, whatever the server does for others.
        .connect_lazy_with(options.options([("lock_timeout", LONGEST_LOCK), ("synchronous_commit", "on")]));
    let writer = Writer {
        pool,
        instance_id: instance_id.to_owned(),
    };
    let (queue, mut inbox) = queue();
    #[expect(
        clippy::disallowed_methods,
        reason = "the store is below the tasks of the server; closing it waits for this one"
    )]
    tokio::spawn(async move {
        while let Some(first) = inbox.first().await {
            writer.run(&mut inbox, first).await;
        }
        // Closed before the inbox, whose end is what tells that the writer has ended.
        writer.pool.close().await;
    });
    Ok(queue)
}

struct Writer {
    pool: PgPool,
    instance_id: String,
}

/// A batch of which nothing counts.
struct Failed {
    error: sqlx::Error,
    /// What would be held, if the commit arrived although its answer did not.
    doubtful: Vec<Settlement>,
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        let doubtful = Vec::new();
        Self { error, doubtful }
    }
}

impl Failed {
    /// The locks of others: nothing was committed, and it may fit the next time.
    fn is_passing(&self) -> bool {
        let code = self
            .error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        let (serialization_failure, deadlock, lock_not_available) = ("40001", "40P01", "55P03");
        code.is_some_and(|code| [serialization_failure, deadlock, lock_not_available].contains(&&*code))
    }
}

impl Writer {
    async fn run(&self, inbox: &mut Inbox, first: Message) {
        let (operations, waiters) = inbox.batch(first);
        if operations.is_empty() {
            return inbox.answer(waiters, Vec::new());
        }
        let mut attempts = 1;
        let result = loop {
            match self.commit(operations.clone()).await {
                Err(failed) if failed.is_passing() && attempts < MOST_ATTEMPTS => attempts += 1,
                result => break result,
            }
        };
        match result {
            Ok(outcomes) => inbox.answer(waiters, outcomes),
            Err(Failed { error, doubtful }) => {
                tracing::error!(%error, "the ledger could not commit; nothing was admitted");
                inbox.fail(waiters, doubtful);
            }
        }
    }

    async fn commit(&self, operations: Vec<Operation>) -> Result<Vec<Outcome>, Failed> {
        let applied = in_time(async {
            // Each statement sees what was committed before it: what is locked first is new then.
            let mut tx = self.pool.begin_with("begin isolation level read committed").await?;
            let mut books = load(&mut tx, &operations).await?;
            let outcomes = books.apply(operations);
            write(&mut tx, &books, &outcomes, &self.instance_id).await?;
            Ok((tx, outcomes))
        });
        let (tx, outcomes) = applied.await?;
        match in_time(tx.commit()).await {
            Ok(()) => Ok(outcomes),
            Err(error) => {
                let doubtful = outcomes.iter().filter_map(Outcome::released).collect();
                Err(Failed { error, doubtful })
            }
        }
    }
}

async fn in_time<T>(step: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(LONGEST_STEP, step)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

async fn load(tx: &mut PgConnection, operations: &[Operation]) -> sqlx::Result<Books> {
    let needs = Needs::of(operations);
    let mut books = Books::default();
    load_grants(tx, &needs, &mut books).await?;
    load_accounts(tx, &needs, &mut books).await?;
    load_above(tx, &books.needs_above(&needs, operations), &mut books).await?;
    // After the accounts are ours: whoever settles one of these calls has to have its account.
    load_open_calls(tx, &needs, &mut books).await?;
    Ok(books)
}

async fn load_grants(tx: &mut PgConnection, needs: &Needs, books: &mut Books) -> sqlx::Result<()> {
    // As an update takes them: were they shared, two batches that revoke would wait for each other.
    let rows = sqlx::query(
        r#"select grants.tenant_id, grants.id, version, revoke_when_used_up <> 0 and revoked_at is null
         from grants join unnest($1::text[], $2::text[]) as wanted (tenant_id, id)
             on grants.tenant_id = wanted.tenant_id and grants.id = wanted.id
         order by grants.tenant_id collate "C", grants.id collate "C"
         for no key update of grants"#,
    )
    .bind(column(&needs.grants, |(tenant_id, _)| tenant_id.as_str()))
    .bind(column(&needs.grants, |(_, id)| id.as_str()))
    .fetch_all(tx)
    .await?;
    for row in rows {
        let grant = (TenantId::new(text(&row, 0)?), GrantId::new(text(&row, 1)?));
        let row = GrantRow {
            version: row.try_get(2)?,
            revoke_when_used_up: row.try_get(3)?,
        };
        books.add_grant(grant, row);
    }
    Ok(())
}

async fn load_accounts(tx: &mut PgConnection, needs: &Needs, books: &mut Books) -> sqlx::Result<()> {
    let rows = sqlx::query(
        r#"select accounts.tenant_id, subject, accounts.provider, state, levels
         from accounts join unnest($1::text[], $2::text[], $3::text[]) as wanted (tenant_id, grant_id, provider)
             on accounts.tenant_id = wanted.tenant_id and level = 'grant'
                and subject = wanted.grant_id and accounts.provider = wanted.provider
         order by accounts.tenant_id collate "C", subject collate "C", accounts.provider collate "C"
         for update of accounts"#,
    )
    .bind(column(&needs.accounts, |key| key.tenant_id.as_str()))
    .bind(column(&needs.accounts, |key| key.grant_id.as_str()))
    .bind(column(&needs.accounts, |key| key.provider.as_str()))
    .fetch_all(tx)
    .await?;
    for row in rows {
        let key = AccountKey {
            tenant_id: TenantId::new(text(&row, 0)?),
            grant_id: GrantId::new(text(&row, 1)?),
            provider: ProviderId::new(text(&row, 2)?),
        };
        if let Some(account) = state_of(&text(&row, 3)?, &key) {
            books.add_account(key, Levels::from_column(row.try_get(4)?), account);
        }
    }
    Ok(())
}

async fn load_above(tx: &mut PgConnection, above: &BTreeSet<AboveKey>, books: &mut Books) -> sqlx::Result<()> {
    if above.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        r#"select accounts.tenant_id, accounts.level, accounts.subject, state
         from accounts join unnest($1::text[], $2::text[], $3::text[]) as wanted (tenant_id, level, subject)
             on accounts.tenant_id = wanted.tenant_id and accounts.level = wanted.level
                and accounts.subject = wanted.subject and provider = ''
         order by accounts.tenant_id collate "C", accounts.level collate "C", accounts.subject collate "C"
         for update of accounts"#,
    )
    .bind(column(above, |key| key.tenant_id.as_str()))
    .bind(column(above, |key| key.of.level().as_str()))
    .bind(column(above, |key| key.of.subject()))
    .fetch_all(tx)
    .await?;
    for row in rows {
        let Some(of) = LimitsOf::parse(&text(&row, 1)?, &text(&row, 2)?) else {
            continue;
        };
        let tenant_id = TenantId::new(text(&row, 0)?);
        let key = AboveKey { tenant_id, of };
        if let Some(account) = state_of(&text(&row, 3)?, &key) {
            books.add_above(key, account);
        }
    }
    Ok(())
}

async fn load_open_calls(tx: &mut PgConnection, needs: &Needs, books: &mut Books) -> sqlx::Result<()> {
    if needs.calls.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(
        "select calls.tenant_id, calls.id, held_nanos, admitted_at
         from calls join unnest($1::text[], $2::text[], $3::text[], $4::text[])
                 as wanted (tenant_id, id, grant_id, provider)
             on calls.tenant_id = wanted.tenant_id and calls.id = wanted.id
                and calls.grant_id = wanted.grant_id and calls.provider = wanted.provider
         where settled_at is null",
    )
    .bind(column(&needs.calls, |((tenant_id, _), _)| tenant_id.as_str()))
    .bind(column(&needs.calls, |((_, id), _)| id.as_str()))
    .bind(column(&needs.calls, |(_, account)| account.grant_id.as_str()))
    .bind(column(&needs.calls, |(_, account)| account.provider.as_str()))
    .fetch_all(tx)
    .await?;
    for row in rows {
        let held = Held {
            amount: Money::from_nanos(row.try_get(2)?),
            at: Timestamp::from_millis(row.try_get(3)?),
        };
        books.add_open_call((TenantId::new(text(&row, 0)?), CallId::new(text(&row, 1)?)), held);
    }
    Ok(())
}

async fn write(tx: &mut PgConnection, books: &Books, outcomes: &[Outcome], instance_id: &str) -> sqlx::Result<()> {
    let (mut admitted, mut settled) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Outcome::Admitted(reservation) => admitted.push(reservation),
            Outcome::Settled(one) => settled.push(one),
            Outcome::Stale | Outcome::Refused(_) | Outcome::NothingToSettle | Outcome::NoAccount => {}
        }
    }
    let alerts: Vec<&NewAlert> = outcomes.iter().flat_map(Outcome::alerts).collect();
    let revoked: Vec<&UsedUpGrant> = outcomes.iter().filter_map(Outcome::revoked).collect();
    if admitted.is_empty() && settled.is_empty() && alerts.is_empty() && revoked.is_empty() {
        return Ok(());
    }
    write_revoked(tx, &revoked).await?;
    write_admitted(tx, &admitted, instance_id).await?;
    write_settled(tx, &settled).await?;
    write_events(tx, outcomes).await?;
    for alert in alerts {
        write_alert(tx, alert).await?;
    }
    write_accounts(tx, books).await
}

async fn write_admitted(tx: &mut PgConnection, admitted: &[&Reservation], instance_id: &str) -> sqlx::Result<()> {
    if admitted.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into calls (tenant_id, id, grant_id, user_id, client_id, provider, model, capability,
                            held_nanos, output_cap, admitted_at, instance_id)
         select admitted.*, $12
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                     $8::text[], $9::bigint[], $10::bigint[], $11::bigint[]) as admitted",
    )
    .bind(column(admitted, |one| one.permit.tenant_id().as_str()))
    .bind(column(admitted, |one| one.permit.call_id().as_str()))
    .bind(column(admitted, |one| one.permit.grant_id().as_str()))
    .bind(column(admitted, |one| one.permit.user_id().as_str()))
    .bind(column(admitted, |one| one.permit.client_id().as_str()))
    .bind(column(admitted, |one| one.permit.provider().as_str()))
    .bind(column(admitted, |one| one.permit.model()))
    .bind(column(admitted, |one| one.permit.capability().as_str()))
    .bind(column(admitted, |one| one.held.amount.nanos()))
    .bind(column(admitted, |one| integer(one.output_cap)))
    .bind(column(admitted, |one| one.held.at.millis()))
    .bind(instance_id)
    .execute(tx)
    .await?;
    Ok(())
}

async fn write_settled(tx: &mut PgConnection, settled: &[&Settled]) -> sqlx::Result<()> {
    if settled.is_empty() {
        return Ok(());
    }
    let others: Vec<Option<String>> = settled
        .iter()
        .map(|one| other_usage(&one.settlement.usage))
        .collect::<Result<_, _>>()
        .map_err(unwritable)?;
    let usage = |count: fn(&aipassport_domain::usage::Usage) -> u64| {
        column(settled, move |one| integer(count(&one.settlement.usage)))
    };
    sqlx::query(
        "update calls set settled_at = it.at, cost_nanos = it.cost, counted_requests = it.counted,
             label = it.label, outcome = it.outcome, input_tokens = it.input,
             cached_input_tokens = it.cached, cache_write_5m_tokens = it.written_5m,
             cache_write_1h_tokens = it.written_1h, output_tokens = it.output,
             reasoning_tokens = it.reasoning, other_usage = it.other, price_digest = it.digest
         from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
                     $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
                     $14::text[], $15::text[])
             as it (tenant_id, id, at, cost, counted, label, outcome, input, cached, written_5m, written_1h,
                    output, reasoning, other, digest)
         where calls.tenant_id = it.tenant_id and calls.id = it.id and settled_at is null",
    )
    .bind(column(settled, |one| one.settlement.tenant_id.as_str()))
    .bind(column(settled, |one| one.settlement.call_id.as_str()))
    .bind(column(settled, |one| one.at.millis()))
    .bind(column(settled, |one| one.settlement.cost.nanos()))
    .bind(column(settled, |one| i64::from(one.settlement.counts_as_request())))
    .bind(column(settled, |one| one.settlement.label.as_str()))
    .bind(column(settled, |one| one.settlement.outcome.as_str()))
    .bind(usage(|usage| usage.input_tokens))
    .bind(usage(|usage| usage.cached_input_tokens))
    .bind(usage(|usage| usage.cache_write_5m_tokens))
    .bind(usage(|usage| usage.cache_write_1h_tokens))
    .bind(usage(|usage| usage.output_tokens))
    .bind(usage(|usage| usage.reasoning_tokens))
    .bind(others)
    .bind(column(settled, |one| one.settlement.price_digest.as_str()))
    .execute(tx)
    .await?;
    Ok(())
}

/// As `grants::revoke` does it.
async fn write_revoked(tx: &mut PgConnection, revoked: &[&UsedUpGrant]) -> sqlx::Result<()> {
    if revoked.is_empty() {
        return Ok(());
    }
    for revoke in [
        "update grants set revoked_at = it.at, version = version + 1
         from unnest($1::text[], $2::text[], $3::bigint[]) as it (tenant_id, grant_id, at)
         where grants.tenant_id = it.tenant_id and grants.id = it.grant_id",
        "update refresh_tokens set revoked_at = it.at
         from unnest($1::text[], $2::text[], $3::bigint[]) as it (tenant_id, grant_id, at)
         where refresh_tokens.tenant_id = it.tenant_id and refresh_tokens.grant_id = it.grant_id
             and revoked_at is null",
    ] {
        sqlx::query(revoke)
            .bind(column(revoked, |one| one.tenant_id.as_str()))
            .bind(column(revoked, |one| one.grant_id.as_str()))
            .bind(column(revoked, |one| one.at.millis()))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

async fn write_events(tx: &mut PgConnection, outcomes: &[Outcome]) -> sqlx::Result<()> {
    let events: Vec<_> = outcomes.iter().flat_map(Outcome::events).collect();
    let written: Vec<(String, String)> = events
        .iter()
        .map(|event| kind_and_data(&event.what))
        .collect::<Result<_, _>>()
        .map_err(unwritable)?;
    sqlx::query(
        "insert into audit_events (tenant_id, at, actor, user_id, grant_id, kind, data)
         select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])",
    )
    .bind(column(&events, |event| event.tenant_id.as_str()))
    .bind(column(&events, |event| event.at.millis()))
    .bind(column(&events, |event| event.actor.to_text()))
    .bind(column(&events, |event| event.user_id.as_ref().map(UserId::as_str)))
    .bind(column(&events, |event| event.grant_id.as_ref().map(GrantId::as_str)))
    .bind(column(&written, |(kind, _)| kind.as_str()))
    .bind(column(&written, |(_, data)| data.as_str()))
    .execute(tx)
    .await?;
    Ok(())
}

async fn write_alert(tx: &mut PgConnection, alert: &NewAlert) -> sqlx::Result<()> {
    let inserted = sqlx::query(alerts::INSERT)
        .bind(alert.tenant_id.as_str())
        .bind(&alert.id)
        .bind(alert.told())
        .bind(alert.alert.state.level.as_str())
        .bind(&alert.subject)
        .bind(&alert.provider)
        .bind(alert.alert.state.rule.as_str())
        .bind(alert.period())
        .bind(alert.alert.window_start.millis())
        .bind(alert.alert.state.resets_at.map(Timestamp::millis))
        .bind(i64::from(alert.alert.threshold))
        .bind(alert.limit())
        .bind(alert.used())
        .bind(alert.at.millis())
        .execute(&mut *tx)
        .await?;
    if inserted.rows_affected() > 0 {
        sqlx::query(alerts::QUEUE_LOCKED)
            .bind(&alert.id)
            .bind(alert.at.millis())
            .bind(alert.tenant_id.as_str())
            .bind(alert.told())
            .execute(tx)
            .await?;
    }
    Ok(())
}

async fn write_accounts(tx: &mut PgConnection, books: &Books) -> sqlx::Result<()> {
    let changed: Vec<_> = books.changed_accounts().collect();
    let states: Vec<String> = changed
        .iter()
        .map(|(_, account)| serde_json::to_string(account))
        .collect::<Result<_, _>>()
        .map_err(unwritable)?;
    sqlx::query(
        "update accounts set state = changed.state
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
             as changed (tenant_id, level, subject, provider, state)
         where accounts.tenant_id = changed.tenant_id and accounts.level = changed.level
             and accounts.subject = changed.subject and accounts.provider = changed.provider",
    )
    .bind(column(&changed, |(key, _)| key.tenant_id.as_str()))
    .bind(column(&changed, |(key, _)| key.level.as_str()))
    .bind(column(&changed, |(key, _)| key.subject.as_ref()))
    .bind(column(&changed, |(key, _)| key.provider))
    .bind(states)
    .execute(tx)
    .await?;
    Ok(())
}

/// One column of many rows, as `unnest` takes it.
fn column<'a, R: 'a, T>(rows: impl IntoIterator<Item = &'a R>, value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.into_iter().map(value).collect()
}

fn text(row: &sqlx::postgres::PgRow, column: usize) -> sqlx::Result<String> {
    row.try_get(column)
}

fn unwritable(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}
