//! The queue before the ledger's one writer, and the answers after it.
//!
//! A reservation wakes the writer, for somebody waits for it. Nobody waits for a settlement: it rides
//! with the next reservation, so that one commit serves both, and alone only where none comes for a
//! moment. A batch takes what rides last and applies it first: whoever asks for a reservation after
//! having handed over a settlement finds it settled.
//!
//! A caller may go away at any moment: before its reservation is applied, or between the commit and
//! the answer. In the first case nothing is held; in the second the [`Claim`] on the reservation is
//! dropped without having been taken, and what gives the hold back rides as a settlement does.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aipassport_domain::{
    ledger::{Reservation, Settlement},
    policy::Permit,
    time::Timestamp,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::{ReserveError, batch::Operation, outcome::Outcome};
use crate::StoreError;

/// More than this waiting means that the database does not keep up: refuse, instead of piling up.
const MOST_QUEUED: usize = 4096;
/// Keeps a transaction, and with it the wait of its first caller, short.
const MOST_IN_A_BATCH: usize = 256;
/// How long a settlement waits for a reservation to ride with.
const LONGEST_RIDE: Duration = Duration::from_millis(5);
/// How long a database that failed is left alone when nobody but us wants something of it.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where callers put their operations; a clone is the same queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Message>,
    riders: Arc<Riders>,
}

/// What rides with the next batch: settlements that were not applied yet, or not successfully.
#[derive(Debug, Default)]
struct Riders(Mutex<Vec<Rider>>);

#[derive(Clone, Debug)]
struct Rider {
    settlement: Arc<Settlement>,
    now: Timestamp,
}

#[derive(Debug)]
pub(crate) enum Message {
    Reserve(Permit, Timestamp, Answer),
    /// Somebody waits until what rides has arrived.
    Settled(oneshot::Sender<Result<(), StoreError>>),
    /// Only wakes the writer up: there is a first rider, or it has waited long enough.
    Ride,
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
    riders: Arc<Riders>,
    /// What rides has failed, and is not tried again at once.
    has_failed: bool,
    closing: Vec<oneshot::Sender<()>>,
}

/// Those whom a batch concerns: what rides first, as in its operations.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    riders: Vec<Rider>,
    callers: Vec<Answer>,
    settled: Vec<oneshot::Sender<Result<(), StoreError>>>,
}

pub(crate) fn queue() -> (Queue, Inbox) {
    let (sender, receiver) = mpsc::channel(MOST_QUEUED);
    let riders = Arc::new(Riders::default());
    let inbox = Inbox {
        receiver,
        riders: Arc::clone(&riders),
        has_failed: false,
        closing: Vec::new(),
    };
    (Queue { sender, riders }, inbox)
}

impl Queue {
    /// Queues a reservation, and waits until it is durable, or refused.
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

    /// Has a settlement ride with the next batch, and with those after it until it has arrived.
    pub(crate) fn settle(&self, settlement: Settlement, now: Timestamp) {
        let settlement = Arc::new(settlement);
        if self.riders.add([Rider { settlement, now }]) {
            // A full queue needs no waking, and a closed one is recovered from at the next start.
            let _ = self.sender.try_send(Message::Ride);
        }
    }

