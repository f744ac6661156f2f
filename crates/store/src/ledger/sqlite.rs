//! The ledger on SQLite: one task with one connection, and one commit for all who wait.
//!
//! The task waits for a reservation, takes what has queued up behind it and what rides with it, has
//! all of it applied in one transaction and committed once, and then answers. Only the transaction
//! has a thread to itself, for it blocks: whoever asks and is answered meets the task, at no more
//! than the cost of a wake among tasks. While one batch is on its way to the disk the next one
//! gathers. If the process dies before the commit, nothing happened and nobody was told otherwise;
//! after it, what was held is found by recovery and charged.

use std::{collections::BTreeSet, io, path::Path, time::Duration};

use aipassport_domain::{
    audit::AuditEvent,
    ids::{GrantId, UserId},
    ledger::{Held, Reservation, Settlement},
    money::Money,
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, Statement, Transaction, TransactionBehavior, params};
use tokio::task::spawn_blocking;

use super::{
    alerts::{self, NewAlert},
    batch::{Books, GrantRow, Needs, Operation},
    levels::{AboveKey, Levels},
    outcome::{Outcome, Settled, UsedUpGrant},
    queue::{Inbox, Queue, queue},
    rows::{integer, kind_and_data, other_usage, state_of},
};
use crate::turnstile::{Turnstile, View};

/// How long the command line or a page may keep the file locked before calls are refused.
const LONGEST_LOCK: Duration = Duration::from_secs(5);
/// Every statement of a batch stays prepared.
const STATEMENTS: usize = 16;

/// Starts the writer on the database at `path`, which has its schema.
pub(crate) fn start(path: &Path, instance_id: &str) -> io::Result<Queue> {
    let path = path.to_owned();
    let turnstile = Turnstile::of(&path).view()?;
    Ok(start_with(move || open(&path), turnstile, instance_id))
}

/// Starts the writer on the connections that `open` makes: one, and another after each failure.
pub(crate) fn start_with(
    open: impl FnMut() -> rusqlite::Result<Connection> + Send + 'static,
    turnstile: View,
    instance_id: &str,
) -> Queue {
    let (queue, inbox) = queue();
    let writer = Writer {
        open,
        connection: None,
        turnstile,
        instance_id: instance_id.to_owned(),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "the store is below the tasks of the server; closing it waits for this one"
    )]
    tokio::spawn(write_batches(writer, inbox));
    queue
}

async fn write_batches<F>(mut writer: Writer<F>, mut inbox: Inbox)
where
    F: FnMut() -> rusqlite::Result<Connection> + Send + 'static,
{
    while let Some(first) = inbox.first().await {
        let (operations, waiters) = inbox.batch(first);
        if operations.is_empty() {
            inbox.answer(waiters, Vec::new());
            continue;
        }
        let committing = spawn_blocking(move || {
            writer.turnstile.give_way();
            let committed = writer.commit(operations);
            (writer, committed)
        });
        // Without its writer the ledger is away, and refuses.
        let Ok((back, committed)) = committing.await else {
            return;
        };
        writer = back;
        match committed {
            Ok(outcomes) => inbox.answer(waiters, outcomes),
            Err(Failed { error, doubtful }) => {
                tracing::error!(%error, "the ledger could not commit; nothing was admitted");
                // Whatever ailed the connection, the next batch begins with a new one.
                writer.connection = None;
                inbox.fail(waiters, doubtful);
            }
        }
    }
    // Before the inbox, whose end is what tells that the writer has ended.
    drop(writer);
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(LONGEST_LOCK)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

struct Writer<F> {
    open: F,
    connection: Option<Connection>,
    turnstile: View,
    instance_id: String,
}

/// A batch of which nothing counts.
struct Failed {
    error: rusqlite::Error,
    /// What would have been held, if the commit itself failed: it may yet turn up after a crash.
    doubtful: Vec<Settlement>,
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        let doubtful = Vec::new();
        Self { error, doubtful }
    }
}

impl<F: FnMut() -> rusqlite::Result<Connection>> Writer<F> {
    fn commit(&mut self, operations: Vec<Operation>) -> Result<Vec<Outcome>, Failed> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert((self.open)()?),
        };
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut books = load(&tx, &operations)?;
        let outcomes = books.apply(operations);
        write(&tx, &books, &outcomes, &self.instance_id)?;
        match tx.commit() {
            Ok(()) => Ok(outcomes),
            Err(error) => {
                let doubtful = outcomes.iter().filter_map(Outcome::released).collect();
                Err(Failed { error, doubtful })
            }
        }
    }
}

