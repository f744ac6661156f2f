use aipassport_domain::{money::Money, usage::TruthLabel};
use aipassport_providers::meter::{Meter, Metered, Metering};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use proptest::prelude::*;

use crate::support::{CHAT, MESSAGES, PRICES, RESPONSES, with};

const CHAT_USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29}}"#;

fn metering(path: &str, members: &str) -> Metering {
    with(path, members).expect(members).metering
}

fn asked(path: &str) -> Metering {
    metering(path, r#""stream":true,"stream_options":{"include_usage":true}"#)
}

fn stream_meter(metering: &Metering) -> Meter {
    metering.meter(&HeaderMap::from_iter([(
        CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    )]))
}

fn feed(metering: &Metering, chunks: &[&[u8]]) -> (Metered, Vec<u8>) {
    let mut meter = stream_meter(metering);
    let mut shown = Vec::new();
    for chunk in chunks {
        shown.extend_from_slice(&meter.feed(Bytes::copy_from_slice(chunk)));
    }
    shown.extend_from_slice(&meter.rest());
    (meter.metered(), shown)
}

fn charge(metering: &Metering, seen: &Metered, held: Money) -> (Money, TruthLabel) {
    let charge = metering.charge(&PRICES, seen, held);
    (charge.cost, charge.label)
}

#[test]
fn threat_130_every_way_to_end_a_line_is_read() {
    let metering = asked(CHAT);
    for end in ["\n", "\r\n", "\r"] {
        let stream = format!(": hi{end}{end}\u{feff}data:{CHAT_USAGE}{end}{end}data: [DONE]{end}{end}");
        let stream = stream.replacen('\u{feff}', "", 1);
        for cut in 0..=stream.len() {
            let (before, after) = stream.as_bytes().split_at(cut);
            let (seen, shown) = feed(&metering, &[before, after]);
            assert_eq!(shown, stream.as_bytes());
            assert!(seen.usage.is_some() && seen.is_complete, "{end:?} cut at {cut}");
        }
    }
}

#[test]
fn threat_130_a_byte_order_mark_and_data_on_several_lines_are_read() {
    let stream = format!(
        "\u{feff}data: {}\ndata: {}\n\ndata: [DONE]\n\n",
        &CHAT_USAGE[..14],
        &CHAT_USAGE[14..]
    );

    let (seen, shown) = feed(&asked(CHAT), &[stream.as_bytes()]);

    assert_eq!(seen.usage.unwrap().output_tokens, 10);
    assert_eq!(shown, stream.as_bytes());
}

#[test]
fn threat_130_a_stream_without_its_last_line_end_still_reports() {
    for metering in [asked(CHAT), metering(CHAT, r#""stream":true"#)] {
        let stream = format!("data: {CHAT_USAGE}");

        let (seen, _) = feed(&metering, &[stream.as_bytes()]);

        assert_eq!(seen.usage.unwrap().output_tokens, 10);
    }
}

#[test]
fn threat_130_garbage_passes_and_counts_as_output() {
    let stream = "data: {\"choices\":\n\ndata: <html>\n\nevent: x\n\nid\n\n";

    let (seen, shown) = feed(&asked(CHAT), &[stream.as_bytes()]);

    assert_eq!((seen.usage, seen.output_bytes), (None, 17));
    assert_eq!(shown, stream.as_bytes());
}

#[test]
fn threat_130_a_line_of_ten_megabytes_passes_in_pieces_and_what_follows_is_read() {
    let line = format!("data: {}\r\n", "x".repeat(10_000_000));
    let stream = format!("{line}\r\ndata: {CHAT_USAGE}\r\n\r\n");
    for metering in [asked(CHAT), metering(CHAT, r#""stream":true"#)] {
        let mut meter = stream_meter(&metering);
        let mut shown = 0;
        for chunk in stream.as_bytes().chunks(65_521) {
            shown += meter.feed(Bytes::copy_from_slice(chunk)).len();
        }
        shown += meter.rest().len();

        let seen = meter.metered();
        assert_eq!(seen.usage.unwrap().output_tokens, 10);
        assert!(seen.output_bytes >= 10_000_000 && shown >= line.len());
    }
}

#[test]
fn threat_130_usage_that_says_nothing_is_as_good_as_missing() {
    let held = Money::from_cents(100);
    for usage in [
        "null",
        "{}",
        "[]",
        "7",
        r#"{"prompt_tokens":1}"#,
        r#"{"prompt_tokens":-1,"completion_tokens":1}"#,
        r#"{"prompt_tokens":"1","completion_tokens":"1"}"#,
        r#"{"prompt_tokens":1e99,"completion_tokens":1}"#,
    ] {
        let stream = format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\ndata: [DONE]\n\n");
        let metering = asked(CHAT);

        let (seen, _) = feed(&metering, &[stream.as_bytes()]);

        assert_eq!(seen.usage, None, "{usage}");
        assert_eq!(charge(&metering, &seen, held).1, TruthLabel::Estimated);
    }
}

#[test]
fn threat_130_a_count_never_falls_where_a_provider_reports_twice() {
    let stream = format!("data: {CHAT_USAGE}\n\ndata: {}\n\n", CHAT_USAGE.replace(":10,", ":3,"));

    let (seen, _) = feed(&asked(CHAT), &[stream.as_bytes()]);

    assert_eq!(seen.usage.unwrap().output_tokens, 10);
}

#[test]
fn usage_in_what_the_model_says_is_not_usage() {
    let stream = concat!(
        r#"data: {"choices":[{"delta":{"content":"{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":9}}","#,
        r#""usage":{"prompt_tokens":9,"completion_tokens":9}}}]}"#,
        "\n\n"
    );

    let (seen, shown) = feed(&metering(CHAT, r#""stream":true"#), &[stream.as_bytes()]);

    assert_eq!(seen.usage, None);
    assert_eq!(shown, stream.as_bytes());
}

#[test]
fn only_the_usage_of_the_whole_chunk_is_hidden() {
    for (chunk, shown, output_tokens) in [
        (
            r#"{"choices":[{"delta":{"content":"a"},"usage":null}]}"#,
            r#"{"choices":[{"delta":{"content":"a"},"usage":null}]}"#,
            None,
        ),
        (
            r#"{"choices":[{"delta":{"content":"a"},"usage":null}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            r#"{"choices":[{"delta":{"content":"a"},"usage":null}]}"#,
            Some(2),
        ),
        (
            r#"{"usage":null,"choices":[{"delta":{"content":"a"},"usage":null}]}"#,
            r#"{"choices":[{"delta":{"content":"a"},"usage":null}]}"#,
            None,
        ),
        (
            r#"{"choices":[{"delta":{"content":",\"usage\":null"}}],"usage":null,"obfuscation":"x\"}"}"#,
            r#"{"choices":[{"delta":{"content":",\"usage\":null"}}],"obfuscation":"x\"}"}"#,
            None,
        ),
    ] {
        let (seen, handed_on) = feed(
            &metering(CHAT, r#""stream":true"#),
            &[format!("data: {chunk}\n\n").as_bytes()],
        );

        assert_eq!(String::from_utf8(handed_on).unwrap(), format!("data: {shown}\n\n"));
        assert_eq!(seen.usage.map(|usage| usage.output_tokens), output_tokens, "{chunk}");
    }
}

#[test]
fn a_hidden_event_leaves_nothing_behind_wherever_it_is_cut() {
    let metering = metering(CHAT, r#""stream":true"#);
    for end in ["\n", "\r\n", "\r"] {
        let (before, hidden, after) = (
            format!("data: {{}}{end}{end}"),
            format!("data: {CHAT_USAGE}{end}{end}"),
            format!("data: [DONE]{end}{end}"),
        );
        let stream = [before.as_str(), &hidden, &after].concat();
        for cut in 0..=stream.len() {
            let (first, second) = stream.as_bytes().split_at(cut);

            let (seen, shown) = feed(&metering, &[first, second]);

            assert_eq!(
                String::from_utf8(shown).unwrap(),
                format!("{before}{after}"),
                "{end:?} cut at {cut}"
            );
            assert!(seen.usage.is_some());
        }
    }
}

#[test]
fn only_whole_events_are_handed_on() {
    let mut meter = stream_meter(&asked(CHAT));

    assert_eq!(
        meter.feed(Bytes::from_static(b"data: {}\n\ndata: {\"a")),
        "data: {}\n\n"
    );
    assert_eq!(meter.feed(Bytes::from_static(b"\":1}\n")), "");
    assert_eq!(meter.feed(Bytes::from_static(b"\n")), "data: {\"a\":1}\n\n");
    assert_eq!(meter.rest(), "");
}

#[test]
fn whole_events_are_handed_on_without_being_copied() {
    let mut meter = stream_meter(&asked(CHAT));
    let chunk = Bytes::from_static(b"data: {}\n\ndata: {}\n\n");

    let handed_on = meter.feed(chunk.clone());

    assert_eq!(handed_on.as_ptr(), chunk.as_ptr());
}

#[test]
fn a_cut_stream_is_charged_for_what_was_seen_and_what_may_be_under_way() {
    let metering = metering(CHAT, r#""stream":true,"max_tokens":16000"#);
    let chunk = |text: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let held = Money::from_cents(100);

    let (nothing, _) = feed(&metering, &[]);
    let (some, _) = feed(
        &metering,
        &[chunk("Hello").as_bytes(), chunk(" you").as_bytes(), b"data: {\"cho"],
    );

    let (least, label) = charge(&metering, &nothing, held);
    assert_eq!(label, TruthLabel::Estimated);
    assert!(least > Money::from_nanos(2_048 * 600));
    let (more, _) = charge(&metering, &some, held);
    assert!(more >= least.saturating_add(Money::from_nanos(9 * 600)) && more < held);
    assert_eq!(
        charge(&metering, &some, Money::from_nanos(1)),
        (Money::from_nanos(1), TruthLabel::WorstCase)
    );
}

/// 1,000 input and 100 output tokens of a model that costs $1.25 and $10 the million, and half of it
/// where it may wait.
#[test]
fn a_call_costs_what_the_service_does_that_served_it_where_the_answer_says_so() {
    let usage = r#""usage":{"prompt_tokens":1000,"completion_tokens":100}"#;
    let in_events = |path: &str, served: &str| {
        if path == RESPONSES {
            let usage = usage.replace("prompt", "input").replace("completion", "output");
            format!(
                "data: {{\"type\":\"response.created\",\"response\":{{\"service_tier\":\"flex\"}}}}\n\n\
                 data: {{\"type\":\"response.completed\",\"response\":{{{served}{usage}}}}}\n\n"
            )
        } else {
            format!("data: {{\"choices\":[],{served}{usage}}}\n\ndata: [DONE]\n\n")
        }
    };
    for path in [CHAT, RESPONSES] {
        let body = r#"{"model":"gpt-5","stream":true,"stream_options":{"include_usage":true},"service_tier":"flex","input":"Hi","messages":[]}"#;
        let metering = crate::support::read(path, body).unwrap().metering;
        let held = Money::from_cents(100);
        for (served, expected) in [
            (r#""service_tier":"flex","#, (1_125_000, TruthLabel::Reported)),
            (r#""service_tier":"default","#, (2_250_000, TruthLabel::Reported)),
            (r#""service_tier":"auto","#, (2_250_000, TruthLabel::Estimated)),
        ] {
            let (seen, _) = feed(&metering, &[in_events(path, served).as_bytes()]);

            let (cost, label) = charge(&metering, &seen, held);
            assert_eq!((cost.nanos(), label), expected, "{path} {served}");
        }
        // What only began may still go to the usual service.
        let begun = in_events(path, r#""service_tier":"flex","#);
        let (seen, _) = feed(&metering, &[&begun.as_bytes()[..begun.len() / 3]]);
        assert_ne!(charge(&metering, &seen, held).1, TruthLabel::Reported);
    }
}

#[test]
fn where_output_may_be_hidden_a_cut_stream_costs_what_was_held() {
    let held = Money::from_cents(100);
    for (path, model, members, expected) in [
        (CHAT, "gpt-4o", "", TruthLabel::Estimated),
        (CHAT, "gpt-4o", r#","moderation":{"model":"m"}"#, TruthLabel::WorstCase),
        (CHAT, "gpt-5", "", TruthLabel::WorstCase),
        (CHAT, "gpt-5.1", r#","reasoning_effort":"none""#, TruthLabel::Estimated),
        (
            RESPONSES,
            "gpt-5.1",
            r#","reasoning":{"effort":"none"}"#,
            TruthLabel::Estimated,
        ),
        (
            RESPONSES,
            "gpt-5.1",
            r#","reasoning":{"summary":"auto"}"#,
            TruthLabel::WorstCase,
        ),
        (MESSAGES, "claude-haiku-4-5", "", TruthLabel::Estimated),
        (
            MESSAGES,
            "claude-haiku-4-5",
            r#","thinking":{"type":"adaptive"}"#,
            TruthLabel::WorstCase,
        ),
        (
            MESSAGES,
            "claude-haiku-4-5",
            r#","tools":[{"name":"f"}]"#,
            TruthLabel::WorstCase,
        ),
        (MESSAGES, "claude-sonnet-5", "", TruthLabel::WorstCase),
        (
            MESSAGES,
            "claude-sonnet-5",
            r#","thinking":{"type":"disabled"}"#,
            TruthLabel::Estimated,
        ),
    ] {
        let body = format!(r#"{{"model":"{model}","stream":true,"max_tokens":99{members}}}"#);
        let metering = crate::support::read(path, &body).unwrap().metering;
        let (seen, _) = feed(&metering, &[]);
        assert_eq!(charge(&metering, &seen, held).1, expected, "{body}");
    }
}

#[test]
fn a_body_that_was_cut_costs_what_was_held() {
    let metering = metering(CHAT, r#""max_tokens":9"#);
    let mut meter = metering.meter(&HeaderMap::new());
    let held = Money::from_cents(1);
    meter.feed(Bytes::from_static(b"{\"choices\":[{\"message\":{\"content\":\"Hel"));

    let seen = meter.metered();

    assert!(!seen.is_complete);
    assert_eq!(charge(&metering, &seen, held), (held, TruthLabel::WorstCase));
}

/// A hostile upstream may report anything.
#[test]
fn a_user_never_pays_more_than_was_held() {
    let metering = asked(CHAT);
    let stream = format!("data: {}\n\n", CHAT_USAGE.replace(":10,", ":18446744073709551615,"));
    let held = Money::from_cents(1);

    let (seen, _) = feed(&metering, &[stream.as_bytes()]);

    assert_eq!(charge(&metering, &seen, held), (held, TruthLabel::Reported));
}

proptest! {
    /// However a chunk is written, what is left of it says the same without the usage.
    #[test]
    fn a_chunk_without_its_usage_is_otherwise_the_same(
        text in "[a-z\",:{} ]{0,12}",
        order in Just(vec!["id", "choices", "usage", "obfuscation"]).prop_shuffle(),
        is_spaced: bool,
        usage in prop::sample::select(["null", r#"{"prompt_tokens":1,"completion_tokens":2}"#].as_slice()),
    ) {
        let text = serde_json::to_string(&text).unwrap();
        let (colon, comma) = if is_spaced { (": ", " , ") } else { (":", ",") };
        let value = |name: &str| match name {
            "choices" => format!(r#"[{{"delta"{colon}{{"content"{colon}{text}}}}}]"#),
            "usage" => usage.to_owned(),
            _ => text.clone(),
        };
        let members: Vec<String> = order.iter().map(|name| format!("\"{name}\"{colon}{}", value(name))).collect();
        let chunk = format!("{{{}}}", members.join(comma));

        let (seen, shown) = feed(&metering(CHAT, r#""stream":true"#), &[format!("data: {chunk}\n\n").as_bytes()]);

        let mut expected: serde_json::Value = serde_json::from_str(&chunk).unwrap();
        expected.as_object_mut().unwrap().remove("usage");
        let shown = std::str::from_utf8(&shown).unwrap().strip_prefix("data: ").unwrap();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(shown).unwrap(), expected);
        prop_assert_eq!(seen.usage.is_some(), usage != "null");
        prop_assert_eq!(seen.output_bytes, text.len() as u64 - 2);
    }

    #[test]
    fn any_stream_cut_anywhere_is_seen_the_same(
        events in prop::collection::vec(
            prop::sample::select([
                "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}",
                "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}",
                "data: {\"a\":",
                "data: x\r\ndata: y",
                ": comment",
                "event: e\ndata",
                "",
                "\r",
            ].as_slice()),
            0..8,
        ),
        ends in prop::collection::vec(prop::sample::select(["\n\n", "\r\n\r\n", "\r\r", "\n", "\r"].as_slice()), 8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        is_asked: bool,
    ) {
        let stream: String = events.iter().zip(&ends).flat_map(|(event, end)| [*event, *end]).collect();
        let metering = if is_asked { asked(CHAT) } else { metering(CHAT, r#""stream":true"#) };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut rest = stream.as_bytes();
        for (index, cut) in cuts.iter().enumerate() {
            let before = if index == 0 { 0 } else { cuts[index - 1] };
            let (piece, after) = rest.split_at(cut - before);
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);

        let whole = feed(&metering, &[stream.as_bytes()]);
        let in_pieces = feed(&metering, &pieces);

        prop_assert_eq!(&whole, &in_pieces);
        if is_asked {
            prop_assert_eq!(whole.1, stream.as_bytes());
        }
    }
}
