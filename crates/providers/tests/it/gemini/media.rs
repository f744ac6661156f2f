//! Images and sound: answers too large to be kept.

use aipassport_providers::meter::Metered;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use serde_json::{Value, json};

use super::with;

const PAINTER: &str = "/v1beta/models/gemini-3.1-flash-image:generateContent";
const SPEAKER: &str = "/v1beta/models/gemini-3.8-flash-tts:generateContent";
/// More than is kept of any body.
const PIECES: usize = 1_100;
const PIECE: usize = 64 * 1024;

/// What is seen of an answer with so many pieces of 64 KiB in its middle.
fn metered(path: &str, more: &Value, (start, pieces, end): (&str, usize, &str)) -> Metered {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut meter = with(path, more).unwrap().metering.meter(&headers);
    meter.feed(Bytes::copy_from_slice(start.as_bytes()));
    let piece = Bytes::from("A".repeat(PIECE));
    for _ in 0..pieces {
        assert_eq!(meter.feed(piece.clone()).len(), PIECE);
    }
    meter.feed(Bytes::copy_from_slice(end.as_bytes()));
    meter.metered()
}

#[test]
fn however_large_an_image_or_a_speech_is_its_usage_is_read() {
    let start = r#"{"candidates":[{"content":{"parts":[{"inlineData":{"data":""#;
    for (path, modality) in [(PAINTER, "IMAGE"), (SPEAKER, "AUDIO")] {
        let end = format!(
            r#""}}}}]}},"finishReason":"STOP"}}],"usageMetadata":{{"promptTokenCount":7,"candidatesTokenCount":1290,
            "totalTokenCount":1297,"candidatesTokensDetails":[{{"modality":"{modality}","tokenCount":1290}}]}}}}"#
        );
        let asked = json!({"generationConfig": {"responseModalities": [modality]}});

        let seen = metered(path, &asked, (start, PIECES, &end));

        let usage = seen.usage.unwrap();
        assert_eq!(usage.input_tokens, 7);
        assert_eq!(usage.image_output_tokens + usage.audio_output_tokens, 1_290);
        assert!(seen.is_usage_final && seen.is_complete);
        let cut = metered(path, &asked, (start, 1, ""));
        assert!(!cut.is_usage_final && !cut.is_complete);
    }
}

#[test]
fn a_search_for_an_image_is_seen_beside_the_usage() {
    let searching = json!({"generationConfig": {"responseModalities": ["IMAGE"]}, "tools": [{"googleSearch": {}}]});
    let answer = r#"{"candidates":[{"groundingMetadata":{"webSearchQueries":["fox"]},"finishReason":"STOP"}],
        "usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}"#;

    let seen = metered(PAINTER, &searching, (answer, 0, ""));

    assert_eq!(seen.usage.unwrap().searches, 1);
}
