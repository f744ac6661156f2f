//! Forms in, and sounds and texts out: what golden files, which are JSON, cannot say.

use aipassport_domain::{ids::ProviderId, money::Money, policy::CallCost};
use aipassport_providers::{
    adapter::{self, Unread},
    meter::Charge,
    multipart::{FILE_HEAD, FormReader},
    request::{ReadError, ReadRequest},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};

use crate::support::{PRICES, ceiling, read};

const EDITS: &str = "/v1/images/edits";
const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";
const SPEECH: &str = "/v1/audio/speech";

/// Reads a form with these fields, and then these files.
fn read_form(path: &str, fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Result<ReadRequest, ReadError> {
    let provider = adapter::by_id("openai").unwrap();
    let route = provider.route(&Method::POST, path, None).expect(path);
    let kind = HeaderValue::from_static("multipart/form-data; boundary=xx");
    let mut form = FormReader::new(&kind, provider.form_rules(&route).unwrap()).unwrap();
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    for (name, content) in files {
        let head = format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n");
        body.extend(head.bytes().chain(content.iter().copied()).chain(*b"\r\n"));
    }
    body.extend(b"--xx--\r\n");
    form.feed(&body).map_err(ReadError::Form)?;
    form.end().map_err(ReadError::Form)?;
    let unread = Unread {
        provider: &ProviderId::new("openai"),
        route: &route,
        headers: &HeaderMap::new(),
        body: Bytes::new(),
        prices: &PRICES,
    };
    provider.read_form(&unread, form.form(), body.len() as u64)
}

/// What an answer of this type and with these bytes is charged, where a dollar is held.
fn charge(read: &ReadRequest, kind: &'static str, answer: &[u8]) -> (Money, &'static str) {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    let mut charges = Vec::new();
    for size in [1, 1_000, usize::MAX] {
        let mut meter = read.metering.meter(&headers);
        for piece in answer.chunks(size) {
            meter.feed(Bytes::copy_from_slice(piece));
        }
        meter.rest();
        let Charge { cost, label, .. } = read.metering.charge(&PRICES, &meter.metered(), Money::from_cents(100));
        charges.push((cost, label.as_str()));
    }
    charges.dedup();
    // However it is cut.
    let [charge] = <[_; 1]>::try_from(charges).unwrap();
    charge
}

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

/// Frames of 24 ms, as OpenAI's speech has them.
fn mp3(frames: usize) -> Vec<u8> {
    let mut frame = vec![0xff, 0xf3, 0x84, 0xc4];
    frame.resize(192, 0);
    frame.repeat(frames)
}

#[test]
fn a_transcript_by_the_second_is_held_and_charged_by_the_length_of_its_sound() {
    let read = read_form(TRANSCRIPTIONS, &[("model", "whisper-1")], &[("file", &mp3(300))]).unwrap();

    // 7.2 seconds, held as 8, at 0.0001 dollars each.
    assert_eq!(ceiling(&read).fixed, usd("0.0008"));
    let reported = br#"{"text":"Hello","usage":{"type":"duration","seconds":8}}"#;
    assert_eq!(charge(&read, "application/json", reported), (usd("0.0008"), "reported"));
    let verbose = br#"{"task":"transcribe","duration":7.199999809265137,"text":"Hello","segments":[]}"#;
    assert_eq!(charge(&read, "application/json", verbose), (usd("0.0008"), "reported"));
}

#[test]
fn a_plain_transcript_says_nothing_of_its_usage() {
    let fields = [("model", "whisper-1"), ("response_format", "srt")];
    let read = read_form(TRANSCRIPTIONS, &fields, &[("file", &mp3(300))]).unwrap();

    let srt = b"1\n00:00:00,000 --> 00:00:07,000\nHello {\"usage\":{\"seconds\":0}}\n";
    assert_eq!(
        charge(&read, "text/plain; charset=utf-8", srt),
        (usd("1"), "worst_case")
    );
}

#[test]
fn a_transcript_by_tokens_is_charged_by_what_was_heard_and_written() {
    let fields = [("model", "gpt-4o-transcribe"), ("stream", "true")];
    let read = read_form(TRANSCRIPTIONS, &fields, &[("file", &mp3(300))]).unwrap();

    assert!(read.is_stream && read.call.features.streaming);
    let body = br#"{"text":"Hello","usage":{"type":"tokens","input_tokens":84,"input_token_details":
        {"text_tokens":10,"audio_tokens":74},"output_tokens":30,"total_tokens":114}}"#;
    // 10 at $2.50, 74 at $6 and 30 at $10 the million.
    assert_eq!(charge(&read, "application/json", body), (usd("0.000769"), "reported"));
    let events = b"data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hello\"}\n\n\
        data: {\"type\":\"transcript.text.done\",\"text\":\"Hello\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":74,\
        \"output_tokens\":30,\"total_tokens\":104}}\n\n";
    // All of it heard.
    assert_eq!(
        charge(&read, "text/event-stream", events),
        (usd("0.000744"), "reported")
    );
    let cut = b"data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hello\"}\n\n";
    assert_eq!(charge(&read, "text/event-stream", cut), (usd("1"), "worst_case"));
}

