//! Reads what a call used from the bytes that pass by, and says what it cost.

use aipassport_domain::{
    money::Money,
    usage::{TruthLabel, Usage},
};
use bytes::Bytes;
use http::HeaderMap;

use crate::prices::PriceBook;

/// How to read the answer to one request. Small; kept beside the reservation.
#[derive(Clone, Debug)]
pub struct Metering {}

impl Metering {
    /// A meter for an answer with these headers: a stream of events, or a body.
    pub fn meter(&self, upstream: &HeaderMap) -> Meter {
        let _ = upstream;
        Meter {}
    }

    /// What a call that was sent cost, by what its meter has seen so far.
    ///
    /// Never above `held`, and never below what the provider can bill. For answers with a success
    /// status only: what the provider answers with an error, it does not bill.
    pub fn charge(&self, prices: &PriceBook, seen: &Metered, held: Money) -> Charge {
        let _ = (prices, seen);
        Charge {
            cost: held,
            label: TruthLabel::WorstCase,
            usage: Usage::default(),
        }
    }
}

/// What a call cost, and how well that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    pub cost: Money,
    pub label: TruthLabel,
    pub usage: Usage,
}

/// Watches one answer pass by.
#[derive(Debug)]
pub struct Meter {}

impl Meter {
    /// Takes the next bytes from the upstream and returns those for the client: the same, but for
    /// the usage that only we asked for. Keeps back no more than the end of an event that is
    /// still to come.
    pub fn feed(&mut self, chunk: Bytes) -> Bytes {
        chunk
    }

    /// What was kept back, once the upstream has ended.
    pub fn rest(&mut self) -> Bytes {
        Bytes::new()
    }

    /// What has been seen so far; can be asked at any time.
    pub fn metered(&self) -> Metered {
        Metered::default()
    }
}

/// What a meter has seen of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// As the provider reported it, and as the provider's last word where it spoke twice.
    pub usage: Option<Usage>,
    /// Whether the answer ended as its format says it ends.
    pub is_complete: bool,
    /// The answer carried an error event after it had begun.
    pub has_failed: bool,
    /// Bytes of text and arguments written by the model: at least as many as output tokens.
    pub output_bytes: u64,
}
