//! What a call used, as its provider counts it, and how well we know it.

use serde::{Deserialize, Serialize};

/// Counts by class of price. The classes do not overlap: `input_tokens` excludes what was read
/// from or written to a cache, whatever the provider's own field includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    pub cache_write_5m_tokens: u64,
    pub cache_write_1h_tokens: u64,
    /// Includes reasoning: providers price it as output.
    pub output_tokens: u64,
    /// The part of `output_tokens` that was reasoning; shown, not priced again.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Everything the model read, whatever its price.
    pub fn total_input_tokens(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cached_input_tokens)
            .saturating_add(self.cache_write_5m_tokens)
            .saturating_add(self.cache_write_1h_tokens)
    }
}

/// How we know a cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TruthLabel {
    /// The provider reported the usage.
    Reported,
    /// Worked out from something the provider reported.
    Derived,
    /// Estimated, never below what the provider can bill and never above the hold.
    Estimated,
    /// The whole hold, because nothing is known.
    WorstCase,
}

impl TruthLabel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Derived => "derived",
            Self::Estimated => "estimated",
            Self::WorstCase => "worst_case",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Reported, Self::Derived, Self::Estimated, Self::WorstCase]
            .into_iter()
            .find(|label| label.as_str() == text)
    }
}
