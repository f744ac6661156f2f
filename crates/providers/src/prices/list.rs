//! The arithmetic of one price list: which rates apply, what usage costs, and the most it can.

use aipassport_domain::{
    money::{CostSum, Money, Rate},
    usage::Usage,
};

/// Rates by the length of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// One rate for each class of tokens in [`Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    pub input: Rate,
    pub cached_input: Rate,
    /// The shortest time a provider keeps a prefix for money; at `OpenAI` half an hour.
    pub cache_write_5m: Rate,
    /// The longest; at `OpenAI` twelve hours.
    pub cache_write_1h: Rate,
    pub output: Rate,
}

impl PriceList {
    /// The rates of a call with exactly so much input.
    pub fn rates(&self, total_input_tokens: u64) -> Rates {
        self.reached(total_input_tokens).last().unwrap_or(self.shortest)
    }

    /// What `usage` costs, rounded up once.
    pub fn cost(&self, usage: &Usage) -> Money {
        let rates = self.rates(usage.total_input_tokens());
        let mut sum = CostSum::default();
        sum.add(usage.input_tokens, rates.input);
        sum.add(usage.cached_input_tokens, rates.cached_input);
        sum.add(usage.cache_write_5m_tokens, rates.cache_write_5m);
        sum.add(usage.cache_write_1h_tokens, rates.cache_write_1h);
        sum.add(usage.output_tokens, rates.output);
        sum.total()
    }

    /// The most that up to `input_tokens` can cost, and the highest rate of output beside them.
    ///
    /// Security invariant: no usage within these counts costs more. If one did, a call would
    /// settle above its hold, and a client could spend more than its budget.
    pub fn ceiling(&self, input_tokens: u64) -> (Money, Rate) {
        let mut input_rate = self.shortest.dearest_input();
        let mut output_rate = self.shortest.output;
        for rates in self.reached(input_tokens) {
            input_rate = input_rate.max(rates.dearest_input());
            output_rate = output_rate.max(rates.output);
        }

        let mut sum = CostSum::default();
        sum.add(input_tokens, input_rate);
        (sum.total(), output_rate)
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
    fn dearest_input(self) -> Rate {
        self.input
            .max(self.cached_input)
            .max(self.cache_write_5m)
            .max(self.cache_write_1h)
    }
}
