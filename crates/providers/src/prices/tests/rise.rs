//! How much dearer a model has become, and which of a grant's have.

use aipassport_domain::authorization_details::{AiAccess, Choice, ModelPattern};

use super::*;

/// The small price file, after some of a model's prices were changed.
fn changed_book(id: &str, from: &str, to: &str) -> PriceBook {
    let whole = FIXTURE.find(&format!("\"id\": \"{id}\"")).unwrap();
    let (before, model) = FIXTURE.split_at(whole);
    assert!(model.contains(from), "{from}");
    let text = format!("{before}{}", model.replacen(from, to, 1));
    PriceBook::parse(&text, "").unwrap()
}

fn changed(provider: &str, id: &str, from: &str, to: &str) -> PricedModel {
    let book = changed_book(id, from, to);
    book.model(&ProviderId::new(provider), id).unwrap().clone()
}

fn rise_of(provider: &str, id: &str, from: &str, to: &str) -> Option<PerMille> {
    let approved = RatesOnRecord::of(&fixture(provider, id));
    rise(&approved, &changed(provider, id, from, to))
}

#[test]
fn a_price_that_stays_or_falls_is_no_rise() {
    let input = r#""input": "2.5""#;

    assert_eq!(rise_of("openai", "gpt-4o", input, input), None);
    assert_eq!(rise_of("openai", "gpt-4o", input, r#""input": "2.4""#), None);
}

#[test]
fn of_several_prices_that_rise_the_one_that_rises_most_tells() {
    let prices = r#""input": "2.5", "cached_input": "1.25", "output": "10""#;

    // A fifth, a tenth, and a quarter less.
    let risen = r#""input": "3", "cached_input": "1.375", "output": "7.5""#;
    assert_eq!(rise_of("openai", "gpt-4o", prices, risen), Some(PerMille(200)));
    // The smallest rise there is.
    let risen = r#""input": "2.500000001", "cached_input": "1.25", "output": "10""#;
    assert_eq!(rise_of("openai", "gpt-4o", prices, risen), Some(PerMille(1)));
}

#[test]
fn a_rise_for_long_input_of_a_unit_or_of_an_image_is_a_rise() {
    let long = rise_of("openai", "gpt-5.4", r#""input": "5""#, r#""input": "10""#);
    assert_eq!(long, Some(PerMille(1_000)));
    let hour = rise_of("openai", "whisper-1", r#""hour": "0.36""#, r#""hour": "0.45""#);
    assert_eq!(hour, Some(PerMille(250)));
    let image = rise_of("openai", "dall-e-3", r#""price": "0.12""#, r#""price": "0.18""#);
    assert_eq!(image, Some(PerMille(500)));
}

#[test]
fn only_what_both_know_is_compared() {
    let output = r#""output": "10""#;

    let hears = rise_of("openai", "gpt-4o", output, r#""output": "10", "audio_input": "40""#);
    assert_eq!(hears, None);
    assert_eq!(rise(&RatesOnRecord::default(), &fixture("openai", "gpt-4o")), None);
}

#[test]
fn what_was_free_and_is_not_has_risen_beyond_any_share() {
    let mut free = fixture("openai", "gpt-4o");
    free.is_free = true;

    let approved = RatesOnRecord::of(&free);

    assert_eq!(rise(&approved, &fixture("openai", "gpt-4o")), Some(PerMille::MAX));
    assert_eq!(rise(&approved, &free), None);
}

#[test]
fn a_record_is_small_and_reads_back() {
    let record = RatesOnRecord::of(&fixture("openai", "gpt-4o"));
    let json = serde_json::to_string(&record).unwrap();

    assert_eq!(
        json,
        r#"{"cache_write_1h":2500000000,"cache_write_5m":2500000000,"cached_input":1250000000,"input":2500000000,"output":10000000000}"#
    );
    assert_eq!(serde_json::from_str::<RatesOnRecord>(&json).unwrap(), record);
}

fn granted(models: impl IntoIterator<Item = ModelPattern>) -> [AiAccess; 1] {
    [AiAccess {
        models: Choice::of(models),
        ..AiAccess::open(ProviderId::new("openai"))
    }]
}

fn exact(id: &str) -> ModelPattern {
    ModelPattern::Exact(id.to_owned())
}

/// The small price file, with this price for the output of `gpt-4o`.
fn book_with(output: &str) -> PriceBook {
    let output = format!(r#""output": "{output}""#);
    changed_book("gpt-4o", r#""output": "10""#, &output)
}

#[test]
fn of_what_is_granted_the_models_that_rose_beyond_a_share_are_told_with_what_rose() {
    let granted = granted([exact("gpt-4o"), exact("gpt-4o-mini")]);
    let record = PricesOnRecord::of(&granted, &book_with("10"));
    let now = book_with("12.5");

    assert_eq!(record.dearer(&granted, &now, PerMille(250)), []);
    let dearer = record.dearer(&granted, &now, PerMille(249));

    let output = RisenRate {
        name: "output".to_owned(),
        before: per_million("10"),
        now: per_million("12.5"),
    };
    assert_eq!(
        dearer,
        [DearerModel {
            provider: ProviderId::new("openai"),
            model: "gpt-4o".to_owned(),
            rates: vec![output],
        }]
    );
    assert_eq!(
        PricesOnRecord::of(&granted, &now).dearer(&granted, &now, PerMille(0)),
        []
    );
}

#[test]
fn what_is_not_granted_any_more_does_not_count() {
    let before = granted([exact("gpt-4o"), exact("gpt-4o-mini")]);
    let record = PricesOnRecord::of(&before, &book_with("10"));
    let now = book_with("20");

    assert_eq!(record.dearer(&granted([exact("gpt-4o-mini")]), &now, PerMille(0)), []);
    let prefix = ModelPattern::Prefix {
        prefix: "gpt-4o".to_owned(),
    };
    assert_eq!(record.dearer(&granted([prefix]), &now, PerMille(0)).len(), 1);
}

#[test]
fn what_is_on_record_stays_and_what_is_not_is_added_at_its_present_price() {
    let first = granted([exact("gpt-4o"), exact("unheard-of")]);
    let mut record = PricesOnRecord::of(&first, &book_with("10"));
    let now = book_with("20");
    assert!(!record.add_missing(&first, &now));

    let both = granted([exact("gpt-4o"), exact("gpt-4o-mini")]);
    assert!(record.add_missing(&both, &now));

    let dearer = record.dearer(&both, &now, PerMille(0));
    assert_eq!(dearer.len(), 1);
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<PricesOnRecord>(&text).unwrap(), record);
}
