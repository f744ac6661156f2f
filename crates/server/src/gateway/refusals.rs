//! Refused calls, gathered in memory and written together: a client that is refused a thousand times
//! a second must not keep the store busy. If the process dies, the last of them go uncounted.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aipassport_domain::{ids::GrantId, time::Timestamp};
use aipassport_store::RefusalCount;

use super::error::GatewayError;
use crate::app::App;

/// More kinds than this between two writes are counted without their model.
const MOST_KINDS: usize = 1_000;
const LONGEST_MODEL: usize = 200;
const MINUTE_MILLIS: i64 = 60_000;

#[derive(Default)]
pub(super) struct Refusals {
    waiting: Mutex<HashMap<Kind, u64>>,
}

/// What is counted as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    grant_id: GrantId,
    rule: &'static str,
    model: String,
    minute: i64,
}

impl Refusals {
    /// Counts a call that was refused before anything was reserved.
    pub(super) fn note(&self, grant_id: &GrantId, model: Option<&str>, error: &GatewayError, at: Timestamp) {
        let Some(rule) = error.rule() else { return };
        let mut waiting = self.lock();
        let model = model.filter(|model| model.len() <= LONGEST_MODEL && waiting.len() < MOST_KINDS);
        let kind = Kind {
            grant_id: grant_id.clone(),
            rule,
            model: model.unwrap_or_default().to_owned(),
            minute: at.millis().div_euclid(MINUTE_MILLIS),
        };
        *waiting.entry(kind).or_default() += 1;
    }

    /// Writes what has been counted since the last time; what cannot be written waits for the next.
    pub(super) async fn flush(&self, app: &App) {
        let waiting = std::mem::take(&mut *self.lock());
        if waiting.is_empty() {
            return;
        }
        let counts = waiting.iter().map(|(kind, count)| RefusalCount {
            tenant_id: app.tenant_id.clone(),
            grant_id: kind.grant_id.clone(),
            minute: Timestamp::from_millis(kind.minute * MINUTE_MILLIS),
            rule: kind.rule.to_owned(),
            model: kind.model.clone(),
            count: *count,
        });
        let counts: Vec<RefusalCount> = counts.collect();
        if let Err(error) = app.store.record_refusals(&counts).await {
            tracing::warn!(%error, "could not write down refused calls");
            let mut since = self.lock();
            for (kind, count) in waiting {
                *since.entry(kind).or_default() += count;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, u64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
