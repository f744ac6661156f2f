//! Reading and writing `authorization_details`: unknown members, duplicate ones and values of
//! another type are refused.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    AiAccess, Capability, Choice, Delegation, Features, ModelPattern, SenderConstraint, TYPE, Validity, without_covered,
};
use crate::{
    ids::ProviderId,
    limits::{BudgetOnWire, Limits, OneOrMany, RateOnWire, RequestsOnWire},
    money::Money,
};

const MOST_OBJECTS: usize = 16;
const MOST_MODELS: usize = 200;
const LONGEST_PURPOSE: usize = 280;
const MOST_WINDOWS: usize = 8;
const LONGEST_MODEL: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAuthorizationDetails(pub String);

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
    limits: Limits,
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

/// The member `limits`; on its own, the limits of an app or of a user.
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
        if !ProviderId::is_well_formed(wire.provider.as_str()) {
            return invalid("provider is a registry id (lower-case letters, digits, - and _) or custom/NAME");
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
            limits: wire.limits,
            validity: wire.validity,
            sender_constraint: wire.sender_constraint,
            delegation: wire.delegation,
            allow_future: wire.allow_future,
            purpose: wire.purpose.filter(|purpose| !purpose.is_empty()),
        })
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let on_wire = deserializer.deserialize_map(MembersOnly)?;
        Self::try_from(on_wire).map_err(D::Error::custom)
    }
}

/// An array would be read by position, so that an empty one would be no limits at all.
struct MembersOnly;

impl<'de> Visitor<'de> for MembersOnly {
    type Value = LimitsOnWire;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of limits")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<LimitsOnWire, A::Error> {
        LimitsOnWire::deserialize(MapAccessDeserializer::new(members))
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

impl ModelPattern {
    /// Checks that it can be a model's id, or the beginning of some.
    pub fn check(&self) -> Result<(), InvalidAuthorizationDetails> {
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
