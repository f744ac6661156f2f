//! What a user says of prices, over the small price file.

use aipassport_domain::price_override::{OwnPrice, OwnRates, PriceOverride, PriceTerms};

use super::*;

fn said(provider: &str, model: Option<&str>, terms: PriceTerms) -> PriceOverride {
    PriceOverride {
        provider: ProviderId::new(provider),
        model: model.map(str::to_owned),
        price: OwnPrice::of(terms),
    }
}

fn own_rates(input: &str, output: &str) -> PriceTerms {
    PriceTerms::PerMillion(OwnRates {
        input: usd(input),
        output: usd(output),
        cached_input: None,
    })
}

/// The digest is the text itself, to be looked at.
fn overlaid(said: &[PriceOverride]) -> PriceBook {
    let book = PriceBook::parse(FIXTURE, "sha256:of-the-fixture").unwrap();
    book.overlaid(said, str::to_owned)
}

fn model<'a>(book: &'a PriceBook, provider: &str, id: &str) -> Option<&'a PricedModel> {
    book.model(&ProviderId::new(provider), id)
}

/// What 1,000 input and 500 output tokens cost.
fn question(book: &PriceBook, provider: &str, id: &str) -> Option<Money> {
    model(book, provider, id)?.sample_cost(1_000, 500)
}

#[test]
fn a_price_of_ones_own_holds_for_its_model_alone() {
    let book = overlaid(&[said("openai", Some("gpt-4o"), own_rates("2", "8"))]);

    // 1,000 × $2 / M, and 500 × $8 / M.
    assert_eq!(question(&book, "openai", "gpt-4o"), Some(usd("0.006")));
    assert_eq!(question(&book, "openai", "gpt-4o-mini"), Some(usd("0.00045")));
    assert_eq!(
        model(&book, "openai", "gpt-4o").unwrap().max_output_tokens,
        Some(16_384)
    );
    let openai = ProviderId::new("openai");
    assert_eq!(book.models(&openai).filter(|model| model.id == "gpt-4o").count(), 1);
}

#[test]
fn what_is_said_of_one_model_goes_before_what_is_said_of_all() {
    let book = overlaid(&[
        said("openai", None, PriceTerms::DiscountPercent(50)),
        said("openai", Some("gpt-4o"), PriceTerms::DiscountPercent(10)),
    ]);

    // $0.0075 less a tenth; $0.00045 by half.
    assert_eq!(question(&book, "openai", "gpt-4o"), Some(usd("0.00675")));
    assert_eq!(question(&book, "openai", "gpt-4o-mini"), Some(usd("0.000225")));
    assert_eq!(question(&book, "gemini", "gemini-2.5-flash"), Some(usd("0.00155")));
}

#[test]
fn a_discount_is_on_every_price_and_rounded_up() {
    let book = overlaid(&[
        said("gemini", None, PriceTerms::DiscountPercent(15)),
        said("openai", None, PriceTerms::DiscountPercent(33)),
    ]);
    let flash = model(&book, "gemini", "gemini-2.5-flash").unwrap();
    let heard = Usage {
        audio_input_tokens: 1_000,
        searches: 1,
        ..Usage::default()
    };
    let pro = model(&book, "gemini", "gemini-2.5-pro").unwrap();
    let dall_e = model(&book, "openai", "dall-e-3").unwrap();

    // 1,000 × $0.85 / M, and a search at $0.02975.
    assert_eq!(flash.cost(&heard), Some(usd("0.0306")));
    // 1,000 × $1.53 / M, and the same search.
    assert_eq!(flash.cost_at(Some(ServiceTier::Priority), &heard), Some(usd("0.03128")));
    // 300,000 × $2.125 / M.
    assert_eq!(pro.sample_cost(300_000, 0), Some(usd("0.6375")));
    // $0.04 × 0.67.
    assert_eq!(dall_e.image_price("1024x1024", "standard"), Some(usd("0.0268")));
    // $0.02 / M × 0.67 = $0.0134 / M: 8,191 cost $0.0001097594, rounded up.
    assert_eq!(
        model(&book, "openai", "text-embedding-3-small")
            .unwrap()
            .sample_cost(8_191, 0),
        Some(usd("0.00010976"))
    );
}

#[test]
fn what_a_price_of_ones_own_does_not_speak_of_stays_as_it_is() {
    let book = overlaid(&[
        said("anthropic", Some("claude-sonnet-4-6"), own_rates("2.5", "12")),
        said("openai", Some("gpt-audio"), own_rates("2", "8")),
        said("gemini", Some("gemini-2.5-flash"), own_rates("0.2", "2")),
    ]);
    let sonnet = model(&book, "anthropic", "claude-sonnet-4-6").unwrap();
    let flash = model(&book, "gemini", "gemini-2.5-flash").unwrap();

    let rates = sonnet.rates();
    assert_eq!(rates.cached_input, Some(per_million("2.5")));
    assert_eq!(rates.cache_write_5m, Some(per_million("3.75")));
    assert_eq!(rates.cache_write_1h, Some(per_million("6")));
    let audio = model(&book, "openai", "gpt-audio").unwrap().rates();
    assert_eq!(audio.audio_output, Some(per_million("64")));
    // Where the list does not bill what is written to a cache apart, neither is it here.
    assert_eq!(audio.cache_write_1h, Some(per_million("2")));
    assert_eq!(flash.unit_price(Unit::Search), Some(per_million("35000")));
    // What it costs sooner was not said.
    assert_eq!(flash.service_tier(ServiceTier::Priority), None);
}

