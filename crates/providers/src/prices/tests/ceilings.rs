//! The promise that a hold is never too small, for every price there is.

use aipassport_domain::money::CostSum;
use proptest::prelude::*;

use super::*;

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
fn threat_138_only_the_kinds_that_are_asked_for_are_held_for() {
    let model = fixture("openai", "gpt-audio");
    let spoken = MostInput {
        tokens: 100,
        audio_tokens: 1_000,
        image_tokens: 0,
    };
    let answers = Outputs {
        audio: true,
        ..Outputs::TEXT
    };

    // 1,000 × $2.50 / M, and words back.
    let text_only = model.ceiling(MostInput::text(1_000), Outputs::TEXT);
    assert_eq!(text_only, Some((usd("0.0025"), per_million("10"))));
    // 100 × $2.50 / M = $0.00025, and 1,000 × $32 / M = $0.032; sound back.
    assert_eq!(
        model.ceiling(spoken, answers),
        Some((usd("0.03225"), per_million("64")))
    );
}

/// `security.md` 137: nothing is held for what has no price, so it is refused.
#[test]
fn threat_137_a_kind_without_a_price_has_no_ceiling() {
    let model = fixture("openai", "gpt-4o");
    let image = MostInput {
        image_tokens: 1,
        ..MostInput::default()
    };
    let pictures = Outputs {
        image: true,
        ..Outputs::NONE
    };

    assert_eq!(model.ceiling(image, Outputs::TEXT), None);
    assert_eq!(model.ceiling(MostInput::text(1), pictures), None);
    let embedding = fixture("openai", "text-embedding-3-small");
    assert_eq!(embedding.ceiling(MostInput::text(1), Outputs::TEXT), None);
    let whisper = fixture("openai", "whisper-1");
    assert_eq!(whisper.ceiling(MostInput::text(1), Outputs::NONE), None);
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

#[test]
fn no_usage_costs_more_than_its_ceiling() {
    let book = snapshot();
    let counts = proptest::collection::vec(tokens(), 11);
    proptest!(|(counts in counts, unused_input in tokens(), unused_output in tokens())| {
        for (id, list) in every_list(&book) {
            let usage = usage_of(list, &counts);
            let (most_input, output_rate) = list
                .ceiling(most_input(&usage, unused_input), outputs_of(&usage))
                .unwrap();
            let mut most_output = CostSum::default();
            most_output.add(usage.total_output_tokens() + unused_output, output_rate);
            let cost = list.cost(&usage).unwrap();
            prop_assert!(cost <= most_input.saturating_add(most_output.total()), "{id}");
        }
    });
}

/// Or a longer request would be held for less than a shorter one.
#[test]
fn a_ceiling_never_falls_as_input_grows() {
    let book = snapshot();
    proptest!(|(fewer in 0..1_000_000_u64, more in 0..1_000_000_u64)| {
        for (id, list) in every_list(&book) {
            let outputs = Outputs {
                text: list.rates(0).output.is_some(),
                ..Outputs::NONE
            };
            let ceiling = |tokens| list.ceiling(MostInput::text(tokens), outputs);
            if let (Some(low), Some(high)) = (ceiling(fewer), ceiling(fewer + more)) {
                prop_assert!(low.0 <= high.0 && low.1 <= high.1, "{id}");
            }
        }
    });
}

/// So that a hold may be worked out from the price of a million.
#[test]
fn no_number_of_units_costs_more_than_its_price_by_the_million() {
    let book = snapshot();
    proptest!(|(count in 0..10_000_000_u64)| {
        let none = Usage::default();
        for model in book.snapshot.providers.values().flat_map(|models| &models.sorted) {
            for (unit, units, usage) in [
                (Unit::Second, count.div_ceil(1_000), Usage { audio_milliseconds: count, ..none }),
                (Unit::Character, count, Usage { characters: count, ..none }),
                (Unit::Page, count, Usage { pages: count, ..none }),
                (Unit::AnnotatedPage, count, Usage { annotated_pages: count, ..none }),
                (Unit::Search, count, Usage { searches: count, ..none }),
            ] {
                if let Some(rate) = model.unit_price(unit) {
                    let mut most = CostSum::default();
                    most.add(units, rate);
                    prop_assert!(model.cost(&usage).unwrap() <= most.total(), "{} {unit:?}", model.id);
                }
            }
        }
    });
}