#[test]
fn a_sound_that_is_not_cut_into_chunks_is_bounded_by_what_the_model_can_hear_at_once() {
    let sound = vec![0; 1_000_000];
    let held =
        |fields: &[(&str, &str)]| ceiling(&read_form(TRANSCRIPTIONS, fields, &[("file", &sound)]).unwrap()).fixed;
    let at_once = held(&[("model", "gpt-4o-transcribe")]);
    let in_chunks = held(&[
        ("model", "gpt-4o-transcribe"),
        ("chunking_strategy[type]", "server_vad"),
    ]);

    // 16,000 heard at $6, 2,000 written at $10, and 64 and the form's 17 bytes at $2.50 the million.
    assert_eq!(at_once, usd("0.1162025"));
    assert!(in_chunks > at_once);
}

#[test]
fn an_edit_is_held_for_with_every_image_it_brings() {
    let fields = [
        ("model", "gpt-image-2"),
        ("prompt", "A hat"),
        ("size", "1024x1024"),
        ("quality", "low"),
        ("n", "2"),
    ];
    let held = |files: &[(&str, &[u8])]| ceiling(&read_form(EDITS, &fields, files).unwrap()).fixed;
    let one = held(&[("image", b"png")]);
    let three = held(&[("image[]", b"png"), ("image[]", b"png"), ("mask", b"png")]);

    // Each more: 10,000 tokens at $8 the million.
    assert_eq!(three, one.saturating_add(usd("0.16")));
    // 2 times 196 tokens at $30, and the prompt.
    assert!(one > usd("0.08").saturating_add(usd("0.01176")));
    let body = br#"{"created":1,"data":[{"b64_json":"AAAA"}],"usage":{"input_tokens":1040,"input_tokens_details":
        {"text_tokens":16,"image_tokens":1024},"output_tokens":392,"total_tokens":1432}}"#;
    let read = read_form(EDITS, &fields, &[("image", b"png")]).unwrap();
    // 16 at $5, 1,024 at $8 and 392 at $30 the million.
    assert_eq!(charge(&read, "application/json", body), (usd("0.020032"), "reported"));
}

