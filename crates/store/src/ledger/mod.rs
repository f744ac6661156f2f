//! The exact ledger: what a call may cost at most is held before it, what it cost is charged after.
//!
//! The decision itself is [`domain::ledger::Account`], a pure function on one row. Around it:
//! `queue.rs` gathers what callers ask for, `batch.rs` applies a batch of it and says what came of it (`outcome.rs`), and `sqlite.rs` and
//! `postgres.rs` do nothing but load and write what a batch concerns, in one transaction. Calls are
//! rows, written with the hold and settled once; an account always equals what its calls add up to.
//!
//! Nobody is told of a reservation before it is durable, together with its audit event, and nothing
//! is sent without a reservation. The database away means refuse.
//!
//! [`domain::ledger::Account`]: aipassport_domain::ledger::Account

mod alerts;
mod batch;
mod calls;
mod invariants;
pub(crate) mod levels;
mod outcome;
mod postgres;
mod queue;
mod recovery;
mod refusals;
mod rows;
mod sqlite;
#[cfg(test)]
mod tests;

use aipassport_domain::{
    ledger::{LimitReached, Reservation, Settlement},
    policy::Permit,
    time::Timestamp,
};

pub(crate) use self::queue::Queue;
pub use self::{
    calls::{CallPage, CallRecord, CallsOf, DaySpend, SettledCall},
    invariants::{Fault, Finding},
    levels::{AccountOf, LimitsOf},
    refusals::RefusalCount,
};
use crate::{DatabaseUrl, Store, StoreError};

/// Holds spending against a grant's limits before a call, and replaces the hold by the cost after it.
///
/// A reservation is one transaction, together with the settlements that ride with it.
#[expect(
    async_fn_in_trait,
    reason = "the server names the concrete store; only tests are generic"
)]
pub trait Ledger {
    /// Holds what `permit` can cost at most, or holds nothing and says why. Durable when it returns.
    ///
    /// A caller that goes away before it has the reservation holds nothing: it is released.
    async fn reserve(&self, permit: Permit, now: Timestamp) -> Result<Reservation, ReserveError>;

    /// Has the hold of a call replaced with its cost, once: settling it again changes nothing and is
    /// not an error.
    ///
    /// Nobody waits for it: it is durable together with the next reservation, which finds it settled,
    /// or a few milliseconds later. While the database is away it is tried again and the hold stands;
    /// if the process dies first, recovery charges the hold.
    fn settle(&self, settlement: Settlement, now: Timestamp);

    /// Waits until every settlement that was handed over before is durable, or the database is found
    /// to be away.
    async fn settled(&self) -> Result<(), StoreError>;
}

/// Why nothing was held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// The grant is not as it was when the permit was made: authorize anew.
    #[error("the grant has changed since the call was authorized")]
    Stale,
    #[error("{0}")]
    Limit(LimitReached),
    #[error("the store is unavailable")]
    Unavailable,
}

/// Starts the writer of this instance. It connects when it is first asked for something, so the
/// schema need not be there yet.
pub(crate) fn start(url: &DatabaseUrl, instance_id: &str) -> Result<Queue, Box<dyn std::error::Error + Send + Sync>> {
    match url {
        DatabaseUrl::Sqlite(path) => Ok(sqlite::start(path, instance_id)?),
        DatabaseUrl::Postgres(url) => Ok(postgres::start(url, instance_id)?),
    }
}

impl Store {
    /// Has what ended at this instance a moment ago written down, so that whoever looks after a call
    /// finds it settled. Where that cannot be now they find the hold, which is as true.
    pub(crate) async fn settle_what_ended(&self) {
        let _ = self.settled().await;
    }
}

impl Ledger for Store {
    async fn reserve(&self, permit: Permit, now: Timestamp) -> Result<Reservation, ReserveError> {
        self.ledger().reserve(permit, now).await
    }

    fn settle(&self, settlement: Settlement, now: Timestamp) {
        self.ledger().settle(settlement, now);
    }

    async fn settled(&self) -> Result<(), StoreError> {
        self.ledger().settled().await
    }
}
