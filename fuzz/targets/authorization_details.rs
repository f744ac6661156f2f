//! Any authorization details (RFC 9396): what is understood is written back as it was understood, and
//! the order of what is narrower holds.
#![no_main]

mod json;
mod reached;

use aipassport_domain::authorization_details::{parse, to_json};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(data, size, max_size, seed, 0)
});

fuzz_target!(|text: &str| -> Corpus {
    let Ok(details) = parse(text) else {
        reached::count(&[]);
        return Corpus::Reject;
    };
    reached::count(&["understood"]);

    assert_eq!(
        parse(&to_json(&details)).as_ref(),
        Ok(&details),
        "written and read again"
    );
    for access in &details {
        assert!(access.is_narrower(access));
        assert_eq!(access.meet(access).as_ref(), Some(access));
        for other in &details {
            if let Some(both) = access.meet(other) {
                assert!(both.is_narrower(access) && both.is_narrower(other));
            }
        }
    }
    Corpus::Keep
});
