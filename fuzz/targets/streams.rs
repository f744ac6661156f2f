//! Any answer to any request, cut anywhere: it comes out the same, is counted the same, nothing is added
//! to it, and it costs no more than was held.
#![no_main]

mod json;
mod reached;
mod routes;

use aipassport_domain::money::Money;
use aipassport_providers::meter::{Metered, Metering, StreamForm};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};

const CONTENT_TYPES: [&str; 4] = [
    "text/event-stream",
    "application/x-ndjson",
    "application/json",
    "audio/mpeg",
];

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(data, size, max_size, seed, 3)
});

fuzz_target!(|input: &[u8]| -> Corpus {
    let [route, kind, cut, rest @ ..] = input else {
        return Corpus::Reject;
    };
    let picked = routes::pick(*route);
    let (request, answer) = routes::halves(rest);
    let Ok(read) = picked.read(request) else {
        reached::count(&[]);
        return Corpus::Reject;
    };
    let metering = read.metering;
    let kind = CONTENT_TYPES[usize::from(*kind) % CONTENT_TYPES.len()];
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);

    let whole = feed(&metering, &headers, [answer].into_iter());
    let step = usize::from(*cut).max(1);
    let cut = feed(&metering, &headers, answer.chunks(step));

    assert_eq!(whole, cut, "cut after every {step} bytes");
    let held = Money::from_cents(10);
    assert!(metering.charge(picked.prices(), &whole.1, held).cost <= held);
    assert!(is_left_of(&whole.0, answer));
    reached::count(&[
        name(metering.meter(&headers).stream_form()),
        if whole.1.usage.is_some() {
            "with usage"
        } else {
            "without usage"
        },
    ]);
    Corpus::Keep
});

fn feed<'a>(metering: &Metering, headers: &HeaderMap, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Metered) {
    let mut meter = metering.meter(headers);
    let mut shown = Vec::new();
    for chunk in chunks {
        shown.extend_from_slice(&meter.feed(Bytes::copy_from_slice(chunk)));
    }
    shown.extend_from_slice(&meter.rest());
    (shown, meter.metered())
}

/// Whether `shown` is `answer`, but for what was taken out.
fn is_left_of(shown: &[u8], answer: &[u8]) -> bool {
    let mut rest = answer.iter();
    shown.iter().all(|byte| rest.any(|other| other == byte))
}

fn name(form: Option<StreamForm>) -> &'static str {
    match form {
        Some(StreamForm::Events) => "events",
        Some(StreamForm::Lines) => "lines",
        Some(StreamForm::Items) => "items of an array",
        None => "no stream",
    }
}
