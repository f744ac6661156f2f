use proptest::prelude::*;

use super::*;
use crate::money::Money;

const FULL: &str = r#"[{
  "type": "ai_access", "provider": "openai",
  "models": ["gpt-4o-mini", {"prefix": "gpt-5"}],
  "capabilities": ["chat", "embeddings"],
  "features": {"streaming": true, "tools": true, "server_tools": false, "web_search": false, "code_execution": false, "stored_state": false},
  "limits": {
    "requests": {"max": 500, "per": "P1M"},
    "budget": {"amount": "5.00", "currency": "USD", "per": "P1M"},
    "rate": [{"requests": 60, "per": "PT1M"}],
    "concurrency": 4, "output_tokens_per_request": 4096
  },
  "validity": {"expires_at": "2026-12-31T00:00:00Z"},
  "sender_constraint": "none",
  "delegation": {"allowed": false, "max_depth": 0},
  "purpose": "Summarise your notes"
}]"#;

#[test]
fn every_member_of_the_protocol_is_read_and_written_back() {
    let details = parse(FULL).unwrap();

    let again = parse(&to_json(&details)).unwrap();
    let original: serde_json::Value = serde_json::from_str(FULL).unwrap();
    let written: serde_json::Value = serde_json::from_str(&to_json(&details)).unwrap();

    assert_eq!(details, again);
    assert_eq!(original, written);
}

