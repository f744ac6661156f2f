//! What models cost: a dated snapshot of public prices, and the arithmetic on it.
//!
//! Begin with [`PriceBook::embedded`]. The snapshot is `data/prices.json`, made by
//! `scripts/prices`; how it is written is in `file.rs`. A model that is not in it has no price,
//! and a call without a price is refused, never free. What a user says of prices is laid over it in
//! `overlay.rs`; how much dearer a model has become since a grant was approved is in `rise.rs` and
//! `record.rs`.

mod book;
mod file;
mod list;
mod model;
mod overlay;
mod record;
mod rise;
#[cfg(test)]
mod tests;
mod units;

pub use self::{
    book::{PriceBook, PriceBookError, Source},
    list::{MostInput, Outputs, PriceList, Rates},
    model::{PriceClass, PricedModel, ServiceTier},
    overlay::may_be_free,
    record::{DearerModel, PricesOnRecord},
    rise::{PerMille, RatesOnRecord, RisenRate, rise},
    units::{ImagePrice, Unit},
};
