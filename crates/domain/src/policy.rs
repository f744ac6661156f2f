//! May this call be made? The only place that decides, and the only place that makes a [`Permit`].

use crate::{
    authorization_details::{Capability, Features},
    grant::Grant,
    ids::{CallId, ClientId, GrantId, ProviderId, TenantId, UserId},
    ledger::LimitReached,
    money::{Money, Rate},
    time::Timestamp,
};

/// One request to a provider, as policy sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub provider: ProviderId,
    /// The very value that is dispatched.
    pub model: String,
    pub capability: Capability,
    /// What the call makes use of.
    pub features: Features,
    pub cost: CallCost,
}

/// The most a call can cost, before the grant's own cap on output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallCost {
    /// Free at the provider, like counting tokens.
    Free,
    /// No price is known: refused, for unknown is never zero.
    Unpriced,
    /// Nothing limits the cost, for this reason: refused, once the features have been checked.
    Unbounded(&'static str),
    AtMost(CostCeiling),
}

/// Fixed part plus output: the input ceiling at its highest rate, and each output token at its.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostCeiling {
    pub fixed: Money,
    pub output_rate: Rate,
    pub output_cap: OutputCap,
    /// How many answers are asked for at once (`n`), each up to the cap.
    pub choices: u64,
}

impl CostCeiling {
    /// Whether nothing it allows for costs anything.
    pub fn is_free(&self) -> bool {
        self.fixed == Money::ZERO && self.output_rate == Rate::ZERO
    }
}

/// The most output tokens of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputCap {
    /// The client's own.
    Asked(u64),
    /// The client gave none: the largest that fits, up to the model's maximum.
    LargestUpTo(u64),
}

impl OutputCap {
    /// Nothing has to limit output that costs nothing: no cap is written into such a call.
    pub const UNLIMITED: u64 = u64::MAX;

    #[must_use]
    pub fn at_most(self, most: u64) -> Self {
        match self {
            Self::Asked(cap) => Self::Asked(cap.min(most)),
            Self::LargestUpTo(cap) => Self::LargestUpTo(cap.min(most)),
        }
    }
}

/// Leave to make one call, at most so costly. Nothing else makes one, so nothing is reserved
/// without having been authorized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    call_id: CallId,
    tenant_id: TenantId,
    user_id: UserId,
    client_id: ClientId,
    grant_id: GrantId,
    grant_version: i64,
    provider: ProviderId,
    model: String,
    capability: Capability,
    ceiling: CostCeiling,
}

impl Permit {
    pub fn call_id(&self) -> &CallId {
        &self.call_id
    }
    pub fn tenant_id(&self) -> &TenantId {
        &self.tenant_id
    }
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }
    pub fn grant_id(&self) -> &GrantId {
        &self.grant_id
    }
    /// The version of the grant that was decided on; the ledger refuses an older one as stale.
    pub fn grant_version(&self) -> i64 {
        self.grant_version
    }
    pub fn provider(&self) -> &ProviderId {
        &self.provider
    }
    pub fn model(&self) -> &str {
        &self.model
    }
    pub fn capability(&self) -> Capability {
        self.capability
    }
    pub fn ceiling(&self) -> &CostCeiling {
        &self.ceiling
    }
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    #[error("the grant has been revoked")]
    GrantRevoked,
    #[error("the user has paused this app")]
    GrantPaused,
    #[error("a model that this app may use has become much dearer; the user has to allow the new price")]
    PriceRisen,
    #[error("the grant has expired")]
    GrantExpired,
    #[error("the grant is not valid yet")]
    GrantNotYetValid,
    #[error("the grant does not cover the provider {0}")]
    ProviderNotGranted(ProviderId),
    #[error("the grant does not cover the model {0}")]
    ModelNotGranted(String),
    #[error("the grant does not cover {}", .0.as_str())]
    CapabilityNotGranted(Capability),
    #[error("the grant does not cover the feature {0}")]
    FeatureNotGranted(&'static str),
    #[error("the price of the model {0} is not known, so no budget can hold it")]
    PriceUnknown(String),
    #[error("nothing limits what this call can cost: {0}")]
    CostUnbounded(&'static str),
    #[error("{0}")]
    Limit(LimitReached),
}

impl Denial {
    /// The word for the `rule` member of a refusal.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::GrantRevoked => "grant_revoked",
            Self::GrantPaused => "grant_paused",
            Self::PriceRisen => "price_rise",
            Self::GrantExpired => "grant_expired",
            Self::GrantNotYetValid => "grant_not_yet_valid",
            Self::ProviderNotGranted(_) => "provider",
            Self::ModelNotGranted(_) => "model",
            Self::CapabilityNotGranted(_) => "capability",
            Self::FeatureNotGranted(_) => "feature",
            Self::PriceUnknown(_) => "price_unknown",
            Self::CostUnbounded(_) => "cost_unbounded",
            Self::Limit(limit) => limit.rule.as_str(),
        }
    }
}

