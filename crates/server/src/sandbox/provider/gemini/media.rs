//! What an answer carries beside its text: an image, or speech.

use aipassport_domain::usage::Usage;

use crate::sandbox::provider::answer::Answer;

/// A PNG of one pixel.
const IMAGE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
/// A millisecond of silence.
const SPEECH: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Image,
    Speech,
}

impl Media {
    /// What is asked for by name, or what the model makes unasked.
    pub(super) fn asked(model: &str, modalities: &[String]) -> Option<Self> {
        let names = |name: &str| modalities.iter().any(|asked| asked.eq_ignore_ascii_case(name));
        let is_image = names("IMAGE") || (modalities.is_empty() && model.contains("-image"));
        if is_image {
            return Some(Self::Image);
        }
        names("AUDIO").then_some(Self::Speech)
    }

    /// What one of usual size counts.
    pub(super) fn tokens(self) -> u64 {
        match self {
            Self::Image => 1_290,
            Self::Speech => 48,
        }
    }

    pub(super) fn usage(self, count: u64) -> Usage {
        let tokens = self.tokens() * count;
        match self {
            Self::Image => Usage {
                image_output_tokens: tokens,
                ..Usage::default()
            },
            Self::Speech => Usage {
                audio_output_tokens: tokens,
                ..Usage::default()
            },
        }
    }

    pub(super) fn part(self) -> String {
        let (kind, data) = match self {
            Self::Image => ("image/png", IMAGE),
            Self::Speech => ("audio/L16;codec=pcm;rate=24000", SPEECH),
        };
        format!(r#"{{"inlineData":{{"mimeType":"{kind}","data":"{data}"}}}}"#)
    }

    /// The member that tells its tokens from those of text.
    pub(super) fn details(self, answer: &Answer, count: u64) -> String {
        let modality = match self {
            Self::Image => "IMAGE",
            Self::Speech => "AUDIO",
        };
        let tokens = answer.reported(self.tokens() * count);
        format!(r#","candidatesTokensDetails":[{{"modality":"{modality}","tokenCount":{tokens}}}]"#)
    }
}