fn load(tx: &Transaction<'_>, operations: &[Operation]) -> rusqlite::Result<Books> {
    let needs = Needs::of(operations);
    let mut books = Books::default();
    load_grants(tx, &needs, &mut books)?;
    load_accounts(tx, &needs, &mut books)?;
    load_above(tx, &books.needs_above(&needs, operations), &mut books)?;
    load_open_calls(tx, &needs, &mut books)?;
    Ok(books)
}

fn load_grants(tx: &Transaction<'_>, needs: &Needs, books: &mut Books) -> rusqlite::Result<()> {
    let mut grant = tx.prepare_cached(
        "select version, revoke_when_used_up <> 0 and revoked_at is null from grants where tenant_id = ?1 and id = ?2",
    )?;
    for (tenant_id, grant_id) in &needs.grants {
        let found = grant.query_row(params![tenant_id.as_str(), grant_id.as_str()], |row| {
            Ok(GrantRow {
                version: row.get(0)?,
                revoke_when_used_up: row.get(1)?,
            })
        });
        if let Some(found) = found.optional()? {
            books.add_grant((tenant_id.clone(), grant_id.clone()), found);
        }
    }
    Ok(())
}

fn load_accounts(tx: &Transaction<'_>, needs: &Needs, books: &mut Books) -> rusqlite::Result<()> {
    let mut state = tx.prepare_cached(
        "select state, levels from accounts
         where tenant_id = ?1 and level = 'grant' and subject = ?2 and provider = ?3",
    )?;
    for key in &needs.accounts {
        let named = params![key.tenant_id.as_str(), key.grant_id.as_str(), key.provider.as_str()];
        let read = |row: &Row<'_>| Ok((state_of(row.get_ref(0)?.as_str()?, key), row.get(1)?));
        if let Some((Some(account), levels)) = state.query_row(named, read).optional()? {
            books.add_account(key.clone(), Levels::from_column(levels), account);
        }
    }
    Ok(())
}

fn load_above(tx: &Transaction<'_>, above: &BTreeSet<AboveKey>, books: &mut Books) -> rusqlite::Result<()> {
    if above.is_empty() {
        return Ok(());
    }
    let mut state = tx.prepare_cached(
        "select state from accounts where tenant_id = ?1 and level = ?2 and subject = ?3 and provider = ''",
    )?;
    for key in above {
        let named = params![key.tenant_id.as_str(), key.of.level().as_str(), key.of.subject()];
        let found = state.query_row(named, |row| Ok(state_of(row.get_ref(0)?.as_str()?, key)));
        if let Some(account) = found.optional()?.flatten() {
            books.add_above(key.clone(), account);
        }
    }
    Ok(())
}

fn load_open_calls(tx: &Transaction<'_>, needs: &Needs, books: &mut Books) -> rusqlite::Result<()> {
    let mut open_call = tx.prepare_cached(
        "select held_nanos, admitted_at from calls
         where tenant_id = ?1 and id = ?2 and grant_id = ?3 and provider = ?4 and settled_at is null",
    )?;
    for ((tenant_id, call_id), account) in &needs.calls {
        let named = params![
            tenant_id.as_str(),
            call_id.as_str(),
            account.grant_id.as_str(),
            account.provider.as_str()
        ];
        let found = open_call.query_row(named, |row| {
            Ok(Held {
                amount: Money::from_nanos(row.get(0)?),
                at: Timestamp::from_millis(row.get(1)?),
            })
        });
        if let Some(held) = found.optional()? {
            books.add_open_call((tenant_id.clone(), call_id.clone()), held);
        }
    }
    Ok(())
}

