//! Numbers and names as people say them: money, times, windows, models' makers.

pub(super) mod app_words;
pub(super) mod limit_words;
pub(super) mod numbers;
pub(super) mod price_rise;
pub(super) mod sentences;

use std::fmt;

use aipassport_domain::{
    audit::CallOutcome,
    authorization_details::Capability,
    ids::ProviderId,
    ledger::Level,
    limits::Window,
    money::Money,
    time::{Period, Timestamp, zone_named},
    usage::TruthLabel,
};
use jiff::{Timestamp as Instant, Zoned};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// An amount to read: `$4.10`; below a dollar to the hundredth of a cent, so that the small sums
/// of single calls are not all "$0.00".
pub(super) struct Dollars(pub(super) Money);

impl fmt::Display for Dollars {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.nanos().max(0);
        if nanos >= 1_000_000_000 {
            let cents = nanos.saturating_add(5_000_000) / 10_000_000;
            return write!(out, "${}.{:02}", grouped(cents / 100), cents % 100);
        }
        if nanos > 0 && nanos < 50_000 {
            return out.write_str("under $0.0001");
        }
        let parts = (nanos + 50_000) / 100_000;
        let (cents, rest) = (parts / 100, parts % 100);
        write!(out, "${}.{:02}", cents / 100, cents % 100)?;
        match (rest, rest % 10) {
            (0, _) => Ok(()),
            (_, 0) => write!(out, "{}", rest / 10),
            _ => write!(out, "{rest:02}"),
        }
    }
}

pub(super) fn dollars(amount: Money) -> String {
    Dollars(amount).to_string()
}

/// `12,400`.
pub(super) fn grouped(count: impl Into<i128>) -> String {
    let digits = count.into().to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Rounded down to one or two digits, for sentences that begin with "about": 4,321 becomes 4,300.
pub(super) fn about(count: u64) -> String {
    let step = 10_u64.pow(count.checked_ilog10().unwrap_or(0).saturating_sub(1));
    grouped(count / step * step)
}

/// `1 call`, `2 calls`.
pub(super) fn counted(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {one}{plural}", grouped(count))
}

/// How often a limit begins anew: `a month`, `every 3 days`, `in all`.
pub(super) fn per(window: Window) -> String {
    let Some(period) = window else {
        return "in all".to_owned();
    };
    for (known, words) in [
        (Period::MINUTE, "a minute"),
        (Period::HOUR, "an hour"),
        (Period::DAY, "a day"),
        (Period::WEEK, "a week"),
        (Period::MONTH, "a month"),
    ] {
        if period == known {
            return words.to_owned();
        }
    }
    // Its ISO 8601 form is a count and one letter, behind `P` or `PT`.
    let written = period.to_string();
    let is_time = written.starts_with("PT");
    let count: String = written.chars().filter(char::is_ascii_digit).collect();
    let unit = match (written.chars().last(), is_time) {
        (Some('S'), _) => "seconds",
        (Some('M'), true) => "minutes",
        (Some('H'), _) => "hours",
        (Some('D'), _) => "days",
        (Some('W'), _) => "weeks",
        (Some('M'), false) => "months",
        _ => "years",
    };
    if count == "1" {
        format!("a {}", unit.trim_end_matches('s'))
    } else {
        format!("every {count} {unit}")
    }
}

/// The clock on the user's wall.
#[derive(Clone)]
pub(super) struct WallClock {
    now: Timestamp,
    zone: jiff::tz::TimeZone,
}

impl WallClock {
    pub(super) fn new(now: Timestamp, time_zone: &str) -> Self {
        Self {
            now,
            zone: zone_named(time_zone),
        }
    }

    pub(super) fn zoned(&self, at: Timestamp) -> Zoned {
        Instant::from_millisecond(at.millis())
            .unwrap_or(Instant::UNIX_EPOCH)
            .to_zoned(self.zone.clone())
    }

    pub(super) fn today(&self) -> jiff::civil::Date {
        self.zoned(self.now).date()
    }

    /// The first instant of a day, and the first one after it.
    pub(super) fn span_of(&self, day: jiff::civil::Date) -> (Timestamp, Timestamp) {
        let start = |day: jiff::civil::Date| {
            let midnight = day.to_zoned(self.zone.clone());
            midnight.map_or(self.now, |midnight| {
                Timestamp::from_millis(midnight.timestamp().as_millisecond())
            })
        };
        (start(day), start(day.tomorrow().unwrap_or(day)))
    }

    /// When something happened: `just now`, `2 min ago`, `14:02`, `yesterday 09:30`, `3 Oct`.
    pub(super) fn ago(&self, at: Timestamp) -> String {
        let seconds = self.now.seconds() - at.seconds();
        if (0..MINUTE).contains(&seconds) {
            return "just now".to_owned();
        }
        if (0..HOUR).contains(&seconds) {
            return format!("{} min ago", seconds / MINUTE);
        }
        let then = self.zoned(at);
        let days = self.today().since(then.date()).map_or(i32::MAX, |span| span.get_days());
        match days {
            0 => then.strftime("%H:%M").to_string(),
            1 => then.strftime("yesterday %H:%M").to_string(),
            _ => self.day(at),
        }
    }

    /// `30 Nov`, with the year where it is not this one.
    pub(super) fn day(&self, at: Timestamp) -> String {
        let then = self.zoned(at);
        let format = if then.year() == self.today().year() {
            "%-d %b"
        } else {
            "%-d %b %Y"
        };
        then.strftime(format).to_string()
    }

    /// `30 Nov, 14:02`.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        format!("{}, {}", self.day(at), self.zoned(at).strftime("%H:%M"))
    }

    /// When something ends: `in 40 min`, `today 18:00`, `30 Nov`.
    pub(super) fn until(&self, at: Timestamp) -> String {
        let seconds = at.seconds() - self.now.seconds();
        if seconds < HOUR {
            return format!("in {} min", (seconds / MINUTE).max(1));
        }
        if self.zoned(at).date() == self.today() {
            return self.zoned(at).strftime("today %H:%M").to_string();
        }
        self.day(at)
    }
}

