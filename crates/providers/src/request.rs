//! A request as it was read: what policy must know of it, and how it goes upstream.

use std::{borrow::Cow, ops::Range};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamBody {
    original: Bytes,
    edits: Vec<Edit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    /// Empty where something is put in, and nothing replaced.
    range: Range<usize>,
    text: EditText,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum EditText {
    Fixed(Cow<'static, str>),
    /// The output cap between these, where the client gave none.
    NewCap {
        before: Cow<'static, str>,
        after: &'static str,
    },
    /// The output cap, unless the client's own is as low.
    LowerCap {
        asked: Option<u64>,
    },
}

impl UpstreamBody {
    pub(crate) fn new(original: Bytes) -> Self {
        Self {
            original,
            edits: Vec::new(),
        }
    }

    pub(crate) fn replace(&mut self, range: Range<usize>, text: impl Into<Cow<'static, str>>) {
        let text = EditText::Fixed(text.into());
        self.edits.push(Edit { range, text });
    }

    /// Puts a member right after the opening brace at `brace` of an object that has others.
    pub(crate) fn insert_member(&mut self, brace: usize, name_and_value: &'static str) {
        self.replace(brace + 1..brace + 1, format!("{name_and_value},"));
    }

    /// Puts the cap as a member right after the opening brace at `brace` of an object that has others.
    pub(crate) fn insert_cap(&mut self, brace: usize, member: &'static str) {
        self.put_cap(brace + 1..brace + 1, format!("\"{member}\":"), ",");
    }

    /// Puts the cap between `before` and `after` in place of `range`.
    pub(crate) fn put_cap(&mut self, range: Range<usize>, before: impl Into<Cow<'static, str>>, after: &'static str) {
        let before = before.into();
        let text = EditText::NewCap { before, after };
        self.edits.push(Edit { range, text });
    }

    /// The client's own cap stands at `range`; `None` where it is null.
    pub(crate) fn lower_cap(&mut self, range: Range<usize>, asked: Option<u64>) {
        let text = EditText::LowerCap { asked };
        self.edits.push(Edit { range, text });
    }

    /// Whether a place for the output cap is known.
    pub(crate) fn has_cap(&self) -> bool {
        self.edits.iter().any(|edit| !matches!(edit.text, EditText::Fixed(_)))
    }

    /// The bytes to send: the client's own but for the output cap, written in where the client
    /// gave none or a higher one, and for the few members that keep the price under its ceiling.
    #[must_use]
    pub fn with_output_cap(mut self, output_cap: u64) -> Bytes {
        self.edits
            .retain(|edit| !matches!(edit.text, EditText::LowerCap { asked: Some(asked) } if asked <= output_cap));
        if self.edits.is_empty() {
            return self.original;
        }
        self.edits.sort_by_key(|edit| edit.range.start);

        let mut sent = Vec::with_capacity(self.original.len() + 64 * self.edits.len());
        let mut copied = 0;
        for edit in &self.edits {
            sent.extend_from_slice(self.original.get(copied..edit.range.start).unwrap_or_default());
            match &edit.text {
                EditText::Fixed(text) => sent.extend_from_slice(text.as_bytes()),
                EditText::NewCap { before, after } => {
                    sent.extend_from_slice(format!("{before}{output_cap}{after}").as_bytes());
                }
                EditText::LowerCap { .. } => sent.extend_from_slice(output_cap.to_string().as_bytes()),
            }
            copied = edit.range.end;
        }
        sent.extend_from_slice(self.original.get(copied..).unwrap_or_default());
        sent.into()
    }
}

/// Why a body is refused with 400 before policy sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not one JSON object, or one that two readers could understand in two ways.
    #[error("the body is not a plain JSON object: {problem}, at byte {at}")]
    NotPlainJson { problem: &'static str, at: usize },
    #[error("{member} {problem}")]
    Invalid {
        member: &'static str,
        problem: &'static str,
    },
    /// What it costs, or what it can do, cannot be bounded yet.
    #[error("{member} is not supported yet: {reason}")]
    NotSupported { member: &'static str, reason: &'static str },
    /// The provider has no equal for it, and without it the answer would be another.
    #[error("{member} cannot be carried to this provider: {reason}")]
    NotCarried {
        member: Cow<'static, str>,
        reason: &'static str,
    },
}
