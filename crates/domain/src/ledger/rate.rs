//! A rate limit: admissions in a window that slides with the clock.

use serde::{Deserialize, Serialize};

use super::{Amount, Level, LimitReached, LimitRule, LimitState};
use crate::time::{Period, Timestamp};

/// A rate's window slides in this many steps; what falls into one step leaves together, at its end.
const RATE_STEPS: i64 = 60;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RateCounter {
    pub(super) limit: u64,
    pub(super) per: Period,
    /// (first millisecond of the step, admissions in it), oldest first.
    steps: Vec<(i64, u64)>,
}

impl RateCounter {
    pub(super) fn new(per: Period, limit: u64) -> Self {
        Self {
            limit,
            per,
            steps: Vec::new(),
        }
    }

    /// The same admissions under another limit.
    pub(super) fn limited_to(&self, limit: u64) -> Self {
        Self { limit, ..self.clone() }
    }

    fn length(&self) -> i64 {
        i64::from(self.per.fixed_seconds().unwrap_or(1)) * 1000
    }

    fn step(&self) -> i64 {
        (self.length() / RATE_STEPS).max(1)
    }

    /// When the step that begins at `start` has left the window altogether, so that no window of
    /// this length, wherever it begins, ever holds more than the limit.
    fn leaves_at(&self, start: i64) -> i64 {
        start.saturating_add(self.step()).saturating_add(self.length())
    }

    pub(super) fn forget(&mut self, now: Timestamp) {
        let mut steps = std::mem::take(&mut self.steps);
        steps.retain(|(start, _)| self.leaves_at(*start) > now.millis());
        self.steps = steps;
    }

    fn count(&self) -> u64 {
        self.steps.iter().map(|(_, count)| count).sum()
    }

    pub(super) fn admit(&mut self, now: Timestamp) {
        let start = now.millis().div_euclid(self.step()) * self.step();
        match self.steps.last_mut() {
            Some((last, count)) if *last == start => *count += 1,
            _ => self.steps.push((start, 1)),
        }
    }

    pub(super) fn check(&self, level: Level, now: Timestamp) -> Result<(), LimitReached> {
        if self.count() < self.limit {
            return Ok(());
        }
        let retry_at = self.has_room_at();
        Err(LimitReached {
            rule: LimitRule::Rate,
            state: self.state(level, now),
            retry_at,
            retryable: retry_at.is_some(),
        })
    }

    /// When there is room for one more again; `None` if that is now, or never.
    fn has_room_at(&self) -> Option<Timestamp> {
        let mut count = self.count();
        if count < self.limit {
            return None;
        }
        for (start, in_step) in &self.steps {
            count = count.saturating_sub(*in_step);
            if count < self.limit {
                return Some(Timestamp::from_millis(self.leaves_at(*start)));
            }
        }
        None
    }

    pub(super) fn state(&self, level: Level, now: Timestamp) -> LimitState {
        let first_leaves = || self.steps.first().map(|(start, _)| self.leaves_at(*start));
        let resets_at = self
            .has_room_at()
            .or_else(|| first_leaves().map(Timestamp::from_millis));
        LimitState {
            level,
            rule: LimitRule::Rate,
            limit: Amount::Count(self.limit),
            used: Amount::Count(self.count()),
            reserved: Amount::Count(0),
            window: Some(self.per),
            resets_at: resets_at.filter(|at| *at > now),
        }
    }
}
