//! The pages, as a browser sees them.

mod alerts;
pub(crate) mod browser;
mod consent;
pub(crate) mod html;
mod key_checks;
mod pages;
mod price_guard;
mod prices;
mod sessions;
mod settings;
mod shared_limits;
mod sign_in;
mod tenancy;
mod tools;
