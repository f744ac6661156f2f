//! What a price file may say, and rules that every price in the real snapshot must keep.
//!
//! `costs.rs` works costs out by hand, on a small price file that stands still.

mod ceilings;
mod costs;
mod overlay;
mod rise;

use std::fmt::Write;

use aipassport_domain::{
    authorization_details::Capability,
    ids::ProviderId,
    money::{Money, Rate},
    usage::Usage,
};

use super::{book::EMBEDDED, *};

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

const PROVIDERS: [&str; 5] = ["anthropic", "cohere", "gemini", "mistral", "openai"];

fn snapshot() -> PriceBook {
    PriceBook::embedded().unwrap()
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
    book.snapshot
        .providers
        .values()
        .flat_map(|models| &models.sorted)
        .flat_map(|model| {
            std::iter::once(&model.standard)
                .chain(model.service_tiers.values())
                .map(|list| (model.id.as_str(), list))
        })
}

/// `security.md` 137: a price that is not known is not a price of zero.
#[test]
fn threat_137_a_model_that_is_not_listed_has_no_price() {
    let book = snapshot();

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
    assert!(refusal(r#", "units": {"hour": "0.36"}"#, "").contains("whisper-1 has no price"));
    assert!(refusal(r#""hour": "0.36""#, r#""hour": "0""#).contains("never zero"));
    assert!(refusal(r#""price": "0.08""#, r#""price": "0""#).contains("never zero"));
    assert!(refusal(r#", "image_output": "32""#, "").contains("gpt-image-1.5 makes images without a price"));
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
    assert!(refusal(r#""hour": "0.36""#, r#""day": "9""#).contains("unknown field `day`"));
    assert!(refusal(r#""quality": "hd""#, r#""quality": "hd", "note": """#).contains("unknown field `note`"));
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    assert!(refusal(r#""id": "gpt-4o""#, r#""id": "gpt-4o-mini""#).contains("gpt-4o-mini stands twice"));
    assert!(refusal(r#""cache_write_1h": "6", "#, "").contains("none for the other"));
    assert!(refusal(r#""above_input_tokens": 272000"#, r#""above_input_tokens": 0"#).contains("order"));
    let unheard = r#""input": "2.5", "cached_input": "0.25", "audio_input": "2.5", "cached_audio_input": "0.25", "#;
    assert!(refusal(unheard, r#""input": "2.5", "#).contains("lacks at another"));
    assert!(refusal(r#""retires": "2027-02-26""#, r#""retires": "soon""#).contains("retires on no day"));
    let not_from_zero = r#"{"above_input_tokens": 9, "input": "15""#;
    assert!(refusal(r#"{"input": "15""#, not_from_zero).contains("no price for short input"));
}

#[test]
fn the_digest_is_that_of_the_snapshot() {
    let mut digest = "sha256:".to_owned();
    for byte in aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, EMBEDDED.as_bytes()).as_ref() {
        write!(digest, "{byte:02x}").unwrap();
    }

    assert_eq!(snapshot().digest(), digest);
}

#[test]
fn the_snapshot_says_when_and_from_what_it_was_made() {
    let book = snapshot();

    let named: Vec<_> = book.sources().iter().map(|source| source.name.as_str()).collect();
    assert_eq!(named, ["genai-prices", "litellm"]);
    assert_eq!(book.date().len(), "2026-11-22".len());
}

#[test]
fn every_model_of_the_snapshot_is_found_by_its_id_and_stands_in_order() {
    let book = snapshot();

    for provider in PROVIDERS.map(ProviderId::new) {
        let ids: Vec<_> = book.models(&provider).map(|model| model.id.as_str()).collect();
        assert!(ids.is_sorted() && ids.len() > 10, "{ids:?}");
        for id in ids {
            assert_eq!(book.model(&provider, id).unwrap().id, id);
        }
    }
}

#[test]
fn every_claude_of_the_snapshot_charges_more_for_writing_its_cache_than_for_reading_afresh() {
    let book = snapshot();

    for model in book.models(&ProviderId::new("anthropic")) {
        let rates = model.standard.rates(0);
        assert!(rates.cached_input.is_some(), "{}", model.id);
        assert!(rates.cached_input < rates.input, "{}", model.id);
        assert!(rates.input < rates.cache_write_5m, "{}", model.id);
        assert!(rates.cache_write_5m < rates.cache_write_1h, "{}", model.id);
    }
}

/// A row of a table in `docs/prices.md`; what there is none of is left empty.
fn row(name: &str, counts: &[usize]) -> String {
    let cell = |count: &usize| match count {
        0 => " |".to_owned(),
        count => format!(" {count} |"),
    };
    format!("| {name} |{}", counts.iter().map(cell).collect::<String>())
}

type IsPriced = fn(&PricedModel) -> bool;

#[test]
fn the_documentation_counts_what_is_in_the_snapshot() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/prices.md");
    let documentation = std::fs::read_to_string(path).unwrap();
    let book = snapshot();
    let count = |provider: &str, is_so: &dyn Fn(&PricedModel) -> bool| {
        let provider = ProviderId::new(provider);
        book.models(&provider).filter(|model| is_so(model)).count()
    };

    let mut rows = Vec::new();
    for provider in PROVIDERS {
        let of = |capability| count(provider, &|model| model.capabilities.contains(capability));
        let mut counts = vec![count(provider, &|_| true)];
        counts.extend(Capability::ALL.iter().map(of));
        rows.push(row(provider, &counts));
    }
    let priced: [(&str, IsPriced); 10] = [
        ("a million tokens", |model| model.rates().input.is_some()),
        ("a million tokens of sound, heard", |model| {
            model.rates().audio_input.is_some()
        }),
        ("a million tokens of sound, spoken", |model| {
            model.rates().audio_output.is_some()
        }),
        ("a million tokens of images, read", |model| {
            model.rates().image_input.is_some()
        }),
        ("a million tokens of images, made", |model| {
            model.rates().image_output.is_some()
        }),
        ("an hour of sound", |model| model.unit_price(Unit::Second).is_some()),
        ("a character", |model| model.unit_price(Unit::Character).is_some()),
        ("a page", |model| model.unit_price(Unit::Page).is_some()),
        ("a search", |model| model.unit_price(Unit::Search).is_some()),
        ("an image, read", |model| model.unit_price(Unit::Image).is_some()),
    ];
    for (name, is_priced) in priced {
        rows.push(row(name, &PROVIDERS.map(|provider| count(provider, &is_priced))));
    }

    let wrong: Vec<_> = rows
        .iter()
        .filter(|row| !documentation.contains(row.as_str()))
        .collect();
    assert!(wrong.is_empty(), "docs/prices.md does not say: {wrong:#?}");
}
