//! The structured "what" of a request and of a grant: `authorization_details` of type `ai_access`
//! (RFC 9396), how it is read, and how it narrows.
//!
//! [`AiAccess::is_narrower`] is a partial order and [`AiAccess::meet`] its greatest lower bound;
//! whatever a wide one admits and its narrow one would not is refused, never the other way round.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    ids::ProviderId,
    limits::{BudgetOnWire, Limits, OneOrMany, RateOnWire, RequestsOnWire, lower},
    money::Money,
    time::Timestamp,
};

/// The `type` of every object this product reads and writes.
pub const TYPE: &str = "ai_access";

const MOST_OBJECTS: usize = 16;
const MOST_MODELS: usize = 200;
const LONGEST_MODEL: usize = 200;
const LONGEST_PURPOSE: usize = 280;
const MOST_WINDOWS: usize = 8;

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

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAuthorizationDetails(pub String);

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

    fn check(&self) -> Result<(), InvalidAuthorizationDetails> {
        let (text, shortest) = match self {
            Self::Exact(id) => (id, 1),
            Self::Prefix { prefix } => (prefix, 2),
        };
        // What is outside this alphabet is no model id of any provider, but may look like one.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/@+".contains(&byte);
        if text.len() < shortest || text.len() > LONGEST_MODEL || !text.bytes().all(is_plain) {
            return Err(InvalidAuthorizationDetails(
                "a model is its exact id or {\"prefix\": …} of at least two characters: letters, digits and -._:/@+"
                    .to_owned(),
            ));
        }
        Ok(())
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

// Reading. The wire types refuse unknown members, duplicate ones and wrong types.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AiAccessOnWire {
    r#type: String,
    provider: ProviderId,
    #[serde(default)]
    models: Vec<ModelPattern>,
    #[serde(default)]
    capabilities: Vec<Capability>,
    #[serde(default)]
    features: Features,
    #[serde(default)]
    limits: LimitsOnWire,
    #[serde(default)]
    validity: Validity,
    #[serde(default)]
    sender_constraint: SenderConstraint,
    #[serde(default)]
    delegation: Delegation,
    #[serde(default)]
    allow_future: bool,
    #[serde(default)]
    purpose: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsOnWire {
    requests: Option<OneOrMany<RequestsOnWire>>,
    budget: Option<OneOrMany<BudgetOnWire>>,
    rate: Vec<RateOnWire>,
    concurrency: Option<u32>,
    output_tokens_per_request: Option<u64>,
}

/// Reads the `authorization_details` parameter: a JSON array of one object for each provider.
pub fn parse(json: &str) -> Result<Vec<AiAccess>, InvalidAuthorizationDetails> {
    let on_wire: Vec<AiAccessOnWire> = serde_json::from_str(json)
        .map_err(|error| InvalidAuthorizationDetails(format!("authorization_details: {error}")))?;
    if on_wire.is_empty() || on_wire.len() > MOST_OBJECTS {
        return Err(InvalidAuthorizationDetails(format!(
            "authorization_details has 1 to {MOST_OBJECTS} objects"
        )));
    }
    let details: Vec<AiAccess> = on_wire.into_iter().map(AiAccess::try_from).collect::<Result<_, _>>()?;
    let providers: BTreeSet<&ProviderId> = details.iter().map(|access| &access.provider).collect();
    if providers.len() < details.len() {
        return Err(InvalidAuthorizationDetails(
            "authorization_details has one object for each provider".to_owned(),
        ));
    }
    Ok(details)
}

/// The canonical JSON of `details`; [`parse`] reads it back to the same value.
pub fn to_json(details: &[AiAccess]) -> String {
    serde_json::to_string(details).unwrap_or_else(|_| "[]".to_owned())
}

impl TryFrom<AiAccessOnWire> for AiAccess {
    type Error = InvalidAuthorizationDetails;

    fn try_from(wire: AiAccessOnWire) -> Result<Self, InvalidAuthorizationDetails> {
        let invalid = |text: &str| Err(InvalidAuthorizationDetails(text.to_owned()));
        if wire.r#type != TYPE {
            return invalid("the only type is ai_access");
        }
        let provider = wire.provider.as_str();
        if provider.is_empty()
            || provider.len() > 64
            || !provider
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
        {
            return invalid("provider is a registry id: lower-case letters, digits, - and _");
        }
        if wire.models.len() > MOST_MODELS {
            return invalid("too many models");
        }
        wire.models.iter().try_for_each(ModelPattern::check)?;
        if wire
            .purpose
            .as_ref()
            .is_some_and(|purpose| purpose.chars().count() > LONGEST_PURPOSE)
        {
            return invalid("purpose is at most 280 characters");
        }
        if !wire.delegation.allowed && wire.delegation.max_depth > 0 {
            return invalid("delegation.max_depth needs delegation.allowed");
        }
        let Validity {
            not_before,
            expires_at,
            seconds,
        } = wire.validity;
        if let (Some(start), Some(end)) = (not_before, expires_at)
            && start >= end
        {
            return invalid("validity ends before it begins");
        }
        if seconds == Some(0) {
            return invalid("validity.seconds is at least 1");
        }
        Ok(Self {
            provider: wire.provider,
            models: if wire.models.is_empty() {
                Choice::Open
            } else {
                Choice::Only(without_covered(&wire.models.into_iter().collect()))
            },
            capabilities: Choice::of(wire.capabilities),
            features: wire.features,
            limits: Limits::try_from(wire.limits)?,
            validity: wire.validity,
            sender_constraint: wire.sender_constraint,
            delegation: wire.delegation,
            allow_future: wire.allow_future,
            purpose: wire.purpose.filter(|purpose| !purpose.is_empty()),
        })
    }
}

impl TryFrom<LimitsOnWire> for Limits {
    type Error = InvalidAuthorizationDetails;

    fn try_from(wire: LimitsOnWire) -> Result<Self, InvalidAuthorizationDetails> {
        let mut limits = Self {
            concurrency: wire.concurrency,
            output_tokens_per_request: wire.output_tokens_per_request,
            ..Self::default()
        };
        let twice = || InvalidAuthorizationDetails("a limit has at most eight windows, each different".to_owned());

        for cap in wire.requests.map(OneOrMany::into_vec).unwrap_or_default() {
            limits
                .requests
                .insert(cap.per, cap.max)
                .map_or(Ok(()), |_| Err(twice()))?;
        }
        for budget in wire.budget.map(OneOrMany::into_vec).unwrap_or_default() {
            if budget.currency != "USD" || budget.amount < Money::ZERO {
                return Err(InvalidAuthorizationDetails("a budget is in USD".to_owned()));
            }
            limits
                .budget
                .insert(budget.per, budget.amount)
                .map_or(Ok(()), |_| Err(twice()))?;
        }
        for rate in wire.rate {
            if rate.per.fixed_seconds().is_none_or(|seconds| seconds > 86_400) || rate.requests == 0 {
                return Err(InvalidAuthorizationDetails(
                    "a rate is at least one request per PT…: seconds, minutes or hours, a day at most".to_owned(),
                ));
            }
            limits
                .rate
                .insert(rate.per, rate.requests)
                .map_or(Ok(()), |_| Err(twice()))?;
        }
        if limits.requests.len() > MOST_WINDOWS
            || limits.budget.len() > MOST_WINDOWS
            || limits.rate.len() > MOST_WINDOWS
        {
            return Err(twice());
        }
        if limits.concurrency == Some(0) || limits.output_tokens_per_request == Some(0) {
            return Err(InvalidAuthorizationDetails(
                "concurrency and output_tokens_per_request are at least 1".to_owned(),
            ));
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests;
