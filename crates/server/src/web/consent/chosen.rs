//! Reading the consent form: from its fields to what the user chose.
//!
//! Nothing that is missing counts as "anything": an empty list of models is an error, never an
//! open choice. What comes out is still met with what was asked before it is granted.

use std::collections::BTreeMap;

use aipassport_domain::{
    authorization_details::{AiAccess, Capability, Choice, ModelPattern, Validity},
    consent::ConsentError,
    limits::Limits,
    money::Money,
};

use super::{
    super::{form::Fields, numbers, parts::FieldError, words},
    terms::{Terms, candidates, chosen_features},
};

/// What the user chose of each account that is used.
pub(super) fn read(terms: &Terms<'_>, fields: &Fields) -> Result<Vec<AiAccess>, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut chosen = Vec::new();
    for access in terms.asked {
        let is_left_out = terms.asked.len() > 1 && !fields.has(&format!("{}.use", access.provider), "yes");
        if is_left_out {
            continue;
        }
        if !terms.has_key(access) {
            let words = format!("Add your {} key first.", words::provider(&access.provider));
            errors.push(FieldError::new(format!("key-{}", access.provider), words));
        }
        chosen.push(account(terms, access, fields, &mut errors));
    }
    if chosen.is_empty() {
        errors.push(FieldError::new("until", "Choose at least one account."));
    }
    if errors.is_empty() { Ok(chosen) } else { Err(errors) }
}

fn account(terms: &Terms<'_>, access: &AiAccess, fields: &Fields, errors: &mut Vec<FieldError>) -> AiAccess {
    let provider = access.provider.as_str();
    let capabilities: Vec<Capability> = Capability::ALL
        .into_iter()
        .filter(|capability| access.capabilities.is_open() || access.has_capability(*capability))
        .filter(|capability| fields.has(&format!("{provider}.capability"), capability.as_str()))
        .collect();
    if capabilities.is_empty() {
        errors.push(FieldError::new(
            format!("{provider}.capability"),
            "Choose at least one thing the app may do.",
        ));
    }
    let (models, allow_future) = models(terms, access, fields);
    if models.is_empty() {
        errors.push(FieldError::new(
            format!("{provider}.model"),
            "Choose at least one model.",
        ));
    }
    AiAccess {
        models: Choice::of(models),
        capabilities: Choice::of(capabilities),
        features: chosen_features(fields, provider),
        limits: limits(terms, access, fields, errors),
        validity: validity(fields, errors),
        allow_future,
        ..AiAccess::open(access.provider.clone())
    }
}

fn models(terms: &Terms<'_>, access: &AiAccess, fields: &Fields) -> (Vec<ModelPattern>, bool) {
    let provider = access.provider.as_str();
    let mut models: Vec<ModelPattern> = candidates(access, terms.prices)
        .into_iter()
        .filter(|candidate| candidate.priced.is_some() && fields.has(&format!("{provider}.model"), &candidate.id))
        .map(|candidate| ModelPattern::Exact(candidate.id))
        .collect();
    let named = fields.text(&format!("{provider}.named")).split(',').map(str::trim);
    models.extend(
        named
            .filter(|_| access.models.is_open())
            .filter(|name| terms.prices.model(&access.provider, name).is_some())
            .map(|name| ModelPattern::Exact(name.to_owned()))
            .filter(|pattern| pattern.check().is_ok()),
    );
    let future: Vec<ModelPattern> = fields
        .all(&format!("{provider}.future"))
        .filter(|_| access.allow_future)
        .map(|prefix| ModelPattern::Prefix {
            prefix: prefix.to_owned(),
        })
        .filter(|prefix| access.models.iter().any(|asked| asked == prefix))
        .collect();
    let allow_future = !future.is_empty();
    models.extend(future);
    (models, allow_future)
}

fn limits(terms: &Terms<'_>, access: &AiAccess, fields: &Fields, errors: &mut Vec<FieldError>) -> Limits {
    let provider = access.provider.as_str();
    let standing = terms.limits(access);
    let mut chosen = Limits::default();
    for (window, most) in &standing.budget {
        let field = numbers::field(&access.provider, "budget", *window);
        let asked = access.limits.budget.get(window).copied();
        match amount(fields, &field, asked) {
            Ok(amount) => _ = chosen.budget.insert(*window, amount),
            Err(words) => {
                chosen.budget.insert(*window, *most);
                errors.push(FieldError::new(field, words));
            }
        }
    }
    let mut number = |field: String, most: u64| {
        numbers::count(fields.text(&field), most).unwrap_or_else(|words| {
            errors.push(FieldError::new(field, words));
            most
        })
    };
    chosen.requests = map(&standing.requests, |window, most| {
        number(numbers::field(&access.provider, "requests", *window), most)
    });
    chosen.rate = map(&standing.rate, |period, most| {
        number(numbers::field(&access.provider, "rate", Some(*period)), most)
    });
    let at_once = number(
        format!("{provider}.concurrency"),
        standing.concurrency.unwrap_or(u32::MAX).into(),
    );
    chosen.concurrency = Some(u32::try_from(at_once).unwrap_or(u32::MAX));
    let asked = access.limits.output_tokens_per_request;
    if asked.is_some() || !fields.text(&format!("{provider}.output")).is_empty() {
        chosen.output_tokens_per_request = Some(number(format!("{provider}.output"), asked.unwrap_or(u64::MAX)));
    }
    chosen
}

fn map<K: Ord + Copy>(standing: &BTreeMap<K, u64>, mut chosen: impl FnMut(&K, u64) -> u64) -> BTreeMap<K, u64> {
    standing.iter().map(|(key, max)| (*key, chosen(key, *max))).collect()
}

/// The amount typed, or the one picked; where both are there, the lower, so that nobody grants
/// more than either says.
fn amount(fields: &Fields, field: &str, asked: Option<Money>) -> Result<Money, String> {
    let typed = fields.text(field);
    let picked = fields.text(&format!("{field}.preset"));
    let entered = [typed, picked].into_iter().filter(|text| !text.is_empty());
    let amounts: Vec<Money> = entered
        .map(|text| numbers::amount(text, asked))
        .collect::<Result<_, _>>()?;
    // Nothing entered is read as nothing, which is no amount.
    amounts.into_iter().min().map_or_else(|| numbers::amount("", asked), Ok)
}

fn validity(fields: &Fields, errors: &mut Vec<FieldError>) -> Validity {
    let text = fields.text("until");
    if text == "asked" {
        return Validity::default();
    }
    let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds > 0);
    if seconds.is_none() && !errors.iter().any(|error| error.field == "until") {
        errors.push(FieldError::new("until", "Choose when it ends."));
    }
    Validity {
        seconds,
        ..Validity::default()
    }
}

/// What the domain found wrong, at the field where it can be put right.
pub(super) fn field_error(error: &ConsentError) -> FieldError {
    match error {
        ConsentError::AlreadyOver => FieldError::new("until", "Choose an end that lies ahead."),
        ConsentError::NothingInCommon | ConsentError::NoModel | ConsentError::NoCapability => {
            FieldError::new("until", "Choose something that the app asked for.")
        }
    }
}
