//! A budget or request cap, counted in one window after the other.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Amount, Level, LimitReached, LimitRule, LimitState};
use crate::{limits::Window, money::Money, time::Timestamp};

/// A budget in nano-dollars or a cap in requests, in its present window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    pub limit: u64,
    pub per: Window,
    /// The window's first millisecond; 0 for a limit on the whole life. Every call admitted since
    /// is counted here, and no other: windows follow each other and never overlap.
    pub window_start: i64,
    /// The first millisecond after the window; without meaning for a limit on the whole life.
    pub window_end: i64,
    pub used: u64,
    pub reserved: u64,
    /// The most that `used + reserved` can come to: the limit, or what they came to when the limit
    /// was set beneath them. More is a fault.
    pub most: u64,
}

impl Counter {
    pub(super) fn new(per: Window, limit: u64) -> Self {
        Self {
            limit,
            per,
            window_start: 0,
            window_end: 0,
            used: 0,
            reserved: 0,
            most: limit,
        }
    }

    /// The same counter under another limit.
    pub(super) fn limited_to(&self, limit: u64) -> Self {
        Self {
            limit,
            most: limit.max(self.used.saturating_add(self.reserved)),
            ..self.clone()
        }
    }

    /// Moves on to the window that holds `now` once the present one has ended; never back.
    pub(super) fn roll(&mut self, now: Timestamp, zone: impl FnOnce() -> TimeZone) {
        let Some(per) = self.per else { return };
        if now.millis() < self.window_end {
            return;
        }
        let (start, end) = per.window(now, &zone());
        *self = Self {
            // A zone whose rules have changed must not count a call in two windows.
            window_start: start.millis().max(self.window_end),
            window_end: end.millis(),
            ..Self::new(self.per, self.limit)
        };
    }

    pub(super) fn fits(&self, wanted: u64) -> bool {
        self.used.saturating_add(self.reserved).saturating_add(wanted) <= self.limit
    }

    pub(super) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used).saturating_sub(self.reserved)
    }

    pub(super) fn hold(&mut self, amount: u64) {
        self.reserved = self.reserved.saturating_add(amount);
    }

    /// Replaces a hold made `at` by its cost, and answers whether that used the limit up.
    pub(super) fn settle(&mut self, at: Timestamp, held: u64, cost: u64) -> bool {
        // A window that has rolled on took the hold with it; the charge belongs to the past one.
        if at.millis() < self.window_start {
            return false;
        }
        let had_room = self.used < self.limit;
        self.reserved = self.reserved.saturating_sub(held);
        self.used = self.used.saturating_add(cost);
        had_room && self.used >= self.limit
    }

    pub(super) fn check(&self, level: Level, rule: LimitRule, wanted: u64) -> Result<(), LimitReached> {
        if self.fits(wanted) {
            return Ok(());
        }
        let state = self.state(level, rule);
        let fits_without_holds = self.used.saturating_add(wanted) <= self.limit;
        let fits_in_next_window = wanted <= self.limit && state.resets_at.is_some();
        let retry_at = if fits_without_holds {
            None
        } else {
            state.resets_at.filter(|_| fits_in_next_window)
        };
        Err(LimitReached {
            rule,
            state,
            retry_at,
            retryable: fits_without_holds || fits_in_next_window,
        })
    }

    pub(super) fn state(&self, level: Level, rule: LimitRule) -> LimitState {
        let amount = |count: u64| match rule {
            LimitRule::Budget => Amount::Money(money(count)),
            _ => Amount::Count(count),
        };
        LimitState {
            level,
            rule,
            limit: amount(self.limit),
            used: amount(self.used),
            reserved: amount(self.reserved),
            window: self.per,
            resets_at: self.per.map(|_| Timestamp::from_millis(self.window_end)),
        }
    }
}

/// Counters count nano-dollars; less than nothing is nothing.
pub(super) fn nanos(amount: Money) -> u64 {
    u64::try_from(amount.nanos()).unwrap_or(0)
}

pub(super) fn money(nanos: u64) -> Money {
    Money::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
