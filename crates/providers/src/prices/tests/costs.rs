//! Costs worked out by hand, at least one for every provider, capability, class and unit.

use super::*;

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
fn models_are_marked_by_what_a_question_costs() {
    let class = |provider, id| fixture(provider, id).class().as_str();

    assert_eq!(class("openai", "gpt-4o-mini"), "$");
    assert_eq!(class("openai", "gpt-4o"), "$$");
    assert_eq!(class("openai", "gpt-5-pro"), "$$$");
    // Two minutes of sound: $0.012 and $0.03. An image of 1,056 tokens: $0.0338, and its prompt.
    assert_eq!(class("openai", "whisper-1"), "$$");
    assert_eq!(class("openai", "tts-1"), "$$$");
    assert_eq!(class("openai", "gpt-image-1.5"), "$$$");
    assert_eq!(class("openai", "text-embedding-3-small"), "$");
}

#[test]
fn threat_138_sound_is_heard_and_spoken_at_rates_of_its_own() {
    let usage = Usage {
        input_tokens: 200,
        audio_input_tokens: 1_000,
        cached_audio_input_tokens: 100,
        output_tokens: 50,
        audio_output_tokens: 400,
        ..Usage::default()
    };

    // 200 × $2.50 / M = $0.0005; 1,000 × $32 / M = $0.032, and 100 from the cache, which has no
    // price of its own, $0.0032; 50 × $10 / M = $0.0005; 400 × $64 / M = $0.0256.
    assert_eq!(fixture("openai", "gpt-audio").cost(&usage), Some(usd("0.0618")));
}

#[test]
fn threat_138_an_image_costs_what_it_is_made_of_and_what_it_is_made_from() {
    let usage = Usage {
        input_tokens: 60,
        cached_input_tokens: 40,
        image_input_tokens: 500,
        cached_image_input_tokens: 250,
        output_tokens: 20,
        image_output_tokens: 1_056,
        // Counted to be shown; the tokens are what is priced.
        images: 1,
        ..Usage::default()
    };

    // 60 × $5 / M = $0.0003; 40 × $1.25 / M = $0.00005; 500 × $8 / M = $0.004; 250 × $2 / M =
    // $0.0005; 20 × $10 / M = $0.0002; 1,056 × $32 / M = $0.033792.
    assert_eq!(fixture("openai", "gpt-image-1.5").cost(&usage), Some(usd("0.038842")));
}

#[test]
fn threat_138_an_image_priced_by_its_size_costs_what_that_size_does() {
    let model = fixture("openai", "dall-e-3");
    let two = Usage {
        images: 2,
        ..Usage::default()
    };

    // 2 × $0.04 and 2 × $0.12.
    assert_eq!(model.cost_of_images(&two, "1024x1024", "standard"), Some(usd("0.08")));
    assert_eq!(model.cost_of_images(&two, "1792x1024", "hd"), Some(usd("0.24")));
    assert_eq!(model.image_price_most(), Some(usd("0.12")));
    assert_eq!(model.cost_of_images(&two, "1792x1024", "standard"), None);
    assert_eq!(model.cost(&two), None);
}

#[test]
fn speech_costs_what_is_spoken() {
    let spoken = |characters| Usage {
        characters,
        ..Usage::default()
    };

    // 4,096 × $0.000015 and 1,000 × $0.000016.
    assert_eq!(fixture("openai", "tts-1").cost(&spoken(4_096)), Some(usd("0.06144")));
    let voxtral = fixture("mistral", "voxtral-mini-tts-2603");
    assert_eq!(voxtral.cost(&spoken(1_000)), Some(usd("0.016")));

    let usage = Usage {
        input_tokens: 40,
        audio_output_tokens: 1_500,
        ..Usage::default()
    };

    // 40 × $0.50 / M = $0.00002, and 1,500 × $9 / M = $0.0135.
    assert_eq!(
        fixture("gemini", "gemini-3.8-flash-tts").cost(&usage),
        Some(usd("0.01352"))
    );
}

