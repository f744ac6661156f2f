//! The models on offer, and what a call of each costs by the sandbox's own arithmetic.
//!
//! On purpose it shares no code with the ledger: where the two disagree, one of them is wrong.

use std::{collections::HashMap, sync::Arc};

use aipassport_domain::usage::Usage;

/// A model, and its rates from the lowest tier up.
#[derive(Clone, Debug)]
pub struct SandboxModel {
    /// The provider's name in the path, as `openai`.
    pub provider: String,
    pub id: String,
    pub tiers: Vec<Tier>,
    pub units: UnitPrices,
    /// What it costs in another service than the usual one, by that one's name.
    pub services: Vec<(&'static str, Vec<Tier>)>,
}

/// The rates of every token of a call with more input than this; the first tier is above nothing.
#[derive(Clone, Copy, Debug)]
pub struct Tier {
    pub above_input_tokens: u64,
    pub rates: Rates,
}

/// Nano-dollars for a million tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    pub input: i64,
    pub cached_input: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    pub output: i64,
    /// Of tokens that stand for images, where those have a price of their own.
    pub image_input: i64,
    /// Of tokens that are images, or sound, once they are decoded.
    pub image_output: i64,
    pub audio_input: i64,
    pub audio_output: i64,
}

/// Nano-dollars for one of each, beside the tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnitPrices {
    pub image: i64,
    pub page: i64,
    pub annotated_page: i64,
    pub search: i64,
    pub character: i64,
    /// Of sound, listened to.
    pub second: i64,
}

impl Rates {
    /// In the order of the members.
    const fn of(rates: [i64; 5]) -> Self {
        Self {
            input: rates[0],
            cached_input: rates[1],
            cache_write_5m: rates[2],
            cache_write_1h: rates[3],
            output: rates[4],
            image_input: 0,
            image_output: 0,
            audio_input: 0,
            audio_output: 0,
        }
    }
}

impl SandboxModel {
    /// The model as it is billed by `service`, if that has prices of its own.
    pub fn served_by(&self, service: &str) -> Option<Self> {
        let (_, tiers) = self.services.iter().find(|(name, _)| *name == service)?;
        Some(Self {
            tiers: tiers.clone(),
            ..self.clone()
        })
    }

    /// What `usage` costs in nano-dollars, rounded up once.
    pub fn cost_nanos(&self, usage: &Usage) -> i128 {
        let all_input = usage.input_tokens
            + usage.cached_input_tokens
            + usage.cache_write_5m_tokens
            + usage.cache_write_1h_tokens
            + usage.image_input_tokens
            + usage.audio_input_tokens;
        let rates = self
            .tiers
            .iter()
            .rfind(|tier| tier.above_input_tokens < all_input.max(1))
            .map_or_else(Rates::default, |tier| tier.rates);

        let millionths: i128 = [
            (usage.input_tokens, rates.input),
            (usage.cached_input_tokens, rates.cached_input),
            (usage.cache_write_5m_tokens, rates.cache_write_5m),
            (usage.cache_write_1h_tokens, rates.cache_write_1h),
            (usage.output_tokens, rates.output),
            (usage.image_input_tokens, rates.image_input),
            (usage.image_output_tokens, rates.image_output),
            (usage.audio_input_tokens, rates.audio_input),
            (usage.audio_output_tokens, rates.audio_output),
        ]
        .into_iter()
        .map(|(count, rate)| i128::from(count) * i128::from(rate))
        .sum();
        let pieces: i128 = [
            (usage.images, self.units.image),
            (usage.pages, self.units.page),
            (usage.annotated_pages, self.units.annotated_page),
            (usage.searches, self.units.search),
            (usage.characters, self.units.character),
        ]
        .into_iter()
        .map(|(count, price)| i128::from(count) * i128::from(price))
        .sum();
        let seconds = i128::from(usage.audio_milliseconds) * i128::from(self.units.second);
        pieces + (seconds + 999) / 1_000 + (millionths + 999_999) / 1_000_000
    }
}

/// The models of each provider, by id.
pub(super) struct Catalogue {
    providers: HashMap<String, HashMap<String, Arc<SandboxModel>>>,
}

impl Catalogue {
    pub(super) fn new(models: Vec<SandboxModel>) -> Self {
        let mut providers: HashMap<String, HashMap<String, Arc<SandboxModel>>> = HashMap::new();
        for model in models {
            let of_provider = providers.entry(model.provider.clone()).or_default();
            of_provider.insert(model.id.clone(), Arc::new(model));
        }
        Self { providers }
    }

    pub(super) fn model(&self, provider: &str, id: &str) -> Option<Arc<SandboxModel>> {
        self.providers.get(provider)?.get(id).cloned()
    }

    /// The ids of a provider's models, sorted.
    pub(super) fn ids(&self, provider: &str) -> Vec<&str> {
        let mut ids: Vec<&str> = self
            .providers
            .get(provider)
            .into_iter()
            .flat_map(HashMap::keys)
            .map(String::as_str)
            .collect();
        ids.sort_unstable();
        ids
    }
}

