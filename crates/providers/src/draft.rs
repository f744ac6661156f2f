//! A request while it is being read: what is found member by member, until it is whole.

use std::ops::Range;

use aipassport_domain::{
    authorization_details::{Capability, Features},
    ids::ProviderId,
    money::{Money, Rate},
    policy::{Call, CallCost, CostCeiling, OutputCap},
    usage::Usage,
};

use crate::{
    adapter::{Operation, Unread},
    ceiling::{Asked, Input, ceiling},
    flat::capability_of,
    json::Reader,
    meter::Metering,
    prices::{Outputs, PriceBook, PricedModel, ServiceTier},
    request::{NO_MODEL, ObjectKind, ReadError, ReadRequest, StoredObject, Storing, UpstreamBody},
};

pub(crate) struct Draft {
    provider: ProviderId,
    pub(crate) capability: Capability,
    pub(crate) operation: Operation,
    pub(crate) body: UpstreamBody,
    body_bytes: u64,
    /// Where the object opens.
    brace: usize,
    pub(crate) model: Option<String>,
    pub(crate) is_stream: bool,
    pub(crate) features: Features,
    pub(crate) input: Input,
    pub(crate) choices: u64,
    caps: Vec<Cap>,
    /// What the provider's API takes for the output cap where the client gives none.
    pub(crate) usual_cap: Option<u64>,
    /// Where a cap goes that the client did not give, if not before the members of the whole.
    pub(crate) new_cap: Option<NewCap>,
    /// What it can be answered with.
    pub(crate) outputs: Outputs,
    /// Why nothing bounds the cost.
    pub(crate) unbounded: Option<&'static str>,
    pub(crate) tier: Option<ServiceTier>,
    pub(crate) rounds: u64,
    pub(crate) fees: Money,
    /// The most of what is priced by the piece, beside the tokens.
    pub(crate) most_units: Usage,
    pub(crate) hidden_tokens: u64,
    /// Output that may be billed beside what the output cap allows.
    pub(crate) uncapped_tokens: u64,
    pub(crate) least_context: u64,
    pub(crate) reasoning: Reasoning,
    /// The provider may write for a while before it shows what it has written.
    pub(crate) holds_output_back: bool,
    pub(crate) hides_usage: bool,
    names: Vec<StoredObject>,
    pub(crate) storing: Storing,
}

/// What the client says of reasoning, of which the answer shows little or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reasoning {
    Unsaid,
    Off,
    On,
}

/// One of the members that limit output.
struct Cap {
    member: &'static str,
    range: Range<usize>,
    /// `None` where it is null.
    asked: Option<u64>,
}

/// Where in the body an output cap goes, and what stands around it.
pub(crate) struct NewCap {
    pub(crate) range: Range<usize>,
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

/// What differs between providers in how a draft becomes a request.
pub(crate) struct Shape {
    /// The member to write the output cap into where the client gave none.
    pub(crate) cap_member: &'static str,
    /// Whether the provider may pass over a cap in any other member.
    pub(crate) heeds_no_other_cap: bool,
    pub(crate) tokens_per_image: u64,
    pub(crate) has_regional_surcharge: bool,
}

impl Draft {
    /// Begins to read `request`, whose body `reader` is at the beginning of.
    pub(crate) fn new(request: &Unread<'_>, operation: Operation, reader: &mut Reader<'_>) -> Self {
        reader.peek();
        Self {
            provider: request.provider.clone(),
            capability: capability_of(&request.route.kind),
            operation,
            body_bytes: request.body.len() as u64,
            body: UpstreamBody::new(request.body.clone()),
            brace: reader.position(),
            model: request.route.model.clone(),
            is_stream: false,
            features: Features::NONE,
            input: Input::default(),
            choices: 1,
            caps: Vec::new(),
            usual_cap: None,
            new_cap: None,
            outputs: Outputs::TEXT,
            unbounded: None,
            tier: None,
            rounds: 1,
            fees: Money::ZERO,
            most_units: Usage::default(),
            hidden_tokens: 0,
            uncapped_tokens: 0,
            least_context: 0,
            reasoning: Reasoning::Unsaid,
            holds_output_back: false,
            hides_usage: false,
            names: Vec::new(),
            storing: Storing::No,
        }
    }

