//! Reads what a call used from the bytes that pass by, and says what it cost.
//!
//! [`Metering`] knows what was asked, [`Meter`] watches one answer, [`Metered`] is what it has
//! seen. How usage is written is in each provider's `usage.rs`, as one [`AnswerFormat`] for each
//! operation.

use std::ops::Range;

use aipassport_domain::{
    ids::ProviderId,
    money::{CostSum, Money},
    policy::CostCeiling,
    usage::{TruthLabel, Usage},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header::CONTENT_TYPE};

pub use crate::events::StreamForm;
use crate::{
    adapter::Operation,
    anthropic,
    ceiling::with_surcharge,
    events::{self, Piece, Splitter},
    json::Seeker,
    prices::{PriceBook, ServiceTier},
    sound::SoundMeter,
};

/// What a provider may have written and billed beyond what has reached us when a stream is cut:
/// a second or two at the speed of the fastest models, and what is in the network's buffers.
const IN_FLIGHT_TOKENS: u64 = 2_048;
/// A longer body passes by unread; its usage is then unknown.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// What the answers of one operation say of their usage.
pub(crate) trait AnswerFormat: Sync {
    /// Looks at a whole body.
    fn see_body(&self, body: &[u8], seen: &mut Metered);

    /// Looks at the data of one event, and returns where its usage stands in a format in which a
    /// client can do without it.
    fn see_event(&self, data: &[u8], seen: &mut Metered) -> Option<UsageMember>;

    /// How the events of a stream with this content type stand one after the other; `None` for what
    /// is no stream.
    fn stream_form(&self, content_type: &str) -> Option<StreamForm> {
        (content_type == "text/event-stream").then_some(StreamForm::Events)
    }

    /// The one member of a whole body that says anything of usage, where bodies can be so large that
    /// they are not kept.
    fn usage_member(&self) -> Option<&'static str> {
        None
    }

    /// The one form in which a whole body may be shown to clients, where it says what is not theirs
    /// to know. Security invariant: nothing of such a body is passed on before it has come whole.
    fn only_shown(&self) -> Option<fn(&[u8]) -> Bytes> {
        None
    }

    /// Whether it may answer with this, which is neither JSON nor a stream, and passes unread.
    fn is_medium(&self, _content_type: &str) -> bool {
        false
    }
}

/// The usage in one event.
pub(crate) struct UsageMember {
    /// The member with the comma that leaves with it.
    pub(crate) range: Range<usize>,
    /// The event exists only for the usage.
    pub(crate) stands_alone: bool,
}

/// How to read the answer to one request. Small; kept beside the reservation.
#[derive(Clone, Debug)]
pub struct Metering {
    pub(crate) operation: Operation,
    pub(crate) provider: ProviderId,
    pub(crate) model: String,
    /// `None` for a call that is free.
    pub(crate) ceiling: Option<CostCeiling>,
    /// The input tokens that the ceiling allows for.
    pub(crate) input_tokens: u64,
    pub(crate) tier: Option<ServiceTier>,
    /// Whether every output token is shown as it is written: a stream, without hidden reasoning.
    pub(crate) shows_all_output: bool,
    /// Whether the client did not ask for usage in the stream.
    pub(crate) hides_usage: bool,
    /// What the request alone tells of its cost, where the answer says nothing.
    pub(crate) derived: Option<Derived>,
    /// The answer may be a sound that tells its usage by nothing but its length.
    pub(crate) speech: Option<Speech>,
}

/// Speech that is billed by tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speech {
    /// The most tokens that a second of it has.
    pub(crate) tokens_per_second: u64,
    /// It comes as samples without a header.
    pub(crate) is_raw: bool,
}

/// A usage that can be worked out without the answer, and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Derived {
    pub(crate) usage: Usage,
    pub(crate) cost: Money,
}

impl Metering {
    pub(crate) fn of_free_call(operation: Operation, provider: ProviderId, model: String) -> Self {
        Self {
            operation,
            provider,
            model,
            ceiling: None,
            input_tokens: 0,
            tier: None,
            shows_all_output: true,
            hides_usage: false,
            derived: None,
            speech: None,
        }
    }

    /// Keeps the usage of a stream from the client, where its format can do without.
    pub fn hide_usage(&mut self) {
        self.hides_usage = true;
    }

