//! Which accounts apply to a call besides that of its grant, and what their rows are called.
//!
//! The row of a grant's account says at which levels above it there are accounts, and is locked
//! before those are looked for. So who has no such limits pays nothing for them, and a limit that is
//! new is met by the next call.

use std::fmt;

use aipassport_domain::{
    ids::{ClientId, GrantId, ProviderId, TenantId, UserId},
    ledger::Level,
};

/// Whose limits they are, above those of single grants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitsOf {
    /// Every grant of this user to this client.
    App { user_id: UserId, client_id: ClientId },
    /// Every app of this user.
    User(UserId),
    /// Every user of the tenant.
    Tenant,
}

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccountOf {
    /// Of one grant at one provider.
    Grant(GrantId, ProviderId),
    Above(LimitsOf),
}

/// Names an account above a grant's. Adapters lock these after those of grants, in one order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AboveKey {
    pub(crate) tenant_id: TenantId,
    pub(crate) of: LimitsOf,
}

/// A set of levels above a grant, as the column `levels` of its accounts holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Levels(i64);

impl LimitsOf {
    pub fn level(&self) -> Level {
        match self {
            Self::App { .. } => Level::App,
            Self::User(_) => Level::User,
            Self::Tenant => Level::Tenant,
        }
    }

    /// The app, where they are one's.
    pub fn client_id(&self) -> Option<&ClientId> {
        match self {
            Self::App { client_id, .. } => Some(client_id),
            Self::User(_) | Self::Tenant => None,
        }
    }

    /// All there can be above a grant of `user_id` to `client_id`.
    pub(crate) fn above(user_id: &UserId, client_id: &ClientId) -> [Self; 3] {
        let app = Self::App {
            user_id: user_id.clone(),
            client_id: client_id.clone(),
        };
        [app, Self::User(user_id.clone()), Self::Tenant]
    }

    /// The column `subject`: with `level` it tells whose account it is.
    pub(crate) fn subject(&self) -> String {
        match self {
            // As JSON, for nobody knows what is in the id of a client.
            Self::App { user_id, client_id } => serde_json::json!([user_id, client_id]).to_string(),
            Self::User(user_id) => user_id.as_str().to_owned(),
            Self::Tenant => String::new(),
        }
    }

    pub(crate) fn parse(level: &str, subject: &str) -> Option<Self> {
        match Level::parse(level)? {
            Level::Grant => None,
            Level::App => {
                let (user_id, client_id) = serde_json::from_str(subject).ok()?;
                Some(Self::App { user_id, client_id })
            }
            Level::User => Some(Self::User(UserId::new(subject))),
            Level::Tenant => Some(Self::Tenant),
        }
    }
}

impl AccountOf {
    pub(crate) fn parse(level: &str, subject: String, provider: String) -> Option<Self> {
        if level == Level::Grant.as_str() {
            return Some(Self::Grant(GrantId::new(subject), ProviderId::new(provider)));
        }
        LimitsOf::parse(level, &subject).map(Self::Above)
    }
}

impl fmt::Display for AccountOf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant(grant_id, provider) => write!(out, "grant {grant_id}, {provider}"),
            Self::Above(LimitsOf::App { user_id, client_id }) => write!(out, "app {client_id} of user {user_id}"),
            Self::Above(LimitsOf::User(user_id)) => write!(out, "user {user_id}"),
            Self::Above(LimitsOf::Tenant) => out.write_str("all of its users"),
        }
    }
}

impl Levels {
    pub(crate) const NONE: Self = Self(0);
    /// For an account that cannot be asked.
    pub(crate) const ALL: Self = Self(7);

    pub(crate) fn of(level: Level) -> Self {
        match level {
            Level::Grant => Self::NONE,
            Level::App => Self(1),
            Level::User => Self(2),
            Level::Tenant => Self(4),
        }
    }

    pub(crate) fn from_column(levels: i64) -> Self {
        Self(levels)
    }

    pub(crate) fn column(self) -> i64 {
        self.0
    }

    #[must_use]
    pub(crate) fn with(self, level: Level) -> Self {
        Self(self.0 | Self::of(level).0)
    }

    pub(crate) fn contains(self, level: Level) -> bool {
        self.0 & Self::of(level).0 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_the_name_it_was_given() {
        let odd = r#"https://app.example/","x"#;
        for of in LimitsOf::above(&UserId::new("a user"), &ClientId::new(odd)) {
            assert_eq!(LimitsOf::parse(of.level().as_str(), &of.subject()), Some(of));
        }
        assert_eq!(LimitsOf::parse("grant", "one"), None);
    }
}
