//! Any authorization details (RFC 9396): what is understood is written back as it was understood, and
//! the order of what is narrower holds.
#![no_main]

use aipassport_domain::authorization_details::{parse, to_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(details) = parse(text) else { return };

    assert_eq!(parse(&to_json(&details)).as_ref(), Ok(&details), "written and read again");
    for access in &details {
        assert!(access.is_narrower(access));
        assert_eq!(access.meet(access).as_ref(), Some(access));
        for other in &details {
            if let Some(both) = access.meet(other) {
                assert!(both.is_narrower(access) && both.is_narrower(other));
            }
        }
    }
});
