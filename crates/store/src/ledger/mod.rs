//! The exact ledger: what a call may cost at most is held before it, what it cost is charged after.
//!
//! The decision itself is [`domain::ledger::Account`], a pure function on one row. Around it:
//! `queue.rs` gathers what callers ask for, `batch.rs` applies a batch of it, and `sqlite.rs` and
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
/// Each method is one transaction.
#[expect(
    async_fn_in_trait,
    reason = "the server names the concrete store; only tests are generic"
)]
pub trait Ledger {
    /// Holds what `permit` can cost at most, or holds nothing and says why. Durable when it returns.
    ///
    /// A caller that goes away before it has the reservation holds nothing: it is released.
    async fn reserve(&self, permit: Permit, now: Timestamp) -> Result<Reservation, ReserveError>;

    /// Replaces the hold of a call with its cost, once: settling it again changes nothing and is not
    /// an error, so callers may retry.
    async fn settle(&self, settlement: Settlement, now: Timestamp) -> Result<(), StoreError>;
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

impl Ledger for Store {
    async fn reserve(&self, permit: Permit, now: Timestamp) -> Result<Reservation, ReserveError> {
        self.ledger().reserve(permit, now).await
    }

    async fn settle(&self, settlement: Settlement, now: Timestamp) -> Result<(), StoreError> {
        self.ledger().settle(settlement, now).await
    }
}
