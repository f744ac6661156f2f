//! Costs worked out by hand on a small price file that stands still, and rules that every price in
//! the real snapshot must keep.

use std::fmt::Write;

use aipassport_domain::money::CostSum;
use proptest::prelude::*;

use super::*;

const FIXTURE: &str = include_str!("fixture.json");

fn fixture(provider: &str, id: &str) -> PricedModel {
    let book = PriceBook::parse(FIXTURE, "sha256:of-the-fixture").unwrap();
    book.model(&ProviderId::new(provider), id).unwrap().clone()
}

fn per_million(dollars: &str) -> Rate {
    Rate::from_nanos_per_million(usd(dollars).nanos())
}

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

/// The error of a file that is the fixture but for one change.
fn refusal(from: &str, to: &str) -> String {
    assert!(FIXTURE.contains(from), "{from}");
    PriceBook::parse(&FIXTURE.replacen(from, to, 1), "")
        .unwrap_err()
        .to_string()
}

/// Every price list there is, of every model and service.
fn every_list(book: &PriceBook) -> impl Iterator<Item = (&str, &PriceList)> {
    book.providers
        .values()
        .flat_map(|models| &models.sorted)
        .flat_map(|model| {
            std::iter::once(&model.standard)
                .chain(model.service_tiers.values())
                .map(|list| (model.id.as_str(), list))
        })
}

#[test]
fn a_small_question_to_gpt_4o_mini() {
    let usage = Usage {
        input_tokens: 1_000,
        output_tokens: 500,
        ..Usage::default()
    };

    // 1,000 × $0.15 / M = $0.00015, and 500 × $0.60 / M = $0.0003.
    assert_eq!(fixture("openai", "gpt-4o-mini").cost(&usage), Some(usd("0.00045")));
}

#[test]
fn gpt_4o_reads_its_cache_at_half_the_price() {
    let usage = Usage {
        input_tokens: 1_024,
        cached_input_tokens: 2_048,
        output_tokens: 300,
        ..Usage::default()
    };

    // 1,024 × $2.50 / M = $0.00256; 2,048 × $1.25 / M = $0.00256; 300 × $10 / M = $0.003.
    assert_eq!(fixture("openai", "gpt-4o").cost(&usage), Some(usd("0.00812")));
}

#[test]
fn threat_138_reasoning_is_billed_as_output_and_only_once() {
    let usage = Usage {
        input_tokens: 200,
        output_tokens: 1_500,
        reasoning_tokens: 1_200,
        ..Usage::default()
    };

    // 200 × $0.75 / M = $0.00015, and 1,500 × $4.50 / M = $0.00675.
    assert_eq!(fixture("openai", "gpt-5.4-mini").cost(&usage), Some(usd("0.0069")));
}

#[test]
fn threat_138_one_token_over_the_step_makes_every_token_dearer() {
    let model = fixture("openai", "gpt-5.4");
    let at_the_step = Usage {
        input_tokens: 200_000,
        cached_input_tokens: 72_000,
        output_tokens: 1_000,
        ..Usage::default()
    };
    let beyond = Usage {
        cached_input_tokens: 72_001,
        ..at_the_step
    };

    // 200,000 × $2.50 / M = $0.50; 72,000 × $0.25 / M = $0.018; 1,000 × $15 / M = $0.015.
    assert_eq!(model.cost(&at_the_step), Some(usd("0.533")));
    // 200,000 × $5 / M = $1; 72,001 × $0.50 / M = $0.0360005; 1,000 × $22.50 / M = $0.0225.
    assert_eq!(model.cost(&beyond), Some(usd("1.0585005")));
}

