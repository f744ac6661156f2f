//! The ledger against a model: random steps are played on both, and all that can be seen is equal.

use std::cell::RefCell;

use aipassport_domain::{
    audit::{CallOutcome, Happened, PauseReason},
    fixtures::{self, NOW},
    grant::Grant,
    ids::CallId,
    ledger::{Amount, Held, Level, LimitReached, LimitRule, LimitState, Reservation, Settlement},
    limits::{Limits, Window},
    money::{Money, Rate},
    policy::{CostCeiling, OutputCap, Permit},
    time::{Period, Timestamp},
    usage::TruthLabel,
};
use aipassport_store::{Ledger, ReserveError, Store, StoreError};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::{runtime::Handle, task::block_in_place};

use super::{SettleNow, account, assert_sound, budget, cost};
use crate::support::{World, event, on_both_engines};

/// Every call there was. What is left of a limit is added up anew each time.
struct Model {
    limits: RefCell<Limits>,
    calls: RefCell<Vec<ModelCall>>,
    /// Time never runs backwards for an account.
    latest: RefCell<i64>,
}

struct ModelCall {
    id: CallId,
    at: i64,
    held: u64,
    settled: Option<(u64, u64)>,
}

/// Where each budget and request cap stands: its rule, its window, what is used and what is held.
type Standing = Vec<(LimitRule, Window, u64, u64)>;

impl Model {
    /// Windows of hours are counted in UTC, days by the clock of Berlin, an hour ahead in November.
    fn start(per: Window, at: i64) -> i64 {
        match per {
            None => 0,
            Some(Period::HOUR) => at / 3_600_000 * 3_600_000,
            _ => (at + 3_600_000) / 86_400_000 * 86_400_000 - 3_600_000,
        }
    }

    fn standing(&self, at: i64) -> Standing {
        let (limits, calls) = (self.limits.borrow(), self.calls.borrow());
        let sum = |per, of: fn(&ModelCall) -> u64| {
            let in_window = calls.iter().filter(|call| call.at >= Self::start(per, at));
            in_window.map(of).sum()
        };
        let budgets = limits.budget.keys().map(|per| {
            let used = sum(*per, |call| call.settled.map_or(0, |(cost, _)| cost));
            let reserved = sum(*per, |call| if call.settled.is_none() { call.held } else { 0 });
            (LimitRule::Budget, *per, used, reserved)
        });
        let requests = limits.requests.keys().map(|per| {
            let used = sum(*per, |call| call.settled.map_or(0, |(_, counted)| counted));
            let reserved = sum(*per, |call| u64::from(call.settled.is_none()));
            (LimitRule::Requests, *per, used, reserved)
        });
        budgets.chain(requests).collect()
    }

    fn in_flight(&self) -> usize {
        self.calls.borrow().iter().filter(|call| call.settled.is_none()).count()
    }

    fn left(&self, rule: LimitRule, at: i64) -> u64 {
        let limits = self.limits.borrow();
        let left = |(_, per, used, reserved): (LimitRule, Window, u64, u64)| {
            let limit = match rule {
                LimitRule::Budget => limits.budget[&per].nanos().unsigned_abs(),
                _ => limits.requests[&per],
            };
            limit.saturating_sub(used).saturating_sub(reserved)
        };
        let of_rule = self.standing(at).into_iter().filter(|(of, ..)| *of == rule);
        of_rule.map(left).min().unwrap_or(u64::MAX)
    }

    /// A slice of a minute's sixtieth leaves as a whole, a minute after its end.
    fn admitted_in_last_minute(&self, at: i64) -> u64 {
        let leaves = |call: &&ModelCall| call.at / 1_000 * 1_000 + 1_000 + 60_000;
        let calls = self.calls.borrow();
        calls.iter().filter(|call| leaves(call) > at).count() as u64
    }

    fn decide(&self, ceiling: &CostCeiling, at: i64) -> Result<u64, LimitRule> {
        let fixed = ceiling.fixed.nanos().unsigned_abs();
        let left = self.left(LimitRule::Budget, at);
        let (least, wanted) = match ceiling.output_cap {
            OutputCap::Asked(cap) => (fixed + cap, fixed + cap),
            OutputCap::LargestUpTo(most) => (fixed + most.min(16), (fixed + most).min(left)),
        };
        let limits = self.limits.borrow();
        if least > left {
            Err(LimitRule::Budget)
        } else if self.left(LimitRule::Requests, at) == 0 {
            Err(LimitRule::Requests)
        } else if self.admitted_in_last_minute(at) >= limits.rate[&Period::MINUTE] {
            Err(LimitRule::Rate)
        } else if limits.concurrency.is_some_and(|most| self.in_flight() >= most as usize) {
            Err(LimitRule::Concurrency)
        } else {
            Ok(wanted)
        }
    }
}