#[test]
fn threat_112_what_an_image_can_cost_is_bounded_or_refused() {
    let held = |members: &str| {
        let body = format!("{{\"model\":\"gpt-image-2\",\"prompt\":\"A cat\"{members}}}");
        ceiling(&read("/v1/images/generations", &body).unwrap()).fixed
    };
    let low = held(r#","size":"1024x1024","quality":"low""#);

    assert!(held(r#","size":"1024x1024","quality":"low","n":10"#) > low.saturating_add(usd("0.0529")));
    assert!(held(r#","size":"1024x1024","quality":"low","partial_images":3"#) >= low.saturating_add(usd("0.009")));
    // 23,719 tokens at $30 the million.
    for open in [
        "",
        r#","size":"auto","quality":"auto""#,
        r#","size":"9999x9999","quality":"max""#,
    ] {
        assert!(held(open) > usd("0.71157"), "{open}");
    }
    for member in [
        r#""svg":{"model":"gpt-5"}"#,
        r#""frame_count":16"#,
        r#""complexity":"high""#,
        r#""prompt_rewriter":{}"#,
        r#""output_format":"gif""#,
        r#""stream":true,"n":2"#,
    ] {
        let body = format!("{{\"model\":\"gpt-image-2\",{member}}}");
        let refused = read("/v1/images/generations", &body).unwrap_err();
        assert!(matches!(refused, ReadError::NotSupported { .. }), "{member}");
    }
    for (name, value) in [("svg[model]", "gpt-5"), ("frame_count", "16"), ("output_format", "svg")] {
        let refused = read_form(EDITS, &[("model", "gpt-image-2"), (name, value)], &[("image", b"png")]);
        assert!(matches!(refused, Err(ReadError::NotSupported { .. })), "{name}");
    }
    for (name, value) in [
        ("n", "2.0"),
        ("n", "+2"),
        ("n", ""),
        ("stream", "1"),
        ("stream", "True"),
    ] {
        let refused = read_form(EDITS, &[("model", "gpt-image-2"), (name, value)], &[("image", b"png")]);
        assert!(matches!(refused, Err(ReadError::Invalid { .. })), "{name}={value}");
    }
    let unknown = read("/v1/images/generations", r#"{"model":"gpt-image-9","prompt":"x"}"#).unwrap();
    assert_eq!(unknown.call.cost, CallCost::Unpriced);
}

#[test]
fn speech_by_tokens_is_charged_by_the_length_of_its_sound() {
    let speech = |more: &str| {
        let body = format!("{{\"model\":\"gpt-4o-mini-tts\",\"voice\":\"alloy\",\"input\":\"Hello there\"{more}}}");
        read(SPEECH, &body).unwrap()
    };

    let spoken = speech("");
    // 2.4 seconds are 60 tokens at most, at $12 the million; 74 bytes and 64 tokens around at $0.60.
    let body_bytes = 65;
    let input = Money::from_nanos(600 * (body_bytes + 64));
    assert_eq!(
        charge(&spoken, "audio/mpeg", &mp3(100)),
        (usd("0.00072").saturating_add(input), "estimated")
    );
    let held = ceiling(&spoken).fixed;
    assert!(held > usd("0.018"), "{held}");
    // Half of a frame is missing, and what is no MP3 is not measured.
    assert_eq!(charge(&spoken, "audio/mpeg", &mp3(2)[..300]), (usd("1"), "worst_case"));
    assert_eq!(charge(&spoken, "audio/opus", &[0; 5_000]), (usd("1"), "worst_case"));

    let raw = speech(r#","response_format":"pcm""#);
    let input = Money::from_nanos(600 * (body_bytes + 24 + 64));
    assert_eq!(
        charge(&raw, "audio/pcm", &[0; 12_000]),
        (usd("0.000084").saturating_add(input), "estimated")
    );
}

#[test]
fn threat_113_a_voice_that_is_kept_at_the_provider_is_nobodys() {
    let refused = read(
        SPEECH,
        r#"{"model":"tts-1","input":"Hi","voice":{"id":"voice_of_another"}}"#,
    )
    .unwrap_err();

    assert!(matches!(refused, ReadError::NotSupported { member: "voice", .. }));
}

#[test]
fn a_sound_that_is_still_on_its_way_is_held_for_by_all_that_may_come() {
    let provider = adapter::by_id("openai").unwrap();
    let route = provider.route(&Method::POST, TRANSCRIPTIONS, None).unwrap();
    let kind = HeaderValue::from_static("multipart/form-data; boundary=xx");
    let mut form = FormReader::new(&kind, provider.form_rules(&route).unwrap()).unwrap();
    let head = "--xx\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
                --xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    form.feed(head.as_bytes()).unwrap();
    form.feed(&mp3(1)[..FILE_HEAD]).unwrap();
    assert!(form.is_decidable());

    let unread = Unread {
        provider: &ProviderId::new("openai"),
        route: &route,
        headers: &HeaderMap::new(),
        body: Bytes::new(),
        prices: &PRICES,
    };
    let read = provider.read_form(&unread, form.form(), 1_000_000).unwrap();
    // 2,000 seconds at four kilobits.
    assert_eq!(ceiling(&read).fixed, usd("0.2"));
}