#[test]
fn of_several_steps_the_longest_that_is_reached_applies() {
    let step = r#"{"above_input_tokens": 272000, "#;
    let file = FIXTURE.replace(
        step,
        &format!(r#"{{"above_input_tokens": 9, "input": "3", "output": "16"}}, {step}"#),
    );
    let book = PriceBook::parse(&file, "").unwrap();
    let model = book.model(&ProviderId::new("openai"), "gpt-5.4").unwrap();

    // 9 × $2.50 / M, 10 × $3 / M, and 300,000 × $5 / M.
    assert_eq!(model.sample_cost(9, 0), Some(usd("0.0000225")));
    assert_eq!(model.sample_cost(10, 0), Some(usd("0.00003")));
    assert_eq!(model.sample_cost(300_000, 0), Some(usd("1.50")));
}

#[test]
fn threat_138_claude_writes_its_cache_at_two_prices_and_reads_it_at_a_tenth() {
    let usage = Usage {
        input_tokens: 10,
        cached_input_tokens: 5_000,
        cache_write_5m_tokens: 2_000,
        cache_write_1h_tokens: 1_000,
        output_tokens: 400,
        ..Usage::default()
    };

    // 10 × $3 / M = $0.00003; 5,000 × $0.30 / M = $0.0015; 2,000 × $3.75 / M = $0.0075;
    // 1,000 × $6 / M = $0.006; 400 × $15 / M = $0.006.
    assert_eq!(
        fixture("anthropic", "claude-sonnet-4-6").cost(&usage),
        Some(usd("0.02103"))
    );
}

#[test]
fn an_embedding_costs_its_input() {
    let model = fixture("openai", "text-embedding-3-small");

    // 8,191 × $0.02 / M.
    assert_eq!(model.sample_cost(8_191, 0), Some(usd("0.00016382")));
    assert_eq!(
        model.ceiling(MostInput::text(8_191), Outputs::NONE),
        Some((usd("0.00016382"), Rate::ZERO))
    );
}

#[test]
fn threat_138_part_of_a_nano_dollar_is_rounded_up() {
    let batch = fixture("anthropic", "claude-haiku-5-5");
    let batch = batch.service_tier(ServiceTier::Batch).unwrap();
    let usage = Usage {
        cache_write_5m_tokens: 1,
        ..Usage::default()
    };

    // 1 × $0.0625 / M = $0.0000000625.
    assert_eq!(batch.cost(&usage), Some(usd("0.000000063")));
}

#[test]
fn a_cache_without_a_price_of_its_own_costs_as_much_as_input() {
    let usage = Usage {
        cached_input_tokens: 1_000,
        cache_write_5m_tokens: 1_000,
        cache_write_1h_tokens: 1_000,
        ..Usage::default()
    };

    // 3,000 × $15 / M.
    assert_eq!(fixture("openai", "gpt-5-pro").cost(&usage), Some(usd("0.045")));
}

#[test]
fn a_ceiling_is_at_the_dearest_way_to_read_the_input() {
    let sonnet = fixture("anthropic", "claude-sonnet-4-6");
    let haiku = fixture("anthropic", "claude-haiku-5-5");
    let ceiling = |model: &PricedModel, tokens| model.ceiling(MostInput::text(tokens), Outputs::TEXT).unwrap();

    // All of it written to the cache for an hour: 1,000 × $6 / M.
    assert_eq!(ceiling(&sonnet, 1_000), (usd("0.006"), per_million("15")));
    // 100,000 × $0.20 / M, and then 100,001 × $1 / M.
    assert_eq!(ceiling(&haiku, 100_000), (usd("0.02"), per_million("0.5")));
    assert_eq!(ceiling(&haiku, 100_001), (usd("0.100001"), per_million("2.5")));
}

#[test]
fn models_are_marked_by_what_a_question_costs() {
    let class = |provider, id| fixture(provider, id).class().as_str();

    assert_eq!(class("openai", "gpt-4o-mini"), "$");
    assert_eq!(class("openai", "gpt-4o"), "$$");
    assert_eq!(class("openai", "gpt-5-pro"), "$$$");
}

/// `security.md` 137: a price that is not known is not a price of zero.
#[test]
fn threat_137_a_model_that_is_not_listed_has_no_price() {
    let book = PriceBook::embedded().unwrap();

    for id in [
        "",
        "gpt-4o-min",
        "GPT-4o-mini",
        "gpt-4o-mini ",
        "gpt-4o-mini-2099-01-01",
    ] {
        assert!(book.model(&ProviderId::new("openai"), id).is_none(), "{id}");
    }
    assert!(book.model(&ProviderId::new("anthropic"), "gpt-4o-mini").is_none());
    assert!(book.model(&ProviderId::new("nobody"), "gpt-4o-mini").is_none());
    assert_eq!(book.models(&ProviderId::new("nobody")).count(), 0);
}

#[test]
fn threat_137_a_price_that_is_zero_or_missing_is_refused() {
    let input = r#""input": "15""#;

    assert!(refusal(input, r#""input": "0""#).contains("never zero"));
    assert!(refusal(input, r#""input": "0.000""#).contains("never zero"));
    assert!(refusal(input, r#""cached_input": "15""#).contains("missing field `input`"));
    assert!(refusal(r#", "output": "120""#, "").contains("gpt-5-pro has no output price"));
    assert!(refusal(r#"[{"input": "15", "output": "120"}]"#, "[]").contains("gpt-5-pro has no price"));
}

#[test]
fn threat_143_a_price_that_is_not_a_plain_decimal_is_refused() {
    for price in [
        r#""-15""#,
        r#""1e1""#,
        r#""NaN""#,
        r#""0.0000000001""#,
        r#""""#,
        "15",
        "15.0",
        "null",
    ] {
        refusal(r#""input": "15""#, &format!(r#""input": {price}"#));
    }
}

#[test]
fn a_file_with_anything_unknown_in_it_is_refused() {
    assert!(refusal(r#""format": 2"#, r#""format": 1"#).contains("format 1"));
    assert!(refusal(r#""format": 2"#, r#""format": 2, "note": """#).contains("unknown field `note`"));
    assert!(refusal(r#""name": "a list""#, r#""name": "", "note": """#).contains("unknown field `note`"));
    assert!(refusal(r#""id": "gpt-4o""#, r#""id": "gpt-4o", "note": """#).contains("unknown field `note`"));
    assert!(refusal(r#""input": "15""#, r#""input": "15", "video": "9""#).contains("unknown field `video`"));
    assert!(refusal(r#""batch": ["#, r#""later": ["#).contains("unknown variant `later`"));
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    assert!(refusal(r#""id": "gpt-4o""#, r#""id": "gpt-4o-mini""#).contains("gpt-4o-mini stands twice"));
    assert!(refusal(r#""cache_write_1h": "6", "#, "").contains("none for the other"));
    assert!(refusal(r#""above_input_tokens": 272000"#, r#""above_input_tokens": 0"#).contains("order"));
    let not_from_zero = r#"{"above_input_tokens": 9, "input": "15""#;
    assert!(refusal(r#"{"input": "15""#, not_from_zero).contains("no price for short input"));
}

#[test]
fn the_digest_is_that_of_the_snapshot() {
    let mut digest = "sha256:".to_owned();
    for byte in aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, EMBEDDED.as_bytes()).as_ref() {
        write!(digest, "{byte:02x}").unwrap();
    }

    assert_eq!(PriceBook::embedded().unwrap().digest(), digest);
}

#[test]
fn the_snapshot_says_when_and_from_what_it_was_made() {
    let book = PriceBook::embedded().unwrap();

    let named: Vec<_> = book.sources().iter().map(|source| source.name.as_str()).collect();
    assert_eq!(named, ["genai-prices", "litellm"]);
    assert_eq!(book.date().len(), "2026-11-22".len());
}

#[test]
fn every_model_of_the_snapshot_is_found_by_its_id_and_stands_in_order() {
    let book = PriceBook::embedded().unwrap();

    for provider in ["anthropic", "openai"].map(ProviderId::new) {
        let ids: Vec<_> = book.models(&provider).map(|model| model.id.as_str()).collect();
        assert!(ids.is_sorted() && ids.len() > 10, "{ids:?}");
        for id in ids {
            assert_eq!(book.model(&provider, id).unwrap().id, id);
        }
    }
}

#[test]
fn every_claude_of_the_snapshot_charges_more_for_writing_its_cache_than_for_reading_afresh() {
    let book = PriceBook::embedded().unwrap();

    for model in book.models(&ProviderId::new("anthropic")) {
        let rates = model.standard.rates(0);
        assert!(rates.cached_input.is_some(), "{}", model.id);
        assert!(rates.cached_input < rates.input, "{}", model.id);
        assert!(rates.input < rates.cache_write_5m, "{}", model.id);
        assert!(rates.cache_write_5m < rates.cache_write_1h, "{}", model.id);
    }
}

/// Counts that fall on both sides of every step there is.
fn tokens() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_u64, 0..120_000_u64, 0..400_000_u64]
}

/// Usage of what the model has prices for.
fn usage_of(list: &PriceList, counts: &[u64]) -> Usage {
    let rates = list.rates(0);
    let count = |place: usize, rate: Option<Rate>| rate.map_or(0, |_| counts[place]);
    Usage {
        input_tokens: count(0, rates.input),
        cached_input_tokens: count(1, rates.cached_input),
        cache_write_5m_tokens: count(2, rates.cache_write_5m),
        cache_write_1h_tokens: count(3, rates.cache_write_1h),
        audio_input_tokens: count(4, rates.audio_input),
        cached_audio_input_tokens: count(5, rates.cached_audio_input),
        image_input_tokens: count(6, rates.image_input),
        cached_image_input_tokens: count(7, rates.cached_image_input),
        output_tokens: count(8, rates.output),
        reasoning_tokens: count(8, rates.output),
        audio_output_tokens: count(9, rates.audio_output),
        image_output_tokens: count(10, rates.image_output),
        ..Usage::default()
    }
}

/// The most of each kind of input, with so much of each unused.
fn most_input(usage: &Usage, unused: u64) -> MostInput {
    let most = |used: u64| if used == 0 { 0 } else { used + unused };
    let audio_tokens = usage.audio_input_tokens + usage.cached_audio_input_tokens;
    let image_tokens = usage.image_input_tokens + usage.cached_image_input_tokens;
    MostInput {
        tokens: most(usage.total_input_tokens() - audio_tokens - image_tokens),
        audio_tokens: most(audio_tokens),
        image_tokens: most(image_tokens),
    }
}

fn outputs_of(usage: &Usage) -> Outputs {
    Outputs {
        text: usage.output_tokens > 0,
        audio: usage.audio_output_tokens > 0,
        image: usage.image_output_tokens > 0,
    }
}

proptest! {
    /// The promise that a hold is never too small, for every price there is.
    #[test]
    fn no_usage_costs_more_than_its_ceiling(
        counts in proptest::collection::vec(tokens(), 11),
        unused_input in tokens(),
        unused_output in tokens(),
    ) {
        for (id, list) in every_list(&PriceBook::embedded().unwrap()) {
            let usage = usage_of(list, &counts);
            let (most_input, output_rate) = list
                .ceiling(most_input(&usage, unused_input), outputs_of(&usage))
                .unwrap();
            let mut most_output = CostSum::default();
            most_output.add(usage.total_output_tokens() + unused_output, output_rate);
            let cost = list.cost(&usage).unwrap();
            prop_assert!(cost <= most_input.saturating_add(most_output.total()), "{id}");
        }
    }

    /// Or a longer request would be held for less than a shorter one.
    #[test]
    fn a_ceiling_never_falls_as_input_grows(fewer in 0..1_000_000_u64, more in 0..1_000_000_u64) {
        for (id, list) in every_list(&PriceBook::embedded().unwrap()) {
            let outputs = Outputs { text: list.rates(0).output.is_some(), ..Outputs::NONE };
            let ceiling = |tokens| list.ceiling(MostInput::text(tokens), outputs);
            let (low, high) = (ceiling(fewer), ceiling(fewer + more));
            if let (Some(low), Some(high)) = (low, high) {
                prop_assert!(low.0 <= high.0 && low.1 <= high.1, "{id}");
            }
        }
    }
}
