//! What a user says a provider's models cost: over the list of prices, or where there is none.

use serde::{Deserialize, Serialize};

use crate::{authorization_details::ModelPattern, ids::ProviderId, money::Money};

/// One user's word on the price of one model, or of every model that has no word of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceOverride {
    pub provider: ProviderId,
    /// `None` is every model of the provider.
    pub model: Option<String>,
    #[serde(flatten)]
    pub price: OwnPrice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPrice {
    pub terms: PriceTerms,
    /// The most that one answer has, where the list does not say: held for where neither client
    /// nor grant sets a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// How much the model can read, where the list does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
}

impl OwnPrice {
    /// These terms, and no more known of the model than the list says.
    pub fn of(terms: PriceTerms) -> Self {
        Self {
            terms,
            max_output_tokens: None,
            context_tokens: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PriceTerms {
    /// It costs nothing, because its owner says so. Unknown is never free.
    Free,
    /// So many per cent off the list.
    DiscountPercent(u8),
    PerMillion(OwnRates),
}

/// Dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnRates {
    pub input: Money,
    pub output: Money,
    /// What is missing costs what input costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Money>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongPrice {
    #[error("a model is its exact id: letters, digits and -._:/@+")]
    Model,
    #[error("a discount is 1 to 99 per cent")]
    Discount,
    #[error("a price of zero for input and output is no price: say that it is free")]
    Zero,
    #[error("a limit on tokens is at least 1")]
    Tokens,
}

impl PriceOverride {
    pub fn check(&self) -> Result<(), WrongPrice> {
        if let Some(model) = &self.model {
            ModelPattern::Exact(model.clone())
                .check()
                .map_err(|_| WrongPrice::Model)?;
        }
        let OwnPrice {
            terms,
            max_output_tokens,
            context_tokens,
        } = self.price;
        match terms {
            PriceTerms::DiscountPercent(1..=99) | PriceTerms::Free => {}
            PriceTerms::DiscountPercent(_) => return Err(WrongPrice::Discount),
            PriceTerms::PerMillion(rates) if rates.input == Money::ZERO && rates.output == Money::ZERO => {
                return Err(WrongPrice::Zero);
            }
            PriceTerms::PerMillion(_) => {}
        }
        if max_output_tokens == Some(0) || context_tokens == Some(0) {
            return Err(WrongPrice::Tokens);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(terms: PriceTerms) -> Result<(), WrongPrice> {
        let said = PriceOverride {
            provider: ProviderId::new("ollama"),
            model: Some("llama3.2:3b".to_owned()),
            price: OwnPrice::of(terms),
        };
        said.check()
    }

    fn per_million(input: i64, output: i64) -> PriceTerms {
        PriceTerms::PerMillion(OwnRates {
            input: Money::from_nanos(input),
            output: Money::from_nanos(output),
            cached_input: None,
        })
    }

    #[test]
    fn threat_137_a_price_of_zero_has_to_be_called_free() {
        assert_eq!(checked(PriceTerms::Free), Ok(()));
        assert_eq!(checked(per_million(0, 0)), Err(WrongPrice::Zero));
        assert_eq!(checked(per_million(0, 1)), Ok(()));
        assert_eq!(checked(PriceTerms::DiscountPercent(100)), Err(WrongPrice::Discount));
        assert_eq!(checked(PriceTerms::DiscountPercent(0)), Err(WrongPrice::Discount));
        assert_eq!(checked(PriceTerms::DiscountPercent(99)), Ok(()));
    }

    #[test]
    fn a_price_is_written_in_words_and_read_back() {
        for (terms, json) in [
            (PriceTerms::Free, r#""free""#),
            (PriceTerms::DiscountPercent(15), r#"{"discount_percent":15}"#),
            (
                per_million(100_000_000, 400_000_000),
                r#"{"per_million":{"input":"0.10","output":"0.40"}}"#,
            ),
        ] {
            let price = OwnPrice::of(terms);
            let json = format!(r#"{{"terms":{json}}}"#);
            assert_eq!(serde_json::to_string(&price).unwrap(), json);
            assert_eq!(serde_json::from_str::<OwnPrice>(&json).unwrap(), price);
        }
    }
}