impl Ledger for Model {
    async fn reserve(&self, permit: Permit, now: Timestamp) -> Result<Reservation, ReserveError> {
        let at = now.millis().max(*self.latest.borrow());
        let held = self.decide(permit.ceiling(), at).map_err(refusal)?;
        *self.latest.borrow_mut() = at;
        self.calls.borrow_mut().push(ModelCall {
            id: permit.call_id().clone(),
            at,
            held,
            settled: None,
        });
        let held = Held {
            amount: Money::from_nanos(held.cast_signed()),
            at: Timestamp::from_millis(at),
        };
        Ok(fixtures::reservation(permit, held, 0))
    }

    fn settle(&self, settlement: Settlement, _: Timestamp) {
        for call in self
            .calls
            .borrow_mut()
            .iter_mut()
            .filter(|call| call.id == settlement.call_id)
        {
            let counted = u64::from(settlement.counts_as_request());
            call.settled = call.settled.or(Some((settlement.cost.nanos().unsigned_abs(), counted)));
        }
    }

    async fn settled(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn refusal(rule: LimitRule) -> ReserveError {
    let nothing = Amount::Count(0);
    ReserveError::Limit(LimitReached {
        rule,
        state: LimitState {
            level: Level::Grant,
            rule,
            limit: nothing,
            used: nothing,
            reserved: nothing,
            window: None,
            resets_at: None,
        },
        retry_at: None,
        retryable: false,
    })
}

#[derive(Clone, Debug)]
enum Step {
    /// A call of this fixed cost and at most so many tokens of a nano-dollar, exactly or up to.
    Reserve {
        fixed: i64,
        tokens: u64,
        exactly: bool,
    },
    /// With a permit from before every change.
    ReserveWithFirstPermit,
    /// One of the calls so far, settled before or not, at a share of what it held.
    Settle {
        which: usize,
        percent: i64,
    },
    Limit(Limits),
    PauseAndResume,
    /// The clock may step back.
    Wait {
        millis: i64,
    },
    Reopen,
    /// The instance dies, and another one charges for its calls.
    Crash,
}

fn limits() -> impl Strategy<Value = Limits> {
    let nanos = 0..3_000_i64;
    let windows = (
        nanos.clone(),
        prop::option::of(nanos),
        prop::option::of(0..12_u64),
        prop::option::of(0..8_u64),
    );
    (windows, 1..20_u64, prop::option::of(1..5_u32)).prop_map(|((life, hour, of_day, of_hour), rate, concurrency)| {
        let mut limits = budget(life);
        limits
            .budget
            .extend(hour.map(|nanos| (Some(Period::HOUR), Money::from_nanos(nanos))));
        limits.requests.extend(of_day.map(|max| (Some(Period::DAY), max)));
        limits.requests.extend(of_hour.map(|max| (Some(Period::HOUR), max)));
        limits.rate.insert(Period::MINUTE, rate);
        limits.concurrency = concurrency;
        limits
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..400_i64, 0..400_u64, any::<bool>())
            .prop_map(|(fixed, tokens, exactly)| Step::Reserve { fixed, tokens, exactly }),
        1 => Just(Step::ReserveWithFirstPermit),
        10 => (any::<prop::sample::Index>(), 0..=100_i64)
            .prop_map(|(which, percent)| Step::Settle { which: which.index(1_000), percent }),
        2 => limits().prop_map(Step::Limit),
        1 => Just(Step::PauseAndResume),
        6 => prop_oneof![-5_000..60_000_i64, 0..30 * 3_600_000_i64].prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ]
}

/// One game: the store and the model, and what both were asked so far.
struct Game<'a> {
    world: &'a mut World,
    model: Model,
    first: Grant,
    grant: Grant,
    now: Timestamp,
    held: Vec<Reservation>,
}

impl Game<'_> {
    async fn play(&mut self, step: Step) {
        match step {
            Step::Reserve { fixed, tokens, exactly } => {
                let output_cap = if exactly {
                    OutputCap::Asked(tokens)
                } else {
                    OutputCap::LargestUpTo(tokens)
                };
                self.reserve(CostCeiling {
                    fixed: Money::from_nanos(fixed),
                    output_rate: Rate::from_nanos_per_million(1_000_000),
                    output_cap,
                    choices: 1,
                })
                .await;
            }
            Step::ReserveWithFirstPermit => {
                let permit = self.permit(&self.first, fixtures::CEILING);
                let refused = self.world.store.reserve(permit, self.now).await;
                assert_eq!(refused, Err(ReserveError::Stale));
            }
            Step::Settle { which, percent } => self.settle(which, percent).await,
            Step::Limit(limits) => {
                let latest = self.now.millis().max(*self.model.latest.borrow());
                self.grant = self.world.limited_at(&self.grant, limits.clone(), self.now).await;
                *self.model.latest.borrow_mut() = latest;
                *self.model.limits.borrow_mut() = limits;
            }
            Step::PauseAndResume => {
                let store = &self.world.store;
                let paused = event(Happened::GrantPaused {
                    reason: PauseReason::ByUser,
                });
                store.pause_grant(&self.grant.id, &paused).await.unwrap();
                let resumed = event(Happened::GrantResumed);
                let grant = store.resume_grant(&self.grant.id, None, &resumed).await.unwrap();
                self.grant = grant.unwrap();
            }
            Step::Wait { millis } => self.now = self.now.plus_millis(millis),
            Step::Reopen => {
                self.world.store.close().await;
                self.world.store = Store::open(&self.world.url, "instance").await.unwrap();
            }
            Step::Crash => {
                let successor = Store::open(&self.world.url, "successor").await.unwrap();
                successor.recover_all_others(self.now).await.unwrap();
                successor.close().await;
                for held in &self.held {
                    let full = cost(held, held.held.amount.nanos());
                    let crashed = Settlement {
                        outcome: CallOutcome::Crashed,
                        label: TruthLabel::WorstCase,
                        ..full
                    };
                    self.model.settle(crashed, self.now);
                }
            }
        }
        self.compare().await;
    }