    /// A meter for an answer with these headers: a stream of events, or a body.
    pub fn meter(&self, upstream: &HeaderMap) -> Meter {
        let format = self.operation.format();
        let kind = upstream.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let kind = kind.to_ascii_lowercase();
        let stream_form = format.stream_form(&kind);
        Meter {
            format,
            hiding: self.hides_usage.then(Hiding::default),
            form: match (stream_form, self.speech) {
                (Some(form), _) => Form::Stream(Splitter::new(form)),
                (None, _) if !format.is_medium(&kind) => Form::body(format),
                (None, Some(speech)) if speech.is_raw => Form::Sound(SoundMeter::raw()),
                (None, Some(_)) => Form::Sound(SoundMeter::default()),
                (None, None) => Form::Unread,
            },
            seen: Metered::default(),
        }
    }

    /// What a call that was sent cost, by what its meter has seen so far.
    ///
    /// Never above `held`, and never below what the provider can bill. For answers with a success
    /// status only: what the provider answers with an error, it does not bill.
    pub fn charge(&self, prices: &PriceBook, seen: &Metered, held: Money) -> Charge {
        let Some(ceiling) = self.ceiling else {
            return Charge::new(Money::ZERO, TruthLabel::Reported, Usage::default());
        };
        let reported = seen.usage.unwrap_or_default();
        let (cost, label, usage) = if seen.is_usage_final {
            let label = if self.tier.is_some() && seen.served == Served::Unsaid {
                TruthLabel::Estimated
            } else if seen.cache_writes.are_guessed() {
                TruthLabel::Derived
            } else {
                TruthLabel::Reported
            };
            (self.cost(prices, seen, &reported), label, reported)
        } else if let Some(Derived { usage, cost }) = self.derived {
            (Some(cost), TruthLabel::Derived, usage)
        } else if let (Some(speech), Some(milliseconds)) = (self.speech, seen.sound_milliseconds) {
            let usage = Usage {
                input_tokens: self.input_tokens,
                audio_output_tokens: milliseconds.saturating_mul(speech.tokens_per_second).div_ceil(1_000),
                ..Usage::default()
            };
            (self.cost(prices, seen, &usage), TruthLabel::Estimated, usage)
        } else if self.shows_all_output {
            let in_flight = IN_FLIGHT_TOKENS.saturating_mul(ceiling.choices);
            let output_tokens = seen.output_bytes.saturating_add(in_flight).max(reported.output_tokens);
            let usage = Usage {
                output_tokens,
                ..reported
            };
            if seen.usage.is_some() {
                (self.cost(prices, seen, &usage), TruthLabel::Estimated, usage)
            } else {
                let input_tokens = self.input_tokens;
                let usage = Usage { input_tokens, ..usage };
                let mut sum = CostSum::default();
                sum.add_money(ceiling.fixed);
                sum.add(output_tokens, ceiling.output_rate);
                (Some(sum.total()), TruthLabel::Estimated, usage)
            }
        } else {
            (None, TruthLabel::WorstCase, reported)
        };
        match cost {
            Some(cost) if cost <= held => Charge::new(cost, label, usage),
            // Security invariant: a user never pays more than was held, whatever an upstream says.
            Some(_) if label == TruthLabel::Reported => Charge {
                is_capped: true,
                ..Charge::new(held, label, usage)
            },
            _ => Charge::new(held, TruthLabel::WorstCase, usage),
        }
    }

    fn cost(&self, prices: &PriceBook, seen: &Metered, usage: &Usage) -> Option<Money> {
        let model = prices.model(&self.provider, &self.model)?;
        // Only the end of an answer says for certain who served it.
        let served = if seen.is_usage_final {
            seen.served
        } else {
            Served::Unsaid
        };
        let mut cost = match (self.tier, served) {
            (None, _) | (Some(_), Served::Usual) => model.cost(usage)?,
            (Some(_), Served::At(tier)) => model.cost_at(Some(tier), usage)?,
            (Some(tier), Served::Unsaid) => model.cost(usage)?.max(model.cost_at(Some(tier), usage)?),
        };
        if seen.has_regional_surcharge {
            cost = with_surcharge(cost);
        }
        Some(cost.saturating_add(anthropic::search_fees(seen.web_searches)))
    }
}

/// What a call cost, and how well that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    pub cost: Money,
    pub label: TruthLabel,
    pub usage: Usage,
    /// The provider reported more than can have been: a price or a ceiling of ours is wrong.
    pub is_capped: bool,
}

