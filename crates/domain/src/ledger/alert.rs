//! What a user is told before and when a limit stops an app: once for each threshold of a window.

use super::LimitState;
use crate::time::Timestamp;

/// So many percent of a budget or request cap are worth telling.
const THRESHOLDS: [u8; 4] = [FULL, NEARLY_FULL, 80, 50];
pub(super) const FULL: u8 = 100;
/// What is left is a remnant.
pub(super) const NEARLY_FULL: u8 = 95;

/// A budget or request cap of which so much is used, or that stopped a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// In percent: 50, 80, 95 or 100. All of a limit is also used where a call did not fit any more
    /// that would have fitted in the beginning.
    pub threshold: u8,
    /// The window's first moment; the earliest there is for a limit on the whole life.
    pub window_start: Timestamp,
    pub state: LimitState,
}

/// The highest threshold that `used` of `limit` has come to; 0 for none. Nothing of nothing is none:
/// who may spend nothing need not be told so.
pub(super) fn reached(used: u64, limit: u64) -> u8 {
    let is_reached = |threshold: &u8| u128::from(used) * 100 >= u128::from(limit) * u128::from(*threshold);
    if limit == 0 {
        return 0;
    }
    THRESHOLDS.into_iter().find(is_reached).unwrap_or(0)
}
