//! The terms of a request as fields of a form, each as it can be lowered.
//!
//! What is on from the start is the narrow choice: what was asked, but never above the operator's
//! defaults, and nothing that reaches further than a plain chat (`security.md` 70).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aipassport_domain::{
    authorization_details::{AiAccess, Capability, Choice, Features, ModelPattern},
    consent::Defaults,
    ids::ProviderId,
    limits::Limits,
    money::Money,
    time::Timestamp,
};
use aipassport_providers::{
    adapter::{self, ProviderAdapter},
    prices::{PriceBook, PriceClass, PricedModel},
};
use aipassport_store::ProviderCredential;

use super::{
    super::{form::Fields, numbers, parts::FieldError, used_up, words},
    estimate,
    view::{AccountTerms, BudgetField, Choosable, NumberField, Tick},
};

/// What the terms of one request are worked out from.
pub(super) struct Terms<'a> {
    pub(super) asked: &'a [AiAccess],
    pub(super) defaults: &'a Defaults,
    pub(super) prices: &'a PriceBook,
    pub(super) keys: &'a [ProviderCredential],
    /// Which models the keys have, as far as their providers have told.
    pub(super) listed: BTreeMap<ProviderId, Arc<BTreeSet<String>>>,
    /// What the user had entered, where the form comes back with errors.
    pub(super) entered: Option<&'a Fields>,
    pub(super) errors: &'a [FieldError],
    pub(super) now: Timestamp,
}

/// A model that can be allowed: its exact id, and its price if one is known.
pub(super) struct Candidate<'a> {
    pub(super) id: String,
    pub(super) priced: Option<&'a PricedModel>,
}

/// The models that a request can mean: those it names, and those known today that it describes.
///
/// A prefix stands for what it matches now; what it will match later is a choice of its own.
pub(super) fn candidates<'a>(access: &AiAccess, prices: &'a PriceBook) -> Vec<Candidate<'a>> {
    let known = || prices.models(&access.provider);
    let candidate = |model: &'a PricedModel| Candidate {
        id: model.id.clone(),
        priced: Some(model),
    };
    let Choice::Only(patterns) = &access.models else {
        let fits = |model: &&PricedModel| {
            access.capabilities.is_open()
                || access
                    .capabilities
                    .iter()
                    .any(|asked| model.capabilities.contains(asked))
        };
        return known().filter(fits).map(candidate).collect();
    };
    let mut found: Vec<Candidate<'a>> = known()
        .filter(|model| patterns.iter().any(|pattern| pattern.matches(&model.id)))
        .map(candidate)
        .collect();
    for pattern in patterns {
        if let ModelPattern::Exact(id) = pattern
            && !found.iter().any(|candidate| candidate.id == *id)
        {
            found.push(Candidate {
                id: id.clone(),
                // The user may have said what every model costs, and so this one.
                priced: prices.model(&access.provider, id),
            });
        }
    }
    found
}

/// What may be asked of the provider's own machinery; off until switched on.
const REACHING_FEATURES: [&str; 4] = ["server_tools", "web_search", "code_execution", "stored_state"];

