//! The ledger against a model: random steps are played on both, and all that can be seen is equal.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use aipassport_domain::{
    audit::{CallOutcome, Happened, PauseReason},
    fixtures::{self, NOW},
    grant::Grant,
    ids::{CallId, ClientId, GrantId, UserId},
    ledger::{Amount, Held, Level, LimitReached, LimitRule, LimitState, Reservation, Settlement},
    limits::{Limits, Window},
    money::{Money, Rate},
    policy::{CostCeiling, OutputCap, Permit},
    time::{Period, Timestamp},
    usage::TruthLabel,
};
use aipassport_store::{Ledger, LimitsOf, ReserveError, Store, StoreError};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::{runtime::Handle, task::block_in_place};

use super::{SettleNow, account, assert_sound, cost};
use crate::support::{World, event, on_both_engines};

const HOUR: i64 = 3_600_000;
/// The clients of the grants of a game.
const GRANTS: [&str; 3] = ["notes", "notes", "mail"];

/// Every call there was, and the limits there are. What is left of one is added up anew each time.
#[derive(Default)]
struct Model {
    accounts: RefCell<BTreeMap<Scope, ModelAccount>>,
    calls: RefCell<Vec<ModelCall>>,
    /// When a call was last refused.
    refused: Cell<i64>,
}

/// Whose calls an account counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Grant(GrantId),
    Above(LimitsOf),
}

struct ModelAccount {
    limits: Limits,
    /// Time never runs backwards for an account.
    latest: i64,
    /// How many calls there had been when a rate was set: it counts those that came after.
    rates: BTreeMap<Period, usize>,
}

struct ModelCall {
    id: CallId,
    of: [Scope; 4],
    at: i64,
    held: u64,
    settled: Option<(u64, u64)>,
}

/// Where each budget and request cap stands: its rule, its window, what is used and what is held.
type Standing = Vec<(LimitRule, Window, u64, u64)>;

/// The accounts that may count a call of this grant.
fn scopes(grant_id: &GrantId, user_id: &UserId, client_id: &ClientId) -> [Scope; 4] {
    let app = LimitsOf::App {
        user_id: user_id.clone(),
        client_id: client_id.clone(),
    };
    [
        Scope::Grant(grant_id.clone()),
        Scope::Above(app),
        Scope::Above(LimitsOf::User(user_id.clone())),
        Scope::Above(LimitsOf::Tenant),
    ]
}

impl Scope {
    /// Windows of hours are counted in UTC; days by the clock of Berlin, an hour ahead in November,
    /// but for the tenant's, whose clock is another.
    fn start(&self, per: Window, at: i64) -> i64 {
        let ahead = if *self == Self::Above(LimitsOf::Tenant) {
            0
        } else {
            HOUR
        };
        match per {
            None => 0,
            Some(Period::HOUR) => at / HOUR * HOUR,
            _ => (at + ahead) / (24 * HOUR) * (24 * HOUR) - ahead,
        }
    }
}

impl Model {
    /// As [`Store::set_limits`] and [`Store::change_grant`] do.
    fn set(&self, scope: &Scope, limits: &Limits, now: i64) {
        let (mut accounts, calls) = (self.accounts.borrow_mut(), self.calls.borrow());
        let before = accounts.remove(scope);
        if *limits == Limits::default() {
            return;
        }
        let latest = match &before {
            Some(before) => Some(before.latest),
            None => calls
                .iter()
                .filter(|call| call.of.contains(scope))
                .map(|call| call.at)
                .max(),
        };
        let since = |per: &Period| before.as_ref().and_then(|before| before.rates.get(per).copied());
        let rates = limits.rate.keys().map(|per| (*per, since(per).unwrap_or(calls.len())));
        let account = ModelAccount {
            limits: limits.clone(),
            latest: latest.map_or(now, |latest| latest.max(now)),
            rates: rates.collect(),
        };
        accounts.insert(scope.clone(), account);
    }

    /// The latest that any account of a call has seen, if it is after `now`.
    fn latest(&self, scopes: &[Scope], now: i64) -> i64 {
        let accounts = self.accounts.borrow();
        let latest = scopes
            .iter()
            .filter_map(|scope| accounts.get(scope))
            .map(|account| account.latest);
        latest.fold(now, i64::max)
    }

