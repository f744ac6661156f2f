//! Reserving, settling, revoking, limiting and crashing, in every order that shuttle thinks of.
//!
//! The queue and the batches are the real ones; the database is a stand-in with the locks that
//! PostgreSQL would take, so that several instances meet in it. An instance may lose a batch before
//! its commit, lose the answer after it, or die; callers may go away while they wait.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use aipassport_domain::{
    audit::CallOutcome,
    fixtures,
    ids::{CallId, TenantId},
    ledger::{Account, Held, Level, Reservation, Settlement},
    limits::Limits,
    money::Money,
    usage::TruthLabel,
};
use shuttle::{
    future::block_on,
    rand::{Rng, thread_rng},
    sync::Mutex,
    thread,
};

use super::{NOW, account, budgets, permit};
use crate::ledger::{
    LimitsOf, Queue,
    batch::{Books, GrantRow, Needs, Operation},
    levels::Levels,
    outcome::Outcome,
    queue::{Inbox, Message, queue},
};

const HELD: i64 = 10;
const BUDGET: i64 = 3 * HELD;

/// What the user may give out in all, once that is limited: less than the grant may spend.
const USERS_BUDGET: i64 = 2 * HELD;

/// What all instances share. Each row has its lock.
struct Database {
    grant: Mutex<GrantRow>,
    account: Mutex<AccountRow>,
    /// The user's account, once there are limits.
    above: Mutex<Option<Account>>,
    calls: Mutex<HashMap<CallId, Row>>,
}

struct AccountRow {
    account: Account,
    levels: Levels,
}

#[derive(Clone)]
struct Row {
    held: Held,
    cost: Option<i64>,
    times_settled: u32,
}

/// How a batch may end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Committed,
    /// Nothing was written.
    Lost,
    /// Everything was written, and the instance does not know.
    InDoubt,
    /// Everything was written, and the instance is no more.
    Dead,
}