impl Terms<'_> {
    pub(super) fn accounts(&self) -> Vec<AccountTerms> {
        self.asked.iter().map(|access| self.account(access)).collect()
    }

    pub(super) fn has_key(&self, access: &AiAccess) -> bool {
        self.keys.iter().any(|key| key.provider == access.provider)
    }

    /// The limits that stand if nothing is lowered.
    pub(super) fn limits(&self, access: &AiAccess) -> Limits {
        access.limits.clone().or_defaults(&self.defaults.limits)
    }

    /// Whether the app is stopped when its money is used up; `None` where nothing can be.
    pub(super) fn stop_when_used_up(&self) -> Option<bool> {
        let limits: Vec<Limits> = self.asked.iter().map(|access| self.limits(access)).collect();
        let is_left_open = self.asked.is_empty();
        (is_left_open || used_up::is_possible(&limits)).then(|| self.entered.is_some_and(used_up::is_chosen))
    }

    fn account(&self, access: &AiAccess) -> AccountTerms {
        let provider = access.provider.as_str();
        let limits = self.limits(access);
        let models = self.models(access);
        let has_error = |field: &str| self.errors.iter().any(|error| error.field == field);
        let model_field = format!("{provider}.model");
        AccountTerms {
            provider: provider.to_owned(),
            provider_name: words::provider(&access.provider),
            key_hint: key_hint(provider),
            has_key: self.has_key(access),
            include: (self.asked.len() > 1).then(|| Tick {
                is_on: self.has_key(access) && self.is_on(&format!("{provider}.use"), "yes", true),
                is_off_for_good: !self.has_key(access),
                ..Tick::default()
            }),
            capabilities: self.capabilities(access),
            features: self.features(access, |name| REACHING_FEATURES.contains(&name), false),
            switches: self.features(access, |name| !REACHING_FEATURES.contains(&name), true),
            models_sentence: models_sentence(access, &models),
            models_open: has_error(&model_field),
            future: self.future(access),
            budgets: self.budgets(access, &limits, &models),
            more: self.more(access, &limits),
            models,
            capability_field: format!("{provider}.capability"),
            names_models: self.names_models(access),
            model_field,
        }
    }

    /// Whether the user has to name the models: a server of one's own has no list of them.
    fn names_models(&self, access: &AiAccess) -> Option<String> {
        let is_own = adapter::by_id(access.provider.as_str()).is_some_and(ProviderAdapter::is_self_hosted);
        let is_left_open = access.models.is_open() && is_own;
        let entered = self
            .entered
            .map(|fields| fields.text(&format!("{}.named", access.provider)));
        is_left_open.then(|| entered.unwrap_or_default().to_owned())
    }

    fn is_on(&self, name: &str, value: &str, at_first: bool) -> bool {
        self.entered.map_or(at_first, |fields| fields.has(name, value))
    }

    fn capabilities(&self, access: &AiAccess) -> Vec<Tick> {
        let is_asked = |capability: &Capability| match &access.capabilities {
            Choice::Open => true,
            Choice::Only(asked) => asked.contains(capability),
        };
        let name = format!("{}.capability", access.provider);
        let tick = |capability: Capability| {
            let at_first = match &access.capabilities {
                Choice::Open => capability == Capability::Chat,
                Choice::Only(_) => capability != Capability::Code,
            };
            Tick {
                value: capability.as_str().to_owned(),
                words: words::capability(capability).to_owned(),
                is_on: self.is_on(&name, capability.as_str(), at_first),
                ..Tick::default()
            }
        };
        Capability::ALL.into_iter().filter(is_asked).map(tick).collect()
    }

    fn features(&self, access: &AiAccess, is_wanted: impl Fn(&str) -> bool, at_first: bool) -> Vec<Tick> {
        let field = format!("{}.feature", access.provider);
        let asked = access.features.named().into_iter().filter(|(_, is_asked)| *is_asked);
        asked
            .filter(|(name, _)| is_wanted(name))
            .map(|(name, _)| {
                let (words, hint) = words::feature(name);
                Tick {
                    value: name.to_owned(),
                    words: words.to_owned(),
                    hint: hint.to_owned(),
                    is_on: self.is_on(&field, name, at_first),
                    is_off_for_good: false,
                }
            })
            .collect()
    }

    fn models(&self, access: &AiAccess) -> Vec<Tick> {
        let field = format!("{}.model", access.provider);
        let listed = self.listed.get(&access.provider);
        let tick = |candidate: Candidate<'_>| {
            let class = candidate.priced.map(PricedModel::class);
            let is_missing = listed.is_some_and(|listed| !listed.contains(&candidate.id));
            // Named by the app: as asked. Left to the user: the cheap ones that the key has.
            let at_first = !access.models.is_open() || (class == Some(PriceClass::One) && !is_missing);
            let hint = match class {
                None => "no known price",
                Some(_) if candidate.priced.is_some_and(PricedModel::is_free) => "free",
                Some(class) => class.as_str(),
            };
            Tick {
                hint: if is_missing {
                    format!("{hint}, not listed for your key")
                } else {
                    hint.to_owned()
                },
                is_on: class.is_some() && self.is_on(&field, &candidate.id, at_first),
                is_off_for_good: class.is_none(),
                words: candidate.id.clone(),
                value: candidate.id,
            }
        };
        candidates(access, self.prices).into_iter().map(tick).collect()
    }

    /// A prefix whose future models may be included, where the app asked for that.
    fn future(&self, access: &AiAccess) -> Vec<Tick> {
        let field = format!("{}.future", access.provider);
        let prefixes = access.models.iter().filter_map(|pattern| match pattern {
            ModelPattern::Prefix { prefix } if access.allow_future => Some(prefix),
            _ => None,
        });
        prefixes
            .map(|prefix| Tick {
                value: prefix.clone(),
                words: format!("And new models whose names begin with {prefix}"),
                hint: "Whatever they will cost; the amount below still holds.".to_owned(),
                is_on: self.is_on(&field, prefix, false),
                is_off_for_good: false,
            })
            .collect()
    }

    fn budgets(&self, access: &AiAccess, limits: &Limits, models: &[Tick]) -> Vec<BudgetField> {
        let ticked: Vec<&PricedModel> = models
            .iter()
            .filter(|tick| tick.is_on)
            .filter_map(|tick| self.prices.model(&access.provider, &tick.value))
            .collect();
        let field = |(window, most): (&_, &Money)| {
            let name = numbers::field(&access.provider, "budget", *window);
            let asked = access.limits.budget.get(window).copied();
            let at_first = self
                .defaults
                .limits
                .budget
                .get(window)
                .map_or(*most, |usual| *most.min(usual));
            let typed = self.entered.map(|fields| fields.text(&name)).unwrap_or_default();
            let picked = self.entered.map(|fields| fields.text(&format!("{name}.preset")));
            BudgetField {
                id: name.clone(),
                per: words::per(*window),
                amount: typed.to_owned(),
                presets: presets(
                    asked,
                    at_first,
                    picked.filter(|picked| !picked.is_empty()),
                    typed.is_empty(),
                ),
                estimate: estimate::sentence(at_first, &ticked, access),
                name,
            }
        };
        limits.budget.iter().map(field).collect()
    }

    fn more(&self, access: &AiAccess, limits: &Limits) -> Vec<NumberField> {
        let provider = &access.provider;
        let field = |name: String, words: &str, value: Option<u64>, per: String| {
            let value = value.map(|value| value.to_string()).unwrap_or_default();
            NumberField {
                id: name.clone(),
                words: words.to_owned(),
                value: self.entered.map_or(value, |fields| fields.text(&name).to_owned()),
                per,
                name,
            }
        };
        let mut fields = Vec::new();
        for (window, max) in &limits.requests {
            let name = numbers::field(provider, "requests", *window);
            fields.push(field(name, "Requests", Some(*max), words::per(*window)));
        }
        for (period, requests) in &limits.rate {
            let name = numbers::field(provider, "rate", Some(*period));
            fields.push(field(
                name,
                "Requests in quick succession",
                Some(*requests),
                words::per(Some(*period)),
            ));
        }
        let at_once = limits.concurrency.map(u64::from);
        fields.push(field(
            format!("{provider}.concurrency"),
            "Requests at the same time",
            at_once,
            "at once".to_owned(),
        ));
        fields.push(field(
            format!("{provider}.output"),
            "Longest answer",
            limits.output_tokens_per_request,
            "tokens; empty for the model’s own".to_owned(),
        ));
        fields
    }

    /// When it ends: as asked, or sooner.
    pub(super) fn until(&self) -> Vec<Choosable> {
        const CHOICES: [i64; 5] = [3_600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400];
        let seconds_to = |end: Timestamp| (end.seconds() - self.now.seconds()).max(0);
        let asked = self
            .asked
            .iter()
            .filter_map(|access| access.validity.end(self.now))
            .max();
        let asked = asked.map(seconds_to);
        let longest = self.defaults.longest_lifetime_seconds.min(asked.unwrap_or(i64::MAX));
        let picked = self.entered.map(|fields| fields.text("until"));

        let mut choices: Vec<(String, i64, String)> = CHOICES
            .into_iter()
            .filter(|seconds| *seconds < longest || (asked.is_none() && *seconds == longest))
            .map(|seconds| (seconds.to_string(), seconds, words::lasting(seconds)))
            .collect();
        if let Some(asked) = asked.filter(|asked| *asked <= self.defaults.longest_lifetime_seconds) {
            choices.push((
                "asked".to_owned(),
                asked,
                format!("{}, as asked", words::lasting(asked)),
            ));
        }
        // The longest that is not above the operator's usual, or the shortest there is.
        let usual = self.defaults.lifetime_seconds;
        let at_first = choices
            .iter()
            .rposition(|(_, seconds, _)| *seconds <= usual)
            .unwrap_or(0);
        choices
            .into_iter()
            .enumerate()
            .map(|(place, (value, _, words))| Choosable {
                is_selected: picked.map_or(place == at_first, |picked| picked == value),
                value,
                words,
            })
            .collect()
    }

    /// `500 requests a month, 60 a minute, 4 at once`.
    pub(super) fn more_sentence(&self) -> String {
        let Some(access) = self.asked.first() else {
            return String::new();
        };
        let limits = self.limits(access);
        let requests = limits
            .requests
            .iter()
            .map(|(window, max)| format!("{} {}", words::counted(*max, "request"), words::per(*window)));
        let rate = limits
            .rate
            .iter()
            .map(|(period, count)| format!("{} {}", words::grouped(*count), words::per(Some(*period))));
        let at_once = limits
            .concurrency
            .map(|most| format!("{} at once", words::grouped(most)));
        let all: Vec<String> = requests.chain(rate).chain(at_once).collect();
        all.join(", ")
    }

    /// Whether an error hides in the closed part of the form.
    pub(super) fn has_error_in_more(&self) -> bool {
        let is_more = |error: &FieldError| {
            let rule = error.field.split('.').nth(1).unwrap_or_default();
            matches!(rule, "requests" | "rate" | "concurrency" | "output")
        };
        self.errors.iter().any(is_more)
    }
}

