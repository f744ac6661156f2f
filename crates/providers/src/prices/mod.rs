//! What models cost: a dated snapshot of public prices, and the arithmetic on it.
//!
//! Begin with [`PriceBook::embedded`]. The snapshot is `data/prices.json`, made by
//! `scripts/prices`; how it is written is in `file.rs`. A model that is not in it has no price,
//! and a call without a price is refused, never free.

mod file;
mod list;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aipassport_domain::{
    authorization_details::Capability,
    ids::ProviderId,
    money::{Money, Rate},
    usage::Usage,
};
use serde::Deserialize;

use self::file::{ModelOnFile, PriceFile};
pub use self::list::{PriceList, Rates};

const EMBEDDED: &str = include_str!("../../data/prices.json");
/// A test checks that it is the digest of [`EMBEDDED`].
const EMBEDDED_DIGEST: &str = include_str!("../../data/prices.json.sha256");

/// The prices of every model we can charge for, as of one day.
#[derive(Debug)]
pub struct PriceBook {
    digest: String,
    date: String,
    sources: Vec<Source>,
    providers: HashMap<ProviderId, Models>,
}

/// One provider's models, sorted by id, and where each stands.
#[derive(Debug)]
struct Models {
    sorted: Vec<PricedModel>,
    places: HashMap<String, usize>,
}

/// Where prices were taken from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: String,
    pub version: String,
    pub licence: String,
    /// The file of that version that was read, and its `sha256:…`.
    pub file: String,
    pub digest: String,
}

#[derive(Debug, thiserror::Error)]
pub enum PriceBookError {
    #[error("the price file cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the price file has format {0}, which this version does not know")]
    UnknownFormat(u32),
    #[error("in the price file, the model {model} {rule}")]
    Model { model: String, rule: &'static str },
}

impl PriceBookError {
    fn model(model: &str, rule: &'static str) -> Self {
        Self::Model {
            model: model.to_owned(),
            rule,
        }
    }
}

impl PriceBook {
    /// The snapshot this program was built with.
    pub fn embedded() -> Result<Self, PriceBookError> {
        Self::parse(EMBEDDED, EMBEDDED_DIGEST.trim_end())
    }

    /// Reads a price file. `digest` is the `sha256:…` of `text`, which the caller works out: this
    /// crate has no hash functions.
    pub fn parse(text: &str, digest: &str) -> Result<Self, PriceBookError> {
        let file = PriceFile::read(text)?;
        let mut providers = HashMap::new();
        for (provider, models) in file.providers {
            let models: Result<_, _> = models.into_iter().map(ModelOnFile::check).collect();
            providers.insert(provider, Models::of(models?)?);
        }
        Ok(Self {
            digest: digest.to_owned(),
            date: file.date,
            sources: file.sources,
            providers,
        })
    }

    /// `sha256:…` of the file, recorded with every charge made from it.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The day the snapshot was made, as `2026-11-22`.
    pub fn date(&self) -> &str {
        &self.date
    }

    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The model with exactly this id. Names that merely look alike have no price.
    pub fn model(&self, provider: &ProviderId, id: &str) -> Option<&PricedModel> {
        let models = self.providers.get(provider)?;
        models.sorted.get(*models.places.get(id)?)
    }

    /// Every model of `provider`, sorted by id.
    pub fn models(&self, provider: &ProviderId) -> impl Iterator<Item = &PricedModel> {
        self.providers
            .get(provider)
            .into_iter()
            .flat_map(|models| &models.sorted)
    }
}

impl Models {
    fn of(mut sorted: Vec<PricedModel>) -> Result<Self, PriceBookError> {
        sorted.sort_by(|one, other| one.id.cmp(&other.id));
        let mut places = HashMap::with_capacity(sorted.len());
        for (place, model) in sorted.iter().enumerate() {
            if places.insert(model.id.clone(), place).is_some() {
                return Err(PriceBookError::model(&model.id, "stands twice"));
            }
        }
        Ok(Self { sorted, places })
    }
}

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
    standard: PriceList,
    service_tiers: BTreeMap<ServiceTier, PriceList>,
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
/// A class ends below this cost of the sample: 200 questions to the dollar, then 67.
const CLASS_ONE_ENDS: Money = Money::from_nanos(5_000_000);
const CLASS_TWO_ENDS: Money = Money::from_nanos(15_000_000);

impl PricedModel {
    /// What `usage` costs at the standard service.
    pub fn cost(&self, usage: &Usage) -> Money {
        self.standard.cost(usage)
    }

    /// The most that `input_tokens` can cost, whatever part of them is cached, and the highest
    /// rate of output beside them.
    pub fn ceiling(&self, input_tokens: u64) -> (Money, Rate) {
        self.standard.ceiling(input_tokens)
    }

    /// The prices at a service other than the standard one, if they are known.
    pub fn service_tier(&self, tier: ServiceTier) -> Option<&PriceList> {
        self.service_tiers.get(&tier)
    }

    /// The cost of a call of this size without a cache, for sentences such as "about 900 questions".
    pub fn sample_cost(&self, input_tokens: u64, output_tokens: u64) -> Money {
        self.cost(&Usage {
            input_tokens,
            output_tokens,
            ..Usage::default()
        })
    }

    pub fn class(&self) -> PriceClass {
        let cost = self.sample_cost(SAMPLE_INPUT_TOKENS, SAMPLE_OUTPUT_TOKENS);
        if cost < CLASS_ONE_ENDS {
            PriceClass::One
        } else if cost < CLASS_TWO_ENDS {
            PriceClass::Two
        } else {
            PriceClass::Three
        }
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
