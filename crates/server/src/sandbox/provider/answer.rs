//! What is answered, token by token, whatever the wire format, and what it costs.

use aipassport_domain::usage::Usage;

use super::{
    protocol::Asked,
    switches::{Report, Switches},
    tools::ToolCall,
    words::{Passages, Text},
};

const USUAL_TOKENS: u64 = 32;
const BYTES_PER_INPUT_TOKEN: usize = 4;
/// Bytes of a tool call's arguments that make one token.
const BYTES_PER_ARGUMENT_TOKEN: usize = 4;

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) model: String,
    /// Makes ids and texts; the same request has the same.
    pub(super) seed: u64,
    pub(super) choices: u64,
    pub(super) blocks: Vec<Block>,
    pub(super) stop: Stop,
    /// What is billed for the whole answer.
    pub(super) usage: Usage,
    pub(super) report: Report,
    pub(super) text: Text,
    /// Stands in place of the first token of the text.
    echo: Option<String>,
}

/// A part of each choice, in the order of generation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    Thinking { tokens: u64 },
    Text { tokens: u64 },
    Tool(ToolCall),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    End,
    /// The output cap was reached.
    Length,
    Tools,
}

/// Something a stream can tell. Dialects leave out what their format does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Start,
    Open(Place),
    /// The token of a block at this position, counted from zero.
    Token(Place, u64),
    Close(Place),
    /// A choice is complete.
    Finish(u64),
    Usage,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) choice: u64,
    pub(super) block: usize,
}

impl Answer {
    /// Decides the answer. It never has more output tokens than asked for in each choice, nor more
    /// input tokens than the body has bytes.
    pub(super) fn plan(asked: Asked, switches: &Switches, body_bytes: usize, passages: &Passages) -> Self {
        let calls = asked.tools.calls(&switches.answer);
        let usual_tokens = if calls.is_empty() { USUAL_TOKENS } else { 0 };

        let mut room = Room::of(asked.output_cap);
        let mut blocks = Vec::new();
        let thinking = room.take(switches.answer.thinking.unwrap_or(asked.thinking_tokens));
        if thinking > 0 {
            blocks.push(Block::Thinking { tokens: thinking });
        }
        let text = room.take(switches.answer.tokens.unwrap_or(usual_tokens));
        if text > 0 {
            blocks.push(Block::Text { tokens: text });
        }
        let has_calls = !calls.is_empty();
        blocks.extend(
            calls
                .into_iter()
                .map_while(|call| room.take_call(call))
                .map(Block::Tool),
        );

        let per_choice: u64 = blocks.iter().map(Block::billed_tokens).sum();
        let mut usage = input_usage(&asked, switches, body_bytes).plus(asked.beside);
        usage.output_tokens = per_choice * asked.choices;
        usage.reasoning_tokens = thinking * asked.choices;
        let seed = asked.seed.wrapping_add(switches.answer.seed);
        Self {
            model: asked.model,
            seed,
            choices: asked.choices,
            stop: match (room.is_exceeded, has_calls) {
                (true, _) => Stop::Length,
                (false, true) => Stop::Tools,
                (false, false) => Stop::End,
            },
            blocks,
            usage,
            report: switches.usage.report,
            text: passages.text(seed, switches.answer.is_unicode),
            echo: None,
        }
    }

    /// The same answer with `echo` as the first word of its text, if it can stand in JSON as it is.
    pub(super) fn with_echo(mut self, echo: Option<&str>) -> Self {
        let is_plain = |text: &&str| {
            text.bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
        };
        self.echo = echo.filter(is_plain).map(str::to_owned);
        self
    }

    /// What a prompt of so many bytes counts as, unless a switch says otherwise.
    pub(super) fn input_tokens_of(prompt_bytes: usize) -> u64 {
        prompt_bytes.div_ceil(BYTES_PER_INPUT_TOKEN) as u64
    }

    pub(super) fn block(&self, place: Place) -> Option<&Block> {
        self.blocks.get(place.block)
    }

    /// The token of a block at `position`, as it is to stand in JSON text.
    pub(super) fn token(&self, place: Place, position: u64) -> &str {
        match self.block(place) {
            Some(Block::Text { .. }) if position == 0 && self.echo.is_some() => {
                self.echo.as_deref().unwrap_or_default()
            }
            Some(Block::Thinking { .. } | Block::Text { .. }) => self.text.token(position),
            Some(Block::Tool(call)) => {
                let start = usize::try_from(position)
                    .unwrap_or(usize::MAX)
                    .saturating_mul(BYTES_PER_ARGUMENT_TOKEN);
                let end = call.arguments.len().min(start.saturating_add(BYTES_PER_ARGUMENT_TOKEN));
                call.arguments.get(start..end).unwrap_or_default()
            }
            None => "",
        }
    }

    /// All the text of an answer's choice, without reasoning.
    pub(super) fn whole_text(&self) -> String {
        let tokens = self.blocks.iter().find_map(|block| match block {
            Block::Text { tokens } => Some(*tokens),
            _ => None,
        });
        let text = self.text.prefix(tokens.unwrap_or_default());
        match (&self.echo, text.split_once(' ')) {
            (Some(echo), Some((_, rest))) => format!("{echo} {rest}"),
            (Some(echo), None) if !text.is_empty() => echo.clone(),
            _ => text,
        }
    }

