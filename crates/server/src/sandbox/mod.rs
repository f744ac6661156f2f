//! The other parties of the story, played on this machine: nothing here is part of the broker.
//!
//! [`provider`] stands in for every AI provider's API, for tests, benchmarks and the demo;
//! [`sample_app`] is the demo's app that borrows a user's AI account. Both could be other people's
//! programs: they share no rules, no store and no connections with the rest.

pub mod provider;
pub mod sample_app;
