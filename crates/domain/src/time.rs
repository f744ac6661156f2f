//! Points in time and calendar windows. Nothing here asks what time it is.

use std::{fmt, str::FromStr};

use jiff::{Timestamp as Instant, ToSpan, Zoned, civil, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down, as in a JWT's `NumericDate`.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    fn zoned(self, zone: &TimeZone) -> Zoned {
        Instant::from_millisecond(self.0)
            .unwrap_or(if self.0 < 0 { Instant::MIN } else { Instant::MAX })
            .to_zoned(zone.clone())
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, to the millisecond only where there is one.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Instant::from_millisecond(self.0) {
            Ok(instant) => instant.fmt(out),
            Err(_) => out.write_str(if self.0 < 0 {
                "-9999-01-01T00:00:00Z"
            } else {
                "9999-12-30T00:00:00Z"
            }),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time: write RFC 3339, like 2026-12-31T00:00:00Z")]
pub struct NotATime;

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        text.parse::<Instant>()
            .map(|instant| Self(instant.as_millisecond()))
            .map_err(|_| NotATime)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The length of a limit's window: an ISO 8601 duration of one unit, like `P1M` or `PT30S`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    unit: PeriodUnit,
    count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum PeriodUnit {
    Second,
    Day,
    Month,
}

impl Period {
    pub const MINUTE: Self = Self {
        unit: PeriodUnit::Second,
        count: 60,
    };
    pub const HOUR: Self = Self {
        unit: PeriodUnit::Second,
        count: 3600,
    };
    pub const DAY: Self = Self {
        unit: PeriodUnit::Day,
        count: 1,
    };
    pub const WEEK: Self = Self {
        unit: PeriodUnit::Day,
        count: 7,
    };
    pub const MONTH: Self = Self {
        unit: PeriodUnit::Month,
        count: 1,
    };
    pub const YEAR: Self = Self {
        unit: PeriodUnit::Month,
        count: 12,
    };

    /// The window's length in seconds where it does not depend on the calendar.
    pub fn fixed_seconds(self) -> Option<u32> {
        (self.unit == PeriodUnit::Second).then_some(self.count)
    }

    /// The window that holds `now`: its first instant and the first one after it.
    ///
    /// Days begin at midnight in `zone`, weeks on Monday, months on the 1st; several of a unit are
    /// counted from 1970. Seconds, minutes and hours are counted in UTC.
    pub fn window(self, now: Timestamp, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let count = i64::from(self.count);
        let fixed = || {
            let length = count * 1000;
            let start = now.0.div_euclid(length) * length;
            (Timestamp(start), Timestamp(start.saturating_add(length)))
        };
        match self.unit {
            PeriodUnit::Second => fixed(),
            PeriodUnit::Day => self.day_window(now, zone).unwrap_or_else(fixed),
            PeriodUnit::Month => self.month_window(now, zone).unwrap_or_else(fixed),
        }
    }

    fn day_window(self, now: Timestamp, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        // A Monday, so that weeks begin on Mondays.
        let monday = civil::date(1969, 12, 29);
        let origin = if self.count.is_multiple_of(7) {
            monday
        } else {
            civil::date(1970, 1, 1)
        };
        let today = now.zoned(zone).date();
        let days = i64::from(today.since(origin).ok()?.get_days());
        let first = origin
            .checked_add((days.div_euclid(i64::from(self.count)) * i64::from(self.count)).days())
            .ok()?;
        let next = first.checked_add(i64::from(self.count).days()).ok()?;
        Some((start_of_day(first, zone)?, start_of_day(next, zone)?))
    }

    fn month_window(self, now: Timestamp, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let today = now.zoned(zone).date();
        let months = (i64::from(today.year()) - 1970) * 12 + i64::from(today.month()) - 1;
        let first = months.div_euclid(i64::from(self.count)) * i64::from(self.count);
        let month_start = |months: i64| {
            let origin = civil::date(1970, 1, 1);
            start_of_day(origin.checked_add(months.months()).ok()?, zone)
        };
        Some((month_start(first)?, month_start(first + i64::from(self.count))?))
    }
}

fn start_of_day(date: civil::Date, zone: &TimeZone) -> Option<Timestamp> {
    let start = date.to_zoned(zone.clone()).ok()?;
    Some(Timestamp(start.timestamp().as_millisecond()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a period: write an ISO 8601 duration of one unit, like PT1M, P1D, P1W, P1M or P1Y")]
pub struct NotAPeriod;

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let duration = text.strip_prefix('P').ok_or(NotAPeriod)?;
        let (amount, is_time) = duration
            .strip_prefix('T')
            .map_or((duration, false), |rest| (rest, true));
        let unit = amount.chars().last().ok_or(NotAPeriod)?;
        let digits = amount.strip_suffix(unit).ok_or(NotAPeriod)?;
        if digits.is_empty()
            || digits.len() > 6
            || digits.starts_with('0')
            || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(NotAPeriod);
        }
        let count: u32 = digits.parse().map_err(|_| NotAPeriod)?;

        let (unit, times) = match (unit, is_time) {
            ('S', true) => (PeriodUnit::Second, 1),
            ('M', true) => (PeriodUnit::Second, 60),
            ('H', true) => (PeriodUnit::Second, 3600),
            ('D', false) => (PeriodUnit::Day, 1),
            ('W', false) => (PeriodUnit::Day, 7),
            ('M', false) => (PeriodUnit::Month, 1),
            ('Y', false) => (PeriodUnit::Month, 12),
            _ => return Err(NotAPeriod),
        };
        let longest = if unit == PeriodUnit::Second { 31_536_000 } else { 1200 };
        let count = count
            .checked_mul(times)
            .filter(|count| *count <= longest)
            .ok_or(NotAPeriod)?;
        Ok(Self { unit, count })
    }
}

impl fmt::Display for Period {
    /// The shortest way to write it: `P7D` is shown as `P1W`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (marker, unit, count) = match (self.unit, self.count) {
            (PeriodUnit::Second, count) if count.is_multiple_of(3600) => ("T", "H", count / 3600),
            (PeriodUnit::Second, count) if count.is_multiple_of(60) => ("T", "M", count / 60),
            (PeriodUnit::Second, count) => ("T", "S", count),
            (PeriodUnit::Day, count) if count.is_multiple_of(7) => ("", "W", count / 7),
            (PeriodUnit::Day, count) => ("", "D", count),
            (PeriodUnit::Month, count) if count.is_multiple_of(12) => ("", "Y", count / 12),
            (PeriodUnit::Month, count) => ("", "M", count),
        };
        write!(out, "P{marker}{count}{unit}")
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The name as the time zone database writes it; `None` if it knows no zone of that name.
pub fn zone_name(name: &str) -> Option<String> {
    let zone = TimeZone::get(name).ok()?;
    zone.iana_name().map(str::to_owned)
}

/// Every zone that people live in, by its IANA name, in the order of the alphabet.
pub fn zone_names() -> Vec<String> {
    let areas = [
        "Africa/",
        "America/",
        "Antarctica/",
        "Arctic/",
        "Asia/",
        "Atlantic/",
        "Australia/",
        "Europe/",
        "Indian/",
        "Pacific/",
    ];
    let mut names: Vec<String> = jiff::tz::db()
        .available()
        .map(|name| name.as_str().to_owned())
        .filter(|name| name == "UTC" || areas.iter().any(|area| name.starts_with(area)))
        .collect();
    names.sort_unstable();
    names
}

/// The zone of that IANA name, or UTC where there is none.
pub fn zone_named(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn windows_begin_at_the_calendar_of_the_zone() {
        let zone = zone_named("Europe/Berlin");
        let cases = [
            (
                "P1D",
                "2026-03-29T12:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                "P1W",
                "2026-11-22T12:00:00Z",
                "2026-11-15T23:00:00Z",
                "2026-11-22T23:00:00Z",
            ),
            (
                "P1M",
                "2026-02-10T00:00:00Z",
                "2026-01-31T23:00:00Z",
                "2026-02-28T23:00:00Z",
            ),
            (
                "P1Y",
                "2026-07-01T00:00:00Z",
                "2025-12-31T23:00:00Z",
                "2026-12-31T23:00:00Z",
            ),
            (
                "PT1H",
                "2026-07-01T00:59:59Z",
                "2026-07-01T00:00:00Z",
                "2026-07-01T01:00:00Z",
            ),
        ];
        for (period, now, start, end) in cases {
            let period: Period = period.parse().unwrap();
            assert_eq!(period.window(at(now), &zone), (at(start), at(end)), "{period}");
        }
    }

    #[test]
    fn a_zone_has_one_name_and_is_offered_by_it() {
        assert_eq!(zone_name("europe/berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(zone_name("Europe/Nowhere"), None);
        let names = zone_names();
        assert!(
            ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia"]
                .iter()
                .all(|name| names.iter().any(|known| known == name))
        );
        assert!(names.iter().all(|name| zone_name(name).as_ref() == Some(name)));
    }

    #[test]
    fn a_period_has_one_canonical_form() {
        for (text, shown) in [
            ("P7D", "P1W"),
            ("PT60S", "PT1M"),
            ("P12M", "P1Y"),
            ("PT90S", "PT90S"),
            ("P3D", "P3D"),
        ] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "P",
            "PT",
            "P0D",
            "P-1D",
            "P1.5D",
            "P1D1M",
            "1D",
            "P1H",
            "PT1D",
            "P01M",
            "PT99999999S",
        ] {
            assert_eq!(text.parse::<Period>(), Err(NotAPeriod), "{text}");
        }
    }
}
