//! Consent to a client that can only say that it wants AI (`scope=ai`), and to a tool that cannot ask
//! at all: the user picks a size.

use std::collections::BTreeSet;

use aipassport_domain::{
    authorization_details::{AiAccess, Capability, Choice, ModelPattern, Validity},
    ids::ProviderId,
    limits::{Limits, Window},
    money::Money,
    time::Period,
};
use aipassport_providers::{
    adapter,
    prices::{PriceBook, PriceClass},
};
use aipassport_store::ProviderCredential;

use super::{
    super::{form::Fields, parts::FieldError, words},
    view::{Presets, Tick},
};

struct Size {
    value: &'static str,
    words: &'static str,
    hint: &'static str,
    amount: Money,
    window: Window,
    seconds: u64,
    dearest: PriceClass,
}

/// The narrow one first: it is the one that is picked.
const SIZES: [Size; 3] = [
    Size {
        value: "try",
        words: "A little, to try",
        hint: "$1 in all each, for a day, models marked $",
        amount: Money::from_cents(100),
        window: None,
        seconds: 86_400,
        dearest: PriceClass::One,
    },
    Size {
        value: "everyday",
        words: "Every day",
        hint: "$5 a month each, for 30 days, models up to $$",
        amount: Money::from_cents(500),
        window: Some(Period::MONTH),
        seconds: 30 * 86_400,
        dearest: PriceClass::Two,
    },
    Size {
        value: "more",
        words: "A lot",
        hint: "$20 a month each, for 30 days, every model",
        amount: Money::from_cents(2_000),
        window: Some(Period::MONTH),
        seconds: 30 * 86_400,
        dearest: PriceClass::Three,
    },
];

pub(in crate::web) fn shown(keys: &[ProviderCredential], prices: &PriceBook, entered: Option<&Fields>) -> Presets {
    let mut place = 0;
    let sizes = SIZES.iter().map(|size| Tick {
        value: size.value.to_owned(),
        words: size.words.to_owned(),
        hint: size.hint.to_owned(),
        is_on: entered.map_or(size.value == "try", |fields| fields.has("size", size.value)),
        is_off_for_good: false,
    });
    let providers = providers(keys).into_iter().map(|provider| {
        let key = keys.iter().find(|key| key.provider == provider);
        let has_models = prices.models(&provider).next().is_some();
        let can_be_used = key.is_some() && has_models;
        let at_first = can_be_used && place == 0;
        place += usize::from(can_be_used);
        Tick {
            value: provider.to_string(),
            words: words::provider(&provider),
            hint: match key {
                None => "no key here yet".to_owned(),
                Some(_) if !has_models => "say first what each of its models costs, on the page of keys".to_owned(),
                Some(key) if key.last_four.is_empty() => "asks for no key".to_owned(),
                Some(key) => format!("key …{}", key.last_four),
            },
            is_on: can_be_used && entered.map_or(at_first, |fields| fields.has("provider", provider.as_str())),
            is_off_for_good: !can_be_used,
        }
    });
    Presets {
        sizes: sizes.collect(),
        providers: providers.collect(),
    }
}

pub(in crate::web) fn read(
    fields: &Fields,
    keys: &[ProviderCredential],
    prices: &PriceBook,
) -> Result<Vec<AiAccess>, Vec<FieldError>> {
    let wrong = |field: &str, words: &str| vec![FieldError::new(field, words)];
    let size = SIZES.iter().find(|size| fields.has("size", size.value));
    let size = size.ok_or_else(|| wrong("size-try", "Choose how much it may use."))?;

    let chosen: Vec<AiAccess> = providers(keys)
        .into_iter()
        .filter(|provider| fields.has("provider", provider.as_str()))
        .filter(|provider| keys.iter().any(|key| key.provider == *provider))
        .map(|provider| size.access(provider, prices))
        .filter(|access| !access.models.is_open())
        .collect();
    if chosen.is_empty() {
        return Err(wrong("provider", "Choose at least one of your accounts."));
    }
    Ok(chosen)
}

/// Those that everybody can have, and those that this user brings.
fn providers(keys: &[ProviderCredential]) -> Vec<ProviderId> {
    let named = adapter::all().iter().map(|adapter| ProviderId::new(adapter.id()));
    let own: BTreeSet<ProviderId> = keys
        .iter()
        .map(|key| key.provider.clone())
        .filter(|provider| ProviderId::custom_name(provider.as_str()).is_some())
        .collect();
    named.chain(own).collect()
}

impl Size {
    fn access(&self, provider: ProviderId, prices: &PriceBook) -> AiAccess {
        let models = prices
            .models(&provider)
            .filter(|model| model.class() <= self.dearest && model.capabilities.contains(&Capability::Chat))
            .map(|model| ModelPattern::Exact(model.id.clone()));
        AiAccess {
            models: Choice::of(models),
            capabilities: Choice::of([Capability::Chat]),
            limits: Limits {
                budget: [(self.window, self.amount)].into(),
                ..Limits::default()
            },
            validity: Validity {
                seconds: Some(self.seconds),
                ..Validity::default()
            },
            ..AiAccess::open(provider)
        }
    }
}