#[test]
fn a_price_of_ones_own_holds_for_any_length_of_input() {
    let book = overlaid(&[said("gemini", Some("gemini-2.5-pro"), own_rates("1", "8"))]);

    // 300,000 × $1 / M.
    let model = model(&book, "gemini", "gemini-2.5-pro").unwrap();
    assert_eq!(model.sample_cost(300_000, 0), Some(usd("0.30")));
}

#[test]
fn threat_137_what_runs_at_home_is_free_only_if_its_owner_says_so() {
    let book = overlaid(&[
        said("ollama", None, PriceTerms::Free),
        said("custom/lab", Some("house-model"), PriceTerms::Free),
    ]);
    let llama = model(&book, "ollama", "llama3.2:3b").unwrap();
    let anything = Usage {
        input_tokens: 1_000,
        output_tokens: 500,
        images: 3,
        ..Usage::default()
    };

    assert!(llama.is_free());
    assert_eq!(llama.cost(&anything), Some(Money::ZERO));
    assert_eq!(
        llama.ceiling(MostInput::text(9), Outputs::TEXT),
        Some((Money::ZERO, Rate::ZERO))
    );
    assert!(model(&book, "custom/lab", "house-model").unwrap().is_free());
    assert!(model(&book, "custom/lab", "another").is_none());
    assert!(model(&book, "vllm", "llama3.2:3b").is_none());
}

#[test]
fn threat_137_what_costs_somebody_money_is_not_free_whoever_says_so() {
    let book = overlaid(&[
        said("openai", None, PriceTerms::Free),
        said("gemini", Some("gemini-9"), PriceTerms::Free),
        said("anthropic", None, PriceTerms::DiscountPercent(100)),
        said("mistral", Some("mistral-9"), PriceTerms::DiscountPercent(50)),
        said("cohere", None, own_rates("0", "0")),
    ]);

    assert_eq!(question(&book, "openai", "gpt-4o"), Some(usd("0.0075")));
    assert!(model(&book, "openai", "gpt-9").is_none());
    assert!(model(&book, "gemini", "gemini-9").is_none());
    // 1,000 × $3 / M, and 500 × $15 / M; 1,000 × $2.50 / M, and 500 × $10 / M.
    assert_eq!(question(&book, "anthropic", "claude-sonnet-4-6"), Some(usd("0.0105")));
    assert!(model(&book, "mistral", "mistral-9").is_none());
    assert_eq!(question(&book, "cohere", "command-a-03-2025"), Some(usd("0.0075")));
}

#[test]
fn a_model_of_which_only_its_user_knows_has_the_limits_and_the_price_that_were_said() {
    let mut own = said("vllm", Some("qwen3-8b"), own_rates("0.2", "0.6"));
    own.price.max_output_tokens = Some(4_096);
    own.price.context_tokens = Some(32_768);
    let book = overlaid(&[own]);
    let qwen = model(&book, "vllm", "qwen3-8b").unwrap();
    let image = Usage {
        image_input_tokens: 1,
        ..Usage::default()
    };

    assert_eq!(
        (qwen.context_tokens, qwen.max_output_tokens),
        (Some(32_768), Some(4_096))
    );
    // 1,000 × $0.20 / M, and 500 × $0.60 / M.
    assert_eq!(qwen.sample_cost(1_000, 500), Some(usd("0.0005")));
    assert_eq!(qwen.cost(&image), None);
    let ids: Vec<_> = book.models(&ProviderId::new("vllm")).map(|model| &model.id).collect();
    assert_eq!(ids, ["qwen3-8b"]);
}

#[test]
fn a_charge_names_the_snapshot_and_what_was_said_of_its_model() {
    let book = overlaid(&[
        said("openai", Some("gpt-4o"), PriceTerms::DiscountPercent(15)),
        said("ollama", None, PriceTerms::Free),
    ]);
    let digest = |provider, id| book.digest_of(&ProviderId::new(provider), id);

    assert_eq!(
        digest("openai", "gpt-4o"),
        concat!(
            "sha256:of-the-fixture\n",
            r#"{"provider":"openai","model":"gpt-4o","terms":{"discount_percent":15}}"#
        )
    );
    assert_eq!(
        digest("ollama", "llama3.2:3b"),
        concat!(
            "sha256:of-the-fixture\n",
            r#"{"provider":"ollama","model":null,"terms":"free"}"#
        )
    );
    assert_eq!(digest("openai", "gpt-4o-mini"), "sha256:of-the-fixture");
    assert_eq!(digest("gemini", "gemini-2.5-pro"), "sha256:of-the-fixture");
    assert_eq!(book.digest(), "sha256:of-the-fixture");
}
