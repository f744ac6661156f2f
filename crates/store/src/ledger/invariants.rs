//! What must be true of the ledger at any moment, checked against its rows.
//!
//! Every counter of every account equals what its calls add up to; nothing is used or held beyond a
//! limit; every open call belongs to an instance that can still settle it.

use std::fmt;

use aipassport_domain::{
    ids::{CallId, GrantId, ProviderId, TenantId},
    ledger::{Account, Counter, LimitRule, Uncounted},
    limits::Window,
    time::Timestamp,
};

use crate::{
    Store, StoreError, accounts,
    sql::{Row, Transaction, sql},
};

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub tenant_id: TenantId,
    pub grant_id: GrantId,
    pub provider: ProviderId,
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
    Unreadable,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tenant_id,
            grant_id,
            provider,
            fault,
        } = self;
        write!(out, "tenant {tenant_id}, grant {grant_id}, {provider}: {fault}")
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
        let accounts = sql("select tenant_id, subject as grant_id, provider, state from accounts
             where level = 'grant' order by tenant_id, subject, provider")
        .all(&mut *tx)
        .await?;
        for row in &accounts {
            let faults = match serde_json::from_str::<Account>(&row.text("state")?) {
                Ok(account) => faults_of(&mut tx, row, &account).await?,
                Err(_) => vec![Fault::Unreadable],
            };
            for fault in faults {
                findings.push(finding(row, fault)?);
            }
        }
        findings.extend(calls_without_account(&mut tx).await?);
        findings.extend(orphans(&mut tx, alive_since).await?);
        Ok(findings)
    }
}

fn finding(row: &Row, fault: Fault) -> Result<Finding, StoreError> {
    Ok(Finding {
        tenant_id: TenantId::new(row.text("tenant_id")?),
        grant_id: GrantId::new(row.text("grant_id")?),
        provider: ProviderId::new(row.text("provider")?),
        fault,
    })
}

async fn faults_of(tx: &mut Transaction, row: &Row, account: &Account) -> Result<Vec<Fault>, StoreError> {
    let tenant_id = TenantId::new(row.text("tenant_id")?);
    let grant_id = GrantId::new(row.text("grant_id")?);
    let provider = ProviderId::new(row.text("provider")?);

    let mut faults = Vec::new();
    for (rule, counter) in account.counters() {
        let window = Uncounted {
            rule,
            per: counter.per,
            since: Timestamp::from_millis(counter.window_start),
        };
        let calls = accounts::counted(tx, &tenant_id, &grant_id, &provider, &window).await?;
        faults.extend(faults_of_counter(rule, counter, calls));
    }

    let open = sql("select count(*) as open from calls
         where tenant_id = $1 and grant_id = $2 and provider = $3 and settled_at is null")
    .bind(&tenant_id)
    .bind(&grant_id)
    .bind(&provider)
    .first(&mut **tx)
    .await?;
    let calls = open.map_or(Ok(0), |row| row.integer("open"))?.unsigned_abs();
    let account = u64::from(account.in_flight());
    if account != calls {
        faults.push(Fault::InFlightMiscounted { account, calls });
    }
    Ok(faults)
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
    rows.iter().map(|row| finding(row, Fault::NoAccount)).collect()
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
        finding(row, fault)
    };
    rows.iter().map(orphan).collect()
}