/// A few models of each provider, for use without a broker; prices of November 2026.
pub(super) fn usual_models() -> Vec<SandboxModel> {
    let cheap_claude = [1_000, 100, 1_250, 2_000, 5_000];
    let claude = [3_000, 300, 3_750, 6_000, 15_000];
    let long_claude = [6_000, 600, 7_500, 12_000, 22_500];
    let gemini_pro = [1_250, 125, 0, 0, 10_000];
    let long_gemini_pro = [2_500, 250, 0, 0, 15_000];
    let mut models = vec![
        usual("openai", "gpt-4o-mini", &[(0, [150, 75, 0, 0, 600])]).and("priority", [250_000, 125_000, 1_000_000]),
        usual("openai", "gpt-4o", &[(0, [2_500, 1_250, 0, 0, 10_000])])
            .and("priority", [4_250_000, 2_125_000, 17_000_000]),
        usual("openai", "gpt-5", &[(0, [1_250, 125, 0, 0, 10_000])])
            .and("priority", [2_500_000, 250_000, 20_000_000])
            .and("flex", [625_000, 62_500, 5_000_000]),
        usual("openai", "gpt-5-mini", &[(0, [250, 25, 0, 0, 2_000])])
            .and("priority", [450_000, 45_000, 3_600_000])
            .and("flex", [125_000, 12_500, 1_000_000]),
        usual("anthropic", "claude-haiku-4-5", &[(0, cheap_claude)]),
        usual("ollama", "llama3.2:3b", &[(0, [100, 100, 0, 0, 400])]),
        usual("ollama", "nomic-embed-text", &[(0, [10, 10, 0, 0, 0])]),
        usual("vllm", "bge-m3", &[(0, [20, 20, 0, 0, 0])]),
        usual("custom", "house-embedder", &[(0, [20, 20, 0, 0, 0])]),
        usual("vllm", "qwen3-8b", &[(0, [200, 100, 0, 0, 600])]),
        usual(
            "vllm",
            "meta-llama/Llama-3.1-8B-Instruct",
            &[(0, [100, 100, 0, 0, 100])],
        ),
        usual("custom", "house-model", &[(0, [500, 500, 0, 0, 1_500])]),
        usual("anthropic", "claude-sonnet-4-5", &[(0, claude), (200_000, long_claude)]),
        usual("gemini", "gemini-2.5-flash", &[(0, [300, 30, 0, 0, 2_500])]),
        usual(
            "gemini",
            "gemini-2.5-pro",
            &[(0, gemini_pro), (200_000, long_gemini_pro)],
        ),
        usual("gemini", "gemini-embedding-001", &[(0, [150, 0, 0, 0, 0])]),
    ];
    models.extend(models_of_every_kind());
    models.extend(openai_media());
    models
}

/// A model by its tiers, in thousandths of a dollar for a million tokens.
fn usual(provider: &str, id: &str, tiers: &[(u64, [i64; 5])]) -> SandboxModel {
    let tier = |&(above_input_tokens, thousandths): &(u64, [i64; 5])| Tier {
        above_input_tokens,
        rates: Rates::of(thousandths.map(|rate| rate * 1_000_000)),
    };
    SandboxModel {
        provider: provider.to_owned(),
        id: id.to_owned(),
        tiers: tiers.iter().map(tier).collect(),
        units: UnitPrices::default(),
        services: Vec::new(),
    }
}

impl SandboxModel {
    /// With another service, in millionths of a dollar for a million tokens of input, of cached input
    /// and of output.
    fn and(mut self, service: &'static str, [input, cached_input, output]: [i64; 3]) -> Self {
        let rates = Rates::of([input, cached_input, 0, 0, output].map(|rate| rate * 1_000));
        let tier = Tier {
            above_input_tokens: 0,
            rates,
        };
        self.services.push((service, vec![tier]));
        self
    }
}

/// A model that is priced by the piece alone.
fn by_the_piece(provider: &str, id: &str, units: UnitPrices) -> SandboxModel {
    SandboxModel {
        units,
        ..usual(provider, id, &[])
    }
}

