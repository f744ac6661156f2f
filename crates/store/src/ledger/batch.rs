//! One batch of the ledger: what was queued, applied in order to what it concerns.
//!
//! Pure. An adapter loads the [`Books`] that a batch asks for, applies the batch to them, writes
//! what came out in the same transaction, and answers nobody before that has committed. However
//! many operations of a batch concern one account, it is loaded and written once.

use std::collections::{BTreeSet, HashMap};

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    ids::{CallId, GrantId, ProviderId, TenantId, UserId},
    ledger::{Account, Held, LimitReached, LimitRule, Reservation, Settlement},
    limits::Window,
    policy::Permit,
    time::Timestamp,
};

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Reserve { permit: Permit, now: Timestamp },
    Settle { settlement: Settlement, now: Timestamp },
}

/// Names an account. Adapters lock accounts in this order, so that no two batches wait for each
/// other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AccountKey {
    pub(crate) tenant_id: TenantId,
    pub(crate) grant_id: GrantId,
    pub(crate) provider: ProviderId,
}

pub(crate) type GrantKey = (TenantId, GrantId);
pub(crate) type CallKey = (TenantId, CallId);

/// What a batch needs to know before it is applied.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) accounts: BTreeSet<AccountKey>,
    /// Their versions decide whether a permit is stale.
    pub(crate) grants: BTreeSet<GrantKey>,
    /// Their rows decide whether a call was settled before.
    pub(crate) calls: Vec<(CallKey, AccountKey)>,
}

impl Needs {
    pub(crate) fn of(operations: &[Operation]) -> Self {
        let mut needs = Self::default();
        for operation in operations {
            let account = operation.account();
            match operation {
                Operation::Reserve { .. } => {
                    needs
                        .grants
                        .insert((account.tenant_id.clone(), account.grant_id.clone()));
                }
                Operation::Settle { settlement, .. } => needs.calls.push((key_of(settlement), account.clone())),
            }
            needs.accounts.insert(account);
        }
        needs
    }
}

impl Operation {
    fn account(&self) -> AccountKey {
        match self {
            Self::Reserve { permit, .. } => AccountKey {
                tenant_id: permit.tenant_id().clone(),
                grant_id: permit.grant_id().clone(),
                provider: permit.provider().clone(),
            },
            Self::Settle { settlement, .. } => AccountKey {
                tenant_id: settlement.tenant_id.clone(),
                grant_id: settlement.grant_id.clone(),
                provider: settlement.provider.clone(),
            },
        }
    }
}

fn key_of(settlement: &Settlement) -> CallKey {
    (settlement.tenant_id.clone(), settlement.call_id.clone())
}

/// A call that has not been settled.
#[derive(Clone, Debug)]
pub(crate) struct OpenCall {
    pub(crate) user_id: UserId,
    pub(crate) held: Held,
}

/// What an adapter loaded: what of [`Needs`] there is.
#[derive(Debug, Default)]
pub(crate) struct Books {
    accounts: HashMap<AccountKey, Entry>,
    versions: HashMap<GrantKey, i64>,
    open_calls: HashMap<CallKey, OpenCall>,
}

#[derive(Debug)]
struct Entry {
    account: Account,
    is_changed: bool,
}

/// What came of one operation.
#[derive(Debug)]
pub(crate) enum Outcome {
    Admitted(Reservation),
    /// The grant is not as it was when the permit was made.
    Stale,
    Refused(LimitReached),
    Settled(Settled),
    /// The call was settled before, or never was.
    NothingToSettle,
    /// The account cannot be read, so nothing can be said about what is left of it.
    NoAccount,
}

#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) settlement: Settlement,
    pub(crate) at: Timestamp,
    user_id: UserId,
    used_up: Vec<(LimitRule, Window)>,
}

impl Books {
    pub(crate) fn add_account(&mut self, key: AccountKey, account: Account) {
        let is_changed = false;
        self.accounts.insert(key, Entry { account, is_changed });
    }

    pub(crate) fn add_version(&mut self, grant: GrantKey, version: i64) {
        self.versions.insert(grant, version);
    }

    pub(crate) fn add_open_call(&mut self, call: CallKey, open: OpenCall) {
        self.open_calls.insert(call, open);
    }