/// How long something lasts: `1 hour`, `30 days`.
pub(super) fn lasting(seconds: i64) -> String {
    let of = |count: i64, one: &str| counted(count.unsigned_abs(), one);
    match seconds {
        ..HOUR => of((seconds / MINUTE).max(1), "minute"),
        ..172_800 if seconds % DAY != 0 => of(seconds / HOUR, "hour"),
        _ => of(seconds / DAY, "day"),
    }
}

/// Who shares a limit that stands above that of one grant.
pub(super) fn shared_by(level: Level) -> Option<String> {
    let words = match level {
        Level::Grant => return None,
        Level::App => "this app as a whole",
        Level::User => "all apps together",
        Level::Tenant => "everybody here together",
    };
    Some(words.to_owned())
}

pub(super) fn provider(id: &ProviderId) -> String {
    match id.as_str() {
        "openai" => "OpenAI".to_owned(),
        "anthropic" => "Anthropic".to_owned(),
        "gemini" => "Google Gemini".to_owned(),
        "mistral" => "Mistral".to_owned(),
        "cohere" => "Cohere".to_owned(),
        "ollama" => "Ollama".to_owned(),
        "vllm" => "vLLM".to_owned(),
        other => ProviderId::custom_name(other).unwrap_or(other).to_owned(),
    }
}

/// `OpenAI account`, `OpenAI and Anthropic accounts`.
pub(super) fn accounts<'a>(providers: impl IntoIterator<Item = &'a ProviderId>) -> String {
    let names: Vec<String> = providers.into_iter().map(provider).collect();
    match names.as_slice() {
        [] => "AI accounts".to_owned(),
        [only] => format!("{only} account"),
        [first @ .., last] => format!("{} and {last} accounts", first.join(", ")),
    }
}