/// The features that are on in the form.
pub(super) fn chosen_features(fields: &Fields, provider: &str) -> Features {
    let field = format!("{provider}.feature");
    let is_on = |name| fields.has(&field, name);
    Features {
        streaming: is_on("streaming"),
        tools: is_on("tools"),
        server_tools: is_on("server_tools"),
        web_search: is_on("web_search"),
        code_execution: is_on("code_execution"),
        stored_state: is_on("stored_state"),
    }
}

fn presets(asked: Option<Money>, at_first: Money, picked: Option<&str>, is_untyped: bool) -> Vec<Tick> {
    let mut amounts = vec![
        Money::from_cents(100),
        Money::from_cents(500),
        Money::from_cents(2_000),
        at_first,
    ];
    amounts.extend(asked);
    amounts.retain(|amount| asked.is_none_or(|asked| *amount <= asked));
    amounts.sort_unstable();
    amounts.dedup();
    let tick = |amount: Money| {
        let value = amount.to_string();
        let short = value.strip_suffix(".00").unwrap_or(&value).to_owned();
        let words = match asked {
            Some(asked) if asked == amount => format!("${short} as asked"),
            _ if amount == Money::from_cents(100) => "$1 to try".to_owned(),
            _ => format!("${short}"),
        };
        Tick {
            is_on: is_untyped && picked.map_or(amount == at_first, |picked| picked == value),
            words,
            value,
            ..Tick::default()
        }
    };
    amounts.into_iter().map(tick).collect()
}

