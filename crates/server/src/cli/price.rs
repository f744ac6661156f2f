//! `aipassport price`: what users say that their providers' models cost.

use aipassport_domain::{
    audit::Happened,
    ids::{ProviderId, UserId},
    money::Money,
    price_override::{OwnRates, PriceOverride, PriceTerms},
};
use clap::{Args, Subcommand};

use super::{Data, Failure, Output, output::table};
use crate::entries::{NewPrice, new_price};

#[derive(Subcommand)]
pub(super) enum PriceCommand {
    /// Say what a model costs, or every model of a provider; in force for the next call
    Set {
        #[command(flatten)]
        of: PriceOf,
        #[command(flatten)]
        terms: Terms,
    },
    /// List what a user says of prices
    List {
        #[arg(long, value_name = "NAME")]
        user: String,
    },
    /// Go back to the list of prices, or to no price at all
    Remove {
        #[command(flatten)]
        of: PriceOf,
    },
}

#[derive(Args)]
pub(super) struct PriceOf {
    /// Whose price it is
    #[arg(long, value_name = "NAME")]
    user: String,
    /// openai, ollama, custom/NAME, …
    #[arg(long)]
    provider: String,
    /// Its exact id; every model of the provider, where none is given
    #[arg(long)]
    model: Option<String>,
}

/// What something costs: free, an own price, or less than the list.
#[derive(Args)]
pub(super) struct Terms {
    /// It costs nothing: only for a server of one's own
    #[arg(long, conflicts_with_all = ["discount", "price_input", "price_output"])]
    free: bool,
    /// So many per cent off the list of prices
    #[arg(long, value_name = "PERCENT", conflicts_with_all = ["price_input", "price_output"])]
    discount: Option<u8>,
    /// Dollars for a million input tokens
    #[arg(long, value_name = "DOLLARS", requires = "price_output")]
    price_input: Option<Money>,
    /// Dollars for a million output tokens
    #[arg(long, value_name = "DOLLARS", requires = "price_input")]
    price_output: Option<Money>,
    /// Dollars for a million input tokens from the cache, if they cost less
    #[arg(long, value_name = "DOLLARS", requires = "price_input")]
    price_cached_input: Option<Money>,
    /// The most output tokens of one answer, where the list of prices does not say
    #[arg(long, value_name = "TOKENS")]
    max_output_tokens: Option<u64>,
    /// How much the model can read, where the list of prices does not say
    #[arg(long, value_name = "TOKENS")]
    context_tokens: Option<u64>,
}

impl Terms {
    /// The price of a model of `provider`; `None` where nothing is said.
    pub(super) fn of(&self, provider: String, model: Option<String>) -> Option<NewPrice> {
        let terms = match (self.free, self.discount, self.price_input, self.price_output) {
            (true, ..) => PriceTerms::Free,
            (_, Some(percent), ..) => PriceTerms::DiscountPercent(percent),
            (.., Some(input), Some(output)) => PriceTerms::PerMillion(OwnRates {
                input,
                output,
                cached_input: self.price_cached_input,
            }),
            _ => return None,
        };
        Some(NewPrice {
            provider,
            model,
            terms,
            max_output_tokens: self.max_output_tokens,
            context_tokens: self.context_tokens,
        })
    }
}

impl PriceCommand {
    pub(super) async fn run(self, data: &Data, output: Output) -> Result<(), Failure> {
        match self {
            Self::Set { of, terms } => {
                let user = data.user_named(&of.user).await?;
                let entered = terms.of(of.provider, of.model).ok_or_else(|| {
                    let ways = "--free, --discount, or --price-input with --price-output";
                    Failure::Said(format!("say what it costs: {ways}"))
                })?;
                let set = set_price(data, &user.id, entered).await?;
                output.print(&set, |set| format!("{} {}", set.provider, words(set)));
            }
            Self::List { user } => {
                let user = data.user_named(&user).await?;
                let prices = data.store.prices_of(&data.tenant_id, &user.id).await?;
                output.print(&prices, |prices| {
                    let row = |price: &PriceOverride| {
                        let model = price.model.clone().unwrap_or_else(|| "every model".to_owned());
                        vec![price.provider.to_string(), model, terms_in_words(price.price.terms)]
                    };
                    table(&["PROVIDER", "MODEL", "PRICE"], prices.iter().map(row))
                });
            }
            Self::Remove { of } => {
                let user = data.user_named(&of.user).await?;
                let provider = ProviderId::new(of.provider);
                let removed = Happened::PriceRemoved {
                    provider: provider.clone(),
                    model: of.model.clone(),
                };
                let event = data.event(Some(&user.id), None, removed);
                let store = &data.store;
                if !store
                    .remove_price(&user.id, &provider, of.model.as_deref(), &event)
                    .await?
                {
                    return Err(Failure::Said(format!("nothing was said of that price of {provider}")));
                }
                output.print(&serde_json::json!({"removed": true}), |_| "removed".to_owned());
            }
        }
        Ok(())
    }
}

async fn set_price(data: &Data, user_id: &UserId, entered: NewPrice) -> Result<PriceOverride, Failure> {
    let (price, set) = new_price(entered)?;
    let event = data.event(Some(user_id), None, set);
    data.store.set_price(user_id, &price, &event).await?;
    Ok(price)
}

fn words(price: &PriceOverride) -> String {
    let model = price.model.as_deref().unwrap_or("every model");
    format!("{model}: {}", terms_in_words(price.price.terms))
}

fn terms_in_words(terms: PriceTerms) -> String {
    match terms {
        PriceTerms::Free => "free".to_owned(),
        PriceTerms::DiscountPercent(percent) => format!("{percent} % off the list"),
        PriceTerms::PerMillion(OwnRates { input, output, .. }) => {
            format!("${input} in, ${output} out for a million tokens")
        }
    }
}
