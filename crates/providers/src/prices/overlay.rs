//! What a user says of prices, laid over the snapshot: a price of one's own, a discount, or nothing at
//! all for what runs on one's own machine.
//!
//! What is said of one model stands alone; what is said of every model of a provider holds for those
//! of which nothing else is said, and for those that the snapshot does not know. What a user does
//! not speak of stays as the snapshot has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aipassport_domain::{
    authorization_details::Capability,
    ids::ProviderId,
    money::{Money, Rate},
    price_override::{OwnPrice, OwnRates, PriceOverride, PriceTerms},
};

use super::{PriceBook, PriceList, PricedModel, Rates, book::Models, units::UnitPrices};

/// A provider's models as one user has them.
#[derive(Debug)]
pub(super) struct OwnModels {
    /// Those of the snapshot, too.
    pub(super) models: Models,
    /// Of the models of which something is said.
    digests: HashMap<String, String>,
    /// Any model that is not among them.
    others: Option<(PricedModel, String)>,
}

impl OwnModels {
    pub(super) fn model(&self, id: &str) -> Option<&PricedModel> {
        self.models.model(id).or(self.others.as_ref().map(|(model, _)| model))
    }

    pub(super) fn digest(&self, id: &str) -> Option<&str> {
        if self.models.model(id).is_some() {
            return self.digests.get(id).map(String::as_str);
        }
        self.others.as_ref().map(|(_, digest)| digest.as_str())
    }
}

/// Whether the owner of a provider's machine can be its user, so that it may be called free.
pub fn may_be_free(provider: &ProviderId) -> bool {
    ["ollama", "vllm"].contains(&provider.as_str()) || provider.as_str().starts_with("custom/")
}

impl PriceBook {
    /// The book as a user has it who says all this.
    ///
    /// `digest` makes the `sha256:…` of a text: this crate has no hash functions. What a charge
    /// records is that of the snapshot's own digest, a new line, and what was said as JSON: with both
    /// at hand, it can be worked out again.
    ///
    /// Security invariant: what is said to be free at a provider that is not self-hosted is passed
    /// over, and so is a discount on what has no price. Otherwise a user could spend real money
    /// under no limit, unseen.
    #[must_use]
    pub fn overlaid(&self, said: &[PriceOverride], digest: impl Fn(&str) -> String) -> Self {
        let mut of_providers: BTreeMap<&ProviderId, Vec<&PriceOverride>> = BTreeMap::new();
        for one in said.iter().filter(|one| is_heeded(one)) {
            of_providers.entry(&one.provider).or_default().push(one);
        }
        let digest_of = |said: &PriceOverride| {
            // Nothing in it can fail to be written.
            let json = serde_json::to_string(said).unwrap_or_default();
            digest(&format!("{}\n{json}", self.digest()))
        };
        let own = of_providers
            .into_iter()
            .map(|(provider, said)| (provider.clone(), self.own_models(provider, &said, digest_of)))
            .collect();
        Self {
            snapshot: self.snapshot.clone(),
            own,
        }
    }

    fn own_models(
        &self,
        provider: &ProviderId,
        said: &[&PriceOverride],
        digest: impl Fn(&PriceOverride) -> String,
    ) -> OwnModels {
        let listed = self.snapshot.providers.get(provider);
        let mut models: BTreeMap<String, PricedModel> = listed
            .into_iter()
            .flat_map(|listed| &listed.sorted)
            .map(|model| (model.id.clone(), model.clone()))
            .collect();
        let mut digests = HashMap::new();
        let mut others = None;

        for said in said.iter().filter(|said| said.model.is_none()) {
            let digest = digest(said);
            for (id, model) in &mut models {
                model.obey(&said.price);
                digests.insert(id.clone(), digest.clone());
            }
            others = unlisted(EVERY_MODEL, &said.price).map(|model| (model, digest));
        }
        for said in said {
            let Some(id) = &said.model else { continue };
            let model = match listed.and_then(|listed| listed.model(id)) {
                Some(model) => Some(model.obeying(&said.price)),
                None => unlisted(id, &said.price),
            };
            if let Some(model) = model {
                models.insert(id.clone(), model);
                digests.insert(id.clone(), digest(said));
            }
        }
        OwnModels {
            models: Models::of(models),
            digests,
            others,
        }
    }
}

/// The id of the model that stands for all of which nothing else is known.
const EVERY_MODEL: &str = "*";

fn is_heeded(said: &PriceOverride) -> bool {
    let is_allowed = said.price.terms != PriceTerms::Free || may_be_free(&said.provider);
    is_allowed && said.check().is_ok()
}

/// A model of which only its user knows; `None` where not even its user says what it costs.
fn unlisted(id: &str, price: &OwnPrice) -> Option<PricedModel> {
    let model = PricedModel {
        id: id.to_owned(),
        capabilities: BTreeSet::from(Capability::ALL),
        context_tokens: None,
        max_output_tokens: None,
        // It might, and then a stream that is cut is charged at its hold.
        may_reason: true,
        retires: None,
        is_free: false,
        standard: PriceList::default(),
        units: UnitPrices::default(),
        images: Vec::new(),
        service_tiers: BTreeMap::new(),
    };
    (!matches!(price.terms, PriceTerms::DiscountPercent(_))).then(|| model.obeying(price))
}

impl PricedModel {
    fn obeying(&self, price: &OwnPrice) -> Self {
        let mut model = self.clone();
        model.obey(price);
        model
    }

    fn obey(&mut self, price: &OwnPrice) {
        self.context_tokens = self.context_tokens.or(price.context_tokens);
        self.max_output_tokens = self.max_output_tokens.or(price.max_output_tokens);
        match price.terms {
            PriceTerms::Free => self.is_free = true,
            PriceTerms::DiscountPercent(percent) => self.discount(percent),
            PriceTerms::PerMillion(own) => {
                self.standard = self.standard.map(|rates| replaced(rates, own));
                // What it costs sooner or later than usual was not said.
                self.service_tiers.clear();
            }
        }
    }

    fn discount(&mut self, percent: u8) {
        let less = |amount| discounted(amount, percent);
        let lower = |rate: Rate| Rate::from_nanos_per_million(less(rate.nanos_per_million()));
        self.standard = self.standard.map(|rates| rates.map(lower));
        for list in self.service_tiers.values_mut() {
            *list = list.map(|rates| rates.map(lower));
        }
        let prices = self.units.0.values_mut().map(|unit| &mut unit.price);
        for price in prices.chain(self.images.iter_mut().map(|image| &mut image.price)) {
            *price = Money::from_nanos(less(price.nanos()));
        }
    }
}

/// What is left of an amount after a discount, rounded up.
fn discounted(nanos: i64, percent: u8) -> i64 {
    let hundredths = i128::from(nanos) * i128::from(100_u8.saturating_sub(percent));
    let left = hundredths.div_euclid(100) + i128::from(hundredths.rem_euclid(100) > 0);
    i64::try_from(left).unwrap_or(nanos)
}

fn replaced(listed: Rates, own: OwnRates) -> Rates {
    let rate = |price: Money| Some(Rate::from_nanos_per_million(price.nanos()));
    let input = rate(own.input);
    // The list's price of writing to a cache, unless there it is that of input; never below input.
    let write = |listed_write| {
        if listed_write == listed.input {
            input
        } else {
            input.max(listed_write)
        }
    };
    Rates {
        input,
        cached_input: own.cached_input.map_or(input, rate),
        cache_write_5m: write(listed.cache_write_5m),
        cache_write_1h: write(listed.cache_write_1h),
        output: rate(own.output),
        ..listed
    }
}
