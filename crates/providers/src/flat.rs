//! Calls that no output cap bounds: what they can use at most is known as a whole.
//!
//! Embeddings write nothing; an image has its size, and speech the length of its text. So the most
//! they can cost is one sum, and nothing is written into the request.

use aipassport_domain::{
    authorization_details::{Capability, Features},
    ids::ProviderId,
    money::{Money, Rate},
    policy::{Call, CallCost, CostCeiling, OutputCap},
    usage::Usage,
};

use crate::{
    adapter::{Operation, RouteKind, Unread},
    meter::{Derived, Metering},
    prices::{MostInput, Outputs, PricedModel},
    request::{NO_MODEL, ReadError, ReadRequest, Storing, UpstreamBody},
};

/// One such call, as it was read.
pub(crate) struct FlatCall {
    pub(crate) operation: Operation,
    pub(crate) model: Option<String>,
    pub(crate) features: Features,
    pub(crate) is_stream: bool,
    pub(crate) body: UpstreamBody,
}

/// What a call can use at most.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Most {
    pub(crate) input: MostInput,
    /// What is written, and what is priced by the piece.
    pub(crate) beside: Usage,
    /// What has a price that only the request's words tell: images, by size and quality.
    pub(crate) fees: Money,
    /// Where nothing bounds it, and why.
    pub(crate) unbounded: Option<&'static str>,
}

impl FlatCall {
    /// Works out what the call can cost. `most` and `derived` are asked for the model with its
    /// price; `derived` is what the call used if its answer does not say.
    pub(crate) fn into_request(
        self,
        request: &Unread<'_>,
        most: impl FnOnce(&PricedModel) -> Most,
        derived: impl FnOnce(&PricedModel) -> Option<Derived>,
    ) -> Result<ReadRequest, ReadError> {
        let model = self.model.filter(|model| !model.is_empty()).ok_or(NO_MODEL)?;
        let known = request.prices.model(request.provider, &model);
        let most = known.map(|known| (known, most(known)));
        let cost = most.map_or(CallCost::Unpriced, |(known, most)| most.cost(known));
        let metering = Metering {
            operation: self.operation,
            provider: request.provider.clone(),
            model: model.clone(),
            ceiling: match cost {
                CallCost::AtMost(ceiling) => Some(ceiling),
                _ => None,
            },
            input_tokens: most.map_or(0, |(_, most)| most.input.tokens),
            tier: None,
            shows_all_output: false,
            hides_usage: false,
            derived: known.and_then(derived),
            speech: None,
        };
        Ok(ReadRequest {
            call: Call {
                provider: ProviderId::clone(request.provider),
                model,
                capability: capability_of(&request.route.kind),
                features: self.features,
                cost,
            },
            is_stream: self.is_stream,
            body: self.body,
            metering,
            names: Vec::new(),
            storing: Storing::No,
        })
    }
}

impl Most {
    pub(crate) fn text(tokens: u64) -> Self {
        Self {
            input: MostInput::text(tokens),
            ..Self::default()
        }
    }

    fn cost(&self, model: &PricedModel) -> CallCost {
        let beside = || {
            let (input, _) = model.ceiling(self.input, Outputs::NONE)?;
            Some(
                input
                    .saturating_add(model.cost(&self.beside)?)
                    .saturating_add(self.fees),
            )
        };
        match (beside(), self.unbounded) {
            (None, _) => CallCost::Unpriced,
            (Some(_), Some(reason)) => CallCost::Unbounded(reason),
            (Some(fixed), None) => CallCost::AtMost(flat(fixed)),
        }
    }
}

/// A ceiling that no output cap changes.
pub(crate) fn flat(fixed: Money) -> CostCeiling {
    CostCeiling {
        fixed,
        output_rate: Rate::ZERO,
        output_cap: OutputCap::Asked(0),
        choices: 1,
    }
}

pub(crate) fn capability_of(kind: &RouteKind) -> Capability {
    match kind {
        RouteKind::Call(capability, _) => *capability,
        _ => Capability::Chat,
    }
}
