//! Prices: what a user says that models cost. Shown and changed on the page of keys.

use aipassport_domain::{
    audit::Happened,
    ids::ProviderId,
    money::Money,
    price_override::{OwnRates, PriceOverride, PriceTerms},
};
use axum::{extract::State, response::Response};

use super::{
    error::PageError,
    form::{Fields, SignedForm},
    keys::{Said, keys_page},
    numbers,
    page::see_other,
    parts::FieldError,
    sign_in, words,
};
use crate::{
    app::App,
    entries::{NewPrice, new_price},
};

pub(super) struct PriceRow {
    pub(super) provider: String,
    /// Empty where it is every model's.
    pub(super) model: String,
    pub(super) of: String,
    pub(super) words: String,
}

pub(super) async fn set(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let SignedForm { signed_in, fields, .. } = form;
    let provider = fields.text("provider").to_owned();
    let model = Some(fields.text("model").to_owned());
    let said = match entered(&fields, "price", provider, model) {
        Ok(Some(price)) => new_price(price).map_err(|refused| FieldError::new("price-cost", refused.text)),
        Ok(None) => Err(FieldError::new("price-cost", "Say what it costs.")),
        Err(error) => Err(error),
    };
    match said {
        Ok((price, set)) => {
            let user = &signed_in.user;
            let event = sign_in::event(&app, user, set);
            app.store.set_price(&user.id, &price, &event).await?;
            Ok(see_other("/keys?done=priced#prices"))
        }
        Err(error) => keys_page(&app, &signed_in, &fields, Said::wrong(error)).await,
    }
}

pub(super) async fn remove(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let SignedForm { signed_in, fields, .. } = form;
    let provider = ProviderId::new(fields.text("provider"));
    let model = Some(fields.text("model")).filter(|model| !model.is_empty());
    let removed = Happened::PriceRemoved {
        provider: provider.clone(),
        model: model.map(str::to_owned),
    };
    let user = &signed_in.user;
    let event = sign_in::event(&app, user, removed);
    app.store.remove_price(&user.id, &provider, model, &event).await?;
    Ok(see_other("/keys?done=unpriced#prices"))
}

/// What the form says of a price, if anything; `form` is what its fields' ids begin with.
pub(super) fn entered(
    fields: &Fields,
    form: &str,
    provider: String,
    model: Option<String>,
) -> Result<Option<NewPrice>, FieldError> {
    let wrong = |field: &str, words: &str| FieldError::new(format!("{form}-{field}"), words);
    let dollars = |field: &str| {
        let plain = fields.text(field).trim_start_matches('$').replace(',', ".");
        let amount = plain.parse::<Money>();
        amount.map_err(|_| wrong(field, "Write an amount for a million tokens, like 0.20."))
    };
    let terms = match fields.text("cost") {
        "free" => PriceTerms::Free,
        "discount" => {
            let percent = fields.text("discount").parse();
            PriceTerms::DiscountPercent(percent.map_err(|_| wrong("discount", "Write a whole number from 1 to 99."))?)
        }
        "own" => PriceTerms::PerMillion(OwnRates {
            input: dollars("price_input")?,
            output: dollars("price_output")?,
            cached_input: None,
        }),
        _ => return Ok(None),
    };
    let longest = match fields.text("max_output_tokens") {
        "" => None,
        text => Some(numbers::count(text, u64::MAX).map_err(|words| wrong("max_output_tokens", &words))?),
    };
    Ok(Some(NewPrice {
        provider,
        model,
        terms,
        max_output_tokens: longest,
        context_tokens: None,
    }))
}

pub(super) fn row(said: &PriceOverride) -> PriceRow {
    let provider_name = words::provider(&said.provider);
    PriceRow {
        provider: said.provider.to_string(),
        of: match &said.model {
            Some(model) => format!("{provider_name}: {model}"),
            None => format!("{provider_name}: every model"),
        },
        model: said.model.clone().unwrap_or_default(),
        words: in_words(said.price.terms),
    }
}

/// `free`, `15 % off the list`, `$0.20 for a million input tokens, $0.60 for output`.
pub(super) fn in_words(terms: PriceTerms) -> String {
    match terms {
        PriceTerms::Free => "free".to_owned(),
        PriceTerms::DiscountPercent(percent) => format!("{percent} % off the list"),
        PriceTerms::PerMillion(OwnRates { input, output, .. }) => {
            format!("${input} for a million input tokens, ${output} for output")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> Result<Option<PriceTerms>, String> {
        let fields = Fields::parse(form.as_bytes());
        let price = entered(&fields, "server", "ollama".to_owned(), None);
        price
            .map(|price| price.map(|price| price.terms))
            .map_err(|error| error.field)
    }

    #[test]
    fn threat_137_a_form_that_says_nothing_of_the_price_makes_nothing_free() {
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("cost=&price_input=0&price_output=0"), Ok(None));
        assert_eq!(read("cost=free"), Ok(Some(PriceTerms::Free)));
    }

    #[test]
    fn an_amount_that_cannot_be_read_is_an_error_at_its_field() {
        let own = PriceTerms::PerMillion(OwnRates {
            input: Money::from_cents(20),
            output: Money::from_cents(60),
            cached_input: None,
        });

        assert_eq!(read("cost=own&price_input=$0,20&price_output=0.60"), Ok(Some(own)));
        assert_eq!(
            read("cost=own&price_input=&price_output=1"),
            Err("server-price_input".to_owned())
        );
        assert_eq!(
            read("cost=own&price_input=1&price_output=-1"),
            Err("server-price_output".to_owned())
        );
        assert_eq!(read("cost=discount&discount=300"), Err("server-discount".to_owned()));
        assert_eq!(
            read("cost=free&max_output_tokens=0"),
            Err("server-max_output_tokens".to_owned())
        );
    }
}
