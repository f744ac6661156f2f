//! Bar charts of days, drawn on the server. Heights are whole units of the view box; the widths
//! stretch with the page.

use aipassport_domain::money::Money;
use jiff::{ToSpan, civil::Date};

use crate::web::words;

const BAR: u64 = 8;
const STEP: u64 = 10;

#[derive(Clone, Debug)]
pub(in crate::web) struct Bars {
    pub(in crate::web) width: u64,
    pub(in crate::web) bars: Vec<Bar>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) struct Bar {
    pub(in crate::web) x: u64,
    pub(in crate::web) y: u64,
    pub(in crate::web) width: u64,
    pub(in crate::web) height: u64,
}

/// The last days of an app: a chart, and the same as a table.
#[derive(Clone, Debug)]
pub(in crate::web) struct Days {
    pub(in crate::web) width: u64,
    pub(in crate::web) bars: Vec<Bar>,
    pub(in crate::web) first: String,
    pub(in crate::web) last: &'static str,
    pub(in crate::web) most: String,
    /// (day, amount) of each day on which something was spent, newest first.
    pub(in crate::web) rows: Vec<(String, String)>,
}

pub(in crate::web) fn bars(amounts: &[Money], height: u64) -> Bars {
    let most = amounts.iter().max().map_or(1, |most| most.nanos().max(1));
    let bars = (0_u64..).zip(amounts).map(|(place, amount)| {
        let share = i128::from(amount.nanos().max(0)) * i128::from(height) / i128::from(most);
        // A day without spending keeps a hairline, so that the days can be counted.
        let tall = u64::try_from(share).unwrap_or(0).max(1);
        Bar {
            x: place * STEP,
            y: height - tall,
            width: BAR,
            height: tall,
        }
    });
    Bars {
        width: u64::try_from(amounts.len()).unwrap_or(0).max(1) * STEP,
        bars: bars.collect(),
    }
}

/// Every day from `first` to `last`.
pub(in crate::web) fn days_between(first: Date, last: Date) -> Vec<Date> {
    first.series(1.day()).take_while(|day| *day <= last).collect()
}

pub(in crate::web) fn days(spent: &[(Date, Money)]) -> Days {
    let amounts: Vec<Money> = spent.iter().map(|(_, amount)| *amount).collect();
    let Bars { width, bars } = bars(&amounts, 96);
    let short = |day: &Date| day.strftime("%-d %b").to_string();
    Days {
        width,
        bars,
        first: spent.first().map(|(day, _)| short(day)).unwrap_or_default(),
        last: "today",
        most: words::dollars(amounts.iter().copied().max().unwrap_or_default()),
        rows: spent
            .iter()
            .rev()
            .filter(|(_, amount)| *amount > Money::ZERO)
            .map(|(day, amount)| (short(day), words::dollars(*amount)))
            .collect(),
    }
}

/// Where the month is heading: (low, high), from the month so far and from its last week.
///
/// `None` in the first three days, and where nothing was spent: a guess from so little would only
/// mislead.
pub(in crate::web) fn forecast(month: &[(Date, Money)]) -> Option<(Money, Money)> {
    let (today, _) = month.last()?;
    let days = i64::try_from(month.len()).ok()?;
    let left = i64::from(today.days_in_month()) - days;
    let sum = |days: &[(Date, Money)]| {
        let amounts = days.iter().map(|(_, amount)| amount.nanos());
        amounts.fold(0_i64, i64::saturating_add)
    };
    let spent = sum(month);
    if days < 4 || spent == 0 {
        return None;
    }
    let week = month.get(month.len().saturating_sub(7)..).unwrap_or(month);
    let week_days = i64::try_from(week.len()).ok()?;
    let at_pace = |daily: i64| Money::from_nanos(spent.saturating_add(daily.saturating_mul(left)));
    let (one, other) = (at_pace(spent / days), at_pace(sum(week) / week_days));
    Some((one.min(other), one.max(other)))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_dearest_day_fills_the_chart_and_an_idle_one_is_a_hairline() {
        let amounts = [Money::from_cents(50), Money::ZERO, Money::from_cents(100)];

        let heights: Vec<u64> = bars(&amounts, 36).bars.iter().map(|bar| bar.height).collect();

        assert_eq!(heights, [18, 1, 36]);
    }

    #[test]
    fn a_forecast_lies_between_the_pace_of_the_month_and_of_its_last_week() {
        let (first, today) = (date(2026, 11, 1), date(2026, 11, 20));
        let spent = |day: Date| match day.day() {
            1 => Money::from_cents(1000),
            20 => Money::from_cents(700),
            _ => Money::ZERO,
        };

        let month: Vec<_> = days_between(first, today)
            .into_iter()
            .map(|day| (day, spent(day)))
            .collect();

        assert_eq!(month.len(), 20);
        assert_eq!(
            forecast(&month),
            Some((Money::from_cents(2550), Money::from_cents(2700)))
        );
        assert_eq!(forecast(&month[..3]), None);
    }
}
