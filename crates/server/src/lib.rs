//! AIPassport: a broker for delegated AI access.
//!
//! Begin with [`app`] (what everything is handed) and [`routes`] (what answers where). The parts
//! that talk do not know each other: [`oauth`] gives tokens, [`gateway`] spends them, [`web`] shows
//! pages, [`api`] speaks JSON, [`jobs`] tidies up, [`cli`] is the command line. They meet in the
//! `domain` and `store` crates and in [`app::App`].

pub mod alert_view;
pub mod api;
pub mod app;
pub mod broker;
pub mod browser_session;
pub mod caller;
pub mod cli;
pub mod client_secret;
pub mod clock;
pub mod config;
pub mod data;
pub mod dead_end;
pub mod entries;
pub mod gateway;
pub mod grant_view;
pub mod jobs;
pub mod limits_view;
pub mod oauth;
mod outbound;
pub mod own_prices;
pub mod password;
mod peer;
mod plain_text;
pub mod price_guard;
pub mod random;
pub mod routes;
pub mod sandbox;
pub mod serve;
pub mod signing;
mod small_body;
pub mod strangers;
pub mod telemetry;
pub mod tls;
mod unique_json;
pub mod vault;
pub mod web;
pub mod webhooks;
