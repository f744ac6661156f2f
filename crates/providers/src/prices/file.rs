//! The price file as it is written: strict, so that a rate nobody reads cannot hide in it.

use std::collections::{BTreeMap, BTreeSet};

use aipassport_domain::{
    authorization_details::Capability,
    ids::ProviderId,
    money::{Money, Rate},
};
use serde::{Deserialize, Deserializer};

use super::{PriceBookError, PriceList, PricedModel, Rates, ServiceTier, Source, list::LongInput};

/// The only format there is; another number is a file from another version of this program.
const FORMAT: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceFile {
    format: u32,
    pub(super) date: String,
    pub(super) sources: Vec<Source>,
    pub(super) providers: BTreeMap<ProviderId, Vec<ModelOnFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelOnFile {
    id: String,
    capabilities: BTreeSet<Capability>,
    context_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    #[serde(default)]
    may_reason: bool,
    prices: Vec<TierOnFile>,
    #[serde(default)]
    service_tiers: BTreeMap<ServiceTier, Vec<TierOnFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierOnFile {
    #[serde(default)]
    above_input_tokens: u64,
    #[serde(deserialize_with = "rate")]
    input: Rate,
    #[serde(default, deserialize_with = "some_rate")]
    cached_input: Option<Rate>,
    #[serde(default, deserialize_with = "some_rate")]
    cache_write_5m: Option<Rate>,
    #[serde(default, deserialize_with = "some_rate")]
    cache_write_1h: Option<Rate>,
    /// Missing where a model writes nothing, as embeddings do.
    #[serde(default, deserialize_with = "some_rate")]
    output: Option<Rate>,
}

impl PriceFile {
    pub(super) fn read(text: &str) -> Result<Self, PriceBookError> {
        let file: Self = serde_json::from_str(text)?;
        if file.format == FORMAT {
            Ok(file)
        } else {
            Err(PriceBookError::UnknownFormat(file.format))
        }
    }
}

impl ModelOnFile {
    pub(super) fn check(self) -> Result<PricedModel, PriceBookError> {
        let writes = self.capabilities != BTreeSet::from([Capability::Embeddings]);
        let list = |tiers: &[TierOnFile]| {
            PriceList::check(tiers, writes).map_err(|rule| PriceBookError::model(&self.id, rule))
        };

        let standard = list(&self.prices)?;
        let service_tiers = self
            .service_tiers
            .into_iter()
            .map(|(tier, prices)| Ok((tier, list(&prices)?)))
            .collect::<Result<_, PriceBookError>>()?;
        Ok(PricedModel {
            id: self.id,
            capabilities: self.capabilities,
            context_tokens: self.context_tokens,
            max_output_tokens: self.max_output_tokens,
            may_reason: self.may_reason,
            standard,
            service_tiers,
        })
    }
}

impl PriceList {
    fn check(tiers: &[TierOnFile], writes: bool) -> Result<Self, &'static str> {
        let Some((first, others)) = tiers.split_first() else {
            return Err("has no price");
        };
        if first.above_input_tokens != 0 {
            return Err("has no price for short input");
        }

        let mut longer: Vec<LongInput> = Vec::with_capacity(others.len());
        let mut above = 0;
        for tier in others {
            if tier.above_input_tokens <= above {
                return Err("has prices that are not in the order of their input's length");
            }
            above = tier.above_input_tokens;
            longer.push(LongInput {
                above_input_tokens: above,
                rates: tier.rates(writes)?,
            });
        }
        Ok(Self {
            shortest: first.rates(writes)?,
            longer,
        })
    }
}

impl TierOnFile {
    /// The rates, each missing one replaced by one that is never too low.
    fn rates(&self, writes: bool) -> Result<Rates, &'static str> {
        let output = match self.output {
            Some(output) => output,
            None if !writes => Rate::ZERO,
            None => return Err("has no output price"),
        };
        // Where a provider bills writing to its cache it says both; where it says neither, what is
        // written is ordinary input. Half an answer would leave the dearer half to a guess.
        let (short_write, long_write) = match (self.cache_write_5m, self.cache_write_1h) {
            (Some(short), Some(long)) => (short, long),
            (None, None) => (self.input, self.input),
            _ => return Err("has a price for one kind of cache write and none for the other"),
        };
        Ok(Rates {
            input: self.input,
            cached_input: self.cached_input.unwrap_or(self.input),
            cache_write_5m: short_write,
            cache_write_1h: long_write,
            output,
        })
    }
}

/// Reads dollars per million. Zero is refused: what is free is not in a price file, and what
/// stands at zero in a source is a price that nobody filled in.
fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
    let per_million = Money::deserialize(deserializer)?;
    if per_million == Money::ZERO {
        return Err(serde::de::Error::custom("a price is never zero"));
    }
    Ok(Rate::from_nanos_per_million(per_million.nanos()))
}

fn some_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
    rate(deserializer).map(Some)
}
