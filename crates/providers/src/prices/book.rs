//! Every model's price, found by its id.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use aipassport_domain::ids::ProviderId;
use serde::Deserialize;

use super::{PricedModel, file::PriceFile, overlay::OwnModels};

pub(super) const EMBEDDED: &str = include_str!("../../data/prices.json");
/// A test checks that it is the digest of [`EMBEDDED`].
const EMBEDDED_DIGEST: &str = include_str!("../../data/prices.json.sha256");

/// The prices of every model we can charge for, as of one day.
#[derive(Debug)]
pub struct PriceBook {
    pub(super) snapshot: Arc<Snapshot>,
    /// Where a user says otherwise than the snapshot; empty for nearly everyone.
    pub(super) own: HashMap<ProviderId, OwnModels>,
}

/// A price file. Shared by all that is laid over it.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) digest: String,
    date: String,
    sources: Vec<Source>,
    pub(super) providers: HashMap<ProviderId, Models>,
}

/// One provider's models, sorted by id, and where each stands.
#[derive(Debug)]
pub(super) struct Models {
    pub(super) sorted: Vec<PricedModel>,
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
    pub(super) fn model(model: &str, rule: &'static str) -> Self {
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
            let mut distinct = BTreeMap::new();
            for model in models {
                let model = model.check()?;
                if let Some(twice) = distinct.insert(model.id.clone(), model) {
                    return Err(PriceBookError::model(&twice.id, "stands twice"));
                }
            }
            providers.insert(provider, Models::of(distinct));
        }
        let snapshot = Snapshot {
            digest: digest.to_owned(),
            date: file.date,
            sources: file.sources,
            providers,
        };
        Ok(Self {
            snapshot: Arc::new(snapshot),
            own: HashMap::new(),
        })
    }

    /// `sha256:…` of the file.
    pub fn digest(&self) -> &str {
        &self.snapshot.digest
    }

    /// What is recorded with a charge for a call of this model: the digest of the file, or, where a
    /// user says what it costs, of that and of the file.
    pub fn digest_of(&self, provider: &ProviderId, id: &str) -> &str {
        let own = self.own.get(provider).and_then(|own| own.digest(id));
        own.unwrap_or(&self.snapshot.digest)
    }

    /// The day the snapshot was made, as `2026-11-22`.
    pub fn date(&self) -> &str {
        &self.snapshot.date
    }

    pub fn sources(&self) -> &[Source] {
        &self.snapshot.sources
    }

    /// The model with exactly this id. Names that merely look alike have no price.
    pub fn model(&self, provider: &ProviderId, id: &str) -> Option<&PricedModel> {
        match self.own.get(provider) {
            Some(own) => own.model(id),
            None => self.snapshot.providers.get(provider)?.model(id),
        }
    }

    /// Every model of `provider` that is known by its id, sorted by it.
    pub fn models(&self, provider: &ProviderId) -> impl Iterator<Item = &PricedModel> {
        let models = match self.own.get(provider) {
            Some(own) => Some(&own.models),
            None => self.snapshot.providers.get(provider),
        };
        models.into_iter().flat_map(|models| &models.sorted)
    }
}

impl Models {
    pub(super) fn of(models: BTreeMap<String, PricedModel>) -> Self {
        let sorted: Vec<_> = models.into_values().collect();
        let places = sorted.iter().enumerate();
        Self {
            places: places.map(|(place, model)| (model.id.clone(), place)).collect(),
            sorted,
        }
    }

    pub(super) fn model(&self, id: &str) -> Option<&PricedModel> {
        self.sorted.get(*self.places.get(id)?)
    }
}