/// Decides whether `grant` covers `call` at `now`.
///
/// Pure, so any decision in the audit log can be replayed.
pub fn authorize(grant: &Grant, call: &Call, call_id: CallId, now: Timestamp) -> Result<Permit, Denial> {
    grant.check_active(now)?;

    let access = grant
        .access_to(&call.provider)
        .ok_or_else(|| Denial::ProviderNotGranted(call.provider.clone()))?;

    if access.validity.not_before.is_some_and(|start| now < start) {
        return Err(Denial::GrantNotYetValid);
    }
    if access.validity.expires_at.is_some_and(|end| now >= end) {
        return Err(Denial::GrantExpired);
    }

    if !access.has_capability(call.capability) {
        return Err(Denial::CapabilityNotGranted(call.capability));
    }

    if !access.covers_model(&call.model) {
        return Err(Denial::ModelNotGranted(call.model.clone()));
    }

    if let Some(feature) = call.features.first_beyond(access.features) {
        return Err(Denial::FeatureNotGranted(feature));
    }

    let mut ceiling = match call.cost {
        CallCost::Free => CostCeiling {
            fixed: Money::ZERO,
            output_rate: Rate::ZERO,
            output_cap: OutputCap::Asked(0),
            choices: 1,
        },
        CallCost::Unpriced => return Err(Denial::PriceUnknown(call.model.clone())),
        CallCost::Unbounded(reason) => return Err(Denial::CostUnbounded(reason)),
        CallCost::AtMost(ceiling) => ceiling,
    };
    if let Some(most) = access.limits.output_tokens_per_request {
        ceiling.output_cap = ceiling.output_cap.at_most(most);
    }

    Ok(Permit {
        call_id,
        tenant_id: grant.tenant_id.clone(),
        user_id: grant.user_id.clone(),
        client_id: grant.client_id.clone(),
        grant_id: grant.id.clone(),
        grant_version: grant.version,
        provider: call.provider.clone(),
        model: call.model.clone(),
        capability: call.capability,
        ceiling,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::PauseReason, fixtures, grant::GrantState};

    fn decide(grant: &Grant, call: &Call) -> Result<Permit, Denial> {
        authorize(grant, call, CallId::new("call"), fixtures::NOW)
    }

    #[test]
    fn a_call_within_its_grant_is_permitted_on_the_version_it_was_decided_on() {
        let permit = decide(&fixtures::grant(), &fixtures::call()).unwrap();

        assert_eq!(permit.grant_version(), fixtures::grant().version);
        assert_eq!(permit.model(), fixtures::MODEL);
    }

    #[test]
    fn a_grant_that_is_over_permits_nothing() {
        let ended = |state| {
            decide(
                &Grant {
                    state,
                    ..fixtures::grant()
                },
                &fixtures::call(),
            )
            .unwrap_err()
        };

        assert_eq!(ended(GrantState::Revoked { at: fixtures::NOW }), Denial::GrantRevoked);
        let paused = |reason| GrantState::Paused {
            at: fixtures::NOW,
            reason,
        };
        assert_eq!(ended(paused(PauseReason::ByUser)), Denial::GrantPaused);
        assert_eq!(ended(paused(PauseReason::PriceRise)), Denial::PriceRisen);
        let expired = Grant {
            expires_at: fixtures::NOW,
            ..fixtures::grant()
        };
        assert_eq!(decide(&expired, &fixtures::call()), Err(Denial::GrantExpired));
    }

    #[test]
    fn what_the_grant_does_not_name_is_refused() {
        let refusal = |change: fn(&mut Call)| {
            let mut call = fixtures::call();
            change(&mut call);
            decide(&fixtures::grant(), &call).unwrap_err().rule()
        };

        assert_eq!(refusal(|call| call.provider = ProviderId::new("anthropic")), "provider");
        assert_eq!(refusal(|call| call.model.push('x')), "model");
        assert_eq!(refusal(|call| call.capability = Capability::Images), "capability");
        assert_eq!(refusal(|call| call.features.web_search = true), "feature");
        assert_eq!(refusal(|call| call.cost = CallCost::Unpriced), "price_unknown");
    }

    #[test]
    fn the_grants_own_cap_on_output_holds() {
        let mut grant = fixtures::grant();
        grant.authorization_details[0].limits.output_tokens_per_request = Some(10);

        let permit = decide(&grant, &fixtures::call()).unwrap();

        assert_eq!(permit.ceiling().output_cap, fixtures::CEILING.output_cap.at_most(10));
    }
}
