//! Calls under way, and what ends them early: a revoked, paused, changed or expired grant, a
//! removed key, a stop of the broker, a provider or a client that no longer moves.
//!
//! Security invariant: a revocation ends open streams within two seconds, whichever process wrote
//! it, and whether or not the client reads. So the stream belongs to the registry: the watcher
//! takes it away, which closes the connection upstream and settles, and tells the client when it
//! next asks.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use aipassport_domain::{
    audit::CallOutcome,
    ids::{CallId, ClientId, CredentialId, GrantId},
    policy::{self, Call, Denial},
    time::Timestamp,
};
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use super::{
    authenticate::Caller, error::GatewayError, grants::Snapshot, open_reservation::OpenReservation, stream::Streaming,
};
use crate::app::App;

#[derive(Default)]
pub(super) struct LiveCalls {
    by_grant: Mutex<HashMap<GrantId, Vec<Arc<LiveCall>>>>,
    pub(super) changed: Notify,
}

/// One call, from its reservation to the end of its answer.
pub(super) struct LiveCall {
    id: CallId,
    grant_id: GrantId,
    client_id: ClientId,
    /// Of the access token that it was made with.
    jti: String,
    /// Of the key that the provider was shown.
    credential_id: Option<CredentialId>,
    call: Call,
    /// The grant as it was when the call was last decided.
    snapshot: Mutex<Arc<Snapshot>>,
    started_at: Instant,
    /// Milliseconds after the start when the answer last moved.
    moved_after: AtomicU64,
    waker: AtomicWaker,
    progress: Mutex<Progress>,
}

enum Progress {
    /// The request is on its way, or a short answer is.
    Waiting,
    Streaming(Box<Streaming>),
    /// Ended early; the client is yet to be told.
    Ended(Ending),
    Over,
}

/// Why a call ends before its answer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Denied(Denial),
    /// The user has removed the key that it was made with.
    CredentialRemoved,
    TimedOut,
    /// The broker stops, or has not heard from the store for too long.
    Unavailable,
}

/// Keeps a call registered; dropping it ends what is left of the call.
pub(super) struct Registration {
    app: App,
    live: Arc<LiveCall>,
}

impl LiveCalls {
    pub(super) fn enter(app: &App, caller: &Caller, call: Call, open: &OpenReservation) -> Registration {
        let destination = caller.grant.destination(&call.provider);
        let live = Arc::new(LiveCall {
            credential_id: destination.map(|destination| destination.credential.id.clone()),
            id: open.permit().call_id().clone(),
            grant_id: open.permit().grant_id().clone(),
            client_id: open.permit().client_id().clone(),
            jti: caller.token.jti.clone(),
            call,
            snapshot: Mutex::new(Arc::clone(&caller.grant)),
            started_at: open.started_at(),
            moved_after: AtomicU64::new(0),
            waker: AtomicWaker::new(),
            progress: Mutex::new(Progress::Waiting),
        });
        let mut calls = app.gateway.live.lock();
        match calls.get_mut(&live.grant_id) {
            Some(calls) => calls.push(Arc::clone(&live)),
            None => {
                calls.insert(live.grant_id.clone(), vec![Arc::clone(&live)]);
            }
        }
        drop(calls);
        Registration { app: app.clone(), live }
    }

    /// Every call under way.
    pub(super) fn all(&self) -> Vec<Arc<LiveCall>> {
        self.lock().values().flatten().cloned().collect()
    }

