//! The rules and words of AIPassport: what may be asked, granted, called and spent.
//!
//! Nothing here does I/O, awaits, reads a clock or draws a random number: time and identifiers are
//! handed in, so that every decision can be replayed. Begin with [`authorization_details`] (the
//! "what" of a grant), then [`policy`] (may this call be made?) and [`ledger`] (does it fit?).

pub mod access_token;
pub mod audit;
pub mod authorization_details;
pub mod client;
pub mod consent;
pub mod fixtures;
pub mod forecast;
pub mod grant;
pub mod ids;
pub mod ledger;
pub mod limits;
pub mod money;
pub mod policy;
pub mod price_override;
pub mod secret;
pub mod time;
pub mod usage;
