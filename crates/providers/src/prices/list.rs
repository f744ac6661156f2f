//! The arithmetic of one price list: which rates apply, what tokens cost, and the most they can.

use std::iter;

use aipassport_domain::{
    money::{CostSum, Money, Rate},
    usage::Usage,
};

/// Rates by the length of the input; empty for a model that is not priced by tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceList {
    pub(super) shortest: Rates,
    /// Sorted by length.
    pub(super) longer: Vec<LongInput>,
}

/// The rates of every token of a call, not only of those beyond, whose whole input is longer than
/// `above_input_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LongInput {
    pub(super) above_input_tokens: u64,
    pub(super) rates: Rates,
}

/// One rate for each class of tokens in [`Usage`]; `None` where the model has no price for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub input: Option<Rate>,
    pub cached_input: Option<Rate>,
    /// The shortest time a provider keeps a prefix for money; at `OpenAI` half an hour.
    pub cache_write_5m: Option<Rate>,
    /// The longest; at `OpenAI` twelve hours.
    pub cache_write_1h: Option<Rate>,
    pub audio_input: Option<Rate>,
    pub cached_audio_input: Option<Rate>,
    pub image_input: Option<Rate>,
    pub cached_image_input: Option<Rate>,
    pub output: Option<Rate>,
    pub audio_output: Option<Rate>,
    pub image_output: Option<Rate>,
}

/// The most that a call can read, by kind. What the provider does not tell from text is text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MostInput {
    pub tokens: u64,
    pub audio_tokens: u64,
    pub image_tokens: u64,
}

impl MostInput {
    pub const fn text(tokens: u64) -> Self {
        Self {
            tokens,
            audio_tokens: 0,
            image_tokens: 0,
        }
    }

    fn total(self) -> u64 {
        self.tokens
            .saturating_add(self.audio_tokens)
            .saturating_add(self.image_tokens)
    }
}

/// The kinds of output that a call can be answered with; only these are held for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    pub text: bool,
    pub audio: bool,
    pub image: bool,
}

impl Outputs {
    /// For models that only read, as embeddings do.
    pub const NONE: Self = Self {
        text: false,
        audio: false,
        image: false,
    };
    pub const TEXT: Self = Self {
        text: true,
        ..Self::NONE
    };
}

impl PriceList {
    /// The rates of a call with exactly so much input.
    pub fn rates(&self, total_input_tokens: u64) -> Rates {
        self.reached(total_input_tokens).last().unwrap_or(self.shortest)
    }

    /// Whether what is in an image is priced by its tokens, so that the images need not be counted.
    pub(super) fn prices_images(&self) -> bool {
        self.shortest.image_input.is_some() || self.shortest.image_output.is_some()
    }

    /// What the tokens of `usage` cost, rounded up once; `None` if one of them has no price.
    pub fn cost(&self, usage: &Usage) -> Option<Money> {
        self.sum(usage).map(CostSum::total)
    }

    pub(super) fn sum(&self, usage: &Usage) -> Option<CostSum> {
        let mut sum = CostSum::default();
        for (count, rate) in self.rates(usage.total_input_tokens()).of_each_class(usage) {
            if count > 0 {
                sum.add(count, rate?);
            }
        }
        Some(sum)
    }

    /// The most that up to `input` can cost, whatever part of it is cached, and the highest rate
    /// of `outputs` beside it; `None` if one of them has no price.
    ///
    /// Security invariant: no usage within these counts costs more. If one did, a call would
    /// settle above its hold, and a client could spend more than its budget.
    pub fn ceiling(&self, input: MostInput, outputs: Outputs) -> Option<(Money, Rate)> {
        let mut dearest = Dearest::default();
        for rates in iter::once(self.shortest).chain(self.reached(input.total())) {
            dearest.raise(&rates);
        }

        let mut sum = CostSum::default();
        for (tokens, rate) in [
            (input.tokens, dearest.input),
            (input.audio_tokens, dearest.audio_input),
            (input.image_tokens, dearest.image_input),
        ] {
            if tokens > 0 {
                sum.add(tokens, rate?);
            }
        }
        let mut output_rate = Rate::ZERO;
        for (is_asked, rate) in [
            (outputs.text, dearest.output),
            (outputs.audio, dearest.audio_output),
            (outputs.image, dearest.image_output),
        ] {
            if is_asked {
                output_rate = output_rate.max(rate?);
            }
        }
        Some((sum.total(), output_rate))
    }

