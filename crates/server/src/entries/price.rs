//! What a user says that a provider's models cost.

use aipassport_domain::{
    audit::Happened,
    ids::ProviderId,
    price_override::{OwnPrice, PriceOverride, PriceTerms},
};
use aipassport_providers::prices::may_be_free;
use serde::Deserialize;

use super::{Refused, credential::known_provider};

/// As the API takes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPrice {
    pub provider: String,
    /// Every model of the provider, where none is given.
    #[serde(default)]
    pub model: Option<String>,
    pub terms: PriceTerms,
    #[serde(default)]
    pub max_output_tokens: Option<u64>,
    #[serde(default)]
    pub context_tokens: Option<u64>,
}

pub fn new_price(entered: NewPrice) -> Result<(PriceOverride, Happened), Refused> {
    let adapter = known_provider(&entered.provider)?;
    let price = PriceOverride {
        provider: ProviderId::new(entered.provider),
        model: entered.model.filter(|model| !model.is_empty()),
        price: OwnPrice {
            terms: entered.terms,
            max_output_tokens: entered.max_output_tokens,
            context_tokens: entered.context_tokens,
        },
    };
    price
        .check()
        .map_err(|wrong| Refused::field("terms", wrong.to_string()))?;
    match price.price.terms {
        PriceTerms::Free if !may_be_free(&price.provider) => Err(Refused::field(
            "terms",
            "only what runs on a machine of your own is free: say what it costs, or a discount",
        )),
        PriceTerms::DiscountPercent(_) if adapter.is_self_hosted() => Err(Refused::field(
            "terms",
            "there is no list of prices to take it off: say what it costs, or that it is free",
        )),
        _ => {
            let set = Happened::PriceSet {
                provider: price.provider.clone(),
                model: price.model.clone(),
                price: price.price,
            };
            Ok((price, set))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(provider: &str, model: Option<&str>, terms: PriceTerms) -> Option<&'static str> {
        let entered = NewPrice {
            provider: provider.to_owned(),
            model: model.map(str::to_owned),
            terms,
            max_output_tokens: None,
            context_tokens: None,
        };
        new_price(entered).err().map(|refused| refused.field)
    }

    #[test]
    fn threat_137_only_a_machine_of_ones_own_is_free() {
        for own in ["ollama", "vllm", "custom/lab"] {
            assert_eq!(refused(own, None, PriceTerms::Free), None, "{own}");
        }
        for public in ["openai", "anthropic"] {
            assert_eq!(refused(public, None, PriceTerms::Free), Some("terms"), "{public}");
        }
    }

    #[test]
    fn a_discount_is_taken_off_a_list() {
        let discount = PriceTerms::DiscountPercent(10);

        assert_eq!(refused("openai", None, discount), None);
        assert_eq!(refused("ollama", None, discount), Some("terms"));
        assert_eq!(refused("openai", None, PriceTerms::DiscountPercent(100)), Some("terms"));
        assert_eq!(refused("openai", Some("a model"), discount), Some("terms"));
        assert_eq!(refused("nobody", None, discount), Some("provider"));
    }
}
