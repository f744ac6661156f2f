//! Amounts and counts as people type them into forms.

use aipassport_domain::{ids::ProviderId, limits::Window, money::Money};

use crate::web::words;

/// The name of the field of a limit: `openai.budget.P1M`, or `openai.budget.life`.
pub(in crate::web) fn field(provider: &ProviderId, rule: &str, window: Window) -> String {
    format!("{provider}.{}", shared_field(rule, window))
}

/// The same of a limit of all providers together: `budget.P1M`, or `budget.life`.
pub(in crate::web) fn shared_field(rule: &str, window: Window) -> String {
    let window = window.map_or_else(|| "life".to_owned(), |period| period.to_string());
    format!("{rule}.{window}")
}

/// A sum above zero, and not above `most`.
pub(in crate::web) fn amount(text: &str, most: Option<Money>) -> Result<Money, String> {
    let plain = text.trim_start_matches('$').replace(',', ".");
    let amount = plain.parse::<Money>().ok().filter(|amount| *amount > Money::ZERO);
    amount
        .filter(|amount| most.is_none_or(|most| *amount <= most))
        .ok_or_else(|| match most {
            Some(most) => format!("Write an amount like 1.00, at most {most}."),
            None => "Write an amount like 5.00.".to_owned(),
        })
}

/// A whole number from 1 to `most`.
pub(in crate::web) fn count(text: &str, most: u64) -> Result<u64, String> {
    let is_plain = !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|number| is_plain && *number > 0);
    number.filter(|number| *number <= most).ok_or_else(|| {
        if most > u64::from(u32::MAX) {
            "Write a whole number, at least 1.".to_owned()
        } else {
            format!("Write a whole number from 1 to {}.", words::grouped(most))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_sum_above_zero_is_an_amount() {
        let most = Some(Money::from_cents(500));

        assert_eq!(amount("$2,50", most), Ok(Money::from_cents(250)));
        for wrong in ["", "0", "-1", "5.01", "1e1", "five", "٣"] {
            assert!(amount(wrong, most).is_err(), "{wrong}");
        }
        assert!(count("0", 9).is_err() && count("10", 9).is_err() && count("+1", 9).is_err());
    }
}