    fn sum(&self, scope: &Scope, since: i64, of: fn(&ModelCall) -> u64) -> u64 {
        let calls = self.calls.borrow();
        let counted = calls.iter().filter(|call| call.of.contains(scope) && call.at >= since);
        counted.map(of).sum()
    }

    fn standing(&self, scope: &Scope, at: i64) -> Standing {
        let accounts = self.accounts.borrow();
        let Some(account) = accounts.get(scope) else {
            return Vec::new();
        };
        let budgets = account.limits.budget.keys().map(|per| {
            let since = scope.start(*per, at);
            let used = self.sum(scope, since, |call| call.settled.map_or(0, |(cost, _)| cost));
            let reserved = self.sum(scope, since, |call| if call.settled.is_none() { call.held } else { 0 });
            (LimitRule::Budget, *per, used, reserved)
        });
        let requests = account.limits.requests.keys().map(|per| {
            let since = scope.start(*per, at);
            let used = self.sum(scope, since, |call| call.settled.map_or(0, |(_, counted)| counted));
            let reserved = self.sum(scope, since, |call| u64::from(call.settled.is_none()));
            (LimitRule::Requests, *per, used, reserved)
        });
        budgets.chain(requests).collect()
    }

    fn in_flight(&self, scope: &Scope) -> u64 {
        self.sum(scope, i64::MIN, |call| u64::from(call.settled.is_none()))
    }

    fn left(&self, scopes: &[Scope], rule: LimitRule, at: i64) -> u64 {
        let accounts = self.accounts.borrow();
        let standing = scopes.iter().flat_map(|scope| {
            let limits = accounts.get(scope).map(|account| &account.limits);
            self.standing(scope, at)
                .into_iter()
                .map(move |standing| (limits, standing))
        });
        let left = standing
            .filter(|(_, (of, ..))| *of == rule)
            .map(|(limits, (_, per, used, reserved))| {
                let limit = match rule {
                    LimitRule::Budget => limits.unwrap().budget[&per].nanos().unsigned_abs(),
                    _ => limits.unwrap().requests[&per],
                };
                limit.saturating_sub(used).saturating_sub(reserved)
            });
        left.min().unwrap_or(u64::MAX)
    }

    /// A slice of a minute's sixtieth leaves as a whole, a minute after its end.
    fn is_rate_reached(&self, scope: &Scope, at: i64) -> bool {
        let (accounts, calls) = (self.accounts.borrow(), self.calls.borrow());
        let Some(account) = accounts.get(scope) else {
            return false;
        };
        account.limits.rate.iter().any(|(per, most)| {
            let counted = calls
                .iter()
                .skip(account.rates[per])
                .filter(|call| call.of.contains(scope));
            let leaves = |call: &&ModelCall| call.at / 1_000 * 1_000 + 1_000 + 60_000;
            counted.filter(|call| leaves(call) > at).count() as u64 >= *most
        })
    }

    fn is_concurrency_reached(&self, scope: &Scope) -> bool {
        let accounts = self.accounts.borrow();
        let most = accounts.get(scope).and_then(|account| account.limits.concurrency);
        most.is_some_and(|most| self.in_flight(scope) >= most.into())
    }

    fn decide(&self, scopes: &[Scope], ceiling: &CostCeiling, at: i64) -> Result<u64, LimitRule> {
        let fixed = ceiling.fixed.nanos().unsigned_abs();
        let left = self.left(scopes, LimitRule::Budget, at);
        let (least, wanted) = match ceiling.output_cap {
            OutputCap::Asked(cap) => (fixed + cap, fixed + cap),
            OutputCap::LargestUpTo(most) => (fixed + most.min(16), (fixed + most).min(left)),
        };
        if least > left {
            Err(LimitRule::Budget)
        } else if self.left(scopes, LimitRule::Requests, at) == 0 {
            Err(LimitRule::Requests)
        } else if scopes.iter().any(|scope| self.is_rate_reached(scope, at)) {
            Err(LimitRule::Rate)
        } else if scopes.iter().any(|scope| self.is_concurrency_reached(scope)) {
            Err(LimitRule::Concurrency)
        } else {
            Ok(wanted)
        }
    }
}

