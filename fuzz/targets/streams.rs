//! Any answer to any request, cut anywhere: it comes out the same, is counted the same, and costs no
//! more than was held.
#![no_main]

mod routes;

use std::sync::LazyLock;

use aipassport_domain::money::Money;
use aipassport_providers::{
    adapter::Unread,
    meter::{Metered, Metering},
    prices::PriceBook,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use libfuzzer_sys::fuzz_target;

static PRICES: LazyLock<PriceBook> = LazyLock::new(|| PriceBook::embedded().expect("the snapshot is readable"));

const CONTENT_TYPES: [&str; 4] = [
    "text/event-stream",
    "application/x-ndjson",
    "application/json",
    "audio/mpeg",
];

/// Bodies that at least one of them suits every route.
const BODIES: [&str; 4] = [
    r#"{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"Hi"}],"input":"Hi","contents":[]}"#,
    r#"{"model":"claude-haiku-4-5","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#,
    r#"{"model":"mistral-small-latest","stream":true,"messages":[{"role":"user","content":"Hi"}],"prompt":"Hi"}"#,
    r#"{"model":"command-a-03-2025","stream":true,"messages":[{"role":"user","content":"Hi"}],"message":"Hi"}"#,
];

fuzz_target!(|input: &[u8]| {
    let [route, kind, body, cut, stream @ ..] = input else { return };
    let Some(metering) = metering(*route, *body) else { return };
    let kind = CONTENT_TYPES[usize::from(*kind) % CONTENT_TYPES.len()];
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);

    let whole = feed(&metering, &headers, [stream].into_iter());
    let step = usize::from(*cut).max(1);
    let cut = feed(&metering, &headers, stream.chunks(step));

    assert_eq!(whole, cut, "cut after every {step} bytes");
    let held = Money::from_cents(10);
    assert!(metering.charge(&PRICES, &whole.1, held).cost <= held);
    assert!(whole.0.len() <= stream.len());
});

fn metering(route: u8, body: u8) -> Option<Metering> {
    let picked = routes::pick(route)?;
    let body = BODIES[usize::from(body) % BODIES.len()];
    let read = picked.adapter.read(&Unread {
        provider: &picked.provider,
        route: &picked.route,
        headers: &HeaderMap::new(),
        body: Bytes::from_static(body.as_bytes()),
        prices: &PRICES,
    });
    Some(read.ok()?.metering)
}

fn feed<'a>(metering: &Metering, headers: &HeaderMap, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Metered) {
    let mut meter = metering.meter(headers);
    let mut shown = Vec::new();
    for chunk in chunks {
        shown.extend_from_slice(&meter.feed(Bytes::copy_from_slice(chunk)));
    }
    shown.extend_from_slice(&meter.rest());
    (shown, meter.metered())
}
