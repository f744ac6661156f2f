//! What is priced by the piece: seconds, characters, pages, searches, images.

use std::collections::BTreeMap;

use aipassport_domain::{
    money::{CostSum, Money, Rate},
    usage::Usage,
};
use serde::Deserialize;

/// A thing that some models are priced by, instead of tokens or beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Of audio, listened to.
    Second,
    /// Spoken.
    Character,
    Page,
    AnnotatedPage,
    Search,
    /// One that is read, or made, at a price that its size does not change.
    Image,
}

/// A price for so many of what [`Usage`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnitPrice {
    pub(super) price: Money,
    pub(super) per: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UnitPrices(pub(super) BTreeMap<Unit, UnitPrice>);

/// What one image costs that is made in this size and quality, as the request names them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagePrice {
    pub size: String,
    pub quality: String,
    #[serde(deserialize_with = "super::file::price")]
    pub price: Money,
}

const MILLIS_PER_SECOND: u64 = 1_000;
const UNITS_PER_RATE: u64 = 1_000_000;

impl Unit {
    pub(super) const ALL: [Self; 6] = [
        Self::Second,
        Self::Character,
        Self::Page,
        Self::AnnotatedPage,
        Self::Search,
        Self::Image,
    ];

    /// As in a price file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Second => "hour",
            Self::Character => "character",
            Self::Page => "page",
            Self::AnnotatedPage => "annotated_page",
            Self::Search => "search",
            Self::Image => "image",
        }
    }

    fn count(self, usage: &Usage) -> u64 {
        match self {
            Self::Second => usage.audio_milliseconds,
            Self::Character => usage.characters,
            Self::Page => usage.pages,
            Self::AnnotatedPage => usage.annotated_pages,
            Self::Search => usage.searches,
            Self::Image => usage.images,
        }
    }

    /// How much of what [`Usage`] counts is one of it.
    fn counted_as(self) -> u64 {
        match self {
            Self::Second => MILLIS_PER_SECOND,
            _ => 1,
        }
    }
}

impl UnitPrices {
    /// What `unit` costs, rounded up to a whole nano-dollar for a million of it.
    pub(super) fn rate(&self, unit: Unit) -> Option<Rate> {
        let UnitPrice { price, per } = *self.0.get(&unit)?;
        let mut of_a_million = CostSum::default();
        of_a_million.add_part(UNITS_PER_RATE.saturating_mul(unit.counted_as()), price, per);
        Some(Rate::from_nanos_per_million(of_a_million.total().nanos()))
    }

    /// Adds the units of `usage`; `None` if one has no price. Images that are `counted_in_tokens`
    /// have theirs there, if their tokens were reported.
    pub(super) fn add(&self, usage: &Usage, counted_in_tokens: bool, sum: &mut CostSum) -> Option<()> {
        let most_image_tokens = usage
            .image_input_tokens
            .max(usage.cached_image_input_tokens)
            .max(usage.image_output_tokens);
        for unit in Unit::ALL {
            let count = unit.count(usage);
            match self.0.get(&unit) {
                Some(UnitPrice { price, per }) => sum.add_part(count, *price, *per),
                None if count == 0 || (unit == Unit::Image && counted_in_tokens && most_image_tokens > 0) => {}
                None => return None,
            }
        }
        Some(())
    }
}
