//! Proof key for code exchange (RFC 7636): S256, for every client.

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

/// Whether this is the base64url of a SHA-256 digest, the only challenge that S256 can make.
pub(super) fn is_challenge(challenge: &str) -> bool {
    BASE64_URL_SAFE_NO_PAD
        .decode(challenge)
        .is_ok_and(|digest| digest.len() == digest::SHA256_OUTPUT_LEN)
}

/// Whether `verifier` is well-formed (section 4.1) and has this challenge (section 4.6).
pub(super) fn fits(verifier: &str, challenge: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(is_unreserved) {
        return false;
    }
    let digest = digest::digest(&digest::SHA256, verifier.as_bytes());
    let expected = BASE64_URL_SAFE_NO_PAD.encode(digest);
    expected.as_bytes().ct_eq(challenge.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn a_verifier_fits_its_own_challenge_alone() {
        assert!(fits(VERIFIER, CHALLENGE));
        assert!(!fits(CHALLENGE, CHALLENGE), "plain");
        assert!(!fits(&VERIFIER.to_lowercase(), CHALLENGE));
        assert!(!fits("", CHALLENGE));
        assert!(!fits(&format!("{VERIFIER} "), CHALLENGE));
    }

    #[test]
    fn threat_48_a_challenge_is_the_digest_it_says_it_is() {
        assert!(is_challenge(CHALLENGE));
        for wrong in [
            "",
            &CHALLENGE[1..],
            &format!("{CHALLENGE}A"),
            &format!("{CHALLENGE}="),
            &CHALLENGE.replace('-', "+"),
            &CHALLENGE.replace('M', "N"),
            &"a".repeat(128),
        ] {
            assert!(!is_challenge(wrong), "{wrong}");
        }
    }
}
