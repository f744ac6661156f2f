//! Where a budget is going: what is spent a day, and when it stops at that pace.

use crate::{money::Money, time::Timestamp};

/// A budget's window, as far as it has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub used: Money,
    pub limit: Money,
    pub began_at: Timestamp,
    pub now: Timestamp,
    /// When the window begins anew, or the grant ends.
    pub ends_at: Timestamp,
}

/// What will be if spending goes on as it has in its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forecast {
    pub per_day: Money,
    /// When nothing will be left; `None` where that is not before the end.
    pub stops_at: Option<Timestamp>,
}

const DAY_MILLIS: i128 = 86_400_000;
/// A pace is that of an hour at least: the first call of a window says nothing of the next.
const LEAST_MILLIS: i64 = 3_600_000;

/// Rounded up, and so never later than it will be. `None` where nothing was used yet.
pub fn forecast(pace: Pace) -> Option<Forecast> {
    let used = i128::from(pace.used.nanos());
    if used <= 0 {
        return None;
    }
    let gone = pace.now.millis().saturating_sub(pace.began_at.millis());
    let gone = i128::from(gone.max(LEAST_MILLIS));
    let per_day = (used * DAY_MILLIS + gone - 1) / gone;

    let left = i128::from(pace.limit.saturating_sub(pace.used).nanos());
    let lasts = i64::try_from(left * gone / used).unwrap_or(i64::MAX);
    let stops_at = pace.now.millis().saturating_add(lasts);
    Some(Forecast {
        per_day: Money::from_nanos(i64::try_from(per_day).unwrap_or(i64::MAX)),
        stops_at: (stops_at < pace.ends_at.millis()).then_some(Timestamp::from_millis(stops_at)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn pace(used: u32, limit: u32, days_gone: i64) -> Pace {
        let began_at = Timestamp::from_millis(1_000 * DAY);
        Pace {
            used: Money::from_cents(used),
            limit: Money::from_cents(limit),
            began_at,
            now: Timestamp::from_millis(began_at.millis() + days_gone * DAY),
            ends_at: Timestamp::from_millis(began_at.millis() + 30 * DAY),
        }
    }

    #[test]
    fn at_its_pace_a_budget_stops_when_what_is_left_is_gone() {
        let forecast = forecast(pace(200, 500, 4)).unwrap();

        assert_eq!(forecast.per_day, Money::from_cents(50));
        // $3 at half a dollar a day.
        assert_eq!(forecast.stops_at, Some(Timestamp::from_millis(1_010 * DAY)));
    }

    #[test]
    fn a_budget_that_lasts_to_its_windows_end_does_not_stop() {
        let forecast = forecast(pace(50, 500, 4)).unwrap();

        assert_eq!(forecast.per_day, Money::from_nanos(125_000_000));
        assert_eq!(forecast.stops_at, None);
    }

    #[test]
    fn what_was_not_begun_has_no_pace_and_what_is_used_up_has_stopped() {
        assert_eq!(forecast(pace(0, 500, 4)), None);
        let used_up = forecast(pace(500, 500, 4)).unwrap();
        assert_eq!(used_up.stops_at, Some(Timestamp::from_millis(1_004 * DAY)));
    }

    #[test]
    fn the_first_minutes_count_as_an_hour() {
        let forecast = forecast(pace(1, 500, 0)).unwrap();

        assert_eq!(forecast.per_day, Money::from_cents(24));
    }

    #[test]
    fn no_amount_and_no_time_is_too_large() {
        let far = Pace {
            used: Money::from_nanos(i64::MAX),
            limit: Money::from_nanos(i64::MAX),
            began_at: Timestamp::from_millis(i64::MIN),
            now: Timestamp::from_millis(i64::MAX),
            ends_at: Timestamp::from_millis(i64::MAX),
        };
        assert!(forecast(far).is_some());
        let none_left = Pace {
            limit: Money::ZERO,
            ..far
        };
        assert!(forecast(none_left).is_some());
    }
}
