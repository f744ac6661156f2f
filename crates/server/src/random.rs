//! Randomness: secrets, identifiers and nonces. Everything draws from [`Random`].

use std::sync::atomic::{AtomicU64, Ordering};

use aipassport_domain::{secret::Secret, time::Timestamp};
use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

pub trait Random: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);

    /// A new identifier (a version 7 UUID), so that what is newer sorts later.
    fn id(&self, now: Timestamp) -> String {
        let mut entropy = [0; 10];
        self.fill(&mut entropy);
        let millis = u64::try_from(now.millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &entropy)
            .into_uuid()
            .to_string()
    }

    /// A new opaque credential of 256 bits behind its `prefix`, like `aip_rt_`.
    fn secret(&self, prefix: &str) -> Secret {
        let mut entropy = [0; 32];
        self.fill(&mut entropy);
        Secret::new(format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(entropy)))
    }
}

/// The operating system's generator, through the cryptography library's own.
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::expect_used, reason = "without randomness there is no safe way to go on")]
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the system generator works");
    }
}

/// The same sequence every time, for tests.
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    pub fn from_seed(seed: u64) -> Self {
        Self(AtomicU64::new(seed << 32))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(digest::SHA256_OUTPUT_LEN) {
            let position = self.0.fetch_add(1, Ordering::SeqCst);
            let block = digest::digest(&digest::SHA256, &position.to_be_bytes());
            part.iter_mut()
                .zip(block.as_ref())
                .for_each(|(byte, drawn)| *byte = *drawn);
        }
    }
}
