//! A budget or request cap, counted in one window after the other.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{
    Alert, Amount, Level, LimitReached, LimitRule, LimitState,
    alert::{FULL, NEARLY_FULL, reached},
};
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
    /// The highest threshold, in percent, that the user was told of in this window.
    #[serde(default, skip_serializing_if = "is_zero")]
    told: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(told: &u8) -> bool {
    *told == 0
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
            told: 0,
        }
    }

    /// The same counter under another limit. How much of it is used is known to whoever sets it, so
    /// only what is reached from here on is told.
    pub(super) fn limited_to(&self, limit: u64) -> Self {
        Self {
            limit,
            most: limit.max(self.used.saturating_add(self.reserved)),
            told: if limit == self.limit {
                self.told
            } else {
                reached(self.used, limit)
            },
            ..self.clone()
        }
    }

    /// Sets what the window holds already, of which nobody needs to be told again.
    pub(super) fn fill(&mut self, used: u64, reserved: u64) {
        (self.used, self.reserved) = (used, reserved);
        self.most = self.limit.max(used.saturating_add(reserved));
        self.told = reached(used, self.limit);
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

    /// Begins the window that holds `now` by the clock of another zone, with nothing in it; `false`
    /// for one that no zone moves, which is kept as it is.
    pub(super) fn move_to(&mut self, zone: &TimeZone, now: Timestamp) -> bool {
        let Some(per) = self.per.filter(|per| per.fixed_seconds().is_none()) else {
            return false;
        };
        let (start, end) = per.window(now, zone);
        *self = Self {
            window_start: start.millis(),
            window_end: end.millis(),
            ..Self::new(self.per, self.limit)
        };
        true
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

    /// Replaces a hold made `at` by its cost, and answers whether that came to a threshold.
    pub(super) fn settle(&mut self, at: Timestamp, held: u64, cost: u64) -> bool {
        // A window that has rolled on took the hold with it; the charge belongs to the past one.
        if at.millis() < self.window_start {
            return false;
        }
        self.reserved = self.reserved.saturating_sub(held);
        self.used = self.used.saturating_add(cost);
        self.tell(reached(self.used, self.limit))
    }

    /// Takes down that a call was refused that wanted so much, and answers whether the limit is used
    /// up for it, and this is new. A call that would not fit into an unused window says nothing of
    /// how much is used, and holds give back what they do not need.
    pub(super) fn refuse(&mut self, wanted: u64) -> bool {
        let is_used_up = wanted <= self.limit && self.used.saturating_add(wanted) > self.limit;
        is_used_up && self.tell(FULL)
    }

    /// Whether this limits the whole life and all of it is used.
    pub(super) fn is_used_up_for_good(&self) -> bool {
        self.per.is_none() && self.used > 0 && self.used >= self.limit
    }

    /// Whether this limits the whole life and is used up for a call that it has refused, which wanted
    /// so much: a remnant is left that nothing fits into. What is held may come back, and a call that
    /// is too large for all of the limit says nothing of what is left.
    pub(super) fn is_used_up_for_good_by(&self, wanted: u64) -> bool {
        let is_remnant = self.per.is_none() && self.reserved == 0 && wanted <= self.limit;
        self.is_used_up_for_good() || is_remnant && reached(self.used, self.limit) >= NEARLY_FULL
    }

    /// Whether nothing is left, or a remnant that a call did not fit into.
    pub(super) fn is_exhausted(&self) -> bool {
        self.used >= self.limit || self.told >= FULL && reached(self.used, self.limit) >= NEARLY_FULL
    }

    fn tell(&mut self, threshold: u8) -> bool {
        let is_news = threshold > self.told;
        self.told = self.told.max(threshold);
        is_news
    }

    pub(super) fn alert(&self, level: Level, rule: LimitRule) -> Alert {
        Alert {
            threshold: self.told,
            window_start: Timestamp::from_millis(self.window_start),
            state: self.state(level, rule),
        }
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
