//! The most a call can cost, worked out before it is sent.
//!
//! Security invariant: no answer costs more. If one did, a call would be charged less than the
//! provider bills, and a client could spend past its budget. Where nothing bounds the cost, it is
//! [`CallCost::Unbounded`], never a guess.

use aipassport_domain::{
    money::{CostSum, Money, Rate},
    policy::{CallCost, CostCeiling, OutputCap},
    usage::Usage,
};

use crate::prices::{MostInput, Outputs, PricedModel, ServiceTier};

/// What was found in the content of a request that decides how many input tokens it can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) images: u64,
    /// Bytes of images in the body: an image is counted by its size in pixels, not as text.
    pub(crate) image_bytes: u64,
    /// Of sounds in the body, at most.
    pub(crate) audio_tokens: u64,
    /// Bytes of sounds in the body.
    pub(crate) audio_bytes: u64,
    /// Something whose size the body does not tell: a document, a file, a stored conversation.
    pub(crate) has_unsized: bool,
    /// Some of it may be sound, which can have a price of its own.
    pub(crate) has_sound: bool,
}

impl Input {
    pub(crate) fn add(&mut self, other: Self) {
        self.images += other.images;
        self.image_bytes += other.image_bytes;
        self.audio_tokens += other.audio_tokens;
        self.audio_bytes += other.audio_bytes;
        self.has_unsized |= other.has_unsized;
        self.has_sound |= other.has_sound;
    }
}

/// What a request asks for, as far as it decides the cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) body_bytes: u64,
    pub(crate) input: Input,
    /// The most that the provider puts before the client's own input.
    pub(crate) hidden_tokens: u64,
    /// Output that may be billed beside what the output cap allows.
    pub(crate) uncapped_tokens: u64,
    pub(crate) tokens_per_image: u64,
    /// A context that the request itself opts into, where it is larger than the model's usual one.
    pub(crate) least_context: u64,
    pub(crate) output_cap: Option<u64>,
    pub(crate) outputs: Outputs,
    pub(crate) choices: u64,
    pub(crate) tier: Option<ServiceTier>,
    /// How often the provider's own tools may run the model again on all it has read.
    pub(crate) rounds: u64,
    /// What those tools cost beside the tokens.
    pub(crate) fees: Money,
    pub(crate) most_units: Usage,
    /// Whether the provider may add a tenth for the region it runs in.
    pub(crate) has_regional_surcharge: bool,
}

/// The ceiling of `asked` at `model`, and how many input tokens it allows for.
pub(crate) fn ceiling(asked: &Asked, model: Option<&PricedModel>) -> (CallCost, u64) {
    let Some(model) = model else {
        return (CallCost::Unpriced, 0);
    };
    let Some(input_tokens) = input_ceiling(asked, model) else {
        return (CallCost::Unbounded("the size of its input is not known"), 0);
    };
    let most_output = model.max_output_tokens.or(model.context_tokens);
    let output_cap = match (asked.output_cap, most_output) {
        (Some(cap), _) => OutputCap::Asked(cap),
        (None, Some(most)) => OutputCap::LargestUpTo(most),
        (None, None) if model.is_free() => OutputCap::LargestUpTo(OutputCap::UNLIMITED),
        (None, None) => return (CallCost::Unbounded("it sets no limit on output tokens"), input_tokens),
    };

    let Some((mut input_cost, mut output_rate)) = prices(asked, model, input_tokens) else {
        return (CallCost::Unpriced, input_tokens);
    };
    if asked.has_regional_surcharge {
        input_cost = with_surcharge(input_cost);
        output_rate = Rate::from_nanos_per_million(with_tenth(output_rate.nanos_per_million()));
    }
    let choices = asked.choices.saturating_mul(asked.rounds.max(1));
    let mut uncapped = CostSum::default();
    uncapped.add(asked.uncapped_tokens.saturating_mul(choices), output_rate);
    let cost = CostCeiling {
        fixed: input_cost.saturating_add(asked.fees).saturating_add(uncapped.total()),
        output_rate,
        output_cap,
        choices,
    };
    (CallCost::AtMost(cost), input_tokens)
}

/// The most that so much input can cost, and the highest rate of output, at whichever service it is.
fn prices(asked: &Asked, model: &PricedModel, input_tokens: u64) -> Option<(Money, Rate)> {
    let mut most = (Money::ZERO, Rate::ZERO);
    for input in kinds(asked, model, input_tokens) {
        raise(&mut most, model.ceiling(input, asked.outputs)?);
        if let Some(tier) = asked.tier {
            // The provider may serve the call at the standard tier after all.
            raise(&mut most, model.service_tier(tier)?.ceiling(input, asked.outputs)?);
        }
    }
    let units = model.cost(&asked.most_units)?;
    Some((most.0.saturating_add(units), most.1))
}

/// All of the input as each kind of it that has a price of its own: no mixture of them costs more
/// than the dearest alone.
fn kinds(asked: &Asked, model: &PricedModel, tokens: u64) -> impl Iterator<Item = MostInput> {
    let rates = model.rates();
    // Sounds whose length is known are beside it.
    let beside = asked.input.audio_tokens;
    let text = MostInput {
        audio_tokens: beside,
        ..MostInput::text(tokens)
    };
    let sound = MostInput {
        audio_tokens: tokens.saturating_add(beside),
        ..MostInput::default()
    };
    let images = MostInput {
        image_tokens: tokens,
        audio_tokens: beside,
        ..MostInput::default()
    };
    let can_be_sound = asked.input.has_sound && rates.audio_input.is_some();
    let has_images = asked.input.images > 0 || asked.input.has_unsized;
    let can_be_images = has_images && rates.image_input.is_some();
    std::iter::once(text)
        .chain(can_be_sound.then_some(sound))
        .chain(can_be_images.then_some(images))
}

fn raise(most: &mut (Money, Rate), (cost, rate): (Money, Rate)) {
    *most = (most.0.max(cost), most.1.max(rate));
}

/// A token is at least one byte of the text it stands for, and text is never longer than the JSON
/// it is written in. What is no text is counted apart.
fn input_ceiling(asked: &Asked, model: &PricedModel) -> Option<u64> {
    let Input {
        images,
        image_bytes,
        audio_bytes,
        has_unsized,
        ..
    } = asked.input;
    let counted = asked
        .body_bytes
        .saturating_sub(image_bytes)
        .saturating_sub(audio_bytes)
        .saturating_add(images.saturating_mul(asked.tokens_per_image))
        .saturating_add(asked.hidden_tokens);
    if model.is_free() || (!has_unsized && asked.rounds <= 1) {
        return Some(counted);
    }
    // What does not fit into the context is refused by the provider, unread and unbilled.
    let context = model.context_tokens?.max(asked.least_context).max(counted);
    Some(context.saturating_mul(asked.rounds.max(1)))
}

/// `cost` with the tenth that some regions add, rounded up.
pub(crate) fn with_surcharge(cost: Money) -> Money {
    Money::from_nanos(with_tenth(cost.nanos()))
}

fn with_tenth(nanos: i64) -> i64 {
    nanos.saturating_add(nanos.saturating_add(9) / 10)
}

/// What `count` uses at `each` cost.
pub(crate) fn fees(count: u64, each: Money) -> Money {
    let mut sum = CostSum::default();
    sum.add(
        count,
        Rate::from_nanos_per_million(each.nanos().saturating_mul(1_000_000)),
    );
    sum.total()
}
