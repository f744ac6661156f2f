//! How the ledger's values are written to columns, the same on both engines.

use aipassport_domain::ledger::Account;

use super::batch::AccountKey;

/// A count as a column holds it; one that is larger stays at the largest.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The account in a row; `None`, and a line in the log, if it is not one.
pub(super) fn state_of(text: &str, key: &AccountKey) -> Option<Account> {
    serde_json::from_str(text)
        .inspect_err(|error| tracing::error!(?key, %error, "an account cannot be read; its calls are refused"))
        .ok()
}
