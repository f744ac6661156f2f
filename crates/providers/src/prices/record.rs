//! What the models of a grant cost when it was approved, and which have become dearer since.

use std::collections::BTreeMap;

use aipassport_domain::{authorization_details::AiAccess, ids::ProviderId};
use serde::{Deserialize, Serialize};

use super::{PerMille, PriceBook, PricedModel, RatesOnRecord, RisenRate, rise};

/// The rates of every model of a grant, to be kept with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PricesOnRecord(BTreeMap<ProviderId, BTreeMap<String, RatesOnRecord>>);

/// A model that costs more than when it was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DearerModel {
    pub provider: ProviderId,
    pub model: String,
    /// Each rate that has risen.
    pub rates: Vec<RisenRate>,
}

impl PricesOnRecord {
    /// What everything that is granted costs in `prices`. A model without a price is left out: it
    /// cannot be called.
    pub fn of(granted: &[AiAccess], prices: &PriceBook) -> Self {
        let mut record = Self::default();
        record.add_missing(granted, prices);
        record
    }

    /// Puts what is granted and not on record there, at its price in `prices`. Whether there was any.
    pub fn add_missing(&mut self, granted: &[AiAccess], prices: &PriceBook) -> bool {
        let mut has_added = false;
        for access in granted {
            for model in granted_models(access, prices) {
                let of_provider = self.0.entry(access.provider.clone()).or_default();
                if !of_provider.contains_key(&model.id) {
                    of_provider.insert(model.id.clone(), RatesOnRecord::of(model));
                    has_added = true;
                }
            }
        }
        has_added
    }

    /// The models that are granted and by more than a share dearer than on record.
    pub fn dearer(&self, granted: &[AiAccess], prices: &PriceBook, beyond: PerMille) -> Vec<DearerModel> {
        let mut dearer = Vec::new();
        for access in granted {
            let Some(of_provider) = self.0.get(&access.provider) else {
                continue;
            };
            for model in granted_models(access, prices) {
                let Some(approved) = of_provider.get(&model.id) else {
                    continue;
                };
                if rise(approved, model) > Some(beyond) {
                    dearer.push(DearerModel {
                        provider: access.provider.clone(),
                        model: model.id.clone(),
                        rates: approved.risen(model),
                    });
                }
            }
        }
        dearer
    }
}

fn granted_models<'a>(access: &'a AiAccess, prices: &'a PriceBook) -> impl Iterator<Item = &'a PricedModel> {
    let models = prices.models(&access.provider);
    models.filter(|model| access.covers_model(&model.id))
}
