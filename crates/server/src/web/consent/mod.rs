//! Consent.
mod view;
pub(super) use view::Choosable;
#[cfg(test)]
pub(super) mod samples;
