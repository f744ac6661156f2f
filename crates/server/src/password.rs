//! Passwords: argon2id, off the event loop, a bounded number at a time.

use std::sync::Arc;

use aipassport_domain::secret::Secret;
use argon2::{
    Argon2, Params,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::random::Random;

pub const SHORTEST: usize = 10;
pub const LONGEST: usize = 512;
/// One hash takes about 20 MiB and as many milliseconds; a flood of sign-ins waits in line
/// (`security.md` 183).
const AT_ONCE: usize = 2;

#[derive(Clone)]
pub struct Passwords {
    places: Arc<Semaphore>,
    /// Verified for a name that nobody has, so that it takes as long as one that somebody has.
    nobodys: Arc<str>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has 10 to 512 characters")]
    Length,
    #[error("passwords cannot be hashed right now")]
    Unavailable,
}

impl Passwords {
    pub fn new(random: &dyn Random) -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            nobodys: hash_of_nothing(random).into(),
        }
    }

    /// The PHC string to store.
    pub async fn hash(&self, password: Secret, random: Arc<dyn Random>) -> Result<String, PasswordError> {
        let _place = self.places.acquire().await.map_err(|_| PasswordError::Unavailable)?;
        let hashed = tokio::task::spawn_blocking(move || hash_now(&password, random.as_ref())).await;
        hashed.map_err(|_| PasswordError::Unavailable)?
    }

    /// Waits for a place at the front of the line.
    pub async fn place(&self) -> Result<Place<'_>, PasswordError> {
        let permit = self.places.acquire().await.map_err(|_| PasswordError::Unavailable)?;
        Ok(Place {
            passwords: self,
            _permit: permit,
        })
    }
}

/// Whoever holds one is next, and few are at once: what is looked up now still holds when the
/// password has been verified. Given back when dropped.
pub struct Place<'a> {
    passwords: &'a Passwords,
    _permit: SemaphorePermit<'a>,
}

impl Place<'_> {
    /// Whether `password` is the one that was stored; a user without one takes just as long.
    pub async fn verify(&self, password: Secret, stored: Option<&str>) -> Result<bool, PasswordError> {
        let is_somebodys = stored.is_some();
        let stored = stored.map_or_else(|| Arc::clone(&self.passwords.nobodys), Arc::from);
        let verified = tokio::task::spawn_blocking(move || verify_now(&password, &stored)).await;
        verified
            .map(|is_right| is_right && is_somebodys)
            .map_err(|_| PasswordError::Unavailable)
    }
}

fn hash_now(password: &Secret, random: &dyn Random) -> Result<String, PasswordError> {
    if !(SHORTEST..=LONGEST).contains(&password.expose().chars().count()) {
        return Err(PasswordError::Length);
    }
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let hash = Argon2::default().hash_password_with_salt(password.expose().as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|_| PasswordError::Unavailable)
}

/// A drawn hash instead of a worked-out one, which would cost every start 20 ms: no password is known
/// for it, and to verify one against it takes as long as against any other.
fn hash_of_nothing(random: &dyn Random) -> String {
    let (mut salt, mut hash) = ([0; 16], [0; 32]);
    random.fill(&mut salt);
    random.fill(&mut hash);
    let (salt, hash) = (BASE64_STANDARD_NO_PAD.encode(salt), BASE64_STANDARD_NO_PAD.encode(hash));
    let cost = Params::default();
    let (memory, passes, lanes) = (cost.m_cost(), cost.t_cost(), cost.p_cost());
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")
}

fn verify_now(password: &Secret, stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|stored| {
        Argon2::default()
            .verify_password(password.expose().as_bytes(), &stored)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[tokio::test]
    async fn only_the_password_that_was_stored_is_right() {
        let passwords = Passwords::new(&SystemRandom);
        let stored = passwords
            .hash(Secret::new("correct horse"), Arc::new(SystemRandom))
            .await
            .unwrap();

        assert!(stored.starts_with("$argon2id$"));
        let place = passwords.place().await.unwrap();
        for (password, stored, is_right) in [
            ("correct horse", Some(stored.as_str()), true),
            ("correct horsf", Some(stored.as_str()), false),
            ("correct horse", None, false),
        ] {
            assert_eq!(
                place.verify(Secret::new(password), stored).await,
                Ok(is_right),
                "{password}"
            );
        }
        assert_eq!(
            passwords.hash(Secret::new("short"), Arc::new(SystemRandom)).await,
            Err(PasswordError::Length)
        );
    }

    #[test]
    fn threat_81_the_hash_of_nobody_costs_as_much_as_that_of_somebody() {
        let nobodys = hash_of_nothing(&SystemRandom);
        let stored = hash_now(&Secret::new("correct horse"), &SystemRandom).unwrap();

        let (nobodys, stored) = (
            PasswordHash::new(&nobodys).unwrap(),
            PasswordHash::new(&stored).unwrap(),
        );

        assert_eq!(
            (nobodys.algorithm, nobodys.version, &nobodys.params),
            (stored.algorithm, stored.version, &stored.params)
        );
        let lengths = |of: &PasswordHash| (of.salt.as_ref().unwrap().len(), of.hash.as_ref().unwrap().len());
        assert_eq!(lengths(&nobodys), lengths(&stored));
    }
}