    pub(crate) fn read_model(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        self.model = reader.text_or_null("model")?.map(std::borrow::Cow::into_owned);
        Ok(())
    }

    pub(crate) fn read_stream(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        self.is_stream = reader.boolean_or_null("stream")?.unwrap_or(false);
        self.features.streaming = self.is_stream;
        Ok(())
    }

    pub(crate) fn read_cap(&mut self, reader: &mut Reader<'_>, member: &'static str) -> Result<(), ReadError> {
        reader.peek();
        let start = reader.position();
        let asked = reader.count_or_null(member)?;
        let range = start..reader.position();
        self.caps.push(Cap { member, range, asked });
        Ok(())
    }

    /// A cap that was read elsewhere; `None` where it is none.
    pub(crate) fn add_cap(&mut self, member: &'static str, range: Range<usize>, asked: Option<u64>) {
        self.caps.push(Cap { member, range, asked });
    }

    /// Where a member that is not there would be put in.
    pub(crate) fn first_place(&self) -> usize {
        self.brace + 1
    }

    /// Reads how much to reason; `off` is the word for not at all.
    pub(crate) fn read_reasoning(
        &mut self,
        reader: &mut Reader<'_>,
        member: &'static str,
        off: &str,
    ) -> Result<(), ReadError> {
        self.reasoning = match reader.text_or_null(member)? {
            None => Reasoning::Unsaid,
            Some(word) if word == off => Reasoning::Off,
            Some(_) => Reasoning::On,
        };
        Ok(())
    }

    /// Puts a member in front of the client's own.
    pub(crate) fn insert(&mut self, name_and_value: &'static str) {
        self.body.insert_member(self.brace, name_and_value);
    }

    /// The request names something that is kept at the provider.
    pub(crate) fn name(&mut self, kind: ObjectKind, id: impl Into<String>) {
        self.features.stored_state = true;
        let id = id.into();
        self.names.push(StoredObject { kind, id });
    }

    /// Puts a member in front of the client's own that tells the provider to keep nothing.
    pub(crate) fn insert_not_stored(&mut self, name_and_value: &'static str) {
        let place = self.brace + 1;
        self.storing = Storing::Unsaid;
        self.body.put_not_stored(place..place, name_and_value);
    }

    /// What it names. What makes use of stored state and keeps nothing names something, and what it
    /// does not name by a kind that has owners is nobody's.
    fn take_names(&mut self) -> Vec<StoredObject> {
        let keeps = matches!(self.storing, Storing::Asked(_));
        if self.features.stored_state && !keeps && self.names.is_empty() {
            self.name(ObjectKind::Foreign, "");
        }
        std::mem::take(&mut self.names)
    }

    /// The first reason stays.
    pub(crate) fn nothing_bounds_it(&mut self, reason: &'static str) {
        self.unbounded.get_or_insert(reason);
    }

    /// A call that costs nothing and makes nothing: the body goes upstream as it is.
    pub(crate) fn into_free(mut self) -> Result<ReadRequest, ReadError> {
        let names = self.take_names();
        let stored_state = self.features.stored_state;
        let model = self.model.filter(|model| !model.is_empty()).ok_or(NO_MODEL)?;
        let provider = self.provider;
        Ok(ReadRequest {
            call: Call {
                provider: provider.clone(),
                model: model.clone(),
                capability: self.capability,
                features: Features {
                    stored_state,
                    ..Features::NONE
                },
                cost: CallCost::Free,
            },
            is_stream: false,
            body: self.body,
            metering: Metering::of_free_call(self.operation, provider, model),
            names,
            storing: self.storing,
        })
    }

