//! The most that a call can cost.

use aipassport_domain::{
    authorization_details::Capability,
    money::Money,
    policy::{CallCost, CostCeiling, OutputCap},
};
use aipassport_providers::request::{ReadError, ReadRequest};
use serde_json::{Value, json};

use super::{EMBED, FLASH, read, with, with_part};
use crate::support::ceiling;

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

#[test]
fn threat_136_text_is_held_for_by_its_bytes_and_what_has_no_size_by_the_context() {
    let fixed = |part: &Value| ceiling(&with_part(part).unwrap()).fixed;
    let blob = |kind: &str| json!({"inlineData": {"mimeType": kind, "data": "A".repeat(100_000)}});
    // The whole context of 1,048,576 tokens at $0.30 the million, and at $1 where it can be sound.
    let as_text = usd("0.3145728");
    let as_sound = usd("1.048576");

    // 100,000 bytes, the request around them and 1,024 hidden tokens, at $0.30 the million.
    let text = fixed(&blob("text/csv"));
    assert!((usd("0.0303")..usd("0.0305")).contains(&text), "{text}");
    assert_eq!(fixed(&blob("application/pdf")), as_text);
    for part in [
        blob("audio/wav"),
        blob("video/mp4"),
        json!({"inlineData": {"data": "AAAA"}}),
        json!({"fileData": {"fileUri": "https://www.youtube.com/watch?v=abc", "mimeType": "video/mp4"}}),
        json!({"somethingNew": {"of": "any size"}}),
        json!({"toolResponse": {"response": {}}}),
    ] {
        assert_eq!(fixed(&part), as_sound, "{part}");
    }
    // 16,384 tokens, whatever its bytes.
    let image = fixed(&blob("image/png"));
    assert!((usd("0.0052")..usd("0.0054")).contains(&image), "{image}");
    let counted =
        json!({"inlineData": {"mimeType": "image/png", "data": "AA"}, "mediaResolution": {"numTokens": 90_000}});
    assert_eq!(fixed(&counted), as_text);
}

#[test]
fn threat_136_what_googles_tools_read_is_held_for_by_the_context_and_a_search_by_its_fee() {
    let fixed = |tool: Value| ceiling(&with(FLASH, &json!({"tools": [tool]})).unwrap()).fixed;

    // 1,048,576 tokens at $0.30 the million.
    assert_eq!(fixed(json!({"codeExecution": {}})), usd("0.3145728"));
    assert_eq!(fixed(json!({"urlContext": {}})), usd("0.3145728"));
    // And one fee of $35 the thousand.
    assert_eq!(fixed(json!({"googleSearch": {}})), usd("0.3495728"));
}

#[test]
fn threat_136_images_are_held_for_at_their_own_price_and_are_a_capability_of_their_own() {
    let maker = "/v1beta/models/gemini-2.5-flash-image:generateContent";
    let modalities = |names: Value| with(maker, &json!({"generationConfig": {"responseModalities": names}})).unwrap();
    let dearest = |request: &ReadRequest| ceiling(request).output_rate.nanos_per_million();

    for request in [
        with(maker, &json!({})).unwrap(),
        modalities(json!([])),
        modalities(json!(["Text", "Image"])),
        modalities(json!("IMAGE")),
    ] {
        assert_eq!(request.call.capability, Capability::Images);
        assert_eq!(dearest(&request), 30_000_000_000);
    }
    let text = modalities(json!(["TEXT"]));
    assert_eq!(
        (text.call.capability, dearest(&text)),
        (Capability::Chat, 2_500_000_000)
    );
    let no_maker = with(FLASH, &json!({"generationConfig": {"responseModalities": ["IMAGE"]}})).unwrap();
    assert_eq!(no_maker.call.cost, CallCost::Unpriced);
}

#[test]
fn speech_is_a_capability_of_its_own() {
    let speaker = "/v1beta/models/gemini-3.8-flash-tts:generateContent";

    let request = with(speaker, &json!({"generationConfig": {"responseModalities": ["AUDIO"]}})).unwrap();

    assert_eq!(request.call.capability, Capability::Audio);
    assert_eq!(ceiling(&request).output_rate.nanos_per_million(), 9_000_000_000);
}

#[test]
fn threat_136_an_embedding_is_held_for_by_its_bytes_and_writes_nothing() {
    let embed = |part: Value| read(EMBED, &json!({"content": {"parts": [part]}}));
    let CostCeiling { fixed, output_cap, .. } = ceiling(&embed(json!({"text": "a".repeat(100_000)})).unwrap());

    assert_eq!(output_cap, OutputCap::Asked(0));
    // 100,000 bytes, the request around them and 1,024 hidden tokens, at $0.20 the million.
    assert!((usd("0.0202")..usd("0.0203")).contains(&fixed), "{fixed}");
    // An image is 16,384 tokens at $0.45 the million.
    let image = ceiling(&embed(json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}})).unwrap());
    assert!((usd("0.0075")..usd("0.0077")).contains(&image.fixed), "{}", image.fixed);
    for kind in ["audio/mp3", "video/mp4", "application/pdf"] {
        let refused = embed(json!({"inlineData": {"mimeType": kind, "data": "AAAA"}})).unwrap_err();
        assert!(matches!(refused, ReadError::NotSupported { .. }), "{kind}");
    }
}

#[test]
fn threat_137_a_model_without_a_price_is_not_free() {
    let unknown = with("/v1beta/models/gemini-99:generateContent", &json!({})).unwrap();

    assert_eq!(unknown.call.cost, CallCost::Unpriced);
}