    /// Applies each operation to what the ones before it left.
    pub(crate) fn apply(&mut self, operations: Vec<Operation>) -> Vec<Outcome> {
        operations
            .into_iter()
            .map(|operation| {
                let key = operation.account();
                match operation {
                    Operation::Reserve { permit, now } => self.reserve(&key, permit, now),
                    Operation::Settle { settlement, now } => self.settle(&key, settlement, now),
                }
            })
            .collect()
    }

    /// The accounts that a refusal alone would not have changed: only these need to be written.
    pub(crate) fn changed_accounts(&self) -> impl Iterator<Item = (&AccountKey, &Account)> {
        let changed = self.accounts.iter().filter(|(_, entry)| entry.is_changed);
        changed.map(|(key, entry)| (key, &entry.account))
    }

    fn reserve(&mut self, key: &AccountKey, permit: Permit, now: Timestamp) -> Outcome {
        let grant = (key.tenant_id.clone(), key.grant_id.clone());
        if self.versions.get(&grant) != Some(&permit.grant_version()) {
            return Outcome::Stale;
        }
        let Some(entry) = self.accounts.get_mut(key) else {
            return Outcome::NoAccount;
        };
        match entry.account.reserve(permit, now) {
            Ok(reservation) => {
                entry.is_changed = true;
                let permit = &reservation.permit;
                let open = OpenCall {
                    user_id: permit.user_id().clone(),
                    held: reservation.held,
                };
                self.open_calls
                    .insert((permit.tenant_id().clone(), permit.call_id().clone()), open);
                Outcome::Admitted(reservation)
            }
            Err(limit) => Outcome::Refused(limit),
        }
    }

    fn settle(&mut self, key: &AccountKey, settlement: Settlement, now: Timestamp) -> Outcome {
        // Whoever takes the open call away is the one who charges for it.
        let Some(open) = self.open_calls.remove(&key_of(&settlement)) else {
            return Outcome::NothingToSettle;
        };
        // Where there is no account the call's row still says what it cost, and counts again when
        // there is one.
        let used_up = self.accounts.get_mut(key).map_or_else(Vec::new, |entry| {
            entry.is_changed = true;
            let counts = settlement.counts_as_request();
            entry.account.settle(open.held, settlement.cost, counts)
        });
        Outcome::Settled(Settled {
            settlement,
            at: now.max(open.held.at),
            user_id: open.user_id,
            used_up,
        })
    }
}

impl Outcome {
    /// What gives back what it held.
    pub(crate) fn released(&self) -> Option<Settlement> {
        match self {
            Self::Admitted(reservation) => Some(reservation.released()),
            _ => None,
        }
    }

    /// What it writes to the audit log.
    pub(crate) fn events(&self) -> Vec<AuditEvent> {
        match self {
            Self::Admitted(reservation) => vec![intent(reservation)],
            Self::Settled(settled) => settled.events(),
            Self::Stale | Self::Refused(_) | Self::NothingToSettle | Self::NoAccount => Vec::new(),
        }
    }
}

/// Written with the hold, before anything is sent.
fn intent(reservation: &Reservation) -> AuditEvent {
    let permit = &reservation.permit;
    AuditEvent {
        tenant_id: permit.tenant_id().clone(),
        at: reservation.held.at,
        actor: Actor::Client(permit.client_id().clone()),
        user_id: Some(permit.user_id().clone()),
        grant_id: Some(permit.grant_id().clone()),
        what: Happened::CallReserved {
            call_id: permit.call_id().clone(),
            provider: permit.provider().clone(),
            model: permit.model().to_owned(),
            held: reservation.held.amount,
        },
    }
}

impl Settled {
    fn events(&self) -> Vec<AuditEvent> {
        let happened = |what| AuditEvent {
            tenant_id: self.settlement.tenant_id.clone(),
            at: self.at,
            actor: Actor::Broker,
            user_id: Some(self.user_id.clone()),
            grant_id: Some(self.settlement.grant_id.clone()),
            what,
        };
        let mut events = vec![happened(Happened::CallSettled {
            call_id: self.settlement.call_id.clone(),
            cost: self.settlement.cost,
            label: self.settlement.label,
            outcome: self.settlement.outcome,
        })];
        events.extend(self.used_up.iter().map(|(rule, _)| {
            happened(Happened::LimitReached {
                rule: rule.as_str().to_owned(),
            })
        }));
        events
    }
}
