//! The arithmetic of one price list: which tier applies, what usage costs, and the most it can.

use aipassport_domain::{
    money::{CostSum, Money, Rate},
    usage::Usage,
};

/// Prices by the length of the input. Never empty; sorted; the first tier begins at zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceList {
    pub(super) tiers: Vec<Tier>,
}

/// The rates of every token of a call whose whole input is longer than `above_input_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    pub above_input_tokens: u64,
    pub rates: Rates,
}

/// One rate for each class of tokens in [`Usage`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub input: Rate,
    pub cached_input: Rate,
    pub cache_write_5m: Rate,
    pub cache_write_1h: Rate,
    pub output: Rate,
}

impl PriceList {
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// What `usage` costs, rounded up once.
    pub fn cost(&self, usage: &Usage) -> Money {
        let rates = self.reachable(usage.total_input_tokens()).last().unwrap_or_default();
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
    /// settle above its hold, and the budget could be exceeded.
    pub fn ceiling(&self, input_tokens: u64) -> (Money, Rate) {
        let mut input_rate = Rate::ZERO;
        let mut output_rate = Rate::ZERO;
        for rates in self.reachable(input_tokens) {
            input_rate = input_rate.max(rates.dearest_input());
            output_rate = output_rate.max(rates.output);
        }

        let mut sum = CostSum::default();
        sum.add(input_tokens, input_rate);
        (sum.total(), output_rate)
    }

    /// The rates that a call of at most `input_tokens` can fall under; the last is that of exactly
    /// so many.
    fn reachable(&self, input_tokens: u64) -> impl Iterator<Item = Rates> {
        self.tiers
            .iter()
            .take_while(move |tier| tier.above_input_tokens == 0 || input_tokens > tier.above_input_tokens)
            .map(|tier| tier.rates)
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
