//! Signatures of messages (Standard Webhooks 1.0): HMAC-SHA-256 over id, time and body.

use aipassport_domain::secret::Secret;
use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use crate::random::Random;

const PREFIX: &str = "whsec_";
const KEY_LEN: usize = 32;

/// A new secret, as its receiver is told it.
pub fn new_secret(random: &dyn Random) -> Secret {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    random.fill(key.as_mut());
    Secret::new(format!("{PREFIX}{}", BASE64_STANDARD.encode(key.as_ref())))
}

/// `None` if the secret is not one of ours.
pub(super) fn sign(secret: &Secret, id: &str, seconds: i64, body: &str) -> Option<String> {
    let encoded = secret.expose().strip_prefix(PREFIX)?;
    let key = Zeroizing::new(BASE64_STANDARD.decode(encoded).ok()?);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
    Some(format!("v1,{}", BASE64_STANDARD.encode(tag.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn a_message_is_signed_as_others_verify_it() {
        // The example of the reference libraries.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");

        let signed = sign(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );

        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_new_each_time_and_signs() {
        let random = SeededRandom::from_seed(1);
        let (one, other) = (new_secret(&random), new_secret(&random));

        assert_ne!(one.expose(), other.expose());
        assert!(sign(&one, "1", 0, "{}").is_some());
        assert_ne!(sign(&one, "1", 0, "{}"), sign(&other, "1", 0, "{}"));
    }
}
