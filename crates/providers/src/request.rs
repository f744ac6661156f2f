//! A request as it was read: what policy must know of it, and how it goes upstream.

use std::{borrow::Cow, ops::Range};

use aipassport_domain::{
    authorization_details::{Capability, Features},
    ids::ProviderId,
    policy::{Call, CallCost, OutputCap},
};
use bytes::Bytes;

use crate::{adapter::Operation, meter::Metering, multipart::FormError};

/// What one reading of a request yields.
#[derive(Debug)]
pub struct ReadRequest {
    pub call: Call,
    /// Whether the client asked for a stream of events.
    pub is_stream: bool,
    pub body: UpstreamBody,
    /// How to read the answer.
    pub metering: Metering,
    /// What it names that is kept at the provider.
    pub names: Vec<StoredObject>,
    /// Whether the provider is to keep what it makes of it.
    pub storing: Storing,
}

/// Something kept at a provider, by the id that it has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    pub kind: ObjectKind,
    pub id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// An answer of OpenAI's newer API.
    Response,
    /// What no call through here makes: files, conversations, prompts, voices.
    Foreign,
}

impl ObjectKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Foreign => "foreign",
        }
    }
}

/// Whether a provider is to keep what it makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storing {
    No,
    /// The client leaves it to the provider, which would; the body says not to.
    Unsaid,
    /// The client wants it. It can be asked for again, by its id, if it is of a kind that has a path.
    Asked(Option<ObjectKind>),
}

impl ReadRequest {
    /// A call about something that the provider keeps: free, and with no body.
    pub fn about_stored(provider: &ProviderId, model: String) -> Self {
        Self {
            call: Call {
                provider: provider.clone(),
                model: model.clone(),
                capability: Capability::Chat,
                features: Features {
                    stored_state: true,
                    ..Features::NONE
                },
                cost: CallCost::Free,
            },
            is_stream: false,
            body: UpstreamBody::new(Bytes::new()),
            metering: Metering::of_free_call(Operation::Responses, provider.clone(), model),
            names: Vec::new(),
            storing: Storing::No,
        }
    }

    /// Leaves to the provider what the client leaves to it: for a grant that has stored state.
    pub fn store_unsaid(&mut self) {
        if self.storing == Storing::Unsaid {
            self.storing = Storing::Asked(Some(ObjectKind::Response));
            self.call.features.stored_state = true;
            self.body
                .edits
                .retain(|edit| !matches!(edit.text, EditText::NotStored(_)));
        }
    }
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
    /// That nothing is to be kept, where the client does not say.
    NotStored(&'static str),
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

    /// Says that nothing is to be kept, at `range`.
    pub(crate) fn put_not_stored(&mut self, range: Range<usize>, text: &'static str) {
        let text = EditText::NotStored(text);
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

    /// The bytes to send: the client's own but for the output cap, written in where the client
    /// gave none or a higher one, and for the few members that keep the price under its ceiling.
    #[must_use]
    pub fn with_output_cap(mut self, output_cap: u64) -> Bytes {
        self.edits.retain(|edit| match edit.text {
            EditText::Fixed(_) | EditText::NotStored(_) => true,
            EditText::LowerCap { asked: Some(asked) } => asked > output_cap,
            _ => output_cap != OutputCap::UNLIMITED,
        });
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
                EditText::NotStored(text) => sent.extend_from_slice(text.as_bytes()),
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
    #[error(transparent)]
    Form(FormError),
    /// The provider has no equal for it, and without it the answer would be another.
    #[error("{member} cannot be carried to this provider: {reason}")]
    NotCarried {
        member: Cow<'static, str>,
        reason: &'static str,
    },
}

pub(crate) const NO_MODEL: ReadError = ReadError::Invalid {
    member: "model",
    problem: "must name a model",
};
