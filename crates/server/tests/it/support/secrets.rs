//! What a secret looks like where none may be.

use aws_lc_rs::digest;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};

/// `secret` plain, in the encodings that programs use, and as a hash without a key.
pub(crate) fn forms(secret: &str) -> Vec<Vec<u8>> {
    let plain = secret.as_bytes();
    let hash = digest::digest(&digest::SHA256, plain);
    let mut forms = vec![
        plain.to_vec(),
        percent(plain),
        hash.as_ref().to_vec(),
        hex(hash.as_ref()),
    ];
    forms.push(BASE64_URL_SAFE_NO_PAD.encode(hash.as_ref()).into_bytes());
    forms.push(hex(plain));
    forms.push(hex(plain).to_ascii_uppercase());
    // The random bytes behind a prefix.
    let random = secret.rsplit('_').next().unwrap_or(secret);
    forms.extend(
        BASE64_URL_SAFE_NO_PAD
            .decode(random)
            .ok()
            .filter(|bytes| bytes.len() >= 16),
    );
    // Wherever it begins in what was encoded; its first and last characters depend on its neighbours.
    for shift in 0..3 {
        let shifted = [&[0; 3][..shift], plain].concat();
        let skipped = if shift == 0 { 0 } else { 4 };
        for encoded in [
            BASE64_STANDARD.encode(&shifted),
            BASE64_URL_SAFE_NO_PAD.encode(&shifted),
        ] {
            let encoded = encoded.trim_end_matches('=');
            forms.push(encoded.as_bytes()[skipped..encoded.len() - 1].to_vec());
        }
    }
    forms
}

/// Whether `secret` is in `content` in any form.
pub(crate) fn is_in(secret: &str, content: &[u8]) -> bool {
    forms(secret)
        .iter()
        .any(|form| memchr::memmem::find(content, form).is_some())
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect()
}

fn percent(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|byte| format!("%{byte:02X}").into_bytes())
        .collect()
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = "aip_rt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for form in forms(secret) {
        assert!(is_in(secret, &[b"before", form.as_slice(), b"after"].concat()));
    }
    assert!(is_in(secret, BASE64_STANDARD.encode(format!("x{secret}yz")).as_bytes()));
    assert!(!is_in(secret, b"aip_rt_ and something else"));
}
