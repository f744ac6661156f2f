//! The structured "what" of a request and of a grant: `authorization_details` of type `ai_access`
//! (RFC 9396), how it is read, and how it narrows.
//!
//! [`AiAccess::is_narrower`] is a partial order and [`AiAccess::meet`] its greatest lower bound;
//! whatever a wide one admits and its narrow one would not is refused, never the other way round.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    ids::ProviderId,
    limits::{Limits, lower},
    time::Timestamp,
};

/// The `type` of every object this product reads and writes.
pub const TYPE: &str = "ai_access";

/// Access to one provider, as asked for or as granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "ai_access")]
pub struct AiAccess {
    pub provider: ProviderId,
    #[serde(skip_serializing_if = "Choice::is_open", serialize_with = "Choice::write")]
    pub models: Choice<ModelPattern>,
    #[serde(skip_serializing_if = "Choice::is_open", serialize_with = "Choice::write")]
    pub capabilities: Choice<Capability>,
    pub features: Features,
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    #[serde(skip_serializing_if = "is_default")]
    pub validity: Validity,
    pub sender_constraint: SenderConstraint,
    pub delegation: Delegation,
    /// Whether models that a prefix will match in future are included; the user says so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_future: bool,
    /// The client's own words. They grant nothing, so they take no part in the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

/// A set to choose from, or the choice left to the user (missing or empty on the wire).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<T> {
    /// The user picks. Never so in a grant.
    Open,
    Only(BTreeSet<T>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum ModelPattern {
    Exact(String),
    Prefix { prefix: String },
}

/// A fixed list of method and path templates of each provider; nothing else is proxied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    Chat,
    Embeddings,
    Images,
    Audio,
    Code,
}

impl Capability {
    pub const ALL: [Self; 5] = [Self::Chat, Self::Embeddings, Self::Images, Self::Audio, Self::Code];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::Images => "images",
            Self::Audio => "audio",
            Self::Code => "code",
        }
    }
}

/// What a call may make use of. True may become false, never back.
#[expect(
    clippy::struct_excessive_bools,
    reason = "six independent switches, named as on the wire"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    pub streaming: bool,
    /// Functions that the client itself runs.
    pub tools: bool,
    /// Tools that the provider runs, other than the two below.
    pub server_tools: bool,
    pub web_search: bool,
    pub code_execution: bool,
    /// Objects kept at the provider: stored responses, files, threads.
    pub stored_state: bool,
}

impl Default for Features {
    /// What a plain chat needs; everything that runs or stays at the provider is off.
    fn default() -> Self {
        Self {
            streaming: true,
            tools: true,
            ..Self::NONE
        }
    }
}

impl Features {
    pub const NONE: Self = Self {
        streaming: false,
        tools: false,
        server_tools: false,
        web_search: false,
        code_execution: false,
        stored_state: false,
    };

    /// Name and value of each, as on the wire.
    pub fn named(self) -> [(&'static str, bool); 6] {
        [
            ("streaming", self.streaming),
            ("tools", self.tools),
            ("server_tools", self.server_tools),
            ("web_search", self.web_search),
            ("code_execution", self.code_execution),
            ("stored_state", self.stored_state),
        ]
    }

    /// The first feature that is on here and off in `wide`.
    pub fn first_beyond(self, wide: Self) -> Option<&'static str> {
        self.named()
            .into_iter()
            .zip(wide.named())
            .find_map(|((name, mine), (_, theirs))| (mine && !theirs).then_some(name))
    }

    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        Self {
            streaming: self.streaming && other.streaming,
            tools: self.tools && other.tools,
            server_tools: self.server_tools && other.server_tools,
            web_search: self.web_search && other.web_search,
            code_execution: self.code_execution && other.code_execution,
            stored_state: self.stored_state && other.stored_state,
        }
    }
}

/// When a grant may be used. Every member that is present holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Validity {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Counted from consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

impl Validity {
    fn narrower(self, wide: Self) -> bool {
        wide.not_before
            .is_none_or(|earliest| self.not_before.is_some_and(|mine| mine >= earliest))
            && wide
                .expires_at
                .is_none_or(|latest| self.expires_at.is_some_and(|mine| mine <= latest))
            && wide
                .seconds
                .is_none_or(|most| self.seconds.is_some_and(|mine| mine <= most))
    }

    fn meet(self, other: Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            expires_at: lower(self.expires_at, other.expires_at),
            seconds: lower(self.seconds, other.seconds),
        }
    }

    /// The end of a grant consented to at `now`, if this says one.
    pub fn end(self, now: Timestamp) -> Option<Timestamp> {
        let counted = self
            .seconds
            .map(|seconds| now.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX)));
        lower(self.expires_at, counted)
    }
}

/// How strongly an access token is bound to the client's key. The two strong ways do not compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SenderConstraint {
    #[default]
    None,
    Dpop,
    Mtls,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delegation {
    pub allowed: bool,
    pub max_depth: u32,
}

impl AiAccess {
    /// Access to a provider with everything else left to the user and to the defaults.
    pub fn open(provider: ProviderId) -> Self {
        Self {
            provider,
            models: Choice::Open,
            capabilities: Choice::Open,
            features: Features::default(),
            limits: Limits::default(),
            validity: Validity::default(),
            sender_constraint: SenderConstraint::None,
            delegation: Delegation::default(),
            allow_future: false,
            purpose: None,
        }
    }

