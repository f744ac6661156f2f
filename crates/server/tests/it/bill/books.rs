//! Compares what the ledger charged with what the provider bills, call by call.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use aipassport::sandbox::provider::{Bill, Row};
use aipassport_domain::{money::Money, usage::TruthLabel};
use aipassport_store::CallRecord;

use super::question::{Drawn, HangUp, draw};

/// What is known of one call when all are over.
pub(super) struct Told {
    pub(super) number: u64,
    /// The refusal's or the answer's, unless the client did not wait for it.
    pub(super) status: Option<u16>,
    /// In the ledger, if the call was admitted.
    pub(super) record: Option<CallRecord>,
}

/// What one operation's calls came to.
#[derive(Default)]
pub(super) struct Sums {
    calls: u64,
    pub(super) exact: u64,
    exact_cost: i128,
    /// Of the calls whose cost must be equal to it.
    pub(super) exact_bill: i128,
    above: u64,
    refused: u64,
}

/// Compares every call, and returns what does not agree.
pub(super) fn compare(seed: u64, told: &[Told], bill: Bill) -> (BTreeMap<String, Sums>, Vec<String>) {
    let mut rows: HashMap<String, Vec<Row>> = HashMap::new();
    for row in bill.rows {
        rows.entry(row.tag.clone().unwrap_or_default()).or_default().push(row);
    }
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    let mut wrong = Vec::new();
    for told in told {
        let drawn = draw(seed, told.number);
        let rows = rows.remove(&format!("call-{}", told.number)).unwrap_or_default();
        let streamed = if drawn.question.is_stream { ", streamed" } else { "" };
        let sums = sums.entry(format!("{}{streamed}", drawn.operation.name())).or_default();
        if let Err(problem) = compare_one(told, &drawn, &rows, sums) {
            wrong.push(format!(
                "{problem}\n  {}\n  {:?}\n  {rows:?}",
                describe(told, &drawn),
                told.record
            ));
        }
    }
    wrong.extend(rows.into_keys().map(|tag| format!("billed and never sent: {tag}")));
    (sums, wrong)
}

fn compare_one(told: &Told, drawn: &Drawn, rows: &[Row], sums: &mut Sums) -> Result<(), String> {
    sums.calls += 1;
    let billed: i128 = rows.iter().map(|row| row.cost_nanos).sum();
    if rows.len() > 1 {
        return Err("sent more than once".to_owned());
    }
    let Some(record) = &told.record else {
        sums.refused += 1;
        // On a starved machine the ledger may come too late for a call; nothing is sent then.
        let has_reason = told.status == Some(503)
            || (drawn.is_poor && !drawn.may_go_unheard())
            || drawn.hang_up == Some(HangUp::AtOnce);
        if !has_reason {
            return Err("refused for no reason".to_owned());
        }
        return if rows.is_empty() {
            Ok(())
        } else {
            Err("billed and not in the ledger".to_owned())
        };
    };
    let Some(settled) = &record.settled else {
        return Err("not settled".to_owned());
    };
    if let Some(row) = rows.first()
        && (row.model != drawn.model
            || record.model != drawn.model
            || record.provider.as_str() != drawn.operation.provider)
    {
        return Err("another model was called".to_owned());
    }
    let cost = i128::from(settled.cost.nanos());
    if settled.cost > record.held.amount {
        return Err(format!("costs {cost}, and less was held"));
    }
    match settled.label {
        TruthLabel::Reported | TruthLabel::Derived => {
            sums.exact += 1;
            sums.exact_cost += cost;
            sums.exact_bill += billed;
            if cost == billed {
                Ok(())
            } else {
                Err(format!("costs {cost} and is billed {billed}"))
            }
        }
        TruthLabel::Estimated | TruthLabel::WorstCase => {
            sums.above += 1;
            if cost >= billed {
                Ok(())
            } else {
                Err(format!("costs {cost}, below the bill of {billed}"))
            }
        }
    }
}

fn describe(told: &Told, drawn: &Drawn) -> String {
    format!(
        "call {}: {}{} {} cap {:?} hang-up {:?} answered {:?} [{}]",
        told.number,
        drawn.operation.provider,
        drawn.operation.path,
        drawn.model,
        drawn.question.output_cap,
        drawn.hang_up,
        told.status,
        drawn.switches,
    )
}

impl fmt::Display for Sums {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = |nanos: i128| Money::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)).to_string();
        write!(
            out,
            "{:5} calls {:5} exact {:>14} = {:<14} {:4} at least {:4} not admitted",
            self.calls,
            self.exact,
            nanos(self.exact_cost),
            nanos(self.exact_bill),
            self.above,
            self.refused
        )
    }
}
