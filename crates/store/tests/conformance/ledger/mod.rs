//! The ledger: what is held before a call and charged after it, on both engines.

mod alerts;
mod away;
mod crash;
mod levels;
mod model;
mod parallel;
mod reading;
mod recovery;
mod rules;
mod time_zones;
mod used_up;

use aipassport_domain::{
    audit::{CallOutcome, Happened},
    consent::Approved,
    fixtures::{self, NOW},
    grant::Grant,
    ids::{CallId, GrantId},
    ledger::{Account, Amount, LimitRule, Reservation, Settlement},
    limits::Limits,
    money::{Money, Rate},
    policy::{CostCeiling, OutputCap, Permit},
    time::Timestamp,
    usage::{TruthLabel, Usage},
};
use aipassport_store::{Ledger, Store, StoreError};

use crate::support::{World, event};

impl World {
    /// A grant under these limits alone.
    pub async fn granted_with(&self, id: &str, limits: Limits) -> Grant {
        let grant = self.granted(id).await;
        self.limited(&grant, limits).await
    }

    /// The grant, with these limits alone in force.
    pub async fn limited(&self, grant: &Grant, limits: Limits) -> Grant {
        self.limited_at(grant, limits, NOW).await
    }

    pub async fn limited_at(&self, grant: &Grant, limits: Limits, at: Timestamp) -> Grant {
        let mut approved = Approved {
            authorization_details: grant.authorization_details.clone(),
            expires_at: grant.expires_at,
            revoke_when_used_up: grant.revoke_when_used_up,
        };
        approved.authorization_details[0].limits = limits;
        let mut changed = event(Happened::GrantChanged {
            authorization_details: serde_json::to_value(&approved.authorization_details).unwrap(),
            expires_at: approved.expires_at,
            revoke_when_used_up: approved.revoke_when_used_up,
        });
        changed.at = at;
        let grant = self.store.change_grant(&grant.id, &approved, &changed).await;
        grant.unwrap().unwrap()
    }

    /// Nothing is miscounted, over a limit or orphaned.
    pub async fn assert_sound(&self) {
        assert_sound(&self.store).await;
    }

    pub async fn balance(&self, grant: &GrantId) -> Balance {
        balance(&self.store, grant).await
    }
}

pub async fn assert_sound(store: &Store) {
    store.heartbeat(NOW).await.unwrap();
    let findings = store.check_invariants(NOW).await.unwrap();
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(told, Vec::<String>::new());
}

/// What the first budget of an account, in nano-dollars, and the account as a whole have under way.
#[derive(Debug, PartialEq, Eq)]
pub struct Balance {
    pub used: i64,
    pub reserved: i64,
    pub in_flight: u32,
}

pub async fn balance(store: &Store, grant: &GrantId) -> Balance {
    let account = account(store, grant).await;
    let states = account.limits_at(NOW);
    let budget = states.iter().find(|state| state.rule == LimitRule::Budget).unwrap();
    let nanos = |amount| match amount {
        Amount::Money(money) => money.nanos(),
        Amount::Count(_) => panic!("a budget is money"),
    };
    Balance {
        used: nanos(budget.used),
        reserved: nanos(budget.reserved),
        in_flight: account.in_flight(),
    }
}

pub async fn account(store: &Store, grant: &GrantId) -> Account {
    let tenant = fixtures::grant().tenant_id;
    let mut accounts = store.accounts_of(&tenant, grant).await.unwrap();
    assert_eq!(accounts.len(), 1);
    accounts.remove(0).1
}

pub fn budget(nanos: i64) -> Limits {
    Limits {
        budget: [(None, Money::from_nanos(nanos))].into(),
        ..Limits::default()
    }
}

pub fn requests(max: u64) -> Limits {
    Limits {
        requests: [(None, max)].into(),
        ..Limits::default()
    }
}

/// Leave for a call that costs at most so many nano-dollars.
pub fn permit(grant: &Grant, id: &str, nanos: i64) -> Permit {
    let ceiling = CostCeiling {
        fixed: Money::from_nanos(nanos),
        output_rate: Rate::ZERO,
        output_cap: OutputCap::Asked(100),
        choices: 1,
    };
    fixtures::permit_for(grant, CallId::new(id), ceiling)
}

/// For those who look at what came of it.
pub trait SettleNow: Ledger {
    /// Settles, and waits until that is durable.
    async fn settle_now(&self, settlement: Settlement, now: Timestamp) -> Result<(), StoreError> {
        self.settle(settlement, now);
        self.settled().await
    }
}

impl<L: Ledger> SettleNow for L {}

/// What a completed call cost, as its provider reported it.
pub fn cost(held: &Reservation, nanos: i64) -> Settlement {
    Settlement {
        cost: Money::from_nanos(nanos),
        label: TruthLabel::Reported,
        outcome: CallOutcome::Completed,
        usage: Usage {
            input_tokens: 11,
            cached_input_tokens: 12,
            cache_write_5m_tokens: 13,
            cache_write_1h_tokens: 14,
            output_tokens: 15,
            reasoning_tokens: 5,
            ..Usage::default()
        },
        price_digest: "digest".to_owned(),
        ..held.released()
    }
}