fn write(tx: &Transaction<'_>, books: &Books, outcomes: &[Outcome], instance_id: &str) -> rusqlite::Result<()> {
    let mut admit = tx.prepare_cached(
        "insert into calls (tenant_id, id, grant_id, user_id, client_id, provider, model, capability,
                            instance_id, held_nanos, output_cap, admitted_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let mut settle = tx.prepare_cached(
        "update calls set settled_at = ?3, cost_nanos = ?4, counted_requests = ?5, label = ?6, outcome = ?7,
             input_tokens = ?8, cached_input_tokens = ?9, cache_write_5m_tokens = ?10, cache_write_1h_tokens = ?11,
             output_tokens = ?12, reasoning_tokens = ?13, other_usage = ?14, price_digest = ?15
         where tenant_id = ?1 and id = ?2 and settled_at is null",
    )?;
    let mut event = tx.prepare_cached(
        "insert into audit_events (tenant_id, at, actor, user_id, grant_id, kind, data)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for outcome in outcomes {
        match outcome {
            Outcome::Admitted(reservation) => write_admitted(&mut admit, reservation, instance_id)?,
            Outcome::Settled(settled) => write_settled(&mut settle, settled)?,
            Outcome::Stale | Outcome::Refused(_) | Outcome::NothingToSettle | Outcome::NoAccount => {}
        }
        for happened in outcome.events() {
            write_event(&mut event, &happened)?;
        }
        for alert in outcome.alerts() {
            write_alert(tx, alert)?;
        }
        if let Some(revoked) = outcome.revoked() {
            write_revoked(tx, revoked)?;
        }
    }

    let mut account = tx.prepare_cached(
        "update accounts set state = ?5
         where tenant_id = ?1 and level = ?2 and subject = ?3 and provider = ?4",
    )?;
    for (key, changed) in books.changed_accounts() {
        account.execute(params![
            key.tenant_id.as_str(),
            key.level.as_str(),
            key.subject,
            key.provider,
            serde_json::to_string(changed).map_err(unwritable)?
        ])?;
    }
    Ok(())
}

fn write_admitted(admit: &mut Statement<'_>, reservation: &Reservation, instance_id: &str) -> rusqlite::Result<()> {
    let permit = &reservation.permit;
    admit.execute(params![
        permit.tenant_id().as_str(),
        permit.call_id().as_str(),
        permit.grant_id().as_str(),
        permit.user_id().as_str(),
        permit.client_id().as_str(),
        permit.provider().as_str(),
        permit.model(),
        permit.capability().as_str(),
        instance_id,
        reservation.held.amount.nanos(),
        integer(reservation.output_cap),
        reservation.held.at.millis(),
    ])?;
    Ok(())
}

fn write_settled(settle: &mut Statement<'_>, settled: &Settled) -> rusqlite::Result<()> {
    let usage = &settled.settlement.usage;
    settle.execute(params![
        settled.settlement.tenant_id.as_str(),
        settled.settlement.call_id.as_str(),
        settled.at.millis(),
        settled.settlement.cost.nanos(),
        i64::from(settled.settlement.counts_as_request()),
        settled.settlement.label.as_str(),
        settled.settlement.outcome.as_str(),
        integer(usage.input_tokens),
        integer(usage.cached_input_tokens),
        integer(usage.cache_write_5m_tokens),
        integer(usage.cache_write_1h_tokens),
        integer(usage.output_tokens),
        integer(usage.reasoning_tokens),
        other_usage(usage).map_err(unwritable)?,
        settled.settlement.price_digest,
    ])?;
    Ok(())
}

fn write_alert(tx: &Transaction<'_>, alert: &NewAlert) -> rusqlite::Result<()> {
    let inserted = tx.prepare_cached(alerts::INSERT)?.execute(params![
        alert.tenant_id.as_str(),
        alert.id,
        alert.told(),
        alert.alert.state.level.as_str(),
        alert.subject,
        alert.provider,
        alert.alert.state.rule.as_str(),
        alert.period(),
        alert.alert.window_start.millis(),
        alert.alert.state.resets_at.map(Timestamp::millis),
        i64::from(alert.alert.threshold),
        alert.limit(),
        alert.used(),
        alert.at.millis(),
    ])?;
    if inserted > 0 {
        tx.prepare_cached(alerts::QUEUE)?.execute(params![
            alert.id,
            alert.at.millis(),
            alert.tenant_id.as_str(),
            alert.told(),
        ])?;
    }
    Ok(())
}

/// As `grants::revoke` does it.
fn write_revoked(tx: &Transaction<'_>, revoked: &UsedUpGrant) -> rusqlite::Result<()> {
    let named = params![
        revoked.tenant_id.as_str(),
        revoked.grant_id.as_str(),
        revoked.at.millis()
    ];
    tx.execute(
        "update grants set revoked_at = ?3, version = version + 1 where tenant_id = ?1 and id = ?2",
        named,
    )?;
    tx.execute(
        "update refresh_tokens set revoked_at = ?3 where tenant_id = ?1 and grant_id = ?2 and revoked_at is null",
        named,
    )?;
    Ok(())
}

fn write_event(insert: &mut Statement<'_>, event: &AuditEvent) -> rusqlite::Result<()> {
    let (kind, data) = kind_and_data(&event.what).map_err(unwritable)?;
    insert.execute(params![
        event.tenant_id.as_str(),
        event.at.millis(),
        event.actor.to_text(),
        event.user_id.as_ref().map(UserId::as_str),
        event.grant_id.as_ref().map(GrantId::as_str),
        kind,
        data,
    ])?;
    Ok(())
}

fn unwritable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}