    fn permit(&self, grant: &Grant, ceiling: CostCeiling) -> Permit {
        let number = self.held.len() + self.model.calls.borrow().len();
        let id = CallId::new(format!("{} {number}", self.grant.id));
        fixtures::permit_for(grant, id, ceiling)
    }

    async fn reserve(&mut self, ceiling: CostCeiling) {
        let permit = self.permit(&self.grant, ceiling);
        let expected = self.model.reserve(permit.clone(), self.now).await;
        let answered = self.world.store.reserve(permit, self.now).await;

        assert_eq!(seen(&answered), seen(&expected), "{answered:?} {expected:?}");
        self.held.extend(answered);
    }

    async fn settle(&mut self, which: usize, percent: i64) {
        let Some(held) = self.held.get(which % self.held.len().max(1)) else {
            return;
        };
        let settlement = match percent {
            0 => held.released(),
            percent => cost(held, held.held.amount.nanos() * percent / 100),
        };
        self.model.settle(settlement.clone(), self.now);
        self.world.store.settle_now(settlement, self.now).await.unwrap();
    }

    async fn compare(&self) {
        let account = account(&self.world.store, &self.grant.id).await;
        let at = self.now.millis().max(*self.model.latest.borrow());
        let count = |amount| match amount {
            Amount::Money(money) => money.nanos().unsigned_abs(),
            Amount::Count(count) => count,
        };
        let standing: Standing = account
            .limits_at(Timestamp::from_millis(at))
            .into_iter()
            .filter(|state| matches!(state.rule, LimitRule::Budget | LimitRule::Requests))
            .map(|state| (state.rule, state.window, count(state.used), count(state.reserved)))
            .collect();
        assert_eq!(standing, self.model.standing(at));
        assert_eq!(account.in_flight() as usize, self.model.in_flight());
        assert_sound(&self.world.store).await;
    }
}

/// What a caller can tell: how much is held since when, or for which rule nothing is.
fn seen(answer: &Result<Reservation, ReserveError>) -> Result<Held, Option<LimitRule>> {
    match answer {
        Ok(reservation) => Ok(reservation.held),
        Err(ReserveError::Limit(reached)) => Err(Some(reached.rule)),
        Err(ReserveError::Stale | ReserveError::Unavailable) => Err(None),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_148_the_ledger_is_what_its_model_is() {
    on_both_engines(async |world| {
        let world = RefCell::new(world);
        let games = RefCell::new(0);
        let config = Config {
            cases: 24,
            failure_persistence: None,
            max_shrink_iters: 200,
            ..Config::default()
        };
        let case = (limits(), prop::collection::vec(step(), 1..40));
        block_in_place(|| {
            TestRunner::new(config)
                .run(&case, |(limits, steps)| {
                    let id = format!("game {}", games.replace_with(|number| *number + 1));
                    let mut world = world.borrow_mut();
                    Handle::current().block_on(async {
                        let first = world.granted(&id).await;
                        let grant = world.limited(&first, limits.clone()).await;
                        let mut game = Game {
                            world: &mut world,
                            model: Model {
                                limits: RefCell::new(limits),
                                calls: RefCell::default(),
                                latest: RefCell::new(NOW.millis()),
                            },
                            first,
                            grant,
                            now: NOW,
                            held: Vec::new(),
                        };
                        for step in steps {
                            game.play(step).await;
                        }
                    });
                    Ok(())
                })
                .unwrap();
        });
    })
    .await;
}