/// `security.md` 55: what is malformed is refused, whatever else is right.
#[test]
fn threat_55_malformed_details_are_refused() {
    let full: serde_json::Value = serde_json::from_str(FULL).unwrap();
    let mut malformed: Vec<String> = ["{}", "[]", "null", "[{}]", "[1]", "", "[{\"type\":\"ai_access\"}]"]
        .map(str::to_owned)
        .into();
    malformed.push(serde_json::to_string(&vec![full[0].clone(); 100]).unwrap());
    malformed.push(serde_json::to_string(&vec![full[0].clone(); 2]).unwrap());
    malformed.push(r#"[{"type":"ai_access","provider":"openai","provider":"anthropic"}]"#.to_owned());
    let changes: [(&str, &str); 22] = [
        ("/type", r#""openid""#),
        ("/unknown", "1"),
        ("/provider", "7"),
        ("/provider", r#""Open AI""#),
        ("/limits/budget/amount", "5"),
        ("/limits/budget/amount", r#""-5""#),
        ("/limits/budget/amount", r#""NaN""#),
        ("/limits/budget/amount", r#""0.1e9""#),
        ("/limits/budget/amount", r#""99999999999999999999999""#),
        ("/limits/budget/currency", r#""EUR""#),
        ("/limits/budget/per", r#""1 month""#),
        ("/limits/requests/max", "-1"),
        ("/limits/requests/max", "1.5"),
        ("/limits/rate", r#"[{"requests":0,"per":"PT1M"}]"#),
        ("/limits/rate", r#"[{"requests":1,"per":"P1M"}]"#),
        ("/limits/concurrency", "0"),
        ("/limits/bananas", "1"),
        ("/features/telepathy", "true"),
        ("/features/tools", r#""yes""#),
        ("/validity/expires_at", r#""tomorrow""#),
        ("/validity/not_before", r#""2027-12-31T00:00:00Z""#),
        ("/delegation/max_depth", "1"),
    ];
    for (pointer, value) in changes {
        let mut damaged = full.clone();
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        damaged[0].pointer_mut(parent).unwrap()[member] = serde_json::from_str(value).unwrap();
        malformed.push(damaged.to_string());
    }
    for text in malformed {
        assert!(parse(&text).is_err(), "{text}");
    }
}

/// `security.md` 56: a model's name is exact, and nothing may pass for it.
#[test]
fn threat_56_a_model_that_only_looks_like_an_id_is_refused() {
    for model in [
        r#""""#,
        r#""*""#,
        r#"{"prefix":""}"#,
        r#"{"prefix":"g"}"#,
        r#""gpt\u0000""#,
        r#""gpt\u202e4""#,
        r#""gpt 4""#,
        r#""gpt\u200b4""#,
        r#"{"prefix":"gpt","x":1}"#,
        "7",
        "null",
    ] {
        let text = format!(r#"[{{"type":"ai_access","provider":"openai","models":[{model}]}}]"#);
        assert!(parse(&text).is_err(), "{model}");
    }

    let access = parse(r#"[{"type":"ai_access","provider":"openai","models":["gpt-4o", {"prefix":"gpt-5"}]}]"#)
        .unwrap()
        .remove(0);
    for (model, covered) in [
        ("gpt-4o", true),
        ("GPT-4o", false),
        ("gpt-4o ", false),
        ("gpt-4o-mini", false),
        ("openai/gpt-4o", false),
        ("gpt-5-nano", true),
        ("gpt-50", true),
    ] {
        assert_eq!(access.covers_model(model), covered, "{model}");
    }
}

fn a_pattern() -> impl Strategy<Value = ModelPattern> {
    prop_oneof![
        "(ab|abc|abd|xy|xyz)".prop_map(ModelPattern::Exact),
        "(ab|abc|xy|xyz)".prop_map(|prefix| ModelPattern::Prefix { prefix }),
    ]
}

fn some_limits() -> impl Strategy<Value = Limits> {
    let window = prop_oneof![
        Just(None),
        Just(Some(crate::time::Period::DAY)),
        Just(Some(crate::time::Period::MONTH))
    ];
    let rate = prop_oneof![Just(crate::time::Period::MINUTE), Just(crate::time::Period::HOUR)];
    (
        prop::collection::btree_map(window.clone(), 0..4_u64, 0..3),
        prop::collection::btree_map(window, (0..4_i64).prop_map(Money::from_nanos), 0..3),
        prop::collection::btree_map(rate, 1..4_u64, 0..2),
        prop::option::of(1..4_u32),
        prop::option::of(1..4_u64),
    )
        .prop_map(
            |(requests, budget, rate, concurrency, output_tokens_per_request)| Limits {
                requests,
                budget,
                rate,
                concurrency,
                output_tokens_per_request,
            },
        )
}

prop_compose! {
    fn some_access()(
        provider in "(openai|anthropic)",
        models in prop::collection::vec(a_pattern(), 0..4),
        capabilities in prop::collection::vec(prop::sample::select(Capability::ALL.to_vec()), 0..4),
        features in prop::array::uniform6(any::<bool>()),
        limits in some_limits(),
        validity in (prop::option::of(0..4_i64), prop::option::of(10..14_i64), prop::option::of(1..4_u64)),
        sender_constraint in prop::sample::select(vec![SenderConstraint::None, SenderConstraint::Dpop, SenderConstraint::Mtls]),
        delegation in prop::option::of(0..3_u32),
        allow_future in any::<bool>(),
    ) -> AiAccess {
        let [streaming, tools, server_tools, web_search, code_execution, stored_state] = features;
        let (not_before, expires_at, seconds) = validity;
        AiAccess {
            provider: ProviderId::new(provider),
            models: if models.is_empty() { Choice::Open } else { Choice::Only(without_covered(&models.into_iter().collect())) },
            capabilities: Choice::of(capabilities),
            features: Features { streaming, tools, server_tools, web_search, code_execution, stored_state },
            limits,
            validity: Validity { not_before: not_before.map(Timestamp::from_seconds), expires_at: expires_at.map(Timestamp::from_seconds), seconds },
            sender_constraint,
            delegation: Delegation { allowed: delegation.is_some(), max_depth: delegation.unwrap_or(0) },
            allow_future,
            purpose: None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn narrower_is_reflexive(a in some_access()) {
        prop_assert!(a.is_narrower(&a));
    }

    #[test]
    fn narrower_is_antisymmetric(a in some_access(), b in some_access()) {
        for (a, b) in [(&a, &b), (&a, &a.meet(&b).unwrap_or_else(|| a.clone()))] {
            if a.is_narrower(b) && b.is_narrower(a) {
                prop_assert_eq!(a, b);
            }
        }
    }

    #[test]
    fn narrower_is_transitive(a in some_access(), b in some_access(), c in some_access()) {
        // Random triples are rarely comparable; meets of them always are.
        if let Some(ab) = a.meet(&b) {
            prop_assert!(ab.is_narrower(&a) && ab.is_narrower(&b));
            if let Some(abc) = ab.meet(&c) {
                prop_assert!(abc.is_narrower(&ab) && abc.is_narrower(&a));
            }
        }
        if a.is_narrower(&b) && b.is_narrower(&c) {
            prop_assert!(a.is_narrower(&c));
        }
    }

    #[test]
    fn meet_is_the_greatest_lower_bound(a in some_access(), b in some_access(), c in some_access()) {
        prop_assert_eq!(a.meet(&b), b.meet(&a));
        // Whatever is below both is below their meet, which therefore exists.
        if c.is_narrower(&a) && c.is_narrower(&b) {
            prop_assert!(a.meet(&b).is_some_and(|meet| c.is_narrower(&meet)));
        }
        if let (Some(left), Some(right)) = (a.meet(&c), b.meet(&c)) && let Some(below) = left.meet(&right) {
            prop_assert!(a.meet(&b).is_some_and(|meet| below.is_narrower(&meet)));
        }
    }

    #[test]
    fn enforcement_is_monotone(a in some_access(), b in some_access(), model in "(ab|abc|abd|abcd|xy|xyz|xyzz)") {
        if let Some(narrow) = a.meet(&b) && narrow.covers_model(&model) {
            prop_assert!(a.models.is_open() || a.covers_model(&model));
            prop_assert!(b.models.is_open() || b.covers_model(&model));
        }
    }

    #[test]
    fn details_survive_being_written_and_read(a in some_access()) {
        let json = to_json(std::slice::from_ref(&a));
        prop_assert_eq!(parse(&json), Ok(vec![a]));
    }

    #[test]
    fn reading_never_panics(text in "\\PC*") {
        let _ = parse(&text);
    }
}
