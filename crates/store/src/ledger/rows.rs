//! How the ledger's values are written to columns, the same on both engines.

use std::{collections::BTreeMap, fmt::Debug};

use aipassport_domain::{audit::Happened, ledger::Account, usage::Usage};

use crate::{StoreError, sql::corrupt};

/// A count as a column holds it; one that is larger stays at the largest.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The account in a row; `None`, and a line in the log, if it is not one.
pub(super) fn state_of(text: &str, key: &impl Debug) -> Option<Account> {
    serde_json::from_str(text)
        .inspect_err(|error| tracing::error!(?key, %error, "an account cannot be read; its calls are refused"))
        .ok()
}

/// The classes of `usage` without a column of their own, as JSON; `None` where all are zero, as for
/// nearly every call.
pub(super) fn other_usage(usage: &Usage) -> serde_json::Result<Option<String>> {
    let used = |(_, count): &(_, u64)| *count > 0;
    let rarer = usage.rarer();
    if !rarer.iter().any(used) {
        return Ok(None);
    }
    let used: BTreeMap<_, _> = rarer.into_iter().filter(used).collect();
    serde_json::to_string(&used).map(Some)
}

/// Puts what [`other_usage`] wrote into `usage`. A class that this version does not know is an error:
/// to leave it out would show a call as smaller than it was.
pub(super) fn read_other_usage(text: &str, usage: &mut Usage) -> Result<(), StoreError> {
    let mut used: BTreeMap<String, u64> = serde_json::from_str(text).map_err(corrupt)?;
    for (name, count) in usage.rarer_mut() {
        *count = used.remove(name).unwrap_or_default();
    }
    match used.into_keys().next() {
        Some(unknown) => Err(corrupt(format!("a class of usage named {unknown}"))),
        None => Ok(()),
    }
}

/// The `kind` of an event and the whole of it, as the audit log's columns hold them.
pub(super) fn kind_and_data(happened: &Happened) -> serde_json::Result<(String, String)> {
    let data = serde_json::to_string(happened)?;
    // The tag is written first. Asking `Happened::kind` would serialise it all again, for each call.
    let kind = data.split('"').nth(3).unwrap_or_default().to_owned();
    Ok((kind, data))
}

#[cfg(test)]
mod tests {
    use aipassport_domain::{
        audit::CallOutcome,
        ids::{CallId, ProviderId},
        ledger::Level,
        money::Money,
        usage::TruthLabel,
    };

    use super::*;

    #[test]
    fn usage_of_an_unknown_class_is_not_left_out() {
        let mut usage = Usage::default();

        assert!(read_other_usage(r#"{"images":2,"thoughts":1}"#, &mut usage).is_err());
        assert!(read_other_usage(r#"{"images":-2}"#, &mut usage).is_err());
    }

    #[test]
    fn the_kind_in_the_data_is_the_events_kind() {
        let events = [
            Happened::CallReserved {
                call_id: CallId::new("call"),
                provider: ProviderId::new("openai"),
                model: "\"kind\":\"other\"".to_owned(),
                held: Money::ZERO,
            },
            Happened::CallSettled {
                call_id: CallId::new("call"),
                cost: Money::ZERO,
                label: TruthLabel::Reported,
                outcome: CallOutcome::Completed,
            },
            Happened::LimitReached {
                level: Level::App,
                rule: "budget".to_owned(),
            },
        ];
        for happened in events {
            assert_eq!(kind_and_data(&happened).unwrap().0, happened.kind());
        }
    }
}