#[test]
fn threat_138_transcription_costs_its_length_to_the_millisecond() {
    let heard = |audio_milliseconds| Usage {
        audio_milliseconds,
        ..Usage::default()
    };
    let whisper = fixture("openai", "whisper-1");
    let voxtral = fixture("mistral", "voxtral-mini-transcribe-3-0");

    // 90 s × $0.36 / 3,600 s.
    assert_eq!(whisper.cost(&heard(90_000)), Some(usd("0.009")));
    // A minute of $0.21 an hour is $0.0035; a second $0.0000583333…, rounded up.
    assert_eq!(voxtral.cost(&heard(60_000)), Some(usd("0.0035")));
    assert_eq!(voxtral.cost(&heard(1_000)), Some(usd("0.000058334")));
    assert_eq!(voxtral.cost(&heard(3_600_000)), Some(usd("0.21")));

    let usage = Usage {
        input_tokens: 10,
        audio_input_tokens: 600,
        output_tokens: 150,
        ..Usage::default()
    };

    // 10 × $2.50 / M = $0.000025; 600 × $6 / M = $0.0036; 150 × $10 / M = $0.0015.
    assert_eq!(
        fixture("openai", "gpt-4o-transcribe").cost(&usage),
        Some(usd("0.005125"))
    );
}

#[test]
fn threat_138_gemini_bills_thoughts_sound_and_a_search_each_at_its_rate() {
    let usage = Usage {
        input_tokens: 1_000,
        cached_input_tokens: 2_000,
        audio_input_tokens: 500,
        cached_audio_input_tokens: 100,
        image_input_tokens: 258,
        output_tokens: 700,
        reasoning_tokens: 400,
        searches: 1,
        ..Usage::default()
    };

    // 1,000 × $0.30 / M = $0.0003; 2,000 × $0.03 / M = $0.00006; 500 × $1 / M = $0.0005;
    // 100 × $0.10 / M = $0.00001; 258 × $0.30 / M = $0.0000774; 700 × $2.50 / M = $0.00175;
    // one search, $0.035.
    assert_eq!(
        fixture("gemini", "gemini-2.5-flash").cost(&usage),
        Some(usd("0.0376974"))
    );
}

#[test]
fn a_service_changes_what_tokens_cost_and_not_what_a_search_does() {
    let model = fixture("gemini", "gemini-2.5-flash");
    let usage = Usage {
        input_tokens: 1_000,
        output_tokens: 100,
        searches: 1,
        ..Usage::default()
    };

    // 1,000 × $0.54 / M = $0.00054; 100 × $4.50 / M = $0.00045; $0.035.
    assert_eq!(model.cost_at(Some(ServiceTier::Priority), &usage), Some(usd("0.03599")));
    assert_eq!(model.cost_at(Some(ServiceTier::Batch), &usage), None);
}

#[test]
fn threat_138_what_is_heard_counts_towards_the_length_of_the_input() {
    let model = fixture("gemini", "gemini-2.5-pro");
    let heard = |audio_input_tokens| Usage {
        input_tokens: 199_000,
        audio_input_tokens,
        ..Usage::default()
    };

    // 200,000 × $1.25 / M, and 200,001 × $2.50 / M.
    assert_eq!(model.cost(&heard(1_000)), Some(usd("0.25")));
    assert_eq!(model.cost(&heard(1_001)), Some(usd("0.5000025")));
}

#[test]
fn gemini_bills_the_image_and_the_words_beside_it() {
    let usage = Usage {
        input_tokens: 20,
        output_tokens: 10,
        image_output_tokens: 1_290,
        ..Usage::default()
    };

    // 20 × $0.30 / M = $0.000006; 10 × $2.50 / M = $0.000025; 1,290 × $30 / M = $0.0387.
    let model = fixture("gemini", "gemini-2.5-flash-image");
    assert_eq!(model.cost(&usage), Some(usd("0.038731")));
}

#[test]
fn an_embedding_of_images_and_sound_costs_each_at_its_rate() {
    let usage = Usage {
        input_tokens: 100,
        audio_input_tokens: 320,
        image_input_tokens: 258,
        ..Usage::default()
    };

    // 100 × $0.20 / M = $0.00002; 320 × $6.50 / M = $0.00208; 258 × $0.45 / M = $0.0001161.
    let model = fixture("gemini", "gemini-embedding-2");
    assert_eq!(model.cost(&usage), Some(usd("0.0022161")));

    let usage = Usage {
        input_tokens: 500,
        image_input_tokens: 2_000,
        ..Usage::default()
    };

    // 500 × $0.12 / M = $0.00006, and 2,000 × $0.47 / M = $0.00094.
    assert_eq!(fixture("cohere", "embed-v4.0").cost(&usage), Some(usd("0.001")));

    let usage = Usage {
        input_tokens: 10,
        images: 3,
        ..Usage::default()
    };

    // 10 × $0.10 / M = $0.000001, and 3 × $0.0001.
    assert_eq!(
        fixture("cohere", "embed-english-v3.0").cost(&usage),
        Some(usd("0.000301"))
    );
}