impl Charge {
    fn new(cost: Money, label: TruthLabel, usage: Usage) -> Self {
        Self {
            cost,
            label,
            usage,
            is_capped: false,
        }
    }
}

/// What a meter has seen of an answer.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, seen in any order")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// As the provider reported it; the higher count where it reported twice.
    pub usage: Option<Usage>,
    /// Whether `usage` is of the whole answer.
    pub is_usage_final: bool,
    /// Whether the answer ended as its format says it ends.
    pub is_complete: bool,
    /// Whether the answer carried an error after it had begun.
    pub has_failed: bool,
    /// Bytes of text and arguments written by the model: at least as many as output tokens.
    pub output_bytes: u64,
    /// How long a sound is that has come whole.
    pub sound_milliseconds: Option<u64>,
    /// Searches that the provider ran, each at a fee.
    pub web_searches: u64,
    pub(crate) has_regional_surcharge: bool,
    pub(crate) served: Served,
    pub(crate) cache_writes: CacheWrites,
}

/// Which service worked on a call that asked for another than the usual one: it may not have got it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Served {
    #[default]
    Unsaid,
    Usual,
    At(ServiceTier),
}

/// What was written to a cache, by how long it is kept, as far as the provider says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheWrites {
    total: u64,
    pub(crate) short: u64,
    long: u64,
}

impl CacheWrites {
    pub(crate) fn report(&mut self, total: u64, short: u64, long: u64) {
        self.total = self.total.max(total);
        self.short = self.short.max(short);
        self.long = self.long.max(long);
    }

    /// What nothing is said of counts as kept long, which is the dearer.
    pub(crate) fn long(self) -> u64 {
        self.long.max(self.total.saturating_sub(self.short))
    }

    fn are_guessed(self) -> bool {
        self.total > self.short.saturating_add(self.long)
    }
}

impl Metered {
    /// The usage of the whole answer.
    pub(crate) fn report_all(&mut self, usage: Usage) {
        self.report(usage);
        self.is_usage_final = true;
    }

    /// Counts only grow: a provider that reports twice adds up as it goes. Writes to a cache are
    /// added up before, in [`CacheWrites`].
    pub(crate) fn report(&mut self, usage: Usage) {
        let before = self.usage.unwrap_or_default();
        self.usage = Some(Usage {
            cache_write_5m_tokens: usage.cache_write_5m_tokens,
            cache_write_1h_tokens: usage.cache_write_1h_tokens,
            ..usage.max_of_each(before)
        });
    }
}

/// Watches one answer pass by.
pub struct Meter {
    format: &'static dyn AnswerFormat,
    /// Where only we asked for usage.
    hiding: Option<Hiding>,
    form: Form,
    seen: Metered,
}

enum Form {
    Stream(Splitter),
    Sound(SoundMeter),
    /// Says nothing of its usage, whatever words there are in it.
    Unread,
    /// All that is read of it is one member.
    Sought(Seeker),
    /// All of it so far, for usage stands at its end; no parts where it is too long.
    Body {
        parts: Vec<Bytes>,
        bytes: usize,
    },
    /// All of it so far, and what may be shown of it; nothing where it is too long.
    Withheld {
        whole: BytesMut,
        show: fn(&[u8]) -> Bytes,
    },
}

impl Form {
    fn body(format: &dyn AnswerFormat) -> Self {
        match (format.only_shown(), format.usage_member()) {
            (Some(show), _) => Self::Withheld {
                whole: BytesMut::new(),
                show,
            },
            (None, Some(member)) => Self::Sought(Seeker::new(member)),
            (None, None) => Self::Body {
                parts: Vec::new(),
                bytes: 0,
            },
        }
    }
}

impl Meter {
    /// How the events of this answer stand one after the other, if it is a stream of them.
    pub fn stream_form(&self) -> Option<StreamForm> {
        match &self.form {
            Form::Stream(splitter) => Some(splitter.form()),
            Form::Sound(_) | Form::Unread | Form::Sought(_) | Form::Body { .. } | Form::Withheld { .. } => None,
        }
    }

    /// Whether the answer passes piece by piece, and not as one document.
    pub fn passes_in_pieces(&self) -> bool {
        !matches!(self.form, Form::Sought(_) | Form::Body { .. } | Form::Withheld { .. })
    }

