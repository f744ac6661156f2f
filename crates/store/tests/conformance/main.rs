//! The store's promises, each shown on SQLite and on a PostgreSQL that the tests start themselves.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test fails by panicking, and nobody uses it"
)]

#[path = "../support/postgres.rs"]
mod postgres;
mod support;

mod accounts;
mod app_keys;
mod approved_prices;
mod audit;
mod clients;
mod codes;
mod consent;
mod credentials;
mod data_keys;
mod grants;
mod ledger;
mod migrations;
mod price_overrides;
mod provider_objects;
mod refresh_tokens;
mod sign_in;
mod signing_keys;
mod sweep;
mod text;
mod tls;
mod users;
mod webhooks;