    fn leave(&self, live: &Arc<LiveCall>) {
        let mut by_grant = self.lock();
        if let Some(calls) = by_grant.get_mut(&live.grant_id) {
            calls.retain(|other| !Arc::ptr_eq(other, live));
            if calls.is_empty() {
                by_grant.remove(&live.grant_id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GrantId, Vec<Arc<LiveCall>>>> {
        self.by_grant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveCall {
    pub(super) fn id(&self) -> &CallId {
        &self.id
    }

    pub(super) fn grant_id(&self) -> &GrantId {
        &self.grant_id
    }

    /// The grant and the client whose call it is.
    pub(super) fn of(&self) -> (&GrantId, &ClientId) {
        (&self.grant_id, &self.client_id)
    }

    /// The key that it was made with, where that is no longer the one in use.
    pub(super) fn replaced_credential(&self) -> Option<&CredentialId> {
        let snapshot = self.snapshot();
        let in_use = snapshot.destination(&self.call.provider);
        let in_use = in_use.map(|destination| &destination.credential.id);
        self.credential_id
            .as_ref()
            .filter(|made_with| in_use != Some(*made_with))
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.lock_snapshot())
    }

    pub(super) fn set_snapshot(&self, snapshot: Arc<Snapshot>) {
        *self.lock_snapshot() = snapshot;
    }

    /// Ends the call if it would not be admitted any more, limits aside.
    pub(super) fn decide_again(&self, now: Timestamp) {
        let snapshot = self.snapshot();
        let decided = if snapshot.is_cut_off(&self.jti) {
            Err(Denial::GrantRevoked)
        } else {
            policy::authorize(snapshot.grant(), &self.call, self.id.clone(), now)
        };
        if let Err(denial) = decided {
            self.end(Ending::Denied(denial));
        }
    }

    pub(super) fn has_run_for(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// Ends the call for `ending`; what it holds and has open upstream goes at once.
    pub(super) fn end(&self, ending: Ending) {
        let mut progress = self.lock();
        if matches!(*progress, Progress::Waiting | Progress::Streaming(_)) {
            let outcome = ending.outcome();
            let before = std::mem::replace(&mut *progress, Progress::Ended(ending));
            drop(progress);
            if let Progress::Streaming(mut stream) = before {
                stream.end(outcome);
            }
            self.waker.wake();
        }
    }

    /// How long ago the answer last moved, once it has begun.
    pub(super) fn still_for(&self) -> Option<Duration> {
        let is_streaming = matches!(*self.lock(), Progress::Streaming(_));
        let moved_after = Duration::from_millis(self.moved_after.load(Ordering::Relaxed));
        is_streaming.then(|| self.started_at.elapsed().saturating_sub(moved_after))
    }

    fn ending(&self) -> Option<Ending> {
        match &*self.lock() {
            Progress::Ended(ending) => Some(ending.clone()),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_snapshot(&self) -> MutexGuard<'_, Arc<Snapshot>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_movement(&self) {
        let millis = u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_after.store(millis, Ordering::Relaxed);
    }
}

impl Registration {
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    pub(super) fn live(&self) -> &LiveCall {
        &self.live
    }

    /// Does `work`, unless the call is ended first.
    pub(super) async fn unless_ended<T>(
        &self,
        work: impl Future<Output = Result<T, GatewayError>>,
    ) -> Result<T, GatewayError> {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.live.waker.register(context.waker());
            match self.live.ending() {
                Some(ending) => Poll::Ready(Err(ending.into())),
                None => work.as_mut().poll(context),
            }
        })
        .await
    }

    /// Hands the rest of the answer over, to be polled through this registration.
    pub(super) fn carry(&self, mut stream: Streaming) {
        self.live.note_movement();
        let mut progress = self.live.lock();
        match &*progress {
            // Ended in this very moment.
            Progress::Ended(ending) => stream.end(ending.outcome()),
            _ => *progress = Progress::Streaming(Box::new(stream)),
        }
    }

    /// Polls the stream; `Err` once it was taken away, with the reason.
    pub(super) fn poll_stream<T>(
        &self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Streaming, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Ending>> {
        self.live.waker.register(context.waker());
        let mut progress = self.live.lock();
        let polled = match &mut *progress {
            Progress::Streaming(stream) => poll(stream, context),
            Progress::Ended(ending) => return Poll::Ready(Err(ending.clone())),
            Progress::Waiting | Progress::Over => return Poll::Ready(Err(Ending::Unavailable)),
        };
        if polled.is_ready() {
            self.live.note_movement();
        }
        polled.map(Ok)
    }

    /// Settles what has been streamed.
    pub(super) fn finish(&self) {
        let before = std::mem::replace(&mut *self.live.lock(), Progress::Over);
        drop(before);
    }
}

impl Ending {
    pub(super) fn outcome(&self) -> CallOutcome {
        match self {
            Self::TimedOut => CallOutcome::TimedOut,
            Self::Denied(_) | Self::CredentialRemoved => CallOutcome::Revoked,
            Self::Unavailable => CallOutcome::Crashed,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.app.gateway.live.leave(&self.live);
        self.finish();
    }
}

impl From<Ending> for GatewayError {
    fn from(ending: Ending) -> Self {
        Self::Ended(ending)
    }
}
