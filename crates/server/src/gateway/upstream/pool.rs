//! Connections that wait for their next call.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

use super::link::Link;
use crate::outbound::Origin;

/// Shorter than the patience of most servers, so that we are the first to hang up.
const LONGEST_IDLE: Duration = Duration::from_secs(30);
const MOST_IDLE_PER_ORIGIN: usize = 256;

#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<HashMap<Origin, VecDeque<Idle>>>,
}

struct Idle {
    link: Link,
    since: Instant,
}

impl Pool {
    /// A connection that is still open, the one used last first.
    pub(super) async fn take(&self, origin: &Origin) -> Option<Link> {
        while let Some(mut link) = self.pop(origin) {
            let is_idle = poll_fn(|context| Poll::Ready(link.is_idle(context))).await;
            if is_idle {
                return Some(link);
            }
        }
        None
    }

    /// Keeps an idle connection for the next call.
    pub(super) fn put(&self, origin: &Origin, link: Link) {
        let idle = Idle {
            link,
            since: Instant::now(),
        };
        let mut origins = self.lock();
        match origins.get_mut(origin) {
            Some(links) if links.len() < MOST_IDLE_PER_ORIGIN => links.push_back(idle),
            Some(_) => {}
            None => {
                origins.insert(origin.clone(), VecDeque::from([idle]));
            }
        }
    }

    /// Closes connections that nobody wanted for too long.
    pub(super) fn close_stale(&self) {
        self.lock().retain(|_, links| {
            while links.front().is_some_and(Idle::is_stale) {
                links.pop_front();
            }
            !links.is_empty()
        });
    }

    fn pop(&self, origin: &Origin) -> Option<Link> {
        let newest = self.lock().get_mut(origin)?.pop_back()?;
        (!newest.is_stale()).then_some(newest.link)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, VecDeque<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_stale(&self) -> bool {
        self.since.elapsed() >= LONGEST_IDLE
    }
}
