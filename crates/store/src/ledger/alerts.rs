//! What the ledger tells users, written with the settlement or the refusal that brought it about.
//!
//! The accounts remember what was told, so an alert is written when there is one and nothing is
//! looked up when there is none. The rows are unique all the same.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    ids::{CallId, ClientId, GrantId, ProviderId, TenantId, UserId},
    ledger::{Alert, Amount, Level, Settlement},
    policy::Permit,
    time::Timestamp,
};

use super::{levels::LimitsOf, rows::integer};

/// Nothing is written if the user was told before.
pub(super) const INSERT: &str =
    "insert into alerts (tenant_id, id, user_id, level, subject, provider, rule, period, window_start, resets_at,
                         threshold, limit_amount, used_amount, at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
     on conflict do nothing";

/// Queues an alert for each webhook of whoever is told: of the tenant's limits, its admins. A delivery
/// is named like its alert, so that a receiver knows one that it had before. The values are numbered as
/// they come, which is how SQLite counts them.
macro_rules! queue_deliveries {
    ($lock:literal) => {
        concat!(
            "insert into webhook_deliveries (tenant_id, webhook_id, id, alert_id, created_at, due_at, attempts)
             select webhooks.tenant_id, webhooks.id, $1, $1, $2, $2, 0
             from webhooks join users on users.tenant_id = webhooks.tenant_id and users.id = webhooks.user_id
             where webhooks.tenant_id = $3 and disabled_at is null and suspended_at is null
                 and (user_id = $4 or ($4 = '' and is_admin = 1))",
            $lock
        )
    };
}

pub(super) const QUEUE: &str = queue_deliveries!("");
/// On PostgreSQL a webhook may be removed meanwhile: what is queued for it would fail the batch.
pub(super) const QUEUE_LOCKED: &str = queue_deliveries!(" for key share of webhooks");

/// All of a limit.
const FULL: u8 = 100;

/// An alert that is not written yet.
#[derive(Clone, Debug)]
pub(crate) struct NewAlert {
    /// Made from the call's, so that it is the same however often the batch is tried.
    pub(super) id: String,
    pub(super) tenant_id: TenantId,
    /// Whose call it was.
    pub(super) user_id: UserId,
    pub(super) grant_id: GrantId,
    /// What the row of the account is called.
    pub(super) subject: String,
    pub(super) provider: String,
    pub(super) alert: Alert,
    pub(super) at: Timestamp,
}

/// The call that brought an alert about.
pub(super) struct Cause<'a> {
    call_id: &'a CallId,
    tenant_id: &'a TenantId,
    user_id: &'a UserId,
    client_id: &'a ClientId,
    grant_id: &'a GrantId,
    provider: &'a ProviderId,
}

impl<'a> Cause<'a> {
    pub(super) fn refused(permit: &'a Permit) -> Self {
        Self {
            call_id: permit.call_id(),
            tenant_id: permit.tenant_id(),
            user_id: permit.user_id(),
            client_id: permit.client_id(),
            grant_id: permit.grant_id(),
            provider: permit.provider(),
        }
    }

    pub(super) fn settled(settlement: &'a Settlement) -> Self {
        Self {
            call_id: &settlement.call_id,
            tenant_id: &settlement.tenant_id,
            user_id: &settlement.user_id,
            client_id: &settlement.client_id,
            grant_id: &settlement.grant_id,
            provider: &settlement.provider,
        }
    }

    pub(super) fn alerts(&self, alerts: impl IntoIterator<Item = Alert>, at: Timestamp) -> Vec<NewAlert> {
        let numbered = alerts.into_iter().enumerate();
        numbered.map(|(number, alert)| self.alert(number, alert, at)).collect()
    }

    fn alert(&self, number: usize, alert: Alert, at: Timestamp) -> NewAlert {
        let [app, user, tenant] = LimitsOf::above(self.user_id, self.client_id);
        let (subject, provider) = match alert.state.level {
            Level::Grant => (self.grant_id.as_str().to_owned(), self.provider.as_str().to_owned()),
            Level::App => (app.subject(), String::new()),
            Level::User => (user.subject(), String::new()),
            Level::Tenant => (tenant.subject(), String::new()),
        };
        NewAlert {
            id: format!("{}-{number}", self.call_id),
            tenant_id: self.tenant_id.clone(),
            user_id: self.user_id.clone(),
            grant_id: self.grant_id.clone(),
            subject,
            provider,
            alert,
            at,
        }
    }
}

impl NewAlert {
    /// Who is told: the user, or for the tenant's limits nobody in particular.
    pub(super) fn told(&self) -> &str {
        match self.alert.state.level {
            Level::Tenant => "",
            Level::Grant | Level::App | Level::User => self.user_id.as_str(),
        }
    }

    pub(super) fn period(&self) -> String {
        self.alert
            .state
            .window
            .map(|period| period.to_string())
            .unwrap_or_default()
    }

    pub(super) fn limit(&self) -> i64 {
        stored(self.alert.state.limit)
    }

    pub(super) fn used(&self) -> i64 {
        stored(self.alert.state.used)
    }

    pub(super) fn event(&self) -> AuditEvent {
        let (level, rule) = (self.alert.state.level, self.alert.state.rule.as_str().to_owned());
        AuditEvent {
            tenant_id: self.tenant_id.clone(),
            at: self.at,
            actor: Actor::Broker,
            // What everybody used together is not for each to see.
            user_id: (level != Level::Tenant).then(|| self.user_id.clone()),
            grant_id: Some(self.grant_id.clone()),
            what: match self.alert.threshold {
                FULL => Happened::LimitReached { level, rule },
                percent => Happened::LimitNear { level, rule, percent },
            },
        }
    }
}

/// Nano-dollars, or a count.
fn stored(amount: Amount) -> i64 {
    match amount {
        Amount::Money(money) => money.nanos(),
        Amount::Count(count) => integer(count),
    }
}
