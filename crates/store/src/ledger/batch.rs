//! One batch of the ledger: what was queued, applied in order to what it concerns.
//!
//! Pure. An adapter loads the [`Books`] that a batch asks for, applies the batch to them, writes
//! what came out in the same transaction, and answers nobody before that has committed. However
//! many operations of a batch concern one account, it is loaded and written once.
//!
//! The accounts of grants come first. They say which accounts stand above them, and only those are
//! loaded then.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use aipassport_domain::{
    ids::{CallId, ClientId, GrantId, ProviderId, TenantId, UserId},
    ledger::{Account, Alert, Held, Level, Refused, Reservation, Settlement, reserve},
    policy::Permit,
    time::Timestamp,
};

use super::{
    alerts::Cause,
    levels::{AboveKey, Levels, LimitsOf},
    outcome::{Outcome, RefusedCall, Settled, UsedUpGrant},
};

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Reserve {
        permit: Permit,
        now: Timestamp,
    },
    Settle {
        settlement: Arc<Settlement>,
        now: Timestamp,
    },
}

/// Names the account of a grant. Adapters lock these in one order, so that no two batches wait for
/// each other.
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
    /// Their versions decide whether a permit is stale; of all, because any operation can use up the
    /// money of a grant that is revoked then.
    pub(crate) grants: BTreeSet<GrantKey>,
    /// Their rows decide whether a call was settled before.
    pub(crate) calls: Vec<(CallKey, AccountKey)>,
}

impl Needs {
    pub(crate) fn of(operations: &[Operation]) -> Self {
        let mut needs = Self::default();
        for operation in operations {
            let account = operation.account();
            if let Operation::Settle { settlement, .. } = operation {
                needs.calls.push((key_of(settlement), account.clone()));
            }
            needs.grants.insert(account.grant());
            needs.accounts.insert(account);
        }
        needs
    }
}

impl AccountKey {
    fn grant(&self) -> GrantKey {
        (self.tenant_id.clone(), self.grant_id.clone())
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

impl Operation {
    /// The accounts that may stand above its grant's.
    fn above(&self) -> [AboveKey; 3] {
        let (tenant_id, user_id, client_id) = match self {
            Self::Reserve { permit, .. } => (permit.tenant_id(), permit.user_id(), permit.client_id()),
            Self::Settle { settlement, .. } => (&settlement.tenant_id, &settlement.user_id, &settlement.client_id),
        };
        above(tenant_id, user_id, client_id)
    }
}

fn above(tenant_id: &TenantId, user_id: &UserId, client_id: &ClientId) -> [AboveKey; 3] {
    LimitsOf::above(user_id, client_id).map(|of| AboveKey {
        tenant_id: tenant_id.clone(),
        of,
    })
}

fn key_of(settlement: &Settlement) -> CallKey {
    (settlement.tenant_id.clone(), settlement.call_id.clone())
}

/// What an adapter loaded: what of [`Needs`] there is.
#[derive(Debug, Default)]
pub(crate) struct Books {
    accounts: HashMap<AccountKey, Entry>,
    above: HashMap<AboveKey, Entry>,
    grants: HashMap<GrantKey, GrantRow>,
    /// What calls hold that have not been settled.
    open_calls: HashMap<CallKey, Held>,
}

/// What of a grant matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GrantRow {
    pub(crate) version: i64,
    /// Whether it is in force and to be revoked when its money is used up.
    pub(crate) revoke_when_used_up: bool,
}

#[derive(Debug)]
struct Entry {
    account: Account,
    /// Of a grant's account: where there are accounts above it.
    levels: Levels,
    is_changed: bool,
}

/// What the row of an account is called.
#[derive(Debug)]
pub(crate) struct RowKey<'a> {
    pub(crate) tenant_id: &'a TenantId,
    pub(crate) level: Level,
    pub(crate) subject: Cow<'a, str>,
    /// Empty above grants: what stands there is of no one provider.
    pub(crate) provider: &'a str,
}

impl Books {
    pub(crate) fn add_account(&mut self, key: AccountKey, levels: Levels, account: Account) {
        self.accounts.insert(key, Entry::new(account, levels));
    }

    pub(crate) fn add_above(&mut self, key: AboveKey, account: Account) {
        self.above.insert(key, Entry::new(account, Levels::NONE));
    }

    /// The accounts above those that were added; to be asked when all of those were.
    pub(crate) fn needs_above(&self, needs: &Needs, operations: &[Operation]) -> BTreeSet<AboveKey> {
        let mut above = BTreeSet::new();
        let stand_alone = self.accounts.values().all(|entry| entry.levels.is_empty());
        if stand_alone && self.accounts.len() == needs.accounts.len() {
            return above;
        }
        for operation in operations {
            let levels = self.levels(&operation.account());
            let keys = operation.above().into_iter();
            above.extend(keys.filter(|key| levels.contains(key.of.level())));
        }
        above
    }

    /// Where the account above a grant's may be, if that cannot be asked: wherever there is one.
    fn levels(&self, key: &AccountKey) -> Levels {
        self.accounts.get(key).map_or(Levels::ALL, |entry| entry.levels)
    }

    pub(crate) fn add_grant(&mut self, grant: GrantKey, row: GrantRow) {
        self.grants.insert(grant, row);
    }

