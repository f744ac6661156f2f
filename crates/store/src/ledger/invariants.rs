//! What must be true of the ledger at any moment, checked against its rows.
//!
//! Every counter of every account equals what its calls add up to, at every level; the account of a
//! grant knows of those above it; nothing is used or held beyond a limit; every open call belongs to
//! an instance that can still settle it.

use std::{collections::HashSet, fmt};

use aipassport_domain::{
    ids::{CallId, ClientId, GrantId, ProviderId, TenantId, UserId},
    ledger::{Account, Counter, Level, LimitRule, Uncounted},
    limits::Window,
    time::Timestamp,
};

use super::levels::{AccountOf, Levels, LimitsOf};
use crate::{
    Store, StoreError, accounts,
    sql::{Row, Transaction, corrupt, sql},
};

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub tenant_id: TenantId,
    pub account: AccountOf,
    pub fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A counter is not what its calls add up to.
    Miscounted {
        rule: LimitRule,
        window: Window,
        /// What is used and reserved, as the account has it.
        account: (u64, u64),
        calls: (u64, u64),
    },
    BeyondLimit {
        rule: LimitRule,
        window: Window,
        most: u64,
        used_and_reserved: u64,
    },
    InFlightMiscounted {
        account: u64,
        calls: u64,
    },
    /// Nobody will settle it; recovery has not seen it yet.
    OrphanHold {
        call_id: CallId,
        instance_id: String,
    },
    /// There are calls, but no account.
    NoAccount,
    /// The account of a grant does not know that there is one above it, or takes one for there.
    Misplaced {
        above: Level,
    },
    Unreadable,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tenant_id,
            account,
            fault,
        } = self;
        write!(out, "tenant {tenant_id}, {account}: {fault}")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Miscounted {
                rule,
                window,
                account: (used, reserved),
                calls: (calls_used, calls_reserved),
            } => write!(
                out,
                "{}: the account says {used} used and {reserved} held, its calls add up to {calls_used} and {calls_reserved}",
                Named(*rule, *window),
            ),
            Self::BeyondLimit {
                rule,
                window,
                most,
                used_and_reserved,
            } => write!(
                out,
                "{}: {used_and_reserved} used and held, where {most} is the most that can be",
                Named(*rule, *window)
            ),
            Self::InFlightMiscounted { account, calls } => {
                write!(out, "the account says {account} calls under way, there are {calls}")
            }
            Self::OrphanHold { call_id, instance_id } => {
                write!(out, "call {call_id} is held by instance {instance_id}, which is gone")
            }
            Self::NoAccount => out.write_str("there are calls, but no account that counts them"),
            Self::Misplaced { above } => {
                write!(
                    out,
                    "the account is wrong about whether its {} has limits",
                    above.as_str()
                )
            }
            Self::Unreadable => out.write_str("the account cannot be read"),
        }
    }
}

/// A limit by name and window: `budget per P1M`.
struct Named(LimitRule, Window);

impl fmt::Display for Named {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.as_str())?;
        match self.1 {
            Some(period) => write!(out, " per {period}"),
            None => Ok(()),
        }
    }
}

impl Store {
    /// Checks the whole ledger at one moment. An instance counts as gone when it has not been heard
    /// of since `alive_since`.
    pub async fn check_invariants(&self, alive_since: Timestamp) -> Result<Vec<Finding>, StoreError> {
        let mut tx = self.begin_snapshot().await?;
        let mut findings = Vec::new();
        let accounts = sql(
            "select accounts.tenant_id, level, subject, accounts.provider, state, levels, user_id, client_id
             from accounts left join grants
                 on level = 'grant' and grants.tenant_id = accounts.tenant_id and grants.id = subject
             order by accounts.tenant_id, level, subject, accounts.provider",
        )
        .all(&mut *tx)
        .await?;
        let named = |row: &Row| Ok((TenantId::new(row.text("tenant_id")?), account_of(row)?));
        let there: HashSet<(TenantId, AccountOf)> = accounts.iter().map(named).collect::<Result<_, StoreError>>()?;
        for row in &accounts {
            let (tenant_id, account) = named(row)?;
            let mut faults = match accounts::read(row) {
                Ok(state) => faults_of(&mut tx, &tenant_id, &account, &state).await?,
                Err(_) => vec![Fault::Unreadable],
            };
            faults.extend(misplaced(row, &tenant_id, &there)?);
            findings.extend(faults.into_iter().map(|fault| Finding {
                tenant_id: tenant_id.clone(),
                account: account.clone(),
                fault,
            }));
        }
        findings.extend(calls_without_account(&mut tx).await?);
        findings.extend(orphans(&mut tx, alive_since).await?);
        Ok(findings)
    }
}

