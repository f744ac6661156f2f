//! What the outside cannot bring about: a database that fails at a chosen moment, and every
//! interleaving of callers, instances and crashes.

mod away;
mod interleavings;

use aipassport_domain::{
    fixtures,
    ids::CallId,
    ledger::Account,
    limits::Limits,
    money::{Money, Rate},
    policy::{CostCeiling, OutputCap, Permit},
    time::{Period, Timestamp},
};

/// A grant of the fixtures has an account of this budget.
fn account(budget: i64) -> Account {
    let mut limits = Limits::default();
    limits.budget.insert(None, Money::from_nanos(budget));
    limits.budget.insert(Some(Period::DAY), Money::from_nanos(budget));
    Account::open(&limits, "UTC")
}

fn permit(id: &str, nanos: i64) -> Permit {
    let ceiling = CostCeiling {
        fixed: Money::from_nanos(nanos),
        output_rate: Rate::ZERO,
        output_cap: OutputCap::Asked(0),
        choices: 1,
    };
    fixtures::permit_for(&fixtures::grant(), CallId::new(id), ceiling)
}

const NOW: Timestamp = fixtures::NOW;