    pub(crate) fn into_call(mut self, shape: &Shape, prices: &PriceBook) -> Result<ReadRequest, ReadError> {
        let output_cap = self.place_cap(shape);
        let model = self.model.take().filter(|model| !model.is_empty()).ok_or(NO_MODEL)?;
        let known = prices.model(&self.provider, &model);
        if let (Some(tier), Some(known)) = (self.tier, known)
            && known.service_tier(tier).is_none()
        {
            return Err(ReadError::NotSupported {
                member: "service_tier",
                reason: "its price for this model is not known",
            });
        }

        let asked = self.asked(shape, output_cap);
        let (cost, input_tokens) = ceiling(&asked, known);
        let shows_all_output = self.is_stream
            && !self.holds_output_back
            && (self.reasoning == Reasoning::Off || known.is_some_and(|model| !model.may_reason));
        Ok(self.into_request(model, cost, input_tokens, shows_all_output))
    }

    /// A call after which the provider writes nothing: no output cap goes upstream. `most` is the
    /// most that it can cost at a model's prices, as far as they are known.
    pub(crate) fn into_reading(
        mut self,
        prices: &PriceBook,
        most: impl FnOnce(&PricedModel) -> Option<Money>,
    ) -> Result<ReadRequest, ReadError> {
        let model = self.model.take().filter(|model| !model.is_empty()).ok_or(NO_MODEL)?;
        let cost = match prices.model(&self.provider, &model).and_then(most) {
            Some(most) => CallCost::AtMost(CostCeiling {
                fixed: most,
                output_rate: Rate::ZERO,
                output_cap: OutputCap::Asked(0),
                choices: 1,
            }),
            None => CallCost::Unpriced,
        };
        Ok(self.into_request(model, cost, 0, false))
    }

    fn into_request(mut self, model: String, cost: CallCost, input_tokens: u64, shows_all_output: bool) -> ReadRequest {
        let cost = match (cost, self.unbounded) {
            // What is free needs no bound.
            (CallCost::AtMost(ceiling), Some(reason)) if !ceiling.is_free() => CallCost::Unbounded(reason),
            (cost, _) => cost,
        };
        let metering = Metering {
            operation: self.operation,
            model: model.clone(),
            provider: self.provider.clone(),
            ceiling: match cost {
                CallCost::AtMost(ceiling) => Some(ceiling),
                _ => None,
            },
            input_tokens,
            tier: self.tier,
            shows_all_output,
            hides_usage: self.hides_usage,
            derived: None,
            speech: None,
        };
        ReadRequest {
            names: self.take_names(),
            storing: self.storing,
            call: Call {
                provider: self.provider,
                model,
                capability: self.capability,
                features: self.features,
                cost,
            },
            is_stream: self.is_stream,
            body: self.body,
            metering,
        }
    }

    fn asked(&self, shape: &Shape, output_cap: Option<u64>) -> Asked {
        Asked {
            body_bytes: self.body_bytes,
            input: self.input,
            hidden_tokens: self.hidden_tokens,
            uncapped_tokens: self.uncapped_tokens,
            tokens_per_image: shape.tokens_per_image,
            least_context: self.least_context,
            output_cap,
            outputs: self.outputs,
            choices: self.choices,
            tier: self.tier,
            rounds: self.rounds,
            fees: self.fees,
            most_units: self.most_units,
            has_regional_surcharge: shape.has_regional_surcharge,
        }
    }

    /// Says where the output cap goes, and returns the client's own.
    fn place_cap(&mut self, shape: &Shape) -> Option<u64> {
        let preferred = shape.cap_member;
        let asked = self.caps.iter().filter_map(|cap| cap.asked).max();
        let must_be_there = asked.is_none() || shape.heeds_no_other_cap;
        let mut is_there = false;
        for cap in std::mem::take(&mut self.caps) {
            let is_heeded = cap.member == preferred;
            if cap.asked.is_some() || (must_be_there && is_heeded) {
                self.body.lower_cap(cap.range, cap.asked);
                is_there |= is_heeded;
            }
        }
        if must_be_there && !is_there {
            match self.new_cap.take() {
                Some(NewCap { range, before, after }) => self.body.put_cap(range, before, after),
                None => self.body.insert_cap(self.brace, preferred),
            }
        }
        asked.or(self.usual_cap)
    }
}