impl Database {
    fn new() -> Self {
        Self {
            grant: Mutex::new(GrantRow {
                version: fixtures::grant().version,
                revoke_when_used_up: true,
            }),
            account: Mutex::new(AccountRow {
                account: account(BUDGET),
                levels: Levels::NONE,
            }),
            above: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    /// One transaction: the grant, then its account, then the one above it if there is one,
    /// then the calls, as the adapter does it.
    fn commit(&self, operations: Vec<Operation>, fate: Fate) -> Vec<Outcome> {
        let needs = Needs::of(&operations);
        let mut grant = self.grant.lock().unwrap();
        let mut row = self.account.lock().unwrap();
        let mut books = Books::default();
        books.add_grant((TenantId::first(), fixtures::grant().id), *grant);
        for key in &needs.accounts {
            books.add_account(key.clone(), row.levels, row.account.clone());
        }
        let mut above = None;
        for key in books.needs_above(&needs, &operations) {
            assert_eq!(key.of, LimitsOf::User(fixtures::grant().user_id));
            let locked = above.insert(self.above.lock().unwrap());
            books.add_above(key, locked.clone().unwrap());
        }
        let mut calls = self.calls.lock().unwrap();
        for (key, _) in &needs.calls {
            if let Some(Row { held, cost: None, .. }) = calls.get(&key.1) {
                books.add_open_call(key.clone(), *held);
            }
        }

        let outcomes = books.apply(operations);
        if fate != Fate::Lost {
            for outcome in &outcomes {
                write(&mut calls, outcome);
                if outcome.revoked().is_some() {
                    assert!(
                        grant.revoke_when_used_up,
                        "it is revoked once, and only if it is in force"
                    );
                    revoke(&mut grant);
                }
            }
            for (key, changed) in books.changed_accounts() {
                match (key.level, &mut above) {
                    (Level::Grant, _) => row.account = changed.clone(),
                    (_, Some(above)) => **above = Some(changed.clone()),
                    (_, None) => panic!("an account that was not loaded was changed"),
                }
            }
            assert_sound(&row.account, &calls);
            let is_left = grant.revoke_when_used_up && row.account.is_used_up_for_good();
            assert!(!is_left, "what is used up is revoked by whoever used it up");
            if let Some(Some(above)) = above.as_deref() {
                assert_sound(above, &calls);
            }
        }
        outcomes
    }

    /// Limits the user for the first time, or anew: the grants, their accounts, then that above them.
    fn limit_user(&self, nanos: i64) {
        let _grants = self.grant.lock().unwrap();
        let mut row = self.account.lock().unwrap();
        let mut above = self.above.lock().unwrap();
        let calls = self.calls.lock().unwrap();

        row.levels = row.levels.with(Level::User);
        let is_new = above.is_none();
        let account = above.get_or_insert_with(|| Account::open(Level::User, &Limits::default(), "UTC"));
        for window in account.set_limits(&budgets(nanos), NOW) {
            let (used, reserved) = sums(&calls);
            account.fill(&window, used, reserved);
        }
        if is_new {
            let open = calls.values().filter(|row| row.cost.is_none()).count();
            account.fill_in_flight(open.try_into().unwrap());
        }
        assert_sound(account, &calls);
    }
}

fn revoke(grant: &mut GrantRow) {
    *grant = GrantRow {
        version: grant.version + 1,
        revoke_when_used_up: false,
    };
}

fn sums(calls: &HashMap<CallId, Row>) -> (u64, u64) {
    let used: i64 = calls.values().filter_map(|row| row.cost).sum();
    let open = calls.values().filter(|row| row.cost.is_none());
    let reserved: i64 = open.map(|row| row.held.amount.nanos()).sum();
    (used.cast_unsigned(), reserved.cast_unsigned())
}

fn write(calls: &mut HashMap<CallId, Row>, outcome: &Outcome) {
    match outcome {
        Outcome::Admitted(reservation) => {
            let row = Row {
                held: reservation.held,
                cost: None,
                times_settled: 0,
            };
            let taken = calls.insert(reservation.permit.call_id().clone(), row);
            assert!(taken.is_none(), "a call is inserted once");
        }
        Outcome::Settled(settled) => {
            let row = calls.get_mut(&settled.settlement.call_id).unwrap();
            row.cost = Some(settled.settlement.cost.nanos());
            row.times_settled += 1;
            assert_eq!(row.times_settled, 1, "a call is settled once");
        }
        Outcome::Stale | Outcome::Refused(_) | Outcome::NothingToSettle | Outcome::NoAccount => {}
    }
}

/// The account is what the calls add up to, within its limits or what there was when they came.
fn assert_sound(account: &Account, calls: &HashMap<CallId, Row>) {
    for (_, counter) in account.counters() {
        assert_eq!((counter.used, counter.reserved), sums(calls));
        assert!(counter.used + counter.reserved <= counter.most);
    }
    let open = calls.values().filter(|row| row.cost.is_none());
    assert_eq!(account.in_flight() as usize, open.count());
}

/// An instance's writer, each of whose batches may meet one of these fates.
fn write_batches(database: &Database, mut inbox: Inbox, fates: &[Fate]) {
    loop {
        // Time does not pass here: what rides has waited long enough when chance says so.
        let first = if inbox.has_riders() && thread_rng().gen_bool(0.5) {
            Some(Message::Ride)
        } else {
            block_on(inbox.next())
        };
        let first = match first {
            Some(first) => first,
            None if inbox.has_riders() => Message::Ride,
            None => return,
        };
        let (operations, waiters) = inbox.batch(first);
        let fate = *fates.get(thread_rng().gen_range(0..10)).unwrap_or(&Fate::Committed);
        let outcomes = database.commit(operations, fate);
        match fate {
            Fate::Committed => inbox.answer(waiters, outcomes),
            Fate::Lost => inbox.fail(waiters, Vec::new()),
            Fate::InDoubt => {
                let doubtful = outcomes.iter().filter_map(Outcome::released).collect();
                inbox.fail(waiters, doubtful);
            }
            Fate::Dead => return,
        }
    }
}

/// Asks a future so many times whether it is done, and then goes away.
struct Impatient<F> {
    future: Pin<Box<F>>,
    patience: u32,
}

impl<F: Future> Future for Impatient<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if self.patience == 0 {
            return Poll::Ready(None);
        }
        self.patience -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// One call, from its reservation to its settlement, repeated as a caller may.
fn call(database: &Database, queue: &Queue, id: &str, is_revoked: &Mutex<bool>) {
    let was_revoked = *is_revoked.lock().unwrap();
    let reserving = queue.reserve(permit(id, HELD), NOW);
    let answer = if thread_rng().gen_bool(0.3) {
        block_on(Impatient {
            future: Box::pin(reserving),
            patience: thread_rng().gen_range(0..4),
        })
    } else {
        Some(block_on(reserving))
    };
    let Some(Ok(held)) = answer else { return };

    assert!(!was_revoked, "nothing is admitted after a revocation has returned");
    let row = database.calls.lock().unwrap().get(held.permit.call_id()).cloned();
    assert!(row.is_some(), "nobody is told of a hold that is not durable");
    let settlement = cost_of(&held, thread_rng().gen_range(0..=HELD));
    queue.settle(settlement.clone(), NOW);
    if thread_rng().gen_bool(0.5) {
        queue.settle(settlement, NOW);
    }
    // Some wait for it. An instance that is dead never says that it is done.
    let waits = if thread_rng().gen_bool(0.3) { 30 } else { 0 };
    if (0..waits).any(|_| block_on(queue.settled()).is_ok()) {
        let row = database.calls.lock().unwrap().get(held.permit.call_id()).cloned();
        assert!(row.unwrap().cost.is_some(), "what is said to be settled is durable");
    }
}

fn cost_of(held: &Reservation, nanos: i64) -> Settlement {
    Settlement {
        cost: Money::from_nanos(nanos),
        outcome: CallOutcome::Completed,
        label: TruthLabel::Reported,
        ..held.released()
    }
}

/// Charges what is still open, as another instance does when the first is known to be dead.
fn recover(database: &Database) {
    let open: Vec<(CallId, Held)> = {
        let calls = database.calls.lock().unwrap();
        let open = calls.iter().filter(|(_, row)| row.cost.is_none());
        open.map(|(id, row)| (id.clone(), row.held)).collect()
    };
    let grant = fixtures::grant();
    for (call_id, held) in open {
        let settlement = Arc::new(Settlement {
            call_id,
            tenant_id: grant.tenant_id.clone(),
            user_id: grant.user_id.clone(),
            client_id: grant.client_id.clone(),
            grant_id: grant.id.clone(),
            provider: fixtures::call().provider,
            cost: held.amount,
            label: TruthLabel::WorstCase,
            outcome: CallOutcome::Crashed,
            usage: aipassport_domain::usage::Usage::default(),
            price_digest: String::new(),
        });
        let now = NOW;
        database.commit(vec![Operation::Settle { settlement, now }], Fate::Committed);
    }
}

fn two_instances_with_callers(fates: &'static [Fate]) {
    let database = Arc::new(Database::new());
    let is_revoked = Arc::new(Mutex::new(false));
    let mut threads = Vec::new();
    for instance in 0..2 {
        let (queue, inbox) = queue();
        let shared = Arc::clone(&database);
        threads.push(thread::spawn(move || write_batches(&shared, inbox, fates)));
        for caller in 0..3 {
            let (database, queue, is_revoked) = (Arc::clone(&database), queue.clone(), Arc::clone(&is_revoked));
            threads.push(thread::spawn(move || {
                call(&database, &queue, &format!("{instance} {caller}"), &is_revoked);
            }));
        }
    }
    let (shared, revoked) = (Arc::clone(&database), Arc::clone(&is_revoked));
    threads.push(thread::spawn(move || {
        revoke(&mut shared.grant.lock().unwrap());
        *revoked.lock().unwrap() = true;
    }));
    let shared = Arc::clone(&database);
    threads.push(thread::spawn(move || {
        shared.limit_user(USERS_BUDGET);
        shared.limit_user(BUDGET);
    }));
    for thread in threads {
        thread.join().unwrap();
    }

    if fates.contains(&Fate::Dead) {
        recover(&database);
    }
    let calls = database.calls.lock().unwrap();
    assert!(calls.values().all(|row| row.cost.is_some()), "no hold is left open");
    assert_sound(&database.account.lock().unwrap().account, &calls);
    assert_sound(database.above.lock().unwrap().as_ref().unwrap(), &calls);
}

/// Callers for each of whom the budget has one hold, and who wait for no settlement.
fn one_call_after_the_other() {
    let database = Arc::new(Database::new());
    let (queue, inbox) = queue();
    let shared = Arc::clone(&database);
    let mut threads = vec![thread::spawn(move || write_batches(&shared, inbox, &[]))];
    for caller in 0..BUDGET / HELD {
        let queue = queue.clone();
        threads.push(thread::spawn(move || {
            for number in 0..3 {
                let reserving = queue.reserve(permit(&format!("{caller} {number}"), HELD), NOW);
                let held = block_on(reserving).expect("what was handed over before is given back");
                queue.settle(held.released(), NOW);
            }
        }));
    }
    drop(queue);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(database.account.lock().unwrap().account.in_flight(), 0);
}

#[test]
fn no_order_refuses_a_caller_for_a_settlement_that_still_rides() {
    shuttle::check_random(one_call_after_the_other, 1_500);
    shuttle::check_pct(one_call_after_the_other, 500, 3);
}

fn check(fates: &'static [Fate]) {
    shuttle::check_random(move || two_instances_with_callers(fates), 1_500);
    shuttle::check_pct(move || two_instances_with_callers(fates), 500, 3);
}

#[test]
fn no_order_of_callers_and_instances_overspends_or_leaves_a_hold() {
    check(&[]);
}

#[test]
fn threat_141_no_batch_that_fails_at_any_moment_leaves_a_hold() {
    check(&[Fate::Lost, Fate::InDoubt]);
}

#[test]
fn threat_140_no_crash_at_any_moment_loses_a_hold_or_charges_twice() {
    check(&[Fate::Lost, Fate::InDoubt, Fate::Dead]);
}
