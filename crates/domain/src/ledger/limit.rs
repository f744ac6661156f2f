//! What a limit says: where it stands, and that a call does not fit into it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Level;
use crate::{limits::Window, money::Money, time::Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitRule {
    Budget,
    Requests,
    Rate,
    Concurrency,
}

impl LimitRule {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Requests => "requests",
            Self::Rate => "rate",
            Self::Concurrency => "concurrency",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Budget, Self::Requests, Self::Rate, Self::Concurrency]
            .into_iter()
            .find(|rule| rule.as_str() == text)
    }
}

/// Where one limit stands, as `/passport/self` and the pages show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitState {
    pub level: Level,
    pub rule: LimitRule,
    pub limit: Amount,
    pub used: Amount,
    pub reserved: Amount,
    pub window: Window,
    pub resets_at: Option<Timestamp>,
}

/// Money or a count, depending on the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Money(Money),
    Count(u64),
}

impl Amount {
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        match (self, other) {
            (Self::Money(mine), Self::Money(theirs)) => Self::Money(mine.saturating_sub(theirs)),
            (Self::Count(mine), Self::Count(theirs)) => Self::Count(mine.saturating_sub(theirs)),
            (mine, _) => mine,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Money(amount) => amount.fmt(out),
            Self::Count(count) => count.fmt(out),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Money(amount) => amount.serialize(serializer),
            Self::Count(count) => count.serialize(serializer),
        }
    }
}

impl LimitState {
    pub fn left(&self) -> Amount {
        self.limit.less(self.used).less(self.reserved)
    }
}

/// The limit that a call does not fit into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReached {
    pub rule: LimitRule,
    pub state: LimitState,
    /// When the same call can fit, at the earliest, if waiting helps.
    pub retry_at: Option<Timestamp>,
    /// Whether it may fit without anybody raising the limit: later, or when a hold is released.
    pub retryable: bool,
}

impl fmt::Display for LimitReached {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LimitState {
            level,
            limit,
            used,
            reserved,
            ..
        } = &self.state;
        let rule = self.rule.as_str();
        match level {
            Level::Grant => {}
            Level::App => out.write_str("all grants of this app together: ")?,
            Level::User => {
                return write!(
                    out,
                    "{rule}: this call does not fit into what the user lets all apps use"
                );
            }
            Level::Tenant => {
                return write!(
                    out,
                    "{rule}: this call does not fit into what all users may use together"
                );
            }
        }
        match self.rule {
            LimitRule::Budget => write!(
                out,
                "budget: this call does not fit into what is left (${used} of ${limit} used, ${reserved} held)"
            ),
            LimitRule::Requests => write!(
                out,
                "request cap: {used} of {limit} requests used, {reserved} under way"
            ),
            LimitRule::Rate => write!(out, "rate limit: {used} of {limit} requests in the present window"),
            LimitRule::Concurrency => write!(out, "concurrency: {used} of {limit} calls under way"),
        }
    }
}