/// `4 models it asked for, $–$$`.
fn models_sentence(access: &AiAccess, models: &[Tick]) -> String {
    let marks: Vec<&str> = models
        .iter()
        .filter(|tick| tick.is_on)
        .map(|tick| tick.hint.as_str())
        .collect();
    let cheapest = marks.iter().min_by_key(|mark| mark.len());
    let dearest = marks.iter().max_by_key(|mark| mark.len());
    let marks_words = match (cheapest, dearest) {
        (Some(low), Some(high)) if low == high => format!(", {low}"),
        (Some(low), Some(high)) => format!(", {low}–{high}"),
        _ => String::new(),
    };
    let which = match models {
        [only] if only.is_on => only.words.clone(),
        _ if access.models.is_open() => format!("{} of {}", marks.len(), words::counted(count(models), "model")),
        _ if marks.len() == models.len() => format!("{} it asked for", words::counted(count(models), "model")),
        _ => format!(
            "{} of the {} it asked for",
            marks.len(),
            words::counted(count(models), "model")
        ),
    };
    format!("{which}{marks_words}")
}

fn count(models: &[Tick]) -> u64 {
    u64::try_from(models.len()).unwrap_or(u64::MAX)
}

pub(super) fn key_hint(provider: &str) -> &'static str {
    match provider {
        "openai" => "sk-…",
        "anthropic" => "sk-ant-…",
        _ => "",
    }
}
