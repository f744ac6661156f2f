//! Limits as they are asked for and granted; what is left of them is the [`crate::ledger`]'s.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::{money::Money, time::Period};

/// The window of a budget or request cap; `None` is the grant's whole life.
pub type Window = Option<Period>;

/// Upper limits. In a grant, one that is missing leaves its operator's default in force, never
/// "unlimited"; above grants, one that is missing is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "write_requests")]
    pub requests: BTreeMap<Window, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "write_budget")]
    pub budget: BTreeMap<Window, Money>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "write_rate")]
    pub rate: BTreeMap<Period, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_request: Option<u64>,
}

impl Limits {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every limit of `wide` stands here too, as low or lower.
    pub fn narrower(&self, wide: &Self) -> bool {
        at_most(&self.requests, &wide.requests)
            && at_most(&self.budget, &wide.budget)
            && at_most(&self.rate, &wide.rate)
            && wide
                .concurrency
                .is_none_or(|most| self.concurrency.is_some_and(|mine| mine <= most))
            && wide
                .output_tokens_per_request
                .is_none_or(|most| self.output_tokens_per_request.is_some_and(|mine| mine <= most))
    }

    /// Every limit of both; where both have one, the lower.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self {
            requests: lower_of(&self.requests, &other.requests),
            budget: lower_of(&self.budget, &other.budget),
            rate: lower_of(&self.rate, &other.rate),
            concurrency: lower(self.concurrency, other.concurrency),
            output_tokens_per_request: lower(self.output_tokens_per_request, other.output_tokens_per_request),
        }
    }

    /// These limits, with the operator's `defaults` where one is missing altogether.
    #[must_use]
    pub fn or_defaults(mut self, defaults: &Self) -> Self {
        if self.requests.is_empty() {
            self.requests.clone_from(&defaults.requests);
        }
        if self.budget.is_empty() {
            self.budget.clone_from(&defaults.budget);
        }
        if self.rate.is_empty() {
            self.rate.clone_from(&defaults.rate);
        }
        self.concurrency = self.concurrency.or(defaults.concurrency);
        self.output_tokens_per_request = self.output_tokens_per_request.or(defaults.output_tokens_per_request);
        self
    }
}

fn at_most<K: Ord, V: Ord>(narrow: &BTreeMap<K, V>, wide: &BTreeMap<K, V>) -> bool {
    wide.iter()
        .all(|(window, most)| narrow.get(window).is_some_and(|mine| mine <= most))
}

fn lower_of<K: Ord + Copy, V: Ord + Copy>(one: &BTreeMap<K, V>, other: &BTreeMap<K, V>) -> BTreeMap<K, V> {
    let mut both = one.clone();
    for (window, most) in other {
        both.entry(*window)
            .and_modify(|mine| *mine = (*mine).min(*most))
            .or_insert(*most);
    }
    both
}

pub(crate) fn lower<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

// The wire shapes. One window is written as an object, as clients send it; several as an array.

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestsOnWire {
    pub(crate) max: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) per: Option<Period>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BudgetOnWire {
    pub(crate) amount: Money,
    pub(crate) currency: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) per: Option<Period>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateOnWire {
    pub(crate) requests: u64,
    pub(crate) per: Period,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn of(mut items: Vec<T>) -> Self {
        match items.pop() {
            Some(only) if items.is_empty() => Self::One(only),
            Some(last) => {
                items.push(last);
                Self::Many(items)
            }
            None => Self::Many(items),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(item) => vec![item],
            Self::Many(items) => items,
        }
    }
}

fn write_requests<S: Serializer>(caps: &BTreeMap<Window, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    OneOrMany::of(
        caps.iter()
            .map(|(per, max)| RequestsOnWire { max: *max, per: *per })
            .collect(),
    )
    .serialize(serializer)
}

fn write_budget<S: Serializer>(budgets: &BTreeMap<Window, Money>, serializer: S) -> Result<S::Ok, S::Error> {
    let on_wire = |(per, amount): (&Window, &Money)| BudgetOnWire {
        amount: *amount,
        currency: "USD".to_owned(),
        per: *per,
    };
    OneOrMany::of(budgets.iter().map(on_wire).collect()).serialize(serializer)
}

fn write_rate<S: Serializer>(rates: &BTreeMap<Period, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rates.iter().map(|(per, requests)| RateOnWire {
        requests: *requests,
        per: *per,
    }))
}
