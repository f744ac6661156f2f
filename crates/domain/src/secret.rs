//! Secrets in memory: they print nothing, are not serialisable, and are wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A password, a provider credential or an opaque token in clear.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself. Each use is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The last four characters, to tell credentials apart; nothing of a short one.
    pub fn last_four(&self) -> String {
        let characters: Vec<char> = self.0.chars().collect();
        match characters.len().checked_sub(4) {
            Some(start) if characters.len() >= 12 => characters.iter().skip(start).collect(),
            _ => String::new(),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(redacted)")
    }
}

/// The keyed hash (HMAC-SHA-256) of an opaque credential, the only form in which one is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretHash(pub Vec<u8>);

/// Sealed bytes: scheme, key id, nonce and ciphertext, bound to the row they belong to.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sealed({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `security.md` 157: a type that holds a secret does not show it.
    #[test]
    fn threat_157_a_secret_does_not_show_itself() {
        let secret = Secret::new("sk-canary-0123456789");

        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        assert_eq!(secret.last_four(), "6789");
        assert_eq!(Secret::new("short").last_four(), "");
    }
}
