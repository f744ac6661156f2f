//! What has become dearer, in words.

use aipassport_domain::money::{Money, Rate};
use aipassport_providers::prices::{DearerModel, RisenRate};

use crate::web::words;

/// `gpt-4o (OpenAI): a million tokens of input from $2.50 to $3.00`.
pub(in crate::web) fn sentence(dearer: &DearerModel) -> String {
    let mut rates: Vec<&RisenRate> = dearer
        .rates
        .iter()
        .filter(|risen| !is_as_input(risen, dearer))
        .collect();
    // What most calls are made of comes first.
    rates.sort_by_key(|risen| !matches!(risen.name.as_str(), "input" | "output"));
    let rates: Vec<String> = rates.into_iter().map(rate).collect();
    format!(
        "{} ({}): {}",
        dearer.model,
        words::provider(&dearer.provider),
        rates.join(", ")
    )
}

/// Putting tokens into a cache costs as much as reading them, where nothing else is said.
fn is_as_input(risen: &RisenRate, dearer: &DearerModel) -> bool {
    let name = risen
        .name
        .replace("cache_write_5m", "input")
        .replace("cache_write_1h", "input");
    name != risen.name
        && dearer
            .rates
            .iter()
            .any(|other| other.name == name && (other.before, other.now) == (risen.before, risen.now))
}

fn rate(risen: &RisenRate) -> String {
    let (name, above) = match risen.name.split_once(" above ") {
        Some((name, tokens)) => (name, format!(" in calls of more than {tokens}")),
        None => (risen.name.as_str(), String::new()),
    };
    let (what, millionths) = priced(name);
    let dollars = |rate: Rate| {
        let nanos = i128::from(rate.nanos_per_million()) * millionths / 1_000_000;
        Money::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    };
    format!(
        "{what}{above} from ${} to ${}",
        dollars(risen.before),
        dollars(risen.now)
    )
}

/// What is paid for under this name, and how much of it one price is for.
fn priced(name: &str) -> (String, i128) {
    const MILLION: i128 = 1_000_000;
    const HOUR: i128 = 3_600;
    let tokens = |of: &str| (format!("a million tokens {of}"), MILLION);
    match name {
        "input" => tokens("of input"),
        "cached_input" => tokens("of cached input"),
        "cache_write_5m" | "cache_write_1h" => tokens("put into the cache"),
        "audio_input" => tokens("of sound heard"),
        "cached_audio_input" => tokens("of sound from the cache"),
        "image_input" => tokens("of images read"),
        "cached_image_input" => tokens("of images from the cache"),
        "output" => tokens("of output"),
        "audio_output" => tokens("of sound spoken"),
        "image_output" => tokens("of images made"),
        "hour" => ("an hour of sound".to_owned(), HOUR),
        "character" => ("a million characters".to_owned(), MILLION),
        "annotated_page" => ("a page with notes".to_owned(), 1),
        other => (format!("one {other}"), 1),
    }
}

#[cfg(test)]
mod tests {
    use aipassport_domain::ids::ProviderId;

    use super::*;

    #[test]
    fn each_rate_that_rose_is_told_for_what_people_pay_it() {
        let risen = |name: &str, before, now| RisenRate {
            name: name.to_owned(),
            before: Rate::from_nanos_per_million(before),
            now: Rate::from_nanos_per_million(now),
        };
        let dearer = DearerModel {
            provider: ProviderId::new("openai"),
            model: "gpt-9".to_owned(),
            rates: vec![
                risen("cache_write_5m", 2_500_000_000, 3_000_000_000),
                risen("cached_input", 0, 1_000_000_000),
                risen("input", 2_500_000_000, 3_000_000_000),
                risen("output above 200000", 0, 12_000_000_000),
                risen("hour", 100_000_000_000, 125_000_000_000),
                risen("search", 10_000_000_000_000, 14_000_000_000_000),
                risen("image 1024x1024 high", 40_000_000_000_000, 50_000_000_000_000),
            ],
        };

        assert_eq!(
            sentence(&dearer),
            "gpt-9 (OpenAI): a million tokens of input from $2.50 to $3.00, \
             a million tokens of cached input from $0.00 to $1.00, \
             a million tokens of output in calls of more than 200000 from $0.00 to $12.00, \
             an hour of sound from $0.36 to $0.45, one search from $0.01 to $0.014, \
             one image 1024x1024 high from $0.04 to $0.05"
        );
    }
}
