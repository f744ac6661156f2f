//! The hold of a call under way. Whatever becomes of the call, dropping this settles it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aipassport_domain::{
    audit::CallOutcome,
    ledger::{Left, Reservation, Settlement},
    money::Money,
    policy::Permit,
    time::Timestamp,
    usage::{TruthLabel, Usage},
};
use aipassport_providers::{
    meter::{Charge, Meter, Metering, StreamForm},
    prices::PriceBook,
};
use aipassport_store::{Ledger, ReserveError};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{error::GatewayError, upload::Delivery};
use crate::app::App;

/// A reservation whose call is under way. Dropping it settles it.
///
/// It is dropped when the answer ends, when the provider fails, when the client hangs up, when the
/// user revokes the grant and when a handler panics, so no way out of a call leaves its hold open.
/// If the process dies first, recovery charges the hold in full.
pub(super) struct OpenReservation {
    app: App,
    reservation: Reservation,
    metering: Metering,
    prices: Arc<PriceBook>,
    spent: Spent,
    outcome: Option<CallOutcome>,
    status: Option<StatusCode>,
    started_at: Instant,
    answered_after: Option<Duration>,
}

/// What we know of the cost of a call.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every call gets its meter, and has one of these"
)]
enum Spent {
    /// The request has not left the broker.
    NotSent,
    /// The request was sent, or an upload is on its way, and the provider has not answered.
    Unknown(Option<Arc<Delivery>>),
    /// The provider refused the request, and bills nothing for it.
    Refused,
    /// What the meter has seen of the answer tells.
    Metered(Meter),
}

impl OpenReservation {
    /// Step 4: holds what `permit` can cost at most, durably, before anything is sent.
    pub(super) async fn reserve(
        app: &App,
        permit: Permit,
        metering: &Metering,
        prices: &Arc<PriceBook>,
        now: Timestamp,
    ) -> Result<Self, GatewayError> {
        let reservation = app.store.reserve(permit, now).await?;
        Ok(Self {
            app: app.clone(),
            reservation,
            metering: metering.clone(),
            prices: Arc::clone(prices),
            spent: Spent::NotSent,
            outcome: None,
            status: None,
            started_at: Instant::now(),
            answered_after: None,
        })
    }

    pub(super) fn permit(&self) -> &Permit {
        &self.reservation.permit
    }

    /// The output cap to write into the forwarded request.
    pub(super) fn output_cap(&self) -> u64 {
        self.reservation.output_cap
    }

    pub(super) fn held(&self) -> Money {
        self.reservation.held.amount
    }

    /// What is left beside this hold.
    pub(super) fn left(&self) -> &Left {
        &self.reservation.left
    }

    pub(super) fn started_at(&self) -> Instant {
        self.started_at
    }

    /// The request is about to leave the broker; how far it has come, where it leaves in pieces,
    /// `delivery` tells.
    pub(super) fn sent(&mut self, delivery: Option<Arc<Delivery>>) {
        self.spent = Spent::Unknown(delivery);
    }

    /// The request came back unsent, to the last byte.
    pub(super) fn not_sent(&mut self) {
        self.spent = Spent::NotSent;
    }

