//! One model: what it is for, and what using it costs.

use std::collections::{BTreeMap, BTreeSet};

use aipassport_domain::{
    authorization_details::Capability,
    money::{CostSum, Money, Rate},
    usage::Usage,
};
use serde::Deserialize;

use super::{ImagePrice, MostInput, Outputs, PriceList, Rates, Unit, units::UnitPrices};

/// A model with a known price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedModel {
    /// The very value that is dispatched; dated snapshots and aliases are models of their own.
    pub id: String,
    pub capabilities: BTreeSet<Capability>,
    /// The most it can read; for most models, input and output together.
    pub context_tokens: Option<u64>,
    /// The most it writes in one answer, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// Whether it can write reasoning, which is billed as output and not always shown.
    pub may_reason: bool,
    /// The day on which the provider stops serving it, as `2027-02-16`, if one is announced.
    pub retires: Option<String>,
    /// Whatever is used of it costs nothing, because its owner says so.
    pub(super) is_free: bool,
    pub(super) standard: PriceList,
    pub(super) units: UnitPrices,
    pub(super) images: Vec<ImagePrice>,
    pub(super) service_tiers: BTreeMap<ServiceTier, PriceList>,
}

/// How urgently a provider serves a call, where that changes the price; named as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    Batch,
    Flex,
    Priority,
    /// `OpenAI`'s newer name for priority, and `Anthropic`'s `speed`.
    Fast,
    Ultrafast,
}

/// How dear a model is, for people to choose by: `$`, `$$`, `$$$`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PriceClass {
    One,
    Two,
    Three,
}

/// A question of a page and an answer of a screen.
const SAMPLE_INPUT_TOKENS: u64 = 1_000;
const SAMPLE_OUTPUT_TOKENS: u64 = 500;
/// The same answer, spoken or listened to.
const SAMPLE_AUDIO_TOKENS: u64 = 2_000;
const SAMPLE_SECONDS: u64 = 120;
const SAMPLE_CHARACTERS: u64 = 2_000;
/// A square image of middling quality.
const SAMPLE_IMAGE_TOKENS: u64 = 1_056;
/// A class ends below this cost of the sample: 200 questions to the dollar, then 67.
const CLASS_ONE_ENDS: Money = Money::from_nanos(5_000_000);
const CLASS_TWO_ENDS: Money = Money::from_nanos(15_000_000);

impl PricedModel {
    pub fn is_free(&self) -> bool {
        self.is_free
    }

    /// What `usage` costs at the standard service; `None` if any of it has no price, which is not
    /// a price of zero. Images that are priced by size have theirs in
    /// [`cost_of_images`](Self::cost_of_images).
    pub fn cost(&self, usage: &Usage) -> Option<Money> {
        self.cost_at(None, usage)
    }

    /// As [`cost`](Self::cost), at this service.
    pub fn cost_at(&self, tier: Option<ServiceTier>, usage: &Usage) -> Option<Money> {
        self.sum(tier, usage).map(CostSum::total)
    }

    /// What `usage` costs when each of its images is of this size and quality.
    pub fn cost_of_images(&self, usage: &Usage, size: &str, quality: &str) -> Option<Money> {
        let each = self.image_price(size, quality)?;
        let mut sum = self.sum(None, &Usage { images: 0, ..*usage })?;
        sum.add_part(usage.images, each, 1);
        Some(sum.total())
    }

    fn sum(&self, tier: Option<ServiceTier>, usage: &Usage) -> Option<CostSum> {
        if self.is_free {
            return Some(CostSum::default());
        }
        let list = match tier {
            None => &self.standard,
            Some(tier) => self.service_tiers.get(&tier)?,
        };
        let mut sum = list.sum(usage)?;
        self.units.add(usage, list.prices_images(), &mut sum)?;
        Some(sum)
    }

    /// The most that so much input can cost, whatever part of it is cached, and the highest rate
    /// of the outputs asked for; `None` if one of them has no price. What is priced by units is
    /// beside it: there the cost of the most is the most it can cost.
    pub fn ceiling(&self, input: MostInput, outputs: Outputs) -> Option<(Money, Rate)> {
        if self.is_free {
            return Some((Money::ZERO, Rate::ZERO));
        }
        self.standard.ceiling(input, outputs)
    }

    /// What a million of `unit` cost.
    pub fn unit_price(&self, unit: Unit) -> Option<Rate> {
        if self.is_free {
            return Some(Rate::ZERO);
        }
        self.units.rate(unit)
    }

    /// What one image of exactly this size and quality costs, where they decide it.
    pub fn image_price(&self, size: &str, quality: &str) -> Option<Money> {
        if self.is_free {
            return Some(Money::ZERO);
        }
        let is_asked = |image: &&ImagePrice| image.size == size && image.quality == quality;
        self.images.iter().find(is_asked).map(|image| image.price)
    }

    /// What one image can cost at most, where its size and quality decide it.
    pub fn image_price_most(&self) -> Option<Money> {
        self.images.iter().map(|image| image.price).max()
    }

    /// Every size and quality that has a price, where they decide it.
    pub fn image_prices(&self) -> &[ImagePrice] {
        &self.images
    }

    /// The rates for tokens of a short call.
    pub fn rates(&self) -> Rates {
        self.standard.rates(0)
    }

    /// The prices at a service other than the standard one, if they are known.
    pub fn service_tier(&self, tier: ServiceTier) -> Option<&PriceList> {
        self.service_tiers.get(&tier)
    }

    /// The cost of a call of this size without a cache, for sentences such as "about 900 questions".
    pub fn sample_cost(&self, input_tokens: u64, output_tokens: u64) -> Option<Money> {
        self.cost(&Usage {
            input_tokens,
            output_tokens,
            ..Usage::default()
        })
    }

    pub fn class(&self) -> PriceClass {
        match self.usual_cost() {
            cost if cost < CLASS_ONE_ENDS => PriceClass::One,
            cost if cost < CLASS_TWO_ENDS => PriceClass::Two,
            _ => PriceClass::Three,
        }
    }

    /// A question and its answer, and one of whatever else the model is priced by.
    fn usual_cost(&self) -> Money {
        let Rates {
            input,
            output,
            audio_output,
            image_output,
            ..
        } = self.rates();
        let mut sum = CostSum::default();
        for (count, rate) in [
            (SAMPLE_INPUT_TOKENS, input),
            (SAMPLE_OUTPUT_TOKENS, output),
            (SAMPLE_AUDIO_TOKENS, audio_output),
            (SAMPLE_IMAGE_TOKENS, image_output),
            (SAMPLE_SECONDS, self.unit_price(Unit::Second)),
            (SAMPLE_CHARACTERS, self.unit_price(Unit::Character)),
            (1, self.unit_price(Unit::Page)),
        ] {
            sum.add(count, rate.unwrap_or_default());
        }
        sum.add_money(self.image_price_most().unwrap_or_default());
        sum.total()
    }
}

impl PriceClass {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "$",
            Self::Two => "$$",
            Self::Three => "$$$",
        }
    }
}