fn account_of(row: &Row) -> Result<AccountOf, StoreError> {
    AccountOf::parse(&row.text("level")?, row.text("subject")?, row.text("provider")?)
        .ok_or_else(|| corrupt("the name of an account"))
}

fn finding_about_grant(row: &Row, fault: Fault) -> Result<Finding, StoreError> {
    let grant_id = GrantId::new(row.text("grant_id")?);
    Ok(Finding {
        tenant_id: TenantId::new(row.text("tenant_id")?),
        account: AccountOf::Grant(grant_id, ProviderId::new(row.text("provider")?)),
        fault,
    })
}

async fn faults_of(
    tx: &mut Transaction,
    tenant_id: &TenantId,
    of: &AccountOf,
    account: &Account,
) -> Result<Vec<Fault>, StoreError> {
    let mut faults = Vec::new();
    for (rule, counter) in account.counters() {
        let window = Uncounted {
            rule,
            per: counter.per,
            since: Timestamp::from_millis(counter.window_start),
        };
        let calls = accounts::counted(tx, tenant_id, of, &window).await?;
        faults.extend(faults_of_counter(rule, counter, calls));
    }

    let calls = u64::from(accounts::under_way(tx, tenant_id, of).await?);
    let account = u64::from(account.in_flight());
    if account != calls {
        faults.push(Fault::InFlightMiscounted { account, calls });
    }
    Ok(faults)
}

/// Where the row of a grant's account is wrong about those above it.
fn misplaced(
    row: &Row,
    tenant_id: &TenantId,
    there: &HashSet<(TenantId, AccountOf)>,
) -> Result<Vec<Fault>, StoreError> {
    let (Some(user_id), Some(client_id)) = (row.maybe_text("user_id")?, row.maybe_text("client_id")?) else {
        return Ok(Vec::new());
    };
    let known = Levels::from_column(row.integer("levels")?);
    let above = LimitsOf::above(&UserId::new(user_id), &ClientId::new(client_id)).into_iter();
    Ok(above
        .map(|of| (of.level(), (tenant_id.clone(), AccountOf::Above(of))))
        .filter(|(level, account)| known.contains(*level) != there.contains(account))
        .map(|(above, _)| Fault::Misplaced { above })
        .collect())
}

fn faults_of_counter(rule: LimitRule, counter: &Counter, calls: (u64, u64)) -> Vec<Fault> {
    let mut faults = Vec::new();
    let account = (counter.used, counter.reserved);
    let window = counter.per;
    if account != calls {
        faults.push(Fault::Miscounted {
            rule,
            window,
            account,
            calls,
        });
    }
    let used_and_reserved = counter.used.saturating_add(counter.reserved);
    if used_and_reserved > counter.most {
        faults.push(Fault::BeyondLimit {
            rule,
            window,
            most: counter.most,
            used_and_reserved,
        });
    }
    faults
}

async fn calls_without_account(tx: &mut Transaction) -> Result<Vec<Finding>, StoreError> {
    let rows = sql("select distinct tenant_id, grant_id, provider from calls
         where not exists (select 1 from accounts
                           where accounts.tenant_id = calls.tenant_id and level = 'grant'
                               and subject = calls.grant_id and accounts.provider = calls.provider)")
    .all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| finding_about_grant(row, Fault::NoAccount))
        .collect()
}

async fn orphans(tx: &mut Transaction, alive_since: Timestamp) -> Result<Vec<Finding>, StoreError> {
    let rows = sql("select tenant_id, grant_id, provider, id, instance_id from calls
         where settled_at is null and admitted_at < $1
             and instance_id not in (select id from instances where seen_at >= $1)")
    .bind(alive_since)
    .all(&mut **tx)
    .await?;
    let orphan = |row: &Row| {
        let fault = Fault::OrphanHold {
            call_id: CallId::new(row.text("id")?),
            instance_id: row.text("instance_id")?,
        };
        finding_about_grant(row, fault)
    };
    rows.iter().map(orphan).collect()
}
