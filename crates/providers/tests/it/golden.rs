//! Plays the files of `tests/golden`: a request in, the request upstream out; an answer in, what
//! the client sees, the usage and the charge out. Streams are cut at every byte.

use std::{fs, path::Path};

use aipassport_domain::{ids::ProviderId, money::Money, usage::Usage};
use aipassport_providers::{
    adapter::{self, ProviderAdapter, Unread},
    meter::{Charge, Metered, Metering},
    prices::PriceBook,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::support::{OWN_PRICES, PRICES};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    path: String,
    /// Where the path names it, and the request does not.
    model: Option<String>,
    query: Option<String>,
    #[serde(default)]
    headers: Map<String, Value>,
    request: Map<String, Value>,
    features: Vec<String>,
    output_cap: u64,
    /// The members of the upstream's request that differ from the client's.
    upstream_adds: Map<String, Value>,
    held: Option<Money>,
    body: Option<Value>,
    /// Each event without what ends it or parts it from the next.
    stream: Option<Vec<String>>,
    /// Server-sent events where nothing is said; a JSON array where it is `application/json`.
    stream_type: Option<String>,
    client_sees: Option<Vec<String>>,
    usage: Option<Usage>,
    is_complete: Option<bool>,
    #[serde(default)]
    has_failed: bool,
    output_bytes: Option<u64>,
    label: String,
    cost: Option<Money>,
    /// The same by hand, in nano-dollars: `25 × 300 + 190 × 2,500`.
    worked_out: Option<String>,
}

#[test]
fn every_golden_file_is_as_the_provider_documents_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut played = 0;

    for provider in adapter::all().iter().copied().chain([adapter::custom()]) {
        for file in fs::read_dir(folder.join(provider.id())).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let case: Case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let on_path = format!("/{}{}", registry_id(provider), case.path);
            let (face, _) = adapter::at_path(&on_path).unwrap();
            play(&case, face, &path.display().to_string());
            played += 1;
        }
    }

    assert!(played > 30, "only {played} golden files were found");
}

fn play(case: &Case, provider: &dyn ProviderAdapter, name: &str) {
    let metering = request_goes_upstream(case, provider, name);
    let mut seen = Metered::default();
    if let Some(events) = &case.stream {
        seen = stream_is_metered(case, &metering, events, name);
    }
    if let Some(body) = &case.body {
        let mut meter = metering.meter(&content_type("application/json"));
        let body = Bytes::from(body.to_string());
        assert_eq!(meter.feed(body.clone()), body, "{name}");
        seen = meter.metered();
    }

    assert_eq!(seen.usage, case.usage, "{name}: usage");
    assert_eq!(seen.has_failed, case.has_failed, "{name}: has failed");
    let held = case.held.unwrap_or(Money::from_cents(100));
    let Charge { cost, label, .. } = metering.charge(prices_of(provider), &seen, held);
    assert_eq!(label.as_str(), case.label, "{name}: label");
    assert!(cost <= held, "{name}: never above the hold");
    if let Some(expected) = case.cost {
        assert_eq!(cost, expected, "{name}: cost");
    }
    if let Some(terms) = &case.worked_out {
        assert_eq!(cost.nanos(), sum(terms), "{name}: cost by hand");
    }
}

/// Adds up products of whole numbers.
fn sum(terms: &str) -> i64 {
    let number = |text: &str| text.trim().replace(',', "").parse::<i64>().unwrap();
    let product = |term: &str| term.split('×').map(number).product::<i64>();
    terms.split('+').map(product).sum()
}

/// The id of one that a user brings has a name in it.
fn registry_id(provider: &dyn ProviderAdapter) -> ProviderId {
    ProviderId::new(match provider.id() {
        "custom" => "custom/lab",
        id => id,
    })
}

/// What runs at a user's own address costs what its owner says.
fn prices_of(provider: &dyn ProviderAdapter) -> &'static PriceBook {
    match provider.id() {
        "custom" | "ollama" | "vllm" => &OWN_PRICES,
        _ => &PRICES,
    }
}

fn request_goes_upstream(case: &Case, provider: &dyn ProviderAdapter, name: &str) -> Metering {
    let route = provider
        .route(&Method::POST, &case.path, case.query.as_deref())
        .expect(name);
    let headers = case.headers.iter().map(|(name, value)| {
        let value = HeaderValue::from_str(value.as_str().unwrap()).unwrap();
        (HeaderName::try_from(name).unwrap(), value)
    });
    let body = Bytes::from(serde_json::to_vec(&case.request).unwrap());

    let read = provider
        .read(&Unread {
            provider: &registry_id(provider),
            route: &route,
            headers: &headers.collect(),
            body,
            prices: prices_of(provider),
        })
        .expect(name);
    let features = read.call.features.named();
    let used: Vec<&str> = features
        .iter()
        .filter(|(_, is_used)| *is_used)
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(used, case.features, "{name}: features");
    let asked = case.request.get("model").and_then(Value::as_str);
    assert_eq!(
        Some(read.call.model.as_str()),
        case.model.as_deref().or(asked),
        "{name}"
    );

    let sent: Value = serde_json::from_slice(&read.body.with_output_cap(case.output_cap)).expect(name);
    let mut expected = case.request.clone();
    expected.extend(case.upstream_adds.clone());
    assert_eq!(sent, Value::Object(expected), "{name}: upstream request");
    read.metering
}

fn stream_is_metered(case: &Case, metering: &Metering, events: &[String], name: &str) -> Metered {
    let kind = case
        .stream_type
        .as_deref()
        .unwrap_or("text/event-stream; charset=utf-8");
    let stream = on_wire(kind, events);
    let client_sees = case
        .client_sees
        .as_deref()
        .map_or_else(|| stream.clone(), |seen| on_wire(kind, seen));
    let (whole, shown) = feed(metering, kind, &[stream.as_bytes()]);
    assert_eq!(
        String::from_utf8(shown).unwrap(),
        client_sees,
        "{name}: what the client sees"
    );

    for cut in 0..=stream.len() {
        let (before, after) = stream.as_bytes().split_at(cut);
        let (seen, shown) = feed(metering, kind, &[before, after]);
        assert_eq!(seen, whole, "{name}: cut at {cut}");
        assert_eq!(shown, client_sees.as_bytes(), "{name}: cut at {cut}");
    }
    let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    let (seen, shown) = feed(metering, kind, &bytes);
    assert_eq!(seen, whole, "{name}: byte by byte");
    assert_eq!(shown, client_sees.as_bytes(), "{name}: byte by byte");

    if let Some(is_complete) = case.is_complete {
        assert_eq!(whole.is_complete, is_complete, "{name}: is complete");
    }
    if let Some(output_bytes) = case.output_bytes {
        assert_eq!(whole.output_bytes, output_bytes, "{name}: output bytes");
    }
    whole
}

fn on_wire(kind: &str, events: &[String]) -> String {
    match kind {
        "application/json" => format!("[{}\n]", events.join(",\r\n")),
        "application/x-ndjson" | "application/stream+json" => events.iter().flat_map(|event| [event, "\n"]).collect(),
        _ => events.iter().flat_map(|event| [event, "\n\n"]).collect(),
    }
}

fn feed(metering: &Metering, kind: &str, chunks: &[&[u8]]) -> (Metered, Vec<u8>) {
    let mut meter = metering.meter(&content_type(kind));
    let mut shown = Vec::new();
    for chunk in chunks {
        shown.extend_from_slice(&meter.feed(Bytes::copy_from_slice(chunk)));
    }
    shown.extend_from_slice(&meter.rest());
    (meter.metered(), shown)
}

fn content_type(kind: &str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap())])
}
