//! The price file as it is written: strict, so that a rate nobody reads cannot hide in it.

use std::collections::{BTreeMap, BTreeSet};

use aipassport_domain::{
    authorization_details::Capability,
    ids::ProviderId,
    money::{Money, Rate},
};
use serde::{Deserialize, Deserializer};

use super::{
    ImagePrice, PriceBookError, PriceList, PricedModel, Rates, ServiceTier, Source, Unit,
    list::LongInput,
    units::{UnitPrice, UnitPrices},
};

/// The only format there is; another number is a file from another version of this program.
const FORMAT: u32 = 2;
const MILLIS_PER_HOUR: u64 = 3_600_000;

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
    retires: Option<String>,
    #[serde(default)]
    prices: Vec<TierOnFile>,
    #[serde(default)]
    units: UnitsOnFile,
    #[serde(default)]
    images: Vec<ImagePrice>,
    #[serde(default)]
    service_tiers: BTreeMap<ServiceTier, Vec<TierOnFile>>,
}

/// Dollars per million tokens.
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
    #[serde(default, deserialize_with = "some_rate")]
    audio_input: Option<Rate>,
    #[serde(default, deserialize_with = "some_rate")]
    cached_audio_input: Option<Rate>,
    #[serde(default, deserialize_with = "some_rate")]
    image_input: Option<Rate>,
    #[serde(default, deserialize_with = "some_rate")]
    cached_image_input: Option<Rate>,
    /// Missing where a model writes nothing, as embeddings do.
    #[serde(default, deserialize_with = "some_rate")]
    output: Option<Rate>,
    #[serde(default, deserialize_with = "some_rate")]
    audio_output: Option<Rate>,
    #[serde(default, deserialize_with = "some_rate")]
    image_output: Option<Rate>,
}

/// Dollars for one of each. Sound is priced by the hour: the price of a second is rarely a decimal.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitsOnFile {
    #[serde(default, deserialize_with = "some_price")]
    hour: Option<Money>,
    #[serde(default, deserialize_with = "some_price")]
    character: Option<Money>,
    #[serde(default, deserialize_with = "some_price")]
    page: Option<Money>,
    #[serde(default, deserialize_with = "some_price")]
    annotated_page: Option<Money>,
    #[serde(default, deserialize_with = "some_price")]
    search: Option<Money>,
    #[serde(default, deserialize_with = "some_price")]
    image: Option<Money>,
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
        let list = |tiers: &[TierOnFile]| PriceList::check(tiers, &self.capabilities);
        let refused = |rule| PriceBookError::model(&self.id, rule);

        let units = self.units.prices();
        let standard = if self.prices.is_empty() && !(units.0.is_empty() && self.images.is_empty()) {
            PriceList::default()
        } else {
            list(&self.prices).map_err(refused)?
        };
        if self.capabilities.contains(&Capability::Images)
            && standard.shortest.image_output.is_none()
            && self.images.is_empty()
            && !units.0.contains_key(&Unit::Image)
        {
            return Err(refused("makes images without a price"));
        }
        if self.retires.as_deref().is_some_and(|day| !is_day(day)) {
            return Err(refused("retires on no day"));
        }
        let service_tiers = self
            .service_tiers
            .iter()
            .map(|(tier, prices)| Ok((*tier, list(prices).map_err(refused)?)))
            .collect::<Result<_, PriceBookError>>()?;
        Ok(PricedModel {
            id: self.id,
            capabilities: self.capabilities,
            context_tokens: self.context_tokens,
            max_output_tokens: self.max_output_tokens,
            may_reason: self.may_reason,
            retires: self.retires,
            is_free: false,
            standard,
            units,
            images: self.images,
            service_tiers,
        })
    }
}

/// Written `2027-02-16`, so that days compare as text does.
fn is_day(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

impl UnitsOnFile {
    fn prices(&self) -> UnitPrices {
        let listed = [
            (Unit::Second, self.hour, MILLIS_PER_HOUR),
            (Unit::Character, self.character, 1),
            (Unit::Page, self.page, 1),
            (Unit::AnnotatedPage, self.annotated_page, 1),
            (Unit::Search, self.search, 1),
            (Unit::Image, self.image, 1),
        ];
        let known = |(unit, price, per): (_, Option<_>, _)| Some((unit, UnitPrice { price: price?, per }));
        UnitPrices(listed.into_iter().filter_map(known).collect())
    }
}

impl PriceList {
    fn check(tiers: &[TierOnFile], capabilities: &BTreeSet<Capability>) -> Result<Self, &'static str> {
        let Some((first, others)) = tiers.split_first() else {
            return Err("has no price");
        };
        if first.above_input_tokens != 0 {
            return Err("has no price for short input");
        }
        let writes = [Capability::Chat, Capability::Code];
        if first.output.is_none() && writes.iter().any(|capability| capabilities.contains(capability)) {
            return Err("has no output price");
        }

        let mut longer: Vec<LongInput> = Vec::with_capacity(others.len());
        let mut above = 0;
        for tier in others {
            if tier.above_input_tokens <= above {
                return Err("has prices that are not in the order of their input's length");
            }
            if tier.kinds() != first.kinds() {
                return Err("has a price at one length of input that it lacks at another");
            }
            above = tier.above_input_tokens;
            longer.push(LongInput {
                above_input_tokens: above,
                rates: tier.rates()?,
            });
        }
        Ok(Self {
            shortest: first.rates()?,
            longer,
        })
    }
}

impl TierOnFile {
    /// Which kinds of tokens have a price.
    fn kinds(&self) -> [bool; 5] {
        [
            self.audio_input.is_some(),
            self.image_input.is_some(),
            self.output.is_some(),
            self.audio_output.is_some(),
            self.image_output.is_some(),
        ]
    }

    /// The rates, each missing one that another stands for replaced by it; never by a lower one.
    fn rates(&self) -> Result<Rates, &'static str> {
        // Where a provider bills writing to its cache it says both; where it says neither, what is
        // written is ordinary input. Half an answer would leave the dearer half to a guess.
        let (short_write, long_write) = match (self.cache_write_5m, self.cache_write_1h) {
            (Some(short), Some(long)) => (short, long),
            (None, None) => (self.input, self.input),
            _ => return Err("has a price for one kind of cache write and none for the other"),
        };
        Ok(Rates {
            input: Some(self.input),
            cached_input: self.cached_input.or(Some(self.input)),
            cache_write_5m: Some(short_write),
            cache_write_1h: Some(long_write),
            audio_input: self.audio_input,
            cached_audio_input: self.cached_audio_input.or(self.audio_input),
            image_input: self.image_input,
            cached_image_input: self.cached_image_input.or(self.image_input),
            output: self.output,
            audio_output: self.audio_output,
            image_output: self.image_output,
        })
    }
}

/// Reads dollars. Zero is refused: what is free is not in a price file, and what stands at zero in
/// a source is a price that nobody filled in.
pub(super) fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    let price = Money::deserialize(deserializer)?;
    if price == Money::ZERO {
        return Err(serde::de::Error::custom("a price is never zero"));
    }
    Ok(price)
}

fn some_price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Money>, D::Error> {
    price(deserializer).map(Some)
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
    price(deserializer).map(|per_million| Rate::from_nanos_per_million(per_million.nanos()))
}

fn some_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rate>, D::Error> {
    rate(deserializer).map(Some)
}
