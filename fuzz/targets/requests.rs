//! Any body on any route: what policy decides on is what another reader would find in the bytes that
//! are sent, and nothing panics.
#![no_main]

mod json;
mod reached;
mod routes;

use bytes::Bytes;
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};
use serde_json::Value;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(data, size, max_size, seed, 1)
});

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((route, body)) = input.split_first() else {
        return Corpus::Reject;
    };
    let picked = routes::pick(*route);
    let Ok(read) = picked.read(Bytes::copy_from_slice(body)) else {
        reached::count(&[]);
        return Corpus::Reject;
    };
    reached::count(&["read", picked.adapter.id()]);

    let model = read.call.model.clone();
    let sent = read.body.with_output_cap(17);
    let sent: Value = serde_json::from_slice(&sent).expect("what is sent is JSON");
    assert!(sent.is_object());
    if picked.route.model.is_none() {
        assert_eq!(
            sent["model"],
            model.as_str(),
            "the model checked is the model dispatched"
        );
    }
    Corpus::Keep
});
