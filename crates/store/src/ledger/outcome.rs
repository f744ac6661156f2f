//! What came of the operations of a batch, and what of it is written down.

use std::sync::Arc;

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened, RevocationReason},
    ids::{GrantId, TenantId, UserId},
    ledger::{LimitReached, Reservation, Settlement},
    time::Timestamp,
};

use super::alerts::NewAlert;

/// What came of one operation.
#[derive(Debug)]
pub(crate) enum Outcome {
    Admitted(Reservation),
    /// The grant is not as it was when the permit was made.
    Stale,
    Refused(Box<RefusedCall>),
    Settled(Settled),
    /// The call was settled before, or never was.
    NothingToSettle,
    /// The account cannot be read, so nothing can be said about what is left of it.
    NoAccount,
}

#[derive(Debug)]
pub(crate) struct RefusedCall {
    pub(crate) limit: LimitReached,
    pub(super) alerts: Vec<NewAlert>,
    pub(super) revoked: Option<UsedUpGrant>,
}

#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) settlement: Arc<Settlement>,
    pub(crate) at: Timestamp,
    pub(super) alerts: Vec<NewAlert>,
    pub(super) revoked: Option<UsedUpGrant>,
}

/// A grant that is revoked because its money is used up, as its user chose.
#[derive(Debug)]
pub(crate) struct UsedUpGrant {
    pub(crate) tenant_id: TenantId,
    pub(crate) grant_id: GrantId,
    pub(super) user_id: UserId,
    pub(crate) at: Timestamp,
}

impl Outcome {
    /// What gives back what it held.
    pub(crate) fn released(&self) -> Option<Settlement> {
        match self {
            Self::Admitted(reservation) => Some(reservation.released()),
            _ => None,
        }
    }

    /// What it tells users; nearly always nothing.
    pub(crate) fn alerts(&self) -> &[NewAlert] {
        match self {
            Self::Refused(refused) => &refused.alerts,
            Self::Settled(settled) => &settled.alerts,
            Self::Admitted(_) | Self::Stale | Self::NothingToSettle | Self::NoAccount => &[],
        }
    }

    /// The grant that it revokes; nearly always none.
    pub(crate) fn revoked(&self) -> Option<&UsedUpGrant> {
        match self {
            Self::Refused(refused) => refused.revoked.as_ref(),
            Self::Settled(settled) => settled.revoked.as_ref(),
            Self::Admitted(_) | Self::Stale | Self::NothingToSettle | Self::NoAccount => None,
        }
    }

    /// What it writes to the audit log.
    pub(crate) fn events(&self) -> Vec<AuditEvent> {
        let mut events = match self {
            Self::Admitted(reservation) => vec![intent(reservation)],
            Self::Settled(settled) => vec![settled.event()],
            Self::Stale | Self::Refused(..) | Self::NothingToSettle | Self::NoAccount => Vec::new(),
        };
        events.extend(self.alerts().iter().map(NewAlert::event));
        events.extend(self.revoked().map(UsedUpGrant::event));
        events
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

impl UsedUpGrant {
    fn event(&self) -> AuditEvent {
        AuditEvent {
            tenant_id: self.tenant_id.clone(),
            at: self.at,
            actor: Actor::Broker,
            user_id: Some(self.user_id.clone()),
            grant_id: Some(self.grant_id.clone()),
            what: Happened::GrantRevoked {
                reason: RevocationReason::UsedUp,
            },
        }
    }
}

impl Settled {
    fn event(&self) -> AuditEvent {
        AuditEvent {
            tenant_id: self.settlement.tenant_id.clone(),
            at: self.at,
            actor: Actor::Broker,
            user_id: Some(self.settlement.user_id.clone()),
            grant_id: Some(self.settlement.grant_id.clone()),
            what: Happened::CallSettled {
                call_id: self.settlement.call_id.clone(),
                cost: self.settlement.cost,
                label: self.settlement.label,
                outcome: self.settlement.outcome,
            },
        }
    }
}