    /// Takes the next bytes from the upstream and returns those for the client: the same, but for
    /// the usage that only we asked for. In a stream, it returns whole events, and keeps back the
    /// beginning of the next; it never waits for more.
    pub fn feed(&mut self, chunk: Bytes) -> Bytes {
        let (format, seen) = (self.format, &mut self.seen);
        match (&mut self.form, &mut self.hiding) {
            (Form::Stream(splitter), Some(hiding)) => {
                let mut shown = Vec::with_capacity(chunk.len());
                let form = splitter.form();
                splitter.feed(chunk, |piece| {
                    let usage = see(format, form, piece, seen);
                    hiding.show(piece, usage, &mut shown);
                });
                shown.into()
            }
            (Form::Stream(splitter), None) => {
                let form = splitter.form();
                splitter.feed(chunk, |piece| {
                    see(format, form, piece, seen);
                })
            }
            (Form::Sound(sound), _) => {
                sound.feed(&chunk);
                chunk
            }
            (Form::Unread, _) => chunk,
            (Form::Sought(seeker), _) => {
                seeker.feed(&chunk);
                chunk
            }
            (Form::Body { parts, bytes }, _) => {
                *bytes += chunk.len();
                if *bytes > LONGEST_BODY {
                    parts.clear();
                } else {
                    parts.push(chunk.clone());
                }
                chunk
            }
            (Form::Withheld { whole, .. }, _) => {
                if whole.len() <= LONGEST_BODY {
                    whole.extend_from_slice(&chunk);
                }
                Bytes::new()
            }
        }
    }

    /// What was kept back, once the upstream has ended. A whole body is read now, and not again.
    pub fn rest(&mut self) -> Bytes {
        let splitter = match &mut self.form {
            Form::Stream(splitter) => splitter,
            Form::Sound(sound) => {
                self.seen.sound_milliseconds = sound.milliseconds();
                return Bytes::new();
            }
            Form::Withheld { whole, show } => return show(&whole.split()),
            Form::Sought(_) | Form::Body { .. } => {
                self.seen = self.metered();
                self.form = Form::Unread;
                return Bytes::new();
            }
            Form::Unread => return Bytes::new(),
        };
        let form = splitter.form();
        let rest = splitter.rest();
        let usage = see(self.format, form, Piece::Event(&rest), &mut self.seen);
        let Some(hiding) = &mut self.hiding else { return rest };
        let mut shown = Vec::new();
        hiding.show(Piece::Event(&rest), usage, &mut shown);
        shown.into()
    }

    /// What has been seen so far; can be asked at any time.
    pub fn metered(&self) -> Metered {
        let mut seen = self.seen;
        match &self.form {
            Form::Sought(seeker) => self.format.see_body(&seeker.document(), &mut seen),
            Form::Body { parts, .. } => self.format.see_body(&parts.concat(), &mut seen),
            Form::Stream(_) | Form::Sound(_) | Form::Unread | Form::Withheld { .. } => {}
        }
        seen
    }
}

fn see(format: &dyn AnswerFormat, form: StreamForm, piece: Piece<'_>, seen: &mut Metered) -> Option<UsageMember> {
    match piece {
        Piece::Event(event) => format.see_event(&form.data(event)?, seen),
        Piece::Unread(part) => {
            seen.output_bytes += part.len() as u64;
            None
        }
    }
}

/// Keeps usage from a client that did not ask for it.
#[derive(Default)]
struct Hiding {
    /// The event before was hidden when the last byte that had arrived of it was a carriage return:
    /// a line feed that comes next belongs to it.
    hides_line_feed: bool,
}

impl Hiding {
    /// Writes the event as the client sees it.
    fn show(&mut self, piece: Piece<'_>, usage: Option<UsageMember>, shown: &mut Vec<u8>) {
        let (Piece::Event(event) | Piece::Unread(event)) = piece;
        if std::mem::take(&mut self.hides_line_feed) && event == b"\n" {
            return;
        }
        match usage {
            Some(usage) if usage.stands_alone => self.hides_line_feed = event.ends_with(b"\r"),
            Some(usage) => match events::without(event, usage.range) {
                Some((before, after)) => {
                    shown.extend_from_slice(before);
                    shown.extend_from_slice(after);
                }
                None => shown.extend_from_slice(event),
            },
            None => shown.extend_from_slice(event),
        }
    }
}
