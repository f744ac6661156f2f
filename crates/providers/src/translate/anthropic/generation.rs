//! What a model can be asked goes by its generation, which stands in its name.

/// The generation of a model: `claude-opus-4-7` is of 4.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation(u32, u32);

/// A longer number in a name is a date.
const LONGEST_NUMBER: usize = 2;

impl Generation {
    /// A name without a number is of a generation to come.
    pub(super) fn of(model: &str) -> Self {
        let number = |part: &str| part.parse().ok().filter(|_| part.len() <= LONGEST_NUMBER);
        let mut numbers = model.split('-').map(number).skip_while(Option::is_none);
        match numbers.next().flatten() {
            Some(major) => Self(major, numbers.next().flatten().unwrap_or(0)),
            None => Self(u32::MAX, 0),
        }
    }

    /// Later ones refuse a temperature.
    pub(super) fn takes_sampling(self) -> bool {
        self <= Self(4, 6)
    }

    pub(super) fn thinks(self) -> bool {
        self >= Self(3, 7)
    }

    /// Earlier ones must be told how many tokens to think with.
    pub(super) fn thinks_adaptively(self) -> bool {
        self >= Self(4, 6)
    }

    /// Whether `xhigh` is one of its efforts.
    pub(super) fn knows_very_high(self) -> bool {
        self >= Self(4, 7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_stands_in_the_name() {
        for (model, generation) in [
            ("claude-3-5-sonnet-20241022", Generation(3, 5)),
            ("claude-3-opus-20240229", Generation(3, 0)),
            ("claude-opus-4-20250514", Generation(4, 0)),
            ("claude-haiku-4-5-20251001", Generation(4, 5)),
            ("claude-sonnet-5", Generation(5, 0)),
            ("claude-mythos-preview", Generation(u32::MAX, 0)),
        ] {
            assert_eq!(Generation::of(model), generation, "{model}");
        }
    }
}
