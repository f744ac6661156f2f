//! Apps.
#[cfg(test)]
pub(super) mod samples;
mod view;
