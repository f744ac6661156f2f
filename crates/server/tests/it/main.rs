//! A whole broker in this process, over real HTTP: a test reads as a story of its actors.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a test's own tasks are no work of the broker's"
)]

mod api;
mod bill;
mod gateway;
mod oauth;
mod support;
mod threats;
mod web;
mod webhooks;
