//! How much dearer a model has become since a grant was approved.

use std::collections::BTreeMap;

use aipassport_domain::money::Rate;
use serde::{Deserialize, Serialize};

use super::{ImagePrice, PricedModel, Unit};

/// What a model cost when a grant was approved, to be kept with the grant: each rate, in nano-dollars
/// for a million, by its name in a price file.
///
/// The usual service only: what is sooner or later than usual is dearer or cheaper by its own choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RatesOnRecord(BTreeMap<String, Rate>);

/// A share in thousandths: 250 is a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerMille(pub u64);

impl PerMille {
    /// More than any share: what was free is not any more.
    pub const MAX: Self = Self(u64::MAX);
}

/// Stands alone in the record of a model that is free.
const FREE: &str = "free";

impl RatesOnRecord {
    pub fn of(model: &PricedModel) -> Self {
        if model.is_free() {
            return Self([(FREE.to_owned(), Rate::ZERO)].into());
        }
        let mut rates = BTreeMap::new();
        for (name, rate) in model.standard.shortest.named() {
            rates.insert(name.to_owned(), rate);
        }
        for long in &model.standard.longer {
            for (name, rate) in long.rates.named() {
                rates.insert(format!("{name} above {}", long.above_input_tokens), rate);
            }
        }
        for unit in Unit::ALL {
            if let Some(rate) = model.unit_price(unit) {
                rates.insert(unit.as_str().to_owned(), rate);
            }
        }
        for ImagePrice { size, quality, price } in &model.images {
            let million = price.nanos().saturating_mul(1_000_000);
            rates.insert(format!("image {size} {quality}"), Rate::from_nanos_per_million(million));
        }
        Self(rates)
    }

    /// The rates that both know and that are higher now.
    pub fn risen(&self, now: &PricedModel) -> Vec<RisenRate> {
        let now = Self::of(now);
        if self.0.contains_key(FREE) {
            let rates = now.0.into_iter().filter(|(name, _)| name != FREE);
            let from_nothing = |(name, now)| RisenRate {
                name,
                before: Rate::ZERO,
                now,
            };
            return rates.map(from_nothing).collect();
        }
        let both = self.0.iter().filter_map(|(name, before)| {
            let now = *now.0.get(name)?;
            (now > *before).then(|| RisenRate {
                name: name.clone(),
                before: *before,
                now,
            })
        });
        both.collect()
    }
}

/// By what share of what was `approved` the model is dearer now: the largest rise among the rates that
/// both know, rounded up. `None` if none has risen.
pub fn rise(approved: &RatesOnRecord, now: &PricedModel) -> Option<PerMille> {
    approved.risen(now).iter().map(RisenRate::share).max()
}

/// A rate, in nano-dollars for a million.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RisenRate {
    /// As in a price file; what holds above so many input tokens says so behind it.
    pub name: String,
    pub before: Rate,
    pub now: Rate,
}

impl RisenRate {
    fn share(&self) -> PerMille {
        let before = u128::from(self.before.nanos_per_million().unsigned_abs());
        let now = u128::from(self.now.nanos_per_million().unsigned_abs());
        let more = now.saturating_sub(before) * 1_000;
        if before == 0 {
            return PerMille::MAX;
        }
        PerMille(u64::try_from(more.div_ceil(before)).unwrap_or(u64::MAX))
    }
}