    /// Waits until every settlement that was handed over before is durable.
    pub(crate) async fn settled(&self) -> Result<(), StoreError> {
        let (sender, answered) = oneshot::channel();
        let asked = self.sender.send(Message::Settled(sender)).await;
        asked.map_err(|_| unavailable())?;
        answered.await.map_err(|_| unavailable())?
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
    /// The first message of the next batch; `None` when there will be no more. With somebody riding
    /// it does not wait for long.
    pub(crate) async fn first(&mut self) -> Option<Message> {
        while !self.has_riders() {
            match self.next().await? {
                Message::Ride => {}
                message => return Some(message),
            }
        }
        let longest = if self.has_failed { AGAIN_AFTER } else { LONGEST_RIDE };
        let until = Instant::now() + longest;
        loop {
            match timeout_at(until, self.next()).await {
                Ok(Some(Message::Ride)) => {}
                Ok(message) => return message,
                Err(_) => return Some(Message::Ride),
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Option<Message> {
        self.receiver.recv().await
    }

    pub(crate) fn has_riders(&self) -> bool {
        !self.riders.lock().is_empty()
    }

    /// A batch of `first`, what is queued behind it and what rides; waits for nothing.
    pub(crate) fn batch(&mut self, first: Message) -> (Vec<Operation>, Waiters) {
        let mut reservations = Vec::new();
        let mut waiters = Waiters::default();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                // Its caller has gone: nothing is held for nobody.
                Message::Reserve(_, _, answer) if answer.sender.is_closed() => {}
                Message::Reserve(permit, now, answer) => {
                    reservations.push(Operation::Reserve { permit, now });
                    waiters.callers.push(answer);
                }
                Message::Settled(answer) => waiters.settled.push(answer),
                Message::Ride => {}
                Message::Close(done) => {
                    self.receiver.close();
                    self.closing.push(done);
                }
            }
            if reservations.len() >= MOST_IN_A_BATCH {
                break;
            }
            next = self.receiver.try_recv().ok();
        }
        // After the reservations were taken, so that none of them is without what its caller handed
        // over before; ahead of them, so that they find what it gives back.
        waiters.riders = mem::take(&mut *self.riders.lock());
        let settlements = waiters.riders.iter().map(|rider| Operation::Settle {
            settlement: Arc::clone(&rider.settlement),
            now: rider.now,
        });
        let operations = settlements.chain(reservations).collect();
        (operations, waiters)
    }

    /// Answers a batch that has committed.
    pub(crate) fn answer(&mut self, waiters: Waiters, outcomes: Vec<Outcome>) {
        self.has_failed = false;
        let of_callers = outcomes.into_iter().skip(waiters.riders.len());
        for (answer, outcome) in waiters.callers.into_iter().zip(of_callers) {
            answer.give(outcome);
        }
        for answer in waiters.settled {
            // A caller that has gone does not miss the answer.
            let _ = answer.send(Ok(()));
        }
    }

    /// Answers a batch that did not commit: nothing was admitted and nothing settled.
    ///
    /// `doubtful` are the holds of a commit whose outcome is not known. Nobody was told of them, so
    /// nothing is sent for them, and they are released as soon as the database answers again, when
    /// what rode is settled. If the process dies before that, recovery charges all of it in full.
    pub(crate) fn fail(&mut self, waiters: Waiters, doubtful: Vec<Settlement>) {
        self.has_failed = true;
        self.riders.add(waiters.riders);
        self.riders.add(doubtful.into_iter().map(Rider::release));
        for answer in waiters.callers {
            answer.send(Err(ReserveError::Unavailable));
        }
        for answer in waiters.settled {
            let _ = answer.send(Err(unavailable()));
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let left = self.riders.lock().len();
        if left > 0 {
            tracing::error!(
                left,
                "calls could not be settled; the next start charges what they hold"
            );
        }
    }
}

impl Answer {
    fn give(self, outcome: Outcome) {
        let answer = match outcome {
            Outcome::Admitted(reservation) => Ok(Claim {
                reservation: Some(reservation),
                queue: self.queue.clone(),
            }),
            Outcome::Stale => Err(ReserveError::Stale),
            Outcome::Refused(refused) => Err(ReserveError::Limit(refused.limit)),
            Outcome::Settled(_) | Outcome::NothingToSettle | Outcome::NoAccount => Err(ReserveError::Unavailable),
        };
        self.send(answer);
    }

    fn send(self, answer: Result<Claim, ReserveError>) {
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
            self.queue.settle(reservation.released(), Timestamp::default());
        }
    }
}

impl Riders {
    /// Whether they are the first.
    fn add(&self, riders: impl IntoIterator<Item = Rider>) -> bool {
        let mut riding = self.lock();
        let were_none = riding.is_empty();
        riding.extend(riders);
        were_none
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rider>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rider {
    /// Gives a hold back, as of the moment when it was made.
    fn release(settlement: Settlement) -> Self {
        Self {
            settlement: Arc::new(settlement),
            now: Timestamp::default(),
        }
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("the ledger's writer did not commit".into())
}