    pub(super) fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Tool(call) => Some(call),
            _ => None,
        })
    }

    /// An id in the provider's manner, the same for the same request.
    pub(super) fn id(&self, prefix: &str, number: usize) -> String {
        let mixed = self.seed.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!(
            "{prefix}{:016x}{:08x}",
            self.seed,
            (mixed >> 32).wrapping_add(number as u64) & 0xffff_ffff
        )
    }

    /// A count as the caller is told it.
    pub(super) fn reported(&self, count: u64) -> ReportedCount {
        ReportedCount(count, self.report)
    }
}

impl Block {
    /// How many [`Step::Token`]s it has.
    pub(super) fn pieces(&self) -> u64 {
        match self {
            Self::Thinking { tokens } | Self::Text { tokens } => *tokens,
            Self::Tool(call) => call.arguments.len().div_ceil(BYTES_PER_ARGUMENT_TOKEN) as u64,
        }
    }

    /// The tokens that are generated, and billed, when it is opened: a tool's name is one.
    pub(super) fn opening_tokens(&self) -> u64 {
        u64::from(matches!(self, Self::Tool(_)))
    }

    fn billed_tokens(&self) -> u64 {
        self.opening_tokens() + self.pieces()
    }
}

/// What is left of the output cap.
struct Room {
    left: u64,
    is_exceeded: bool,
}

impl Room {
    fn of(cap: Option<u64>) -> Self {
        Self {
            left: cap.unwrap_or(u64::MAX),
            is_exceeded: false,
        }
    }

    fn take(&mut self, wanted: u64) -> u64 {
        let given = wanted.min(self.left);
        self.is_exceeded |= given < wanted;
        self.left -= given;
        given
    }

    fn take_call(&mut self, mut call: ToolCall) -> Option<ToolCall> {
        let given = self.take(1 + call.arguments.len().div_ceil(BYTES_PER_ARGUMENT_TOKEN) as u64);
        let pieces = usize::try_from(given.checked_sub(1)?).unwrap_or(usize::MAX);
        call.arguments.truncate(pieces.saturating_mul(BYTES_PER_ARGUMENT_TOKEN));
        Some(call)
    }
}

fn input_usage(asked: &Asked, switches: &Switches, body_bytes: usize) -> Usage {
    let wanted = &switches.usage;
    let writes = if asked.writes_cache {
        [wanted.write_5m, wanted.write_1h]
    } else {
        [0, 0]
    };
    let classes = [wanted.cached, writes[0], writes[1]];
    let in_classes = classes.into_iter().fold(0, u64::saturating_add);
    let usual = Answer::input_tokens_of(asked.prompt_bytes);

    let mut left = wanted.input.unwrap_or(usual).max(in_classes).min(body_bytes as u64);
    let [cached, short_write, long_write] = classes.map(|count| {
        let given = count.min(left);
        left -= given;
        given
    });
    Usage {
        input_tokens: left,
        cached_input_tokens: cached,
        cache_write_5m_tokens: short_write,
        cache_write_1h_tokens: long_write,
        ..Usage::default()
    }
}

/// Walks through an answer in the order of generation, without holding any of it.
#[derive(Debug)]
pub(super) struct Steps(Stage);

#[derive(Clone, Copy, Debug)]
enum Stage {
    Start,
    Open(Place),
    Tokens(Place, u64),
    Finish(u64),
    Usage { times: u8 },
    End,
    Done,
}

impl Steps {
    pub(super) fn new() -> Self {
        Self(Stage::Start)
    }

    pub(super) fn next(&mut self, answer: &Answer) -> Option<Step> {
        let (step, next) = match self.0 {
            Stage::Start => (Step::Start, open_or_finish(answer, Place { choice: 0, block: 0 })),
            Stage::Open(place) => (Step::Open(place), Stage::Tokens(place, 0)),
            Stage::Tokens(place, position) => {
                if position < answer.block(place).map_or(0, Block::pieces) {
                    (Step::Token(place, position), Stage::Tokens(place, position + 1))
                } else {
                    let next = Place {
                        block: place.block + 1,
                        ..place
                    };
                    (Step::Close(place), open_or_finish(answer, next))
                }
            }
            Stage::Finish(choice) if choice + 1 < answer.choices => {
                let next = Place {
                    choice: choice + 1,
                    block: 0,
                };
                (Step::Finish(choice), open_or_finish(answer, next))
            }
            Stage::Finish(choice) => {
                let times = if answer.report == Report::Twice { 2 } else { 1 };
                (Step::Finish(choice), Stage::Usage { times })
            }
            Stage::Usage { times: 2 } => (Step::Usage, Stage::Usage { times: 1 }),
            Stage::Usage { .. } => (Step::Usage, Stage::End),
            Stage::End => (Step::End, Stage::Done),
            Stage::Done => return None,
        };
        self.0 = next;
        Some(step)
    }
}

fn open_or_finish(answer: &Answer, place: Place) -> Stage {
    if answer.block(place).is_some() {
        Stage::Open(place)
    } else {
        Stage::Finish(place.choice)
    }
}

/// A count as a JSON value, true or as false as was switched.
pub(super) struct ReportedCount(u64, Report);

impl std::fmt::Display for ReportedCount {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.0;
        match self.1 {
            Report::True | Report::Twice | Report::Missing | Report::NoFinal => write!(out, "{count}"),
            Report::Half => write!(out, "{}", count / 2),
            Report::Zero => out.write_str("0"),
            Report::Huge => out.write_str("9007199254740993"),
            Report::Negative => write!(out, "-{count}"),
            Report::Text => write!(out, "\"{count}\""),
            Report::Null => out.write_str("null"),
        }
    }
}
