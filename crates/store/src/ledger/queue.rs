//! The queue before the ledger's one writer, and the answers after it.
//!
//! A caller may go away at any moment: before its reservation is applied, or between the commit and
//! the answer. In the first case nothing is held; in the second the [`Claim`] on the reservation is
//! dropped without having been taken, and the hold is released with the next batch.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use aipassport_domain::{
    ledger::{Reservation, Settlement},
    policy::Permit,
    time::Timestamp,
};
use tokio::{
    sync::{
        mpsc::{self, error::TryRecvError},
        oneshot,
    },
    time::timeout,
};

use super::{
    ReserveError,
    batch::{Operation, Outcome},
};
use crate::StoreError;

/// More than this waiting means that the database does not keep up: refuse, instead of piling up.
const MOST_QUEUED: usize = 4096;
/// Keeps a transaction, and with it the wait of its first caller, short.
const MOST_IN_A_BATCH: usize = 256;
/// How long a database that failed is left alone when nobody but us wants something of it.
const RELEASE_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A thread that waits that long looks up so many times meanwhile.
const NAPS: u32 = 50;

/// Where callers put their operations; a clone is the same queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Message>,
    releases: Arc<Releases>,
}

/// Holds that nobody will settle, to be given back with the next batch.
#[derive(Debug, Default)]
struct Releases(Mutex<Vec<Settlement>>);

#[derive(Debug)]
pub(crate) enum Message {
    Reserve(Permit, Timestamp, Answer),
    Settle(Settlement, Timestamp, oneshot::Sender<Result<(), StoreError>>),
    /// Only wakes the writer up.
    Release,
    /// No more is taken; dropped when the writer has ended.
    Close(oneshot::Sender<()>),
}

/// The way back to a caller of `reserve`.
#[derive(Debug)]
pub(crate) struct Answer {
    sender: oneshot::Sender<Result<Claim, ReserveError>>,
    queue: Queue,
}

/// A committed reservation on its way to its caller. Dropped before it is taken, it is released.
#[derive(Debug)]
struct Claim {
    reservation: Option<Reservation>,
    queue: Queue,
}

/// The writer's end of the queue.
#[derive(Debug)]
pub(crate) struct Inbox {
    receiver: mpsc::Receiver<Message>,
    releases: Arc<Releases>,
    closing: Vec<oneshot::Sender<()>>,
}

/// The callers of one batch, in its order.
#[derive(Debug)]
pub(crate) struct Waiters(Vec<Waiter>);

#[derive(Debug)]
enum Waiter {
    Reserve(Answer),
    Settle(oneshot::Sender<Result<(), StoreError>>),
    Release(Box<Settlement>),
}

pub(crate) fn queue() -> (Queue, Inbox) {
    let (sender, receiver) = mpsc::channel(MOST_QUEUED);
    let releases = Arc::new(Releases::default());
    let inbox = Inbox {
        receiver,
        releases: Arc::clone(&releases),
        closing: Vec::new(),
    };
    (Queue { sender, releases }, inbox)
}

impl Queue {
    /// Queues a reservation and waits until it is durable, or refused.
    pub(crate) async fn reserve(&self, permit: Permit, now: Timestamp) -> Result<Reservation, ReserveError> {
        if permit.model().contains('\0') {
            // PostgreSQL cannot store it, and would fail all who are in the same batch.
            return Err(ReserveError::Unavailable);
        }
        let (sender, answered) = oneshot::channel();
        let queue = self.clone();
        self.sender
            .try_send(Message::Reserve(permit, now, Answer { sender, queue }))
            .map_err(|_| ReserveError::Unavailable)?;
        let claim = answered.await.map_err(|_| ReserveError::Unavailable)??;
        claim.take().ok_or(ReserveError::Unavailable)
    }

    /// Queues a settlement and waits until it is durable.
    pub(crate) async fn settle(&self, settlement: Settlement, now: Timestamp) -> Result<(), StoreError> {
        self.settle_all(vec![settlement], now).await
    }

    /// As [`Queue::settle`], for many at once.
    pub(crate) async fn settle_all(&self, settlements: Vec<Settlement>, now: Timestamp) -> Result<(), StoreError> {
        let mut answers = Vec::new();
        for settlement in settlements {
            let (sender, answered) = oneshot::channel();
            self.sender
                .send(Message::Settle(settlement, now, sender))
                .await
                .map_err(|_| unavailable())?;
            answers.push(answered);
        }
        for answered in answers {
            answered.await.map_err(|_| unavailable())??;
        }
        Ok(())
    }

    /// Takes nothing more, and waits until what was queued is done and the writer has ended.
    pub(crate) async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.sender.send(Message::Close(done)).await.is_ok() {
            // It is never sent to, only dropped.
            let _ = ended.await;
        }
    }
}

