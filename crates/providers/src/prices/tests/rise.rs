//! How much dearer a model has become.

use super::*;

/// The model, after some of its prices on the small price file were changed.
fn changed(provider: &str, id: &str, from: &str, to: &str) -> PricedModel {
    let whole = FIXTURE.find(&format!("\"id\": \"{id}\"")).unwrap();
    let (before, model) = FIXTURE.split_at(whole);
    assert!(model.contains(from), "{from}");
    let text = format!("{before}{}", model.replacen(from, to, 1));
    let book = PriceBook::parse(&text, "").unwrap();
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
