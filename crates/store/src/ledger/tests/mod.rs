//! What the outside cannot bring about: a database that fails at a chosen moment, and every
//! interleaving of callers, instances and crashes.

mod away;
mod interleavings;

use aipassport_domain::{
    fixtures,
    ids::CallId,
    ledger::{Account, Level},
    limits::Limits,
    money::{Money, Rate},
    policy::{CostCeiling, OutputCap, Permit},
    time::{Period, Timestamp},
};

/// A grant of the fixtures has an account of this budget.
fn account(budget: i64) -> Account {
    Account::open(Level::Grant, &budgets(budget), "UTC")
}

fn budgets(nanos: i64) -> Limits {
    let amount = Money::from_nanos(nanos);
    Limits {
        budget: [(None, amount), (Some(Period::DAY), amount)].into(),
        ..Limits::default()
    }
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