    /// The head of the answer has come.
    pub(super) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status);
        self.answered_after = Some(self.started_at.elapsed());
        self.spent = if status.is_success() {
            Spent::Metered(self.metering.meter(headers))
        } else {
            Spent::Refused
        };
    }

    /// Step 6: reads usage from the next piece of the answer and returns what the client is to see.
    pub(super) fn meter(&mut self, piece: Bytes) -> Bytes {
        match &mut self.spent {
            Spent::Metered(meter) => meter.feed(piece),
            _ => piece,
        }
    }

    /// Whether the answer passes piece by piece, and not as one document.
    pub(super) fn passes_in_pieces(&self) -> bool {
        matches!(&self.spent, Spent::Metered(meter) if meter.passes_in_pieces())
    }

    /// How the events of the answer stand one after the other, if it is a stream of them.
    pub(super) fn stream_form(&self) -> Option<StreamForm> {
        match &self.spent {
            Spent::Metered(meter) => meter.stream_form(),
            _ => None,
        }
    }

    /// The answer has come to its end; returns what the meter kept back.
    pub(super) fn complete(&mut self) -> Bytes {
        let Spent::Metered(meter) = &mut self.spent else {
            return Bytes::new();
        };
        let rest = meter.rest();
        let has_failed = meter.metered().has_failed;
        self.outcome = Some(if has_failed {
            CallOutcome::UpstreamFailed
        } else {
            CallOutcome::Completed
        });
        rest
    }

    /// The call has ended otherwise than by its answer's end.
    pub(super) fn end(&mut self, outcome: CallOutcome) {
        self.outcome = Some(outcome);
    }

    /// What the call costs, by all that is known so far; never above the hold.
    pub(super) fn charge(&self) -> Charge {
        let held = self.held();
        let free = Charge {
            cost: Money::ZERO,
            label: TruthLabel::Derived,
            usage: Usage::default(),
            is_capped: false,
        };
        match &self.spent {
            Spent::NotSent | Spent::Refused => free,
            // Nobody can have worked on a form whose end has not left.
            Spent::Unknown(Some(delivery)) if !delivery.is_complete() => free,
            // The provider may be at work on it, so whoever reserved it pays for it.
            Spent::Unknown(_) => Charge {
                cost: held,
                label: TruthLabel::WorstCase,
                ..free
            },
            Spent::Metered(meter) => {
                let charge = self.metering.charge(&self.prices, &meter.metered(), held);
                Charge {
                    cost: charge.cost.min(held),
                    ..charge
                }
            }
        }
    }

    fn outcome(&self) -> CallOutcome {
        match (&self.spent, self.outcome) {
            (Spent::Refused, None) => CallOutcome::Refused,
            (_, Some(outcome)) => outcome,
            (Spent::NotSent, None) => CallOutcome::NotSent,
            (_, None) if std::thread::panicking() => CallOutcome::Crashed,
            (_, None) => CallOutcome::ClientGone,
        }
    }

    fn settlement(&self) -> Settlement {
        let Charge {
            cost,
            label,
            usage,
            is_capped,
        } = self.charge();
        if is_capped {
            tracing::error!(call.id = %self.permit().call_id(), model = self.permit().model(), ?usage,
                "the provider reported more than was held; the user pays the hold");
        }
        Settlement {
            cost,
            label,
            outcome: self.outcome(),
            usage,
            price_digest: self
                .prices
                .digest_of(self.permit().provider(), self.permit().model())
                .to_owned(),
            ..self.reservation.released()
        }
    }

    /// A call that went well is told of by its row and its audit event; the log has it for those who
    /// ask for more than what is worth knowing.
    fn log(&self, settlement: &Settlement) {
        let permit = self.permit();
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        if settlement.outcome != CallOutcome::Completed {
            let outcome = settlement.outcome.as_str();
            tracing::info!(call.id = %permit.call_id(), grant.id = %permit.grant_id(), outcome, "call not completed");
        }
        tracing::debug!(
            call.id = %permit.call_id(),
            grant.id = %permit.grant_id(),
            provider = %permit.provider(),
            model = permit.model(),
            status = self.status.map(|status| status.as_u16()),
            outcome = settlement.outcome.as_str(),
            cost = %settlement.cost,
            label = settlement.label.as_str(),
            head_ms = self.answered_after.map(millis),
            total_ms = millis(self.started_at.elapsed()),
            "call"
        );
    }
}

impl Drop for OpenReservation {
    /// Step 7. The answer's last byte does not wait for it, and the caller's next reservation finds it
    /// done.
    fn drop(&mut self) {
        let settlement = self.settlement();
        self.log(&settlement);
        self.app.store.settle(settlement, self.app.clock.now());
    }
}

impl From<ReserveError> for GatewayError {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::Stale => Self::Stale,
            ReserveError::Limit(limit) => Self::Denied(aipassport_domain::policy::Denial::Limit(limit)),
            ReserveError::Unavailable => Self::Unavailable,
        }
    }
}