impl Ledger for Model {
    async fn reserve(&self, permit: Permit, now: Timestamp) -> Result<Reservation, ReserveError> {
        let of = scopes(permit.grant_id(), permit.user_id(), permit.client_id());
        let at = self.latest(&of, now.millis());
        let held = self.decide(&of, permit.ceiling(), at).map_err(|rule| {
            self.refused.set(at);
            refusal(rule)
        })?;
        for scope in &of {
            if let Some(account) = self.accounts.borrow_mut().get_mut(scope) {
                account.latest = at;
            }
        }
        self.calls.borrow_mut().push(ModelCall {
            id: permit.call_id().clone(),
            of,
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
    /// A call of a grant, of this fixed cost and at most so many tokens of a nano-dollar, exactly or up
    /// to.
    Reserve {
        grant: usize,
        fixed: i64,
        tokens: u64,
        exactly: bool,
    },
    /// With a permit from before every change.
    ReserveWithFirstPermit {
        grant: usize,
    },
    /// One of the calls so far, settled before or not, at a share of what it held.
    Settle {
        which: usize,
        percent: i64,
    },
    Limit {
        grant: usize,
        limits: Limits,
    },
    /// Above a grant, at a level; none removes what was there.
    LimitAbove {
        grant: usize,
        level: usize,
        limits: Limits,
    },
    PauseAndResume {
        grant: usize,
    },
    /// The clock may step back.
    Wait {
        millis: i64,
    },
    Reopen,
    /// The instance dies, and another one charges for its calls.
    Crash,
}

/// Of a grant: always with a budget and a rate.
fn limits() -> impl Strategy<Value = Limits> {
    (limits_above(), 0..3_000_i64, 1..20_u64).prop_map(|(mut limits, life, rate)| {
        limits.budget.insert(None, Money::from_nanos(life));
        limits.rate.insert(Period::MINUTE, rate);
        limits
    })
}

/// Any, or none at all.
fn limits_above() -> impl Strategy<Value = Limits> {
    let nanos = || prop::option::weighted(0.4, 0..3_000_i64);
    let windows = (
        nanos(),
        nanos(),
        prop::option::weighted(0.4, 0..12_u64),
        prop::option::weighted(0.4, 0..8_u64),
    );
    let others = (
        prop::option::weighted(0.4, 1..20_u64),
        prop::option::weighted(0.4, 1..5_u32),
    );
    (windows, others).prop_map(|((life, hour, of_day, of_hour), (rate, concurrency))| {
        let money = |nanos: i64| Money::from_nanos(nanos);
        let mut limits = Limits {
            concurrency,
            ..Limits::default()
        };
        limits.budget.extend(life.map(|nanos| (None, money(nanos))));
        limits
            .budget
            .extend(hour.map(|nanos| (Some(Period::HOUR), money(nanos))));
        limits.requests.extend(of_day.map(|max| (Some(Period::DAY), max)));
        limits.requests.extend(of_hour.map(|max| (Some(Period::HOUR), max)));
        limits.rate.extend(rate.map(|most| (Period::MINUTE, most)));
        limits
    })
}

fn step() -> impl Strategy<Value = Step> {
    let grant = || 0..GRANTS.len();
    prop_oneof![
        12 => (grant(), 0..400_i64, 0..400_u64, any::<bool>())
            .prop_map(|(grant, fixed, tokens, exactly)| Step::Reserve { grant, fixed, tokens, exactly }),
        1 => grant().prop_map(|grant| Step::ReserveWithFirstPermit { grant }),
        10 => (any::<prop::sample::Index>(), 0..=100_i64)
            .prop_map(|(which, percent)| Step::Settle { which: which.index(1_000), percent }),
        2 => (grant(), limits()).prop_map(|(grant, limits)| Step::Limit { grant, limits }),
        4 => (grant(), 0..3_usize, limits_above())
            .prop_map(|(grant, level, limits)| Step::LimitAbove { grant, level, limits }),
        2 => (grant(), 0..3_usize)
            .prop_map(|(grant, level)| Step::LimitAbove { grant, level, limits: Limits::default() }),
        1 => grant().prop_map(|grant| Step::PauseAndResume { grant }),
        6 => prop_oneof![-5_000..60_000_i64, 0..30 * HOUR].prop_map(|millis| Step::Wait { millis }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ]
}

/// One game: the store and the model, and what both were asked so far. The grants are of one user.
struct Game<'a> {
    world: &'a mut World,
    model: &'a Model,
    first: Vec<Grant>,
    grants: Vec<Grant>,
    now: Timestamp,
    held: Vec<Reservation>,
}

impl<'a> Game<'a> {
    async fn begin(world: &'a mut World, model: &'a Model, number: u32, limits: &Limits) -> Self {
        let user = format!("user of game {number}");
        world.add_user(&user).await;
        let (mut first, mut grants) = (Vec::new(), Vec::new());
        for (place, client) in GRANTS.iter().enumerate() {
            let grant = world
                .granted_by(&user, client, &format!("game {number}, {place}"))
                .await;
            model.set(&Scope::Grant(grant.id.clone()), limits, NOW.millis());
            grants.push(world.limited(&grant, limits.clone()).await);
            first.push(grant);
        }
        Self {
            world,
            model,
            first,
            grants,
            now: NOW,
            held: Vec::new(),
        }
    }

    /// Leaves nothing that the next game would meet but what was spent.
    async fn end(mut self) {
        for which in 0..self.held.len() {
            self.settle(which, 50).await;
        }
        for (grant, level) in [(0, 0), (2, 0), (0, 1), (0, 2)] {
            self.limit_above(grant, level, &Limits::default()).await;
        }
        self.compare().await;
        assert_sound(&self.world.store).await;
    }

    fn scopes(&self, grant: usize) -> [Scope; 4] {
        let grant = &self.grants[grant];
        scopes(&grant.id, &grant.user_id, &grant.client_id)
    }

    async fn play(&mut self, step: Step) {
        match step {
            Step::Reserve {
                grant,
                fixed,
                tokens,
                exactly,
            } => {
                let output_cap = if exactly {
                    OutputCap::Asked(tokens)
                } else {
                    OutputCap::LargestUpTo(tokens)
                };
                let ceiling = CostCeiling {
                    fixed: Money::from_nanos(fixed),
                    output_rate: Rate::from_nanos_per_million(1_000_000),
                    output_cap,
                    choices: 1,
                };
                self.reserve(grant, ceiling).await;
            }
            Step::ReserveWithFirstPermit { grant } => {
                let permit = self.permit(&self.first[grant], fixtures::CEILING);
                let refused = self.world.store.reserve(permit, self.now).await;
                assert_eq!(refused, Err(ReserveError::Stale));
            }
            Step::Settle { which, percent } => self.settle(which, percent).await,
            Step::Limit { grant, limits } => {
                let changed = self.world.limited_at(&self.grants[grant], limits.clone(), self.now);
                self.grants[grant] = changed.await;
                let [scope, ..] = self.scopes(grant);
                self.model.set(&scope, &limits, self.now.millis());
            }
            Step::LimitAbove { grant, level, limits } => self.limit_above(grant, level, &limits).await,
            Step::PauseAndResume { grant } => {
                let (store, id) = (&self.world.store, &self.grants[grant].id);
                let paused = event(Happened::GrantPaused {
                    reason: PauseReason::ByUser,
                });
                store.pause_grant(id, &paused).await.unwrap();
                let resumed = store.resume_grant(id, None, &event(Happened::GrantResumed)).await;
                self.grants[grant] = resumed.unwrap().unwrap();
            }
            // A refusal may have been written down or not, so nobody goes back behind one.
            Step::Wait { millis } => {
                let refused = Timestamp::from_millis(self.model.refused.get());
                self.now = self.now.plus_millis(millis).max(refused);
            }
            Step::Reopen => {
                self.world.store.close().await;
                self.world.store = Store::open(&self.world.url, "instance").await.unwrap();
            }
            Step::Crash => self.crash().await,
        }
        self.compare().await;
    }

    async fn crash(&mut self) {
        assert_sound(&self.world.store).await;
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

    fn permit(&self, grant: &Grant, ceiling: CostCeiling) -> Permit {
        let number = self.held.len() + self.model.calls.borrow().len();
        let id = CallId::new(format!("{} {number}", grant.id));
        fixtures::permit_for(grant, id, ceiling)
    }

    async fn limit_above(&mut self, grant: usize, level: usize, limits: &Limits) {
        let scope = self.scopes(grant)[level + 1].clone();
        let Scope::Above(of) = &scope else {
            panic!("a grant is not above a grant: {scope:?}");
        };
        self.world.limit_at(of, limits, self.now).await;
        self.model.set(&scope, limits, self.now.millis());
    }

    async fn reserve(&mut self, grant: usize, ceiling: CostCeiling) {
        let permit = self.permit(&self.grants[grant], ceiling);
        let expected = self.model.reserve(permit.clone(), self.now).await;
        let answered = self.world.store.reserve(permit, self.now).await;
        assert_eq!(seen(&answered), seen(&expected), "{answered:?} {expected:?}");

        if let Ok(reservation) = answered {
            self.assert_within_caps(&self.grants[grant], reservation.held.at).await;
            self.held.push(reservation);
        } else {
            self.now = self.now.max(Timestamp::from_millis(self.model.refused.get()));
        }
    }

    /// Whatever the model says: what was just admitted exceeds nothing.
    async fn assert_within_caps(&self, grant: &Grant, at: Timestamp) {
        let mut accounts = self.world.store.accounts_above(grant).await.unwrap();
        accounts.push(account(&self.world.store, &grant.id).await);
        for state in accounts.iter().flat_map(|account| account.limits_at(at)) {
            let taken = count(state.used) + count(state.reserved);
            assert!(taken <= count(state.limit), "{state:?}");
        }
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
        let all = (0..self.grants.len()).flat_map(|grant| self.scopes(grant));
        for scope in all.collect::<BTreeSet<Scope>>() {
            let account = match &scope {
                Scope::Grant(id) => Some(account(&self.world.store, id).await),
                Scope::Above(of) => self.world.store.limits_of(&self.world.tenant, of).await.unwrap(),
            };
            let is_there = self.model.accounts.borrow().contains_key(&scope);
            assert_eq!(account.is_some(), is_there, "{scope:?}");
            let Some(account) = account else { continue };

            let at = self.model.latest(std::slice::from_ref(&scope), self.now.millis());
            let standing: Standing = account
                .limits_at(Timestamp::from_millis(at))
                .into_iter()
                .filter(|state| matches!(state.rule, LimitRule::Budget | LimitRule::Requests))
                .map(|state| (state.rule, state.window, count(state.used), count(state.reserved)))
                .collect();
            assert_eq!(standing, self.model.standing(&scope, at), "{scope:?}");
            assert_eq!(
                u64::from(account.in_flight()),
                self.model.in_flight(&scope),
                "{scope:?}"
            );
        }
    }
}

fn count(amount: Amount) -> u64 {
    match amount {
        Amount::Money(money) => money.nanos().unsigned_abs(),
        Amount::Count(count) => count,
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

/// At every level: of grants, of apps that have one or two of them, of their user, of the tenant, which
/// counts the games before, too.
#[tokio::test(flavor = "multi_thread")]
async fn threat_148_the_ledger_is_what_its_model_is() {
    on_both_engines(async |world| {
        world.add_client("mail").await;
        let world = RefCell::new(world);
        let (model, games) = (Model::default(), Cell::new(0));
        let config = Config {
            cases: 24,
            failure_persistence: None,
            max_shrink_iters: 0,
            ..Config::default()
        };
        let case = (limits(), prop::collection::vec(step(), 1..40));
        block_in_place(|| {
            TestRunner::new(config)
                .run(&case, |(limits, steps)| {
                    games.set(games.get() + 1);
                    let mut world = world.borrow_mut();
                    Handle::current().block_on(async {
                        let mut game = Game::begin(&mut world, &model, games.get(), &limits).await;
                        for step in steps {
                            game.play(step).await;
                        }
                        game.end().await;
                    });
                    Ok(())
                })
                .unwrap();
        });
    })
    .await;
}
