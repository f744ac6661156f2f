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
}

/// By what share of what was `approved` the model is dearer now: the largest rise among the rates that
/// both know, rounded up. `None` if none has risen.
pub fn rise(approved: &RatesOnRecord, now: &PricedModel) -> Option<PerMille> {
    let now = RatesOnRecord::of(now);
    if approved.0.contains_key(FREE) && !now.0.contains_key(FREE) {
        return Some(PerMille::MAX);
    }
    let both = approved
        .0
        .iter()
        .filter_map(|(name, before)| Some((*before, *now.0.get(name)?)));
    both.filter_map(|(before, now)| risen(before, now)).max()
}

fn risen(before: Rate, now: Rate) -> Option<PerMille> {
    let before = before.nanos_per_million().unsigned_abs();
    let more = now.nanos_per_million().unsigned_abs().checked_sub(before)?;
    if more == 0 {
        return None;
    }
    let share = u128::from(more) * 1_000;
    let share = share.checked_div(u128::from(before)).map(|whole| {
        let is_cut = whole * u128::from(before) < share;
        u64::try_from(whole + u128::from(is_cut)).unwrap_or(u64::MAX)
    });
    Some(share.map_or(PerMille::MAX, PerMille))
}
