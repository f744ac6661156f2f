//! Bodies: a whole answer, or its events as they are generated, in chunks of the switched size.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::{
    answer::{Answer, Block, Step, Steps},
    bill::{Ending, OpenCall},
    protocol::Dialect,
    switches::{Chunk, Hang, Report, Sse, Switches},
};

/// How much of an answer is gathered when everything is to be sent at once.
const MOST_GATHERED: usize = 64 * 1024;
const LONG_LINE: usize = 10 * 1024 * 1024;
const ODD_SIZES: [usize; 7] = [1, 2, 3, 5, 7, 11, 13];

pub(super) enum ReplyBody {
    Whole(Whole),
    Events(Box<Events>),
}

impl ReplyBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Whole {
            left: bytes.into(),
            cutter: Cutter::new(Chunk::All, Duration::ZERO),
            is_cut: false,
        })
    }

    /// Whether the body ended, or will end, before its time.
    pub(super) fn is_cut(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_cut,
            Self::Events(events) => events.is_cut,
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.get_mut() {
            Self::Whole(whole) => ready!(whole.poll_bytes(context)),
            Self::Events(events) => ready!(events.poll_bytes(context)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(whole) if whole.left.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => SizeHint::with_exact(whole.left.len() as u64),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// A body that is known at once.
pub(super) struct Whole {
    left: Bytes,
    cutter: Cutter,
    is_cut: bool,
}

impl Whole {
    /// A body in chunks, cut where the switches say so.
    pub(super) fn new(bytes: Bytes, switches: &Switches) -> Self {
        let mut left = bytes;
        let cut = switches.bytes.cut.and_then(|cut| usize::try_from(cut).ok());
        let is_cut = cut.is_some_and(|cut| cut < left.len());
        left.truncate(cut.unwrap_or(usize::MAX));
        let chunk = match switches.bytes.chunk {
            Chunk::Event => Chunk::All,
            other => other,
        };
        Self {
            left,
            cutter: Cutter::new(chunk, switches.time.drip),
            is_cut,
        }
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.left
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        ready!(self.cutter.poll_flushed(context));
        let size = self.cutter.size().unwrap_or(self.left.len());
        self.cutter.took();
        Poll::Ready(Some(self.left.split_to(size.min(self.left.len()))))
    }
}

/// Says where to cut what is sent, and lets each piece reach the wire before the next.
struct Cutter {
    chunk: Chunk,
    drip: Duration,
    turn: usize,
    must_flush: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Cutter {
    fn new(chunk: Chunk, drip: Duration) -> Self {
        Self {
            chunk,
            drip,
            turn: 0,
            must_flush: false,
            timer: None,
        }
    }

    /// The size of the next piece, where it is a matter of bytes.
    fn size(&self) -> Option<usize> {
        match self.chunk {
            Chunk::Event | Chunk::All => None,
            Chunk::Odd => ODD_SIZES.get(self.turn % ODD_SIZES.len()).copied(),
            Chunk::Bytes(size) => Some(size),
        }
    }

    fn took(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        self.must_flush = self.size().is_some();
        self.timer = timer(self.drip).filter(|_| self.must_flush);
    }

    /// Waits after a piece: a server flushes when its body has nothing ready.
    fn poll_flushed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(context));
            self.timer = None;
        } else if std::mem::take(&mut self.must_flush) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.must_flush = false;
        Poll::Ready(())
    }
}

/// A stream of events, generated as it is read: it holds one event at a time, however long it is.
pub(super) struct Events {
    answer: Answer,
    dialect: Box<dyn Dialect>,
    steps: Steps,
    switches: Switches,
    call: OpenCall,
    cutter: Cutter,
    timer: Option<Pin<Box<Sleep>>>,
    /// The event being written, before it is spoiled.
    event: String,
    /// What is ready to be sent.
    ready: BytesMut,
    written: u64,
    tokens: u64,
    is_over: bool,
    is_cut: bool,
    hangs: bool,
}

impl Events {
    pub(super) fn new(answer: Answer, dialect: Box<dyn Dialect>, switches: Switches, call: OpenCall) -> Self {
        Self {
            answer,
            dialect,
            steps: Steps::new(),
            call,
            cutter: Cutter::new(switches.bytes.chunk, switches.time.drip),
            timer: timer(switches.time.first),
            switches,
            event: String::with_capacity(512),
            ready: BytesMut::with_capacity(4096),
            written: 0,
            tokens: 0,
            is_over: false,
            is_cut: false,
            hangs: false,
        }
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            ready!(self.cutter.poll_flushed(context));
            if let Some(bytes) = self.take_ready() {
                self.cutter.took();
                return Poll::Ready(Some(bytes));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            if self.hangs {
                return Poll::Pending;
            }
            if let Some(timer) = &mut self.timer {
                ready!(timer.as_mut().poll(context));
                self.timer = None;
            }
            self.generate();
        }
    }

    /// The next piece, if enough is ready for it.
    fn take_ready(&mut self) -> Option<Bytes> {
        let length = self.ready.len();
        let is_last = self.is_over || self.hangs;
        let size = match (self.cutter.size(), self.cutter.chunk) {
            (Some(size), _) if size <= length || is_last => size.min(length),
            (Some(_), _) => return None,
            (None, Chunk::All) if !is_last && self.timer.is_none() && length < MOST_GATHERED => return None,
            (None, _) => length,
        };
        (size > 0).then(|| self.ready.split_to(size).freeze())
    }

    /// Goes one step on. Most steps write one event; some write none.
    fn generate(&mut self) {
        if self.switches.time.hang == Some(Hang::AfterTokens(self.tokens)) {
            self.hangs = true;
            return;
        }
        let Some(step) = self.steps.next(&self.answer) else {
            self.is_over = true;
            self.call.end(Ending::Complete);
            return;
        };
        self.event.clear();
        if let Step::Token(..) = step {
            if self.switches.errors.error_at == Some(self.tokens) {
                self.dialect.error_event(&mut self.event);
                self.is_over = true;
                self.call.end(Ending::Failed);
                self.send();
                return;
            }
            if self.switches.errors.error_between == Some(self.tokens) {
                self.dialect.error_event(&mut self.event);
            }
        }
        self.dialect.event(&self.answer, step, &mut self.event);
        self.count(step);
        self.send();
        if step == Step::Usage && !self.is_cut && self.shows_usage() {
            self.call.reported_usage();
        }
    }

    fn count(&mut self, step: Step) {
        let (tokens, place) = match step {
            Step::Token(place, _) => (1, place),
            Step::Open(place) => (self.answer.block(place).map_or(0, Block::opening_tokens), place),
            _ => return,
        };
        let is_thinking = matches!(self.answer.block(place), Some(Block::Thinking { .. }));
        self.call.generated(tokens, is_thinking);
        if let Step::Token(..) = step {
            self.tokens += 1;
            self.timer = timer(self.switches.time.pace);
        }
    }

    fn shows_usage(&self) -> bool {
        self.dialect.reports_usage() && !matches!(self.answer.report, Report::Missing | Report::NoFinal)
    }

    /// Moves the event to what is ready, spoiled as switched, up to where the body is cut.
    fn send(&mut self) {
        if self.event.is_empty() {
            return;
        }
        let before = self.ready.len();
        match self.switches.bytes.sse {
            None => self.ready.extend_from_slice(self.event.as_bytes()),
            Some(sse) => self.spoil(sse),
        }
        self.written += (self.ready.len() - before) as u64;

        let Some(cut) = self.switches.bytes.cut else { return };
        if let Some(surplus) = self.written.checked_sub(cut).filter(|surplus| *surplus > 0) {
            let kept = self
                .ready
                .len()
                .saturating_sub(usize::try_from(surplus).unwrap_or(usize::MAX));
            self.ready.truncate(kept);
            self.is_over = true;
            self.is_cut = true;
            self.call.end(Ending::Cut);
        }
    }

    fn spoil(&mut self, sse: Sse) {
        let is_first = self.written == 0;
        let is_third_token = self.tokens == 3;
        let ready = &mut self.ready;
        match sse {
            Sse::CrLf => ready.extend_from_slice(self.event.replace('\n', "\r\n").as_bytes()),
            Sse::Cr => ready.extend_from_slice(self.event.replace('\n', "\r").as_bytes()),
            Sse::NoEnd => {
                ready.extend_from_slice(if is_first { b"" } else { b"\n\n" });
                ready.extend_from_slice(self.event.trim_end().as_bytes());
            }
            Sse::ByteOrderMark if is_first => ready.extend_from_slice("\u{feff}".as_bytes()),
            Sse::Comments => ready.extend_from_slice(b": keep-alive\n\n"),
            Sse::Garbage if is_third_token => ready.extend_from_slice(b"data: {\"half\": \n\nnonsense\n\n"),
            Sse::LongLine if is_third_token => {
                ready.extend_from_slice(b": ");
                ready.resize(ready.len() + LONG_LINE, b'x');
                ready.extend_from_slice(b"\n\n");
            }
            Sse::ByteOrderMark | Sse::Garbage | Sse::LongLine => {}
        }
        if !matches!(sse, Sse::CrLf | Sse::Cr | Sse::NoEnd) {
            ready.extend_from_slice(self.event.as_bytes());
        }
    }
}

fn timer(wait: Duration) -> Option<Pin<Box<Sleep>>> {
    (!wait.is_zero()).then(|| Box::pin(sleep(wait)))
}
