//! What a grant would admit: the models that it covers and that have a price, with what of each is
//! granted.

use std::collections::{BTreeMap, BTreeSet};

use aipassport_domain::{
    authorization_details::{AiAccess, Capability, ModelPattern},
    grant::Grant,
    ids::ProviderId,
    money::{Money, Rate},
};
use aipassport_providers::{
    adapter,
    prices::{PriceBook, PricedModel, Rates, Unit},
};
use serde::Serialize;

use crate::gateway::known_models::ModelsOfKeys;

/// A model with what may be done with it.
pub(super) struct Covered<'a> {
    pub(super) provider: ProviderId,
    pub(super) id: &'a str,
    /// Of another id where the user's own prices are for whatever a provider has.
    model: &'a PricedModel,
    pub(super) capabilities: BTreeSet<Capability>,
    /// The most it writes in one answer, by the provider's limit and the grant's.
    max_output_tokens: Option<u64>,
    /// Whether the provider lists it for the user's key; `None` where that is not known.
    is_listed: Option<bool>,
}

/// Every model that a call would be admitted for.
pub(super) fn by_grant<'a>(
    grant: &'a Grant,
    prices: &'a PriceBook,
    keys: &'a ModelsOfKeys,
) -> impl Iterator<Item = Covered<'a>> {
    let accesses = grant.authorization_details.iter();
    accesses.flat_map(|access| {
        let listed = keys.get(&access.provider);
        by_access(access, prices).map(move |covered| Covered {
            is_listed: listed.map(|listed| listed.contains(covered.id)),
            ..covered
        })
    })
}

/// The same at one provider: the models of the book, and those that the grant names and the user has
/// said a price for without naming them.
pub(super) fn by_access<'a>(access: &'a AiAccess, prices: &'a PriceBook) -> impl Iterator<Item = Covered<'a>> {
    let most = access.limits.output_tokens_per_request;
    let of_book = prices.models(&access.provider).map(|model| (model.id.as_str(), model));
    let named = access.models.iter().filter_map(|pattern| {
        let ModelPattern::Exact(id) = pattern else { return None };
        let model = prices.model(&access.provider, id)?;
        (model.id != *id).then_some((id.as_str(), model))
    });
    of_book.chain(named).filter_map(move |(id, model)| {
        let granted = model.capabilities.iter().copied();
        let capabilities: BTreeSet<Capability> = granted
            .filter(|capability| access.has_capability(*capability))
            .collect();
        let is_covered = access.covers_model(id) && !capabilities.is_empty();
        is_covered.then(|| Covered {
            provider: access.provider.clone(),
            id,
            model,
            capabilities,
            max_output_tokens: model.max_output_tokens.into_iter().chain(most).min(),
            is_listed: None,
        })
    })
}

/// Every model with a price.
pub(super) fn by_broker(prices: &PriceBook) -> impl Iterator<Item = Covered<'_>> {
    adapter::all().iter().flat_map(|adapter| {
        let provider = ProviderId::new(adapter.id());
        let models: Vec<&PricedModel> = prices.models(&provider).collect();
        models.into_iter().map(move |model| Covered {
            provider: provider.clone(),
            id: &model.id,
            model,
            capabilities: model.capabilities.clone(),
            max_output_tokens: model.max_output_tokens,
            is_listed: None,
        })
    })
}

impl Covered<'_> {
    /// Its name on `/v1`.
    pub(super) fn address(&self) -> String {
        format!("{}/{}", self.provider, self.id)
    }

    pub(super) fn shown(&self) -> ShownModel<'_> {
        ShownModel {
            provider: &self.provider,
            id: self.id,
            capabilities: &self.capabilities,
            context_tokens: self.model.context_tokens,
            max_output_tokens: self.max_output_tokens,
            retires: self.model.retires.as_deref(),
            listed_for_key: self.is_listed,
            prices: prices_of(self.model),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ShownModel<'a> {
    provider: &'a ProviderId,
    id: &'a str,
    capabilities: &'a BTreeSet<Capability>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    /// The day on which the provider stops serving it.
    #[serde(skip_serializing_if = "Option::is_none")]
    retires: Option<&'a str>,
    /// Whether the provider lists it for the user's key, once it has been asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_for_key: Option<bool>,
    prices: ShownPrices<'a>,
}

/// In decimal strings, exact; the lowest tier of each, for a short call.
#[derive(Serialize)]
pub(super) struct ShownPrices<'a> {
    currency: &'static str,
    /// Of a million tokens, by class.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    per_million_tokens: BTreeMap<&'static str, Money>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    per_image: Vec<ShownImage<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    per_million: BTreeMap<&'static str, Money>,
}

#[derive(Serialize)]
struct ShownImage<'a> {
    size: &'a str,
    quality: &'a str,
    price: Money,
}

pub(super) fn prices_of(model: &PricedModel) -> ShownPrices<'_> {
    let Rates {
        input,
        cached_input,
        cache_write_5m,
        cache_write_1h,
        audio_input,
        cached_audio_input,
        image_input,
        cached_image_input,
        output,
        audio_output,
        image_output,
    } = model.rates();
    let by_class = [
        ("input", input),
        ("cached_input", cached_input),
        ("cache_write_5m", cache_write_5m),
        ("cache_write_1h", cache_write_1h),
        ("audio_input", audio_input),
        ("cached_audio_input", cached_audio_input),
        ("image_input", image_input),
        ("cached_image_input", cached_image_input),
        ("output", output),
        ("audio_output", audio_output),
        ("image_output", image_output),
    ];
    ShownPrices {
        currency: "USD",
        per_million_tokens: by_class.into_iter().filter_map(known).collect(),
        per_image: model
            .image_prices()
            .iter()
            .map(|image| ShownImage {
                size: &image.size,
                quality: &image.quality,
                price: image.price,
            })
            .collect(),
        per_million: UNITS
            .into_iter()
            .filter_map(|(name, unit)| known((name, model.unit_price(unit))))
            .collect(),
    }
}

const UNITS: [(&str, Unit); 6] = [
    ("seconds", Unit::Second),
    ("characters", Unit::Character),
    ("pages", Unit::Page),
    ("annotated_pages", Unit::AnnotatedPage),
    ("searches", Unit::Search),
    ("images", Unit::Image),
];

fn known((name, rate): (&'static str, Option<Rate>)) -> Option<(&'static str, Money)> {
    rate.map(|rate| (name, Money::from_nanos(rate.nanos_per_million())))
}
