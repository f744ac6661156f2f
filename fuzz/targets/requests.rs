//! Any body on any route: what policy decides on is what another reader would find in the bytes that
//! are sent, and nothing panics.
#![no_main]

mod routes;

use std::sync::LazyLock;

use aipassport_providers::{adapter::Unread, prices::PriceBook};
use bytes::Bytes;
use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static PRICES: LazyLock<PriceBook> = LazyLock::new(|| PriceBook::embedded().expect("the snapshot is readable"));

fuzz_target!(|input: &[u8]| {
    let Some((picked, body)) = input.split_first().and_then(|(byte, body)| Some((routes::pick(*byte)?, body))) else {
        return;
    };
    let read = picked.adapter.read(&Unread {
        provider: &picked.provider,
        route: &picked.route,
        headers: &HeaderMap::new(),
        body: Bytes::copy_from_slice(body),
        prices: &PRICES,
    });
    let Ok(read) = read else { return };

    let model = read.call.model.clone();
    let sent = read.body.with_output_cap(17);
    let sent: Value = serde_json::from_slice(&sent).expect("what is sent is JSON");
    assert!(sent.is_object());
    if picked.route.model.is_none() {
        assert_eq!(sent["model"], model.as_str(), "the model checked is the model dispatched");
    }
});