    pub(crate) fn add_open_call(&mut self, call: CallKey, held: Held) {
        self.open_calls.insert(call, held);
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
    pub(crate) fn changed_accounts(&self) -> impl Iterator<Item = (RowKey<'_>, &Account)> {
        let of_grants = self.accounts.iter().map(|(key, entry)| (RowKey::of_grant(key), entry));
        let above = self.above.iter().map(|(key, entry)| (RowKey::of_above(key), entry));
        let changed = of_grants.chain(above).filter(|(_, entry)| entry.is_changed);
        changed.map(|(key, entry)| (key, &entry.account))
    }

    fn reserve(&mut self, key: &AccountKey, permit: Permit, now: Timestamp) -> Outcome {
        let grant = self.grants.get(&key.grant());
        if grant.map(|grant| grant.version) != Some(permit.grant_version()) {
            return Outcome::Stale;
        }
        let Some(entry) = self.accounts.get_mut(key) else {
            return Outcome::NoAccount;
        };
        let answer = if entry.levels.is_empty() {
            let answer = reserve(&mut [&mut entry.account], permit, now);
            entry.is_changed |= changes(&answer, &entry.account);
            answer
        } else {
            let keys = above(permit.tenant_id(), permit.user_id(), permit.client_id());
            let levels = entry.levels;
            let above = self.above.get_disjoint_mut(keys.each_ref());
            let mut entries = vec![entry];
            for (key, above) in keys.iter().zip(above) {
                match above {
                    Some(above) if levels.contains(key.of.level()) => entries.push(above),
                    // It is there and cannot be read: nothing can be said about what is left of it.
                    None if levels.contains(key.of.level()) => return Outcome::NoAccount,
                    _ => {}
                }
            }
            reserve_on(&mut entries, permit, now)
        };
        match answer {
            Ok(reservation) => {
                let call_id = reservation.permit.call_id().clone();
                self.open_calls
                    .insert((key.tenant_id.clone(), call_id), reservation.held);
                Outcome::Admitted(reservation)
            }
            Err(refused) => {
                let revoked = if refused.is_used_up_for_good {
                    self.revoke(key, refused.permit.user_id(), now)
                } else {
                    None
                };
                Outcome::Refused(Box::new(RefusedCall {
                    alerts: Cause::refused(&refused.permit).alerts(refused.alert, now),
                    limit: refused.limit,
                    revoked,
                }))
            }
        }
    }

    fn settle(&mut self, key: &AccountKey, settlement: Arc<Settlement>, now: Timestamp) -> Outcome {
        // Whoever takes the open call away is the one who charges for it.
        let Some(held) = self.open_calls.remove(&key_of(&settlement)) else {
            return Outcome::NothingToSettle;
        };
        let (levels, at) = (self.levels(key), now.max(held.at));
        let (mut alerts, mut is_used_up): (Vec<Alert>, _) = (Vec::new(), false);
        // Where there is no account the call's row still says what it cost, and counts again when
        // there is one.
        if let Some(entry) = self.accounts.get_mut(key) {
            alerts.extend(entry.settle(held, &settlement));
            is_used_up = entry.account.is_used_up_for_good();
        }
        if !levels.is_empty() {
            for key in above(&settlement.tenant_id, &settlement.user_id, &settlement.client_id) {
                if let Some(entry) = self.above.get_mut(&key)
                    && levels.contains(key.of.level())
                {
                    alerts.extend(entry.settle(held, &settlement));
                }
            }
        }
        let alerts = Cause::settled(&settlement).alerts(alerts, at);
        let revoked = if is_used_up {
            self.revoke(key, &settlement.user_id, at)
        } else {
            None
        };
        Outcome::Settled(Settled {
            settlement,
            at,
            alerts,
            revoked,
        })
    }

    /// Revokes a grant whose money is used up, if its user chose that; once. What was decided on the
    /// grant as it was before is stale from here on, in this batch too.
    fn revoke(&mut self, key: &AccountKey, user_id: &UserId, at: Timestamp) -> Option<UsedUpGrant> {
        let grant = self.grants.get_mut(&key.grant())?;
        if !std::mem::take(&mut grant.revoke_when_used_up) {
            return None;
        }
        grant.version += 1;
        Some(UsedUpGrant {
            tenant_id: key.tenant_id.clone(),
            grant_id: key.grant_id.clone(),
            user_id: user_id.clone(),
            at,
        })
    }
}

impl Entry {
    fn new(account: Account, levels: Levels) -> Self {
        Self {
            account,
            levels,
            is_changed: false,
        }
    }

    fn settle(&mut self, held: Held, settlement: &Settlement) -> Vec<Alert> {
        self.is_changed = true;
        self.account
            .settle(held, settlement.cost, settlement.counts_as_request())
    }
}

fn reserve_on(entries: &mut [&mut Entry], permit: Permit, now: Timestamp) -> Result<Reservation, Box<Refused>> {
    let mut accounts: Vec<&mut Account> = entries.iter_mut().map(|entry| &mut entry.account).collect();
    let answer = reserve(&mut accounts, permit, now);
    for entry in entries {
        entry.is_changed |= changes(&answer, &entry.account);
    }
    answer
}

/// A refusal changes no more than what the user has been told of one limit.
fn changes(answer: &Result<Reservation, Box<Refused>>, account: &Account) -> bool {
    match answer {
        Ok(_) => true,
        Err(refused) => {
            let told = refused.alert.as_ref();
            told.is_some_and(|alert| alert.state.level == account.level())
        }
    }
}

impl<'a> RowKey<'a> {
    fn of_grant(key: &'a AccountKey) -> Self {
        Self {
            tenant_id: &key.tenant_id,
            level: Level::Grant,
            subject: Cow::Borrowed(key.grant_id.as_str()),
            provider: key.provider.as_str(),
        }
    }

    fn of_above(key: &'a AboveKey) -> Self {
        Self {
            tenant_id: &key.tenant_id,
            level: key.of.level(),
            subject: Cow::Owned(key.of.subject()),
            provider: "",
        }
    }
}