    /// The same list with other rates.
    pub(super) fn map(&self, change: impl Fn(Rates) -> Rates) -> Self {
        let changed = |long: &LongInput| LongInput {
            rates: change(long.rates),
            ..*long
        };
        Self {
            shortest: change(self.shortest),
            longer: self.longer.iter().map(changed).collect(),
        }
    }

    /// The rates for long input that a call of so many tokens reaches, the longest last.
    fn reached(&self, input_tokens: u64) -> impl Iterator<Item = Rates> {
        self.longer
            .iter()
            .take_while(move |long| input_tokens > long.above_input_tokens)
            .map(|long| long.rates)
    }
}

impl Rates {
    pub(super) fn map(self, change: impl Fn(Rate) -> Rate) -> Self {
        Self {
            input: self.input.map(&change),
            cached_input: self.cached_input.map(&change),
            cache_write_5m: self.cache_write_5m.map(&change),
            cache_write_1h: self.cache_write_1h.map(&change),
            audio_input: self.audio_input.map(&change),
            cached_audio_input: self.cached_audio_input.map(&change),
            image_input: self.image_input.map(&change),
            cached_image_input: self.cached_image_input.map(&change),
            output: self.output.map(&change),
            audio_output: self.audio_output.map(&change),
            image_output: self.image_output.map(&change),
        }
    }

    /// Each rate there is, by the name it has in a price file.
    pub(super) fn named(self) -> impl Iterator<Item = (&'static str, Rate)> {
        let named = [
            ("input", self.input),
            ("cached_input", self.cached_input),
            ("cache_write_5m", self.cache_write_5m),
            ("cache_write_1h", self.cache_write_1h),
            ("audio_input", self.audio_input),
            ("cached_audio_input", self.cached_audio_input),
            ("image_input", self.image_input),
            ("cached_image_input", self.cached_image_input),
            ("output", self.output),
            ("audio_output", self.audio_output),
            ("image_output", self.image_output),
        ];
        named.into_iter().filter_map(|(name, rate)| Some((name, rate?)))
    }

    /// The counts of `usage`, each beside its rate.
    fn of_each_class(&self, usage: &Usage) -> [(u64, Option<Rate>); 11] {
        [
            (usage.input_tokens, self.input),
            (usage.cached_input_tokens, self.cached_input),
            (usage.cache_write_5m_tokens, self.cache_write_5m),
            (usage.cache_write_1h_tokens, self.cache_write_1h),
            (usage.audio_input_tokens, self.audio_input),
            (usage.cached_audio_input_tokens, self.cached_audio_input),
            (usage.image_input_tokens, self.image_input),
            (usage.cached_image_input_tokens, self.cached_image_input),
            (usage.output_tokens, self.output),
            (usage.audio_output_tokens, self.audio_output),
            (usage.image_output_tokens, self.image_output),
        ]
    }
}

/// The highest rate of each kind; `None`, which is below every rate, where there is none.
#[derive(Default)]
struct Dearest {
    input: Option<Rate>,
    audio_input: Option<Rate>,
    image_input: Option<Rate>,
    output: Option<Rate>,
    audio_output: Option<Rate>,
    image_output: Option<Rate>,
}

impl Dearest {
    fn raise(&mut self, rates: &Rates) {
        self.input = self
            .input
            .max(rates.input)
            .max(rates.cached_input)
            .max(rates.cache_write_5m)
            .max(rates.cache_write_1h);
        self.audio_input = self.audio_input.max(rates.audio_input).max(rates.cached_audio_input);
        self.image_input = self.image_input.max(rates.image_input).max(rates.cached_image_input);
        self.output = self.output.max(rates.output);
        self.audio_output = self.audio_output.max(rates.audio_output);
        self.image_output = self.image_output.max(rates.image_output);
    }
}