pub(super) fn capability(capability: Capability) -> &'static str {
    match capability {
        Capability::Chat => "Chat",
        Capability::Embeddings => "Embeddings",
        Capability::Images => "Images",
        Capability::Audio => "Speech",
        Capability::Code => "Code",
    }
}

/// A feature's name on the wire, as a switch and what it means.
pub(super) fn feature(name: &str) -> (&'static str, &'static str) {
    match name {
        "streaming" => ("Answers as they are written", "Streaming."),
        "tools" => ("Call the app’s own functions", "They run in the app, not here."),
        "server_tools" => (
            "Tools that run at the provider",
            "The provider may charge for each use.",
        ),
        "web_search" => ("Search the web", "The provider charges for each search."),
        "code_execution" => ("Run code at the provider", "The provider may charge for it."),
        _ => (
            "Keep things at the provider",
            "Files and conversations stay in your account.",
        ),
    }
}

pub(super) fn label(label: TruthLabel) -> &'static str {
    match label {
        TruthLabel::Reported => "reported",
        TruthLabel::Derived => "worked out",
        TruthLabel::Estimated => "estimated",
        TruthLabel::WorstCase => "worst case",
    }
}

pub(super) fn outcome(outcome: CallOutcome) -> &'static str {
    match outcome {
        CallOutcome::Completed => "completed",
        CallOutcome::Refused => "refused by the provider",
        CallOutcome::NotSent => "not sent",
        CallOutcome::ClientGone => "the app hung up",
        CallOutcome::UpstreamFailed => "the provider failed",
        CallOutcome::TimedOut => "timed out",
        CallOutcome::Revoked => "stopped by you",
        CallOutcome::Crashed => "the broker stopped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_as_exact_as_it_is_small() {
        for (nanos, shown) in [
            (0, "$0.00"),
            (375, "under $0.0001"),
            (300_000, "$0.0003"),
            (9_800_000, "$0.0098"),
            (10_000_000, "$0.01"),
            (29_000_000, "$0.029"),
            (410_000_000, "$0.41"),
            (4_101_000_000, "$4.10"),
            (999_999_999, "$1.00"),
            (1_234_567_891_234, "$1,234.57"),
        ] {
            assert_eq!(dollars(Money::from_nanos(nanos)), shown);
        }
    }

    #[test]
    fn a_window_is_said_in_words() {
        for (period, words) in [
            ("PT1M", "a minute"),
            ("P1M", "a month"),
            ("P1Y", "a year"),
            ("PT5M", "every 5 minutes"),
            ("P3D", "every 3 days"),
        ] {
            assert_eq!(per(period.parse().ok()), words);
        }
        assert_eq!(per(None), "in all");
    }

    #[test]
    fn a_time_is_said_from_where_the_user_stands() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let clock = WallClock::new(at("2026-11-22T12:00:00Z"), "Europe/Berlin");

        for (then, said) in [
            ("2026-11-22T11:59:30Z", "just now"),
            ("2026-11-22T11:58:00Z", "2 min ago"),
            ("2026-11-22T06:30:00Z", "07:30"),
            ("2026-11-21T22:59:00Z", "yesterday 23:59"),
            ("2026-10-03T12:00:00Z", "3 Oct"),
            ("2025-10-03T12:00:00Z", "3 Oct 2025"),
        ] {
            assert_eq!(clock.ago(at(then)), said);
        }
        assert_eq!(clock.until(at("2026-11-22T12:40:00Z")), "in 40 min");
        assert_eq!(clock.until(at("2026-12-22T12:40:00Z")), "22 Dec");
    }

    #[test]
    fn counts_are_grouped_and_rounded_down() {
        assert_eq!(grouped(1_234_567_u64), "1,234,567");
        assert_eq!(about(4_321), "4,300");
        assert_eq!(about(7), "7");
        assert_eq!(lasting(30 * DAY), "30 days");
        assert_eq!(lasting(HOUR), "1 hour");
    }
}