    /// Whether everything this admits, `wide` admits too.
    pub fn is_narrower(&self, wide: &Self) -> bool {
        self.provider == wide.provider
            && narrower_models(&self.models, &wide.models)
            && self.capabilities.is_subset(&wide.capabilities)
            && self.features.first_beyond(wide.features).is_none()
            && self.limits.narrower(&wide.limits)
            && self.validity.narrower(wide.validity)
            && (wide.sender_constraint == SenderConstraint::None || self.sender_constraint == wide.sender_constraint)
            && (wide.delegation.allowed || !self.delegation.allowed)
            && self.delegation.max_depth <= wide.delegation.max_depth
            && (wide.allow_future || !self.allow_future)
    }

    /// The widest access that is narrower than both; `None` where they have nothing in common.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Option<Self> {
        if self.provider != other.provider {
            return None;
        }
        let sender_constraint = match (self.sender_constraint, other.sender_constraint) {
            (SenderConstraint::None, one) | (one, SenderConstraint::None) => one,
            (one, other) if one == other => one,
            _ => return None,
        };
        let allowed = self.delegation.allowed && other.delegation.allowed;
        Some(Self {
            provider: self.provider.clone(),
            models: meet_models(&self.models, &other.models)?,
            capabilities: self.capabilities.meet(&other.capabilities)?,
            features: self.features.meet(other.features),
            limits: self.limits.meet(&other.limits),
            validity: self.validity.meet(other.validity),
            sender_constraint,
            delegation: Delegation {
                allowed,
                max_depth: if allowed {
                    self.delegation.max_depth.min(other.delegation.max_depth)
                } else {
                    0
                },
            },
            allow_future: self.allow_future && other.allow_future,
            purpose: self.purpose.clone().or_else(|| other.purpose.clone()),
        })
    }

    /// Whether `model` is covered, to the byte.
    pub fn covers_model(&self, model: &str) -> bool {
        match &self.models {
            Choice::Open => false,
            Choice::Only(patterns) => patterns.iter().any(|pattern| pattern.matches(model)),
        }
    }

    pub fn has_capability(&self, capability: Capability) -> bool {
        matches!(&self.capabilities, Choice::Only(capabilities) if capabilities.contains(&capability))
    }
}

impl ModelPattern {
    pub fn matches(&self, model: &str) -> bool {
        match self {
            Self::Exact(id) => id == model,
            Self::Prefix { prefix } => model.starts_with(prefix.as_str()),
        }
    }

    /// Whether everything `narrow` matches, this matches too.
    fn covers(&self, narrow: &Self) -> bool {
        match narrow {
            Self::Exact(id) => self.matches(id),
            Self::Prefix { prefix } => {
                matches!(self, Self::Prefix { prefix: wide } if prefix.starts_with(wide.as_str()))
            }
        }
    }
}

impl<T: Ord + Clone> Choice<T> {
    pub fn of(items: impl IntoIterator<Item = T>) -> Self {
        let items: BTreeSet<T> = items.into_iter().collect();
        if items.is_empty() {
            Self::Open
        } else {
            Self::Only(items)
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        match self {
            Self::Open => None,
            Self::Only(items) => Some(items),
        }
        .into_iter()
        .flatten()
    }

    fn is_subset(&self, wide: &Self) -> bool {
        match (self, wide) {
            (_, Self::Open) => true,
            (Self::Open, Self::Only(_)) => false,
            (Self::Only(narrow), Self::Only(wide)) => narrow.is_subset(wide),
        }
    }

    fn meet(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Open, one) | (one, Self::Open) => Some(one.clone()),
            (Self::Only(one), Self::Only(other)) => {
                let both: BTreeSet<T> = one.intersection(other).cloned().collect();
                (!both.is_empty()).then_some(Self::Only(both))
            }
        }
    }

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
    {
        serializer.collect_seq(self.iter())
    }
}

fn narrower_models(narrow: &Choice<ModelPattern>, wide: &Choice<ModelPattern>) -> bool {
    match (narrow, wide) {
        (_, Choice::Open) => true,
        (Choice::Open, Choice::Only(_)) => false,
        (Choice::Only(narrow), Choice::Only(wide)) => narrow
            .iter()
            .all(|pattern| wide.iter().any(|wide| wide.covers(pattern))),
    }
}

fn meet_models(one: &Choice<ModelPattern>, other: &Choice<ModelPattern>) -> Option<Choice<ModelPattern>> {
    let (one, other) = match (one, other) {
        (Choice::Open, models) | (models, Choice::Open) => return Some(models.clone()),
        (Choice::Only(one), Choice::Only(other)) => (one, other),
    };
    // Two patterns overlap only where one covers the other; the covered one is their meet.
    let mut both = BTreeSet::new();
    for mine in one {
        for theirs in other {
            if mine.covers(theirs) {
                both.insert(theirs.clone());
            } else if theirs.covers(mine) {
                both.insert(mine.clone());
            }
        }
    }
    (!both.is_empty()).then(|| Choice::Only(without_covered(&both)))
}

/// The canonical form: no pattern that another one covers.
fn without_covered(patterns: &BTreeSet<ModelPattern>) -> BTreeSet<ModelPattern> {
    patterns
        .iter()
        .filter(|pattern| !patterns.iter().any(|other| other != *pattern && other.covers(pattern)))
        .cloned()
        .collect()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

mod wire;

pub use wire::{InvalidAuthorizationDetails, parse, to_json};

#[cfg(test)]
mod tests;
