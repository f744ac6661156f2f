//! What a call used, as its provider counts it, and how well we know it.

use serde::{Deserialize, Serialize};

/// Counts by class of price. The classes do not overlap: a token is counted where its price is, and
/// nowhere else, whatever the provider's own fields include.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Text, or whatever the provider does not tell from text, neither read from a cache nor
    /// written to one.
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    pub cache_write_5m_tokens: u64,
    pub cache_write_1h_tokens: u64,
    /// Text. Includes reasoning: providers price it as output.
    pub output_tokens: u64,
    /// The part of `output_tokens` that was reasoning; shown, not priced again.
    pub reasoning_tokens: u64,

    pub audio_input_tokens: u64,
    pub cached_audio_input_tokens: u64,
    pub image_input_tokens: u64,
    pub cached_image_input_tokens: u64,
    pub audio_output_tokens: u64,
    pub image_output_tokens: u64,

    /// Made, or read by a model that counts no tokens in them.
    pub images: u64,
    /// Sound listened to, by a model that is priced by its length.
    pub audio_milliseconds: u64,
    /// Spoken, by a model that is priced by them.
    pub characters: u64,
    pub pages: u64,
    /// Pages that were also annotated as the client asked, at a price of their own; not among `pages`.
    pub annotated_pages: u64,
    /// Units of search, searches of the web, groundings: what a provider counts at a fee.
    pub searches: u64,
}

impl Usage {
    /// Everything the model read, whatever its price.
    pub fn total_input_tokens(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cached_input_tokens)
            .saturating_add(self.cache_write_5m_tokens)
            .saturating_add(self.cache_write_1h_tokens)
            .saturating_add(self.audio_input_tokens)
            .saturating_add(self.cached_audio_input_tokens)
            .saturating_add(self.image_input_tokens)
            .saturating_add(self.cached_image_input_tokens)
    }

    /// Everything the model wrote, whatever its price.
    pub fn total_output_tokens(&self) -> u64 {
        self.output_tokens
            .saturating_add(self.audio_output_tokens)
            .saturating_add(self.image_output_tokens)
    }

    /// The classes that few calls use, each with its name.
    pub fn rarer(mut self) -> [(&'static str, u64); RARER_CLASSES] {
        self.rarer_mut().map(|(name, count)| (name, *count))
    }

    /// As [`rarer`](Self::rarer), to be written.
    pub fn rarer_mut(&mut self) -> [(&'static str, &mut u64); RARER_CLASSES] {
        [
            ("audio_input_tokens", &mut self.audio_input_tokens),
            ("cached_audio_input_tokens", &mut self.cached_audio_input_tokens),
            ("image_input_tokens", &mut self.image_input_tokens),
            ("cached_image_input_tokens", &mut self.cached_image_input_tokens),
            ("audio_output_tokens", &mut self.audio_output_tokens),
            ("image_output_tokens", &mut self.image_output_tokens),
            ("images", &mut self.images),
            ("audio_milliseconds", &mut self.audio_milliseconds),
            ("characters", &mut self.characters),
            ("pages", &mut self.pages),
            ("annotated_pages", &mut self.annotated_pages),
            ("searches", &mut self.searches),
        ]
    }

    /// The two added up, class by class.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.with_each(other, u64::saturating_add)
    }

    /// The higher count of each class.
    #[must_use]
    pub fn max_of_each(self, other: Self) -> Self {
        self.with_each(other, u64::max)
    }

    fn with_each(mut self, mut other: Self, combined: fn(u64, u64) -> u64) -> Self {
        for ((_, count), (_, other)) in self.rarer_mut().into_iter().zip(other.rarer_mut()) {
            *count = combined(*count, *other);
        }
        Self {
            input_tokens: combined(self.input_tokens, other.input_tokens),
            cached_input_tokens: combined(self.cached_input_tokens, other.cached_input_tokens),
            cache_write_5m_tokens: combined(self.cache_write_5m_tokens, other.cache_write_5m_tokens),
            cache_write_1h_tokens: combined(self.cache_write_1h_tokens, other.cache_write_1h_tokens),
            output_tokens: combined(self.output_tokens, other.output_tokens),
            reasoning_tokens: combined(self.reasoning_tokens, other.reasoning_tokens),
            ..self
        }
    }
}

const RARER_CLASSES: usize = 12;

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

#[cfg(test)]
mod tests {
    use super::*;

    /// A different count in each class, in the order in which they are written.
    fn one_of_each() -> Usage {
        let mut usage = Usage {
            input_tokens: 1,
            cached_input_tokens: 2,
            cache_write_5m_tokens: 4,
            cache_write_1h_tokens: 8,
            output_tokens: 16,
            reasoning_tokens: 32,
            ..Usage::default()
        };
        for (power, (_, count)) in usage.rarer_mut().into_iter().enumerate() {
            *count = 64 << power;
        }
        usage
    }

    #[test]
    fn what_was_read_and_what_was_written_is_each_added_up_once() {
        let usage = one_of_each();

        // Four classes of text; audio and images, each fresh and cached.
        assert_eq!(usage.total_input_tokens(), 1 + 2 + 4 + 8 + 64 + 128 + 256 + 512);
        // Text, of which reasoning is a part; audio; images.
        assert_eq!(usage.total_output_tokens(), 16 + 1_024 + 2_048);
    }

    #[test]
    fn a_rarer_class_has_the_name_of_its_member() {
        let written = serde_json::to_value(one_of_each()).unwrap();

        for (name, count) in one_of_each().rarer() {
            assert_eq!(written[name], count);
        }
        assert_eq!(written.as_object().unwrap().len(), 6 + RARER_CLASSES);
    }

    #[test]
    fn two_usages_are_added_and_compared_class_by_class() {
        let one = one_of_each();
        let doubled = one.plus(one);

        assert_eq!(serde_json::to_value(doubled).unwrap()["searches"], 2 * one.searches);
        assert_eq!(doubled.total_input_tokens(), 2 * one.total_input_tokens());
        assert_eq!(one.max_of_each(doubled), doubled);
        assert_eq!(doubled.max_of_each(one), doubled);
    }
}
