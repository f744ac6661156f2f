//! The levels at which limits stand, one above the other.

use serde::{Deserialize, Serialize};

/// Whose limit it is. A call is admitted only if it fits into the account of every level that has
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// One grant, at one provider.
    #[default]
    Grant,
    /// Every grant of one user to one client.
    App,
    /// Every app of one user.
    User,
    /// Every user of one tenant.
    Tenant,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::Grant, Self::App, Self::User, Self::Tenant];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::App => "app",
            Self::User => "user",
            Self::Tenant => "tenant",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    /// Whether one app alone uses it. What is used at the levels above was used by others, too.
    ///
    /// Security invariant: an app is not told how much other apps of its user have used, or it could
    /// watch what they do.
    pub fn is_of_one_app(self) -> bool {
        matches!(self, Self::Grant | Self::App)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    pub(crate) fn is_grant(&self) -> bool {
        *self == Self::Grant
    }
}