#[test]
fn cohere_bills_a_chat_by_tokens_and_a_ranking_by_searches() {
    let chat = fixture("cohere", "command-a-03-2025");
    let searches = Usage {
        searches: 2,
        ..Usage::default()
    };

    // 1,200 × $2.50 / M = $0.003, and 300 × $10 / M = $0.003.
    assert_eq!(chat.sample_cost(1_200, 300), Some(usd("0.006")));
    // 2 × $0.002.
    assert_eq!(fixture("cohere", "rerank-v3.5").cost(&searches), Some(usd("0.004")));
}

#[test]
fn mistral_bills_code_and_embeddings_by_tokens() {
    // 100 × $0.30 / M = $0.00003, and 50 × $0.90 / M = $0.000045.
    let code = fixture("mistral", "codestral-2508");
    assert_eq!(code.sample_cost(100, 50), Some(usd("0.000075")));
    // 1,000 × $0.10 / M.
    let embedding = fixture("mistral", "mistral-embed");
    assert_eq!(embedding.sample_cost(1_000, 0), Some(usd("0.0001")));
}

#[test]
fn a_page_with_annotations_has_a_price_of_its_own() {
    let usage = Usage {
        pages: 3,
        annotated_pages: 2,
        ..Usage::default()
    };

    // 3 × $0.002 and 2 × $0.003.
    assert_eq!(fixture("mistral", "mistral-ocr-2512").cost(&usage), Some(usd("0.012")));
}

#[test]
fn a_chat_that_listens_is_billed_by_tokens_and_by_the_hour() {
    let usage = Usage {
        input_tokens: 200,
        output_tokens: 100,
        audio_milliseconds: 30_000,
        ..Usage::default()
    };

    // 200 × $0.10 / M = $0.00002; 100 × $0.40 / M = $0.00004; 30 s × $0.24 / 3,600 s = $0.002.
    assert_eq!(
        fixture("mistral", "voxtral-small-2507").cost(&usage),
        Some(usd("0.00206"))
    );
}

/// `security.md` 137: what a model has no price for is unknown, and unknown is not free.
#[test]
fn threat_137_usage_of_a_class_without_a_price_has_no_cost() {
    let model = fixture("openai", "gpt-4o");

    for place in 0..Usage::default().rarer().len() {
        let mut usage = Usage {
            input_tokens: 1,
            ..Usage::default()
        };
        let (name, count) = &mut usage.rarer_mut()[place];
        **count = 1;
        assert_eq!(model.cost(&usage), None, "{name}");
    }
    for (provider, id) in [
        ("openai", "text-embedding-3-small"),
        ("openai", "whisper-1"),
        ("cohere", "rerank-v3.5"),
    ] {
        assert_eq!(fixture(provider, id).sample_cost(0, 1), None, "{id}");
    }
    assert_eq!(fixture("openai", "whisper-1").sample_cost(1, 0), None);
}

#[test]
fn a_unit_has_a_price_by_the_million_that_is_never_too_low() {
    let price = |provider, id, unit| fixture(provider, id).unit_price(unit);

    // A million seconds at $0.36 an hour are $100; at $0.21 they are $58.333333333…
    assert_eq!(price("openai", "whisper-1", Unit::Second), Some(per_million("100")));
    let voxtral = price("mistral", "voxtral-mini-transcribe-3-0", Unit::Second);
    assert_eq!(voxtral, Some(per_million("58.333333334")));
    assert_eq!(price("openai", "tts-1", Unit::Character), Some(per_million("15")));
    assert_eq!(
        price("mistral", "mistral-ocr-2512", Unit::AnnotatedPage),
        Some(per_million("3000"))
    );
    assert_eq!(price("cohere", "rerank-v3.5", Unit::Search), Some(per_million("2000")));
    assert_eq!(
        price("cohere", "embed-english-v3.0", Unit::Image),
        Some(per_million("100"))
    );
    assert_eq!(price("openai", "gpt-4o", Unit::Search), None);
}
