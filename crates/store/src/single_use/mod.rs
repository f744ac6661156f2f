//! What a use comes to of something that can be used once: an authorization code, a refresh token.
//!
//! One conditional write decides who was first. Its condition stands in SQL, where it is made
//! (`codes.rs`, `refresh_tokens.rs`), and here as a rule, so that every order of uses can be tried
//! with the decisions that are made (`tests.rs`); the conformance suite holds rule and SQL together
//! on both engines.

#[cfg(test)]
mod tests;

use aipassport_domain::time::Timestamp;

use crate::{CodeRecord, RefreshToken};

/// What one use comes to, once the conditional write has or has not found the thing unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    First,
    /// It was used before, so somebody has it who should not: all that came of it ends.
    Again,
    /// It can no longer be used, and nothing came of it.
    Over,
}

impl CodeRecord {
    /// A code that failed so often is burnt.
    pub const MOST_FAILURES: u32 = 3;

    pub fn is_burnt(&self) -> bool {
        self.failures >= Self::MOST_FAILURES
    }

    /// The condition of the write that redeems.
    pub fn can_be_redeemed(&self, now: Timestamp) -> bool {
        self.can_fail() && self.expires_at > now
    }

    /// The condition of the write that counts a redemption that failed a check.
    pub fn can_fail(&self) -> bool {
        self.redeemed_at.is_none() && !self.is_burnt()
    }

    /// What a redemption comes to, or one that failed a check, where `is_written` says whether its
    /// write found the code unused.
    pub(crate) fn used(&self, is_written: bool) -> Use {
        match (is_written, self.redeemed_at) {
            (true, _) => Use::First,
            (false, Some(_)) => Use::Again,
            (false, None) => Use::Over,
        }
    }
}

impl RefreshToken {
    /// The condition of the write that rotates, on a grant in force.
    pub fn can_be_rotated(&self) -> bool {
        self.rotated_at.is_none() && self.revoked_at.is_none()
    }

    /// What a rotation comes to, where `is_written` says whether its write found the token unused.
    pub(crate) fn used(&self, is_written: bool, now: Timestamp) -> Use {
        match is_written {
            true if self.expires_at > now => Use::First,
            true => Use::Over,
            false => Use::Again,
        }
    }
}
