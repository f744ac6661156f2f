//! Refused calls, gathered in memory and written together: a client that is refused a thousand times
//! a second must not keep the store busy. If the process dies, the last of them go uncounted.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use aipassport_domain::{ids::GrantId, ledger::Level, time::Timestamp};
use aipassport_store::RefusalCount;

use super::error::GatewayError;
use crate::app::App;

/// So many models are told apart for one grant in one minute, and for all grants together: each is a
/// row, and a client that makes names up must not fill the database with them.
const MOST_MODELS_OF_GRANT: usize = 20;
const MOST_MODELS: usize = 1_000;
const LONGEST_MODEL: usize = 200;
/// What the rest are counted as.
const OTHER_MODELS: &str = "other models";
const MINUTE_MILLIS: i64 = 60_000;

#[derive(Default)]
pub(super) struct Refusals {
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    /// Not yet written.
    waiting: HashMap<Kind, u64>,
    /// The latest minute, and the models that were told apart in it.
    minute: i64,
    models: HashMap<GrantId, HashSet<String>>,
    /// How many those are.
    told_apart: usize,
}

/// What is counted as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    grant_id: GrantId,
    rule: &'static str,
    /// Whose limit it was, if it was one.
    level: Level,
    model: String,
    minute: i64,
}

impl Refusals {
    /// Counts a call that was refused before anything was reserved.
    pub(super) fn note(&self, grant_id: &GrantId, model: Option<&str>, error: &GatewayError, at: Timestamp) {
        let Some(rule) = error.rule() else { return };
        let minute = at.millis().div_euclid(MINUTE_MILLIS);
        let mut counted = self.lock();
        let kind = Kind {
            grant_id: grant_id.clone(),
            rule,
            level: error.limit().map_or(Level::Grant, |reached| reached.state.level),
            model: counted.name_of(grant_id, model.unwrap_or_default(), minute),
            minute,
        };
        *counted.waiting.entry(kind).or_default() += 1;
    }

    /// Writes what has been counted since the last time; what cannot be written waits for the next.
    pub(super) async fn flush(&self, app: &App) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        if waiting.is_empty() {
            return;
        }
        let counts = waiting.iter().map(|(kind, count)| RefusalCount {
            tenant_id: app.tenant_id.clone(),
            grant_id: kind.grant_id.clone(),
            minute: Timestamp::from_millis(kind.minute * MINUTE_MILLIS),
            rule: kind.rule_at_level(),
            model: kind.model.clone(),
            count: *count,
        });
        let counts: Vec<RefusalCount> = counts.collect();
        if let Err(error) = app.store.record_refusals(&counts).await {
            tracing::warn!(%error, "could not write down refused calls");
            let mut counted = self.lock();
            for (kind, count) in waiting {
                *counted.waiting.entry(kind).or_default() += count;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    /// `budget`; of a limit above the grant's `user:budget`.
    fn rule_at_level(&self) -> String {
        match self.level {
            Level::Grant => self.rule.to_owned(),
            level => format!("{}:{}", level.as_str(), self.rule),
        }
    }
}

impl Counted {
    /// What a refused call for `model` is counted as; empty where no model was read.
    fn name_of(&mut self, grant_id: &GrantId, model: &str, minute: i64) -> String {
        if model.is_empty() {
            return String::new();
        }
        if minute > self.minute {
            self.minute = minute;
            self.models.clear();
            self.told_apart = 0;
        }
        let of_grant = self.models.entry(grant_id.clone()).or_default();
        if of_grant.contains(model) {
            return model.to_owned();
        }
        let is_one_more = of_grant.len() < MOST_MODELS_OF_GRANT && self.told_apart < MOST_MODELS;
        if !is_one_more || model.len() > LONGEST_MODEL {
            return OTHER_MODELS.to_owned();
        }
        of_grant.insert(model.to_owned());
        self.told_apart += 1;
        model.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use aipassport_domain::{ids::ProviderId, policy::Denial};

    use super::*;

    const MINUTE: Timestamp = Timestamp::from_seconds(1_000 * 60);

    fn not_granted() -> GatewayError {
        Denial::ProviderNotGranted(ProviderId::new("openai")).into()
    }

    fn note(refusals: &Refusals, grant: &str, models: std::ops::Range<usize>, at: Timestamp) {
        for number in models {
            let model = format!("made-up-{number}");
            refusals.note(&GrantId::new(grant), Some(&model), &not_granted(), at);
        }
    }

    /// The kinds that wait to be written of a grant, and how many calls they are.
    fn waiting(refusals: &Refusals, grant: &str) -> (usize, u64) {
        let counted = refusals.lock();
        let of_grant = counted
            .waiting
            .iter()
            .filter(|(kind, _)| kind.grant_id.as_str() == grant);
        of_grant.fold((0, 0), |(kinds, calls), (_, count)| (kinds + 1, calls + count))
    }

    #[test]
    fn a_client_that_makes_models_up_fills_no_more_than_its_rows() {
        let refusals = Refusals::default();

        note(&refusals, "loud", 0..500, MINUTE);
        note(&refusals, "quiet", 0..3, MINUTE);
        assert_eq!(waiting(&refusals, "loud"), (MOST_MODELS_OF_GRANT + 1, 500));
        assert_eq!(waiting(&refusals, "quiet"), (3, 3));

        // Writing them gives no new room in the same minute; the next one does.
        refusals.lock().waiting.clear();
        note(&refusals, "loud", 0..30, MINUTE.plus_seconds(59));
        assert_eq!(waiting(&refusals, "loud"), (MOST_MODELS_OF_GRANT + 1, 30));
        refusals.lock().waiting.clear();
        note(&refusals, "loud", 25..30, MINUTE.plus_seconds(60));
        assert_eq!(waiting(&refusals, "loud"), (5, 5));
    }

    #[test]
    fn many_grants_together_fill_no_more_either() {
        let refusals = Refusals::default();
        for number in 0..MOST_MODELS {
            note(&refusals, &format!("grant {number}"), 0..10, MINUTE);
        }

        let counted = refusals.lock();
        let named = counted.waiting.keys().filter(|kind| kind.model != OTHER_MODELS);
        assert_eq!(named.count(), MOST_MODELS);
        assert_eq!(counted.waiting.len(), MOST_MODELS + MOST_MODELS - MOST_MODELS / 10);
    }

    #[test]
    fn a_call_without_a_model_and_one_with_a_long_name_are_counted() {
        let refusals = Refusals::default();
        let grant = GrantId::new("grant");

        refusals.note(&grant, None, &not_granted(), MINUTE);
        refusals.note(&grant, Some(&"x".repeat(LONGEST_MODEL + 1)), &not_granted(), MINUTE);

        let counted = refusals.lock();
        let mut models: Vec<&str> = counted.waiting.keys().map(|kind| kind.model.as_str()).collect();
        models.sort_unstable();
        assert_eq!(models, ["", OTHER_MODELS]);
    }
}
