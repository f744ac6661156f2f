//! What several pages are made of; `templates/parts.html` draws it.

use aipassport_domain::{
    grant::GrantStatus,
    ledger::{Amount, LimitRule, LimitState},
};

use crate::web::words;

/// The state of a grant, as stamped into a passport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) struct Stamp {
    pub(in crate::web) word: &'static str,
    pub(in crate::web) class: &'static str,
}

impl Stamp {
    pub(in crate::web) fn of(status: GrantStatus) -> Self {
        let word = match status {
            GrantStatus::Pending => "Waiting",
            GrantStatus::Approved => "Approved",
            GrantStatus::Denied => "Not allowed",
            GrantStatus::Revoked => "Stopped",
            GrantStatus::Expired => "Expired",
            GrantStatus::Exhausted => "Used up",
            GrantStatus::Paused => "Paused",
        };
        Self {
            word,
            class: status.as_str(),
        }
    }
}

/// How far an app's address can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) struct Badge {
    pub(in crate::web) words: &'static str,
    pub(in crate::web) class: &'static str,
}

impl Badge {
    pub(in crate::web) const CHECKED: Self = Self {
        words: "address checked",
        class: "checked",
    };
    pub(in crate::web) const UNVERIFIED: Self = Self {
        words: "not verified",
        class: "unverified",
    };
    pub(in crate::web) const OWN: Self = Self {
        words: "made by you",
        class: "local",
    };
    pub(in crate::web) const LOCAL: Self = Self {
        words: "an app on this computer cannot be verified",
        class: "local",
    };
}

/// Who an app says it is, cleaned, and how far that can be believed.
#[derive(Clone, Debug)]
pub(in crate::web) struct AppFace {
    pub(in crate::web) name: String,
    pub(in crate::web) address: String,
    pub(in crate::web) initial: String,
    pub(in crate::web) badge: Badge,
}

/// What is wrong with one field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web) struct FieldError {
    /// The id of the field's element.
    pub(in crate::web) field: String,
    pub(in crate::web) words: String,
}

impl FieldError {
    pub(in crate::web) fn new(field: impl Into<String>, words: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            words: words.into(),
        }
    }
}

/// A bar shorter than so many thousandths looks empty.
const LEAST_SEEN: u64 = 12;

/// Used, held and left of one limit.
#[derive(Clone, Debug)]
pub(in crate::web) struct Spend {
    /// Whose account, where a grant has several.
    pub(in crate::web) account: Option<String>,
    pub(in crate::web) used: String,
    pub(in crate::web) held: Option<String>,
    pub(in crate::web) limit: String,
    pub(in crate::web) per: String,
    pub(in crate::web) used_percent: String,
    pub(in crate::web) used_and_held_percent: String,
    pub(in crate::web) class: &'static str,
}

impl Spend {
    pub(in crate::web) fn of(state: &LimitState, account: Option<String>) -> Self {
        let (used, held, limit) = (raw(state.used), raw(state.reserved), raw(state.limit));
        let share = per_mille(used.saturating_add(held), limit);
        Self {
            account,
            used: used_words(state),
            held: (held > 0).then(|| amount(state.reserved)),
            limit: limit_words(state),
            per: match state.rule {
                LimitRule::Concurrency => "at once".to_owned(),
                _ => words::per(state.window),
            },
            used_percent: percent(per_mille(used, limit)),
            used_and_held_percent: percent(share),
            class: match share {
                1000.. => "over",
                800..1000 => "near",
                _ => "",
            },
        }
    }
}

pub(in crate::web) fn amount(amount: Amount) -> String {
    match amount {
        Amount::Money(money) => words::dollars(money),
        Amount::Count(count) => words::grouped(count),
    }
}

fn used_words(state: &LimitState) -> String {
    let used = amount(state.used);
    match state.rule {
        LimitRule::Budget | LimitRule::Requests | LimitRule::Rate => format!("{used} used"),
        LimitRule::Concurrency => format!("{used} under way"),
    }
}

fn limit_words(state: &LimitState) -> String {
    match state.limit {
        Amount::Money(money) => words::dollars(money),
        Amount::Count(count) if state.rule == LimitRule::Concurrency => words::grouped(count),
        Amount::Count(count) => words::counted(count, "request"),
    }
}

fn raw(amount: Amount) -> u64 {
    match amount {
        Amount::Money(money) => money.nanos().unsigned_abs(),
        Amount::Count(count) => count,
    }
}

/// Rounded down, but what is there at all is seen.
fn per_mille(part: u64, whole: u64) -> u64 {
    let share = u128::from(part) * 1000 / u128::from(whole.max(1));
    let least = if part > 0 { LEAST_SEEN } else { 0 };
    u64::try_from(share.min(1000)).unwrap_or(1000).max(least)
}

fn percent(per_mille: u64) -> String {
    format!("{}.{}", per_mille / 10, per_mille % 10)
}
