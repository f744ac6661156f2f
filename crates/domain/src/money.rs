//! Money: integer nano-dollars, checked, rounded up. No floats.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount of US dollars, in nano-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

const NANOS_PER_DOLLAR: i64 = 1_000_000_000;
const TOKENS_PER_RATE: i128 = 1_000_000;

impl Money {
    pub const ZERO: Self = Self(0);
    /// The most a limit may be set to; sums of admitted amounts below it cannot overflow.
    pub const MAX_LIMIT: Self = Self(1_000_000_000 * NANOS_PER_DOLLAR);

    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    pub const fn from_cents(cents: u32) -> Self {
        Self(cents as i64 * (NANOS_PER_DOLLAR / 100))
    }

    pub const fn nanos(self) -> i64 {
        self.0
    }

    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Adds, and stays at the largest amount where the sum is larger: safe for what is held and
    /// spent, where too much refuses and too little would overspend.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Subtracts, and stays at zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(0))
    }

    /// Rounded to whole cents, upwards, for the 0.2 surface.
    pub fn cents_rounded_up(self) -> i64 {
        let nanos_per_cent = NANOS_PER_DOLLAR / 100;
        self.0 / nanos_per_cent + i64::from(self.0 % nanos_per_cent > 0)
    }
}

/// What a million units (tokens) cost, in nano-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(i64);

impl Rate {
    pub const ZERO: Self = Self(0);

    pub const fn from_nanos_per_million(nanos: i64) -> Self {
        Self(nanos)
    }

    pub const fn nanos_per_million(self) -> i64 {
        self.0
    }

    /// The largest count whose cost alone is at most `amount`.
    pub fn units_within(self, amount: Money) -> u64 {
        if self.0 <= 0 {
            return u64::MAX;
        }
        let units = i128::from(amount.0.max(0)) * TOKENS_PER_RATE / i128::from(self.0);
        u64::try_from(units).unwrap_or(u64::MAX)
    }
}

/// Adds up counts at their rates and rounds up once, at the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct CostSum(i128);

impl CostSum {
    pub fn add(&mut self, count: u64, rate: Rate) {
        let part = i128::from(count).saturating_mul(i128::from(rate.0));
        self.0 = self.0.saturating_add(part);
    }

    /// Adds what `count` units cost at `price` for every `per` of them.
    pub fn add_part(&mut self, count: u64, price: Money, per: u64) {
        let whole = i128::from(count)
            .saturating_mul(i128::from(price.0))
            .saturating_mul(TOKENS_PER_RATE);
        let per = i128::from(per.max(1));
        // Rounded up here to the millionth of a nano-dollar, which the last rounding hides.
        let part = whole.div_euclid(per) + i128::from(whole.rem_euclid(per) > 0);
        self.0 = self.0.saturating_add(part);
    }

    pub fn add_money(&mut self, amount: Money) {
        self.0 = self.0.saturating_add(i128::from(amount.0) * TOKENS_PER_RATE);
    }

    /// The sum, rounded up to the next nano-dollar; the largest amount where it is larger still.
    pub fn total(self) -> Money {
        let nanos = self.0.div_euclid(TOKENS_PER_RATE) + i128::from(self.0.rem_euclid(TOKENS_PER_RATE) > 0);
        Money(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of money: write a plain decimal with at most nine places, like 5.00")]
pub struct NotMoney;

impl FromStr for Money {
    type Err = NotMoney;

    /// Reads a plain, non-negative decimal: no sign, exponent, spaces or grouping.
    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || fraction.len() > 9 || whole.len() > 10 {
            return Err(NotMoney);
        }

        let whole: i64 = whole.parse().map_err(|_| NotMoney)?;
        let nanos: i64 = format!("{fraction:0<9}").parse().map_err(|_| NotMoney)?;
        let amount = whole
            .checked_mul(NANOS_PER_DOLLAR)
            .and_then(|dollars| dollars.checked_add(nanos))
            .map(Self)
            .ok_or(NotMoney)?;
        if amount > Self::MAX_LIMIT {
            Err(NotMoney)
        } else {
            Ok(amount)
        }
    }
}

impl fmt::Display for Money {
    /// The exact decimal, with at least two places: `0.10`, `0.000000375`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let per_dollar = NANOS_PER_DOLLAR.unsigned_abs();
        let fraction = format!("{:09}", nanos % per_dollar);
        let significant = fraction.trim_end_matches('0').len().max(2);
        let shown = fraction.get(..significant).unwrap_or(&fraction);
        write!(out, "{sign}{}.{shown}", nanos / per_dollar)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_decimal_is_read_exactly_and_shown_again() {
        for (text, shown) in [
            ("5", "5.00"),
            ("0.1", "0.10"),
            ("0.000000375", "0.000000375"),
            ("12.3456", "12.3456"),
        ] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), shown);
        }
    }

    /// `security.md` 55, 143: what is not a plain amount is refused.
    #[test]
    fn threat_143_an_amount_that_is_not_a_plain_decimal_is_refused() {
        for text in [
            "",
            ".",
            "-1",
            "+1",
            "1e9",
            "0.1e9",
            "NaN",
            "Infinity",
            " 1",
            "1 ",
            "1,5",
            "1.",
            ".5",
            "0.0000000001",
            "99999999999",
            "١",
        ] {
            assert_eq!(text.parse::<Money>(), Err(NotMoney), "{text}");
        }
    }

    #[test]
    fn a_cost_is_rounded_up_once() {
        let mut sum = CostSum::default();
        sum.add(1, Rate::from_nanos_per_million(400_000));
        sum.add(1, Rate::from_nanos_per_million(400_000));

        assert_eq!(sum.total(), Money::from_nanos(1));
    }

    #[test]
    fn a_price_for_many_units_is_shared_out_exactly() {
        let cost = |count, price: &str, per| {
            let mut sum = CostSum::default();
            sum.add_part(count, price.parse().unwrap(), per);
            sum.total()
        };
        let (hour, price) = (3_600_000, "0.06");

        assert_eq!(cost(hour, price, hour), Money::from_nanos(60_000_000));
        // A minute is a sixtieth; a millisecond costs 16.67 nano-dollars.
        assert_eq!(cost(60_000, price, hour), Money::from_nanos(1_000_000));
        assert_eq!(cost(1, price, hour), Money::from_nanos(17));
        assert_eq!(cost(u64::MAX, "1000000000", 1), Money::from_nanos(i64::MAX));
    }

    proptest! {
        #[test]
        fn any_amount_survives_being_written_and_read(nanos in 0..=Money::MAX_LIMIT.nanos()) {
            let amount = Money::from_nanos(nanos);
            prop_assert_eq!(amount.to_string().parse::<Money>(), Ok(amount));
        }

        #[test]
        fn units_within_an_amount_never_cost_more(nanos in 0..1_000_000_000_000_i64, rate in 1..100_000_000_000_i64) {
            let (amount, rate) = (Money::from_nanos(nanos), Rate::from_nanos_per_million(rate));
            let mut sum = CostSum::default();
            sum.add(rate.units_within(amount), rate);
            prop_assert!(sum.total() <= amount);
        }
    }
}