impl Inbox {
    /// The first message of the next batch; `None` when there will be no more. With holds to give
    /// back that failed before, it does not wait for long.
    pub(crate) async fn first(&mut self) -> Option<Message> {
        if !self.has_releases() {
            return self.receiver.recv().await;
        }
        let next = timeout(RELEASE_AGAIN_AFTER, self.receiver.recv());
        next.await.unwrap_or(Some(Message::Release))
    }

    /// As [`Inbox::first`], for a writer that is a thread.
    pub(crate) fn blocking_first(&mut self) -> Option<Message> {
        let mut naps = 0..NAPS;
        while self.has_releases() {
            match self.receiver.try_recv() {
                Ok(message) => return Some(message),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) if naps.next().is_none() => return Some(Message::Release),
                Err(TryRecvError::Empty) => thread::sleep(RELEASE_AGAIN_AFTER / NAPS),
            }
        }
        self.receiver.blocking_recv()
    }

    pub(crate) fn has_releases(&self) -> bool {
        !self.releases.is_empty()
    }

    /// A batch of `first` and what is queued behind it; waits for nothing.
    pub(crate) fn batch(&mut self, first: Message) -> (Vec<Operation>, Waiters) {
        let mut operations = Vec::new();
        let mut waiters = Vec::new();
        // First, so that what they give back is there for the reservations of the same batch.
        for settlement in self.releases.take() {
            operations.push(Operation::Settle {
                settlement: settlement.clone(),
                now: Timestamp::default(),
            });
            waiters.push(Waiter::Release(Box::new(settlement)));
        }

        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                // Its caller has gone: nothing is held for nobody.
                Message::Reserve(_, _, answer) if answer.sender.is_closed() => {}
                Message::Reserve(permit, now, answer) => {
                    operations.push(Operation::Reserve { permit, now });
                    waiters.push(Waiter::Reserve(answer));
                }
                Message::Settle(settlement, now, answer) => {
                    operations.push(Operation::Settle { settlement, now });
                    waiters.push(Waiter::Settle(answer));
                }
                Message::Release => {}
                Message::Close(done) => {
                    self.receiver.close();
                    self.closing.push(done);
                }
            }
            if waiters.len() >= MOST_IN_A_BATCH {
                break;
            }
            next = self.receiver.try_recv().ok();
        }
        (operations, Waiters(waiters))
    }

    /// Answers a batch that did not commit: nothing was admitted and nothing settled.
    ///
    /// `doubtful` are the holds of a commit whose outcome is not known. Nobody was told of them, so
    /// nothing is sent for them, and they are released as soon as the database answers again. If
    /// the process dies before that, recovery charges them in full.
    pub(crate) fn fail(&self, waiters: Waiters, doubtful: Vec<Settlement>) {
        self.releases.add(doubtful);
        for waiter in waiters.0 {
            match waiter {
                Waiter::Reserve(answer) => answer.give(Err(ReserveError::Unavailable)),
                Waiter::Settle(answer) => {
                    let _ = answer.send(Err(unavailable()));
                }
                Waiter::Release(settlement) => self.releases.add([*settlement]),
            }
        }
    }
}

impl Waiters {
    /// Answers a batch that has committed.
    pub(crate) fn answer(self, outcomes: Vec<Outcome>) {
        for (waiter, outcome) in self.0.into_iter().zip(outcomes) {
            match (waiter, outcome) {
                (Waiter::Reserve(answer), Outcome::Admitted(reservation)) => {
                    let reservation = Some(reservation);
                    let queue = answer.queue.clone();
                    answer.give(Ok(Claim { reservation, queue }));
                }
                (Waiter::Reserve(answer), Outcome::Stale) => answer.give(Err(ReserveError::Stale)),
                (Waiter::Reserve(answer), Outcome::Refused(refused)) => {
                    answer.give(Err(ReserveError::Limit(refused.limit)));
                }
                (Waiter::Reserve(answer), _) => answer.give(Err(ReserveError::Unavailable)),
                (Waiter::Settle(answer), _) => {
                    // A caller that has gone does not miss the answer.
                    let _ = answer.send(Ok(()));
                }
                (Waiter::Release(_), _) => {}
            }
        }
    }
}

impl Answer {
    fn give(self, answer: Result<Claim, ReserveError>) {
        // A claim that cannot be sent is dropped, and so released.
        let _ = self.sender.send(answer);
    }
}

impl Claim {
    fn take(mut self) -> Option<Reservation> {
        self.reservation.take()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.queue.releases.add([reservation.released()]);
            // A full queue needs no waking, and a closed one is recovered from at the next start.
            let _ = self.queue.sender.try_send(Message::Release);
        }
    }
}

impl Releases {
    fn add(&self, settlements: impl IntoIterator<Item = Settlement>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(settlements);
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn take(&self) -> Vec<Settlement> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("the ledger's writer did not commit".into())
}