/// OpenAI's models that read or write something else than text.
fn openai_media() -> Vec<SandboxModel> {
    let spoken = |character| UnitPrices {
        character,
        ..UnitPrices::default()
    };
    let heard = |second| UnitPrices {
        second,
        ..UnitPrices::default()
    };
    let with = |id, rates| SandboxModel {
        tiers: vec![Tier {
            above_input_tokens: 0,
            rates,
        }],
        ..usual("openai", id, &[])
    };
    let pictures = Rates {
        input: 5_000_000_000,
        image_input: 8_000_000_000,
        image_output: 30_000_000_000,
        ..Rates::default()
    };
    let speech = Rates {
        input: 600_000_000,
        audio_output: 12_000_000_000,
        ..Rates::default()
    };
    let transcripts = Rates {
        input: 2_500_000_000,
        audio_input: 6_000_000_000,
        output: 10_000_000_000,
        ..Rates::default()
    };
    vec![
        usual("openai", "text-embedding-3-small", &[(0, [20, 0, 0, 0, 0])]),
        usual("openai", "text-embedding-3-large", &[(0, [130, 0, 0, 0, 0])]),
        with("gpt-image-2", pictures),
        with("gpt-image-2.5-flare", pictures),
        with("gpt-4o-mini-tts", speech),
        with("gpt-4o-transcribe", transcripts),
        by_the_piece("openai", "tts-1", spoken(15_000)),
        by_the_piece("openai", "whisper-1", heard(100_000)),
        by_the_piece("openai", "gpt-transcribe", heard(75_000)),
    ]
}

/// Models of Google's, Mistral's and Cohere's that have prices of every kind.
fn models_of_every_kind() -> impl Iterator<Item = SandboxModel> {
    let ocr = UnitPrices {
        page: 4_000_000,
        annotated_page: 5_000_000,
        ..UnitPrices::default()
    };
    let search = UnitPrices {
        search: 2_000_000,
        ..UnitPrices::default()
    };
    let mut painter = usual("gemini", "gemini-2.5-flash-image", &[(0, [300, 30, 0, 0, 2_500])]);
    for tier in &mut painter.tiers {
        tier.rates.image_output = 30_000_000_000;
    }
    let mut speaker = usual("gemini", "gemini-3.8-flash-tts", &[(0, [500, 125, 0, 0, 9_000])]);
    for tier in &mut speaker.tiers {
        tier.rates.audio_output = 9_000_000_000;
    }
    let mut embed_v4 = usual("cohere", "embed-v4.0", &[(0, [120, 0, 0, 0, 0])]);
    for tier in &mut embed_v4.tiers {
        tier.rates.image_input = 470_000_000;
    }
    let embed_v3 = SandboxModel {
        units: UnitPrices {
            image: 100_000,
            ..UnitPrices::default()
        },
        ..usual("cohere", "embed-english-v3.0", &[(0, [100, 0, 0, 0, 0])])
    };
    [
        painter,
        speaker,
        usual("gemini", "gemini-embedding-2", &[(0, [200, 0, 0, 0, 0])]),
        usual("mistral", "mistral-large-latest", &[(0, [500, 50, 0, 0, 1_500])]),
        usual("mistral", "mistral-small-latest", &[(0, [150, 15, 0, 0, 600])]),
        usual("mistral", "magistral-medium-latest", &[(0, [1_500, 150, 0, 0, 7_500])]),
        usual("mistral", "codestral-latest", &[(0, [300, 30, 0, 0, 900])]),
        usual("mistral", "mistral-embed", &[(0, [100, 0, 0, 0, 0])]),
        by_the_piece("mistral", "mistral-ocr-latest", ocr),
        usual("cohere", "command-a-03-2025", &[(0, [2_500, 0, 0, 0, 10_000])]),
        usual("cohere", "command-r-08-2024", &[(0, [150, 0, 0, 0, 600])]),
        embed_v4,
        embed_v3,
        by_the_piece("cohere", "rerank-v3.5", search),
        usual("cohere", "rerank-v5.0-pro", &[(0, [50, 0, 0, 0, 0])]),
    ]
    .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(above_input_tokens: u64, input: i64, output: i64) -> Tier {
        let rates = Rates {
            input,
            output,
            ..Rates::default()
        };
        Tier {
            above_input_tokens,
            rates,
        }
    }

    #[test]
    fn a_call_is_charged_at_its_tier_and_rounded_up_once() {
        let model = SandboxModel {
            provider: "openai".to_owned(),
            id: "m".to_owned(),
            tiers: vec![tier(0, 400_000, 700_000), tier(100, 2_000_000, 3_000_000)],
            units: UnitPrices::default(),
            services: Vec::new(),
        };
        let cost = |input_tokens, output_tokens| {
            model.cost_nanos(&Usage {
                input_tokens,
                output_tokens,
                ..Usage::default()
            })
        };

        assert_eq!(cost(1, 1), 2);
        assert_eq!(cost(100, 0), 40);
        assert_eq!(cost(101, 1), 205);
        assert_eq!(cost(0, 0), 0);
    }

    #[test]
    fn what_is_counted_by_the_piece_is_charged_beside_the_tokens() {
        let model = models_of_every_kind()
            .find(|model| model.id == "embed-english-v3.0")
            .unwrap();
        let usage = Usage {
            input_tokens: 10,
            images: 2,
            ..Usage::default()
        };

        // 10 × $0.10 / M, and 2 × $0.0001.
        assert_eq!(model.cost_nanos(&usage), 1_000 + 200_000);
    }
}
