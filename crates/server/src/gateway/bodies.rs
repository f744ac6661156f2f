//! How much memory bodies take while they are read and sent on: so much of one grant, so much of all.
//!
//! Security invariant: a body is read before anything is reserved, so no limit of the grant holds
//! yet. Without this, one app that sends large bodies on many connections would take all the memory
//! there is, and everybody's calls with it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aipassport_domain::ids::GrantId;

use super::read::BodyError;
use crate::app::App;

/// A body of this size is not counted: the number of connections bounds those well enough.
const SMALL: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Bodies(Mutex<Held>);

#[derive(Default)]
struct Held {
    together: usize,
    by_grant: HashMap<GrantId, usize>,
}

/// The memory of one body; given back when dropped. A small one costs nothing, not even a count.
#[derive(Default)]
pub(super) struct Allowance(Option<Taken>);

struct Taken {
    app: App,
    grant_id: GrantId,
    bytes: usize,
}

impl Bodies {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Allowance {
    /// Makes room for a body that has come to `bytes`, or fails at once: to wait would hold what it
    /// has already.
    pub(super) fn grow(&mut self, app: &App, grant_id: &GrantId, bytes: usize) -> Result<(), BodyError> {
        if bytes <= SMALL {
            return Ok(());
        }
        let taken = self.0.get_or_insert_with(|| Taken {
            app: app.clone(),
            grant_id: grant_id.clone(),
            bytes: 0,
        });
        let limits = &app.config.requests;
        let room_for = |bodies: usize| bodies.saturating_mul(limits.body_limit);
        let more = bytes.saturating_sub(taken.bytes);
        let mut held = app.gateway.bodies.lock();
        let of_grant = held.by_grant.get(grant_id).copied().unwrap_or_default() + more;
        let together = held.together + more;
        if of_grant > room_for(limits.bodies_per_grant) || together > room_for(limits.bodies_together) {
            return Err(BodyError::NoRoom);
        }
        held.together = together;
        held.by_grant.insert(grant_id.clone(), of_grant);
        taken.bytes = bytes;
        Ok(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut held = self.app.gateway.bodies.lock();
        held.together = held.together.saturating_sub(self.bytes);
        let left = held.by_grant.get(&self.grant_id).copied().unwrap_or_default();
        match left.saturating_sub(self.bytes) {
            0 => _ = held.by_grant.remove(&self.grant_id),
            left => _ = held.by_grant.insert(self.grant_id.clone(), left),
        }
    }
}
