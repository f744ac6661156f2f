//! What a request asks the sandbox to do differently; every switch is described in `switches.md`.

use std::time::Duration;

use memchr::memmem;

/// The description of every switch, for people.
pub const HELP: &str = include_str!("switches.md");

pub(super) const HEADER: &str = "x-sandbox";
const DIRECTIVE_START: &[u8] = b"[[sandbox:";
const DIRECTIVE_END: &[u8] = b"]]";

const MOST_TOKENS: u64 = 1_000_000;
const LONGEST_WAIT: Duration = Duration::from_hours(1);

#[derive(Clone, Debug, Default)]
pub(super) struct Switches {
    pub(super) answer: AnswerSwitches,
    pub(super) usage: UsageSwitches,
    pub(super) time: TimeSwitches,
    pub(super) errors: ErrorSwitches,
    pub(super) bytes: ByteSwitches,
    pub(super) tag: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct AnswerSwitches {
    pub(super) tokens: Option<u64>,
    pub(super) is_unicode: bool,
    pub(super) seed: u64,
    pub(super) thinking: Option<u64>,
    pub(super) tool: Option<String>,
    pub(super) tools: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct UsageSwitches {
    pub(super) input: Option<u64>,
    pub(super) cached: u64,
    pub(super) write_5m: u64,
    pub(super) write_1h: u64,
    pub(super) report: Report,
    pub(super) bills_all: bool,
}

/// How usage is reported to the caller. The bill does not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Report {
    #[default]
    True,
    Missing,
    NoFinal,
    Twice,
    Half,
    Zero,
    Huge,
    Negative,
    Text,
    Null,
}

#[derive(Clone, Debug, Default)]
pub(super) struct TimeSwitches {
    pub(super) delay: Duration,
    pub(super) first: Duration,
    pub(super) pace: Duration,
    pub(super) drip: Duration,
    pub(super) hang: Option<Hang>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hang {
    Head,
    AfterTokens(u64),
}

#[derive(Clone, Debug, Default)]
pub(super) struct ErrorSwitches {
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<u64>,
    pub(super) message: Option<String>,
    pub(super) error_at: Option<u64>,
    pub(super) error_between: Option<u64>,
    pub(super) redirect: Option<u16>,
    pub(super) to: Option<String>,
    pub(super) echo: Option<Echo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    Error,
    Header,
    Json,
    Text,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ByteSwitches {
    pub(super) chunk: Chunk,
    pub(super) sse: Option<Sse>,
    pub(super) cut: Option<u64>,
    pub(super) resets: bool,
    pub(super) body: Option<OddBody>,
    pub(super) headers: Option<OddHeaders>,
    pub(super) early: u64,
    pub(super) breaks_chunking: bool,
    pub(super) has_tail: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Chunk {
    #[default]
    Event,
    All,
    Odd,
    Bytes(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sse {
    CrLf,
    Cr,
    ByteOrderMark,
    Comments,
    Garbage,
    LongLine,
    NoEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OddBody {
    Html,
    Empty,
    Garbage,
    Gzip,
    NoContent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OddHeaders {
    Noisy,
    Endless,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox does not know the switch {0:?}; see /sandbox/switches")]
pub(super) struct UnknownSwitch(pub(super) String);

impl Switches {
    /// Reads the directive in `body`, then the header, which has the last word.
    pub(super) fn read(header: Option<&str>, body: &[u8]) -> Result<Self, UnknownSwitch> {
        let mut switches = Self::default();
        if let Some(directive) = find_directive(body) {
            switches.apply(directive)?;
        }
        if let Some(header) = header {
            switches.apply(header)?;
        }
        Ok(switches)
    }

    /// Whether the answer can only be sent by writing to the connection directly.
    pub(super) fn need_raw_connection(&self) -> bool {
        let bytes = &self.bytes;
        bytes.cut.is_some()
            || bytes.breaks_chunking
            || bytes.has_tail
            || bytes.early > 0
            || bytes.headers == Some(OddHeaders::Endless)
            || bytes.body == Some(OddBody::NoContent)
    }

    fn apply(&mut self, text: &str) -> Result<(), UnknownSwitch> {
        text.split(';')
            .map(str::trim)
            .filter(|switch| !switch.is_empty())
            .try_for_each(|switch| self.set(switch).ok_or_else(|| UnknownSwitch(switch.to_owned())))
    }

    /// `None` where the switch or its value is not known.
    fn set(&mut self, switch: &str) -> Option<()> {
        let (name, value) = switch
            .split_once('=')
            .map_or((switch, ""), |(name, value)| (name.trim(), value.trim()));
        if name == "tag" {
            self.tag = Some(value.to_owned());
            return Some(());
        }
        self.answer
            .set(name, value)
            .or_else(|| self.usage.set(name, value))
            .or_else(|| self.time.set(name, value))
            .or_else(|| self.errors.set(name, value))
            .or_else(|| self.bytes.set(name, value))
            .or_else(|| (name == "echo" && value == "split").then(|| self.split_echo()))
    }

    fn split_echo(&mut self) {
        self.errors.echo = Some(Echo::Text);
        self.bytes.chunk = Chunk::Bytes(7);
    }
}

/// The last directive, so that in a conversation the newest message decides.
fn find_directive(body: &[u8]) -> Option<&str> {
    let start = memmem::rfind(body, DIRECTIVE_START)? + DIRECTIVE_START.len();
    let rest = body.get(start..)?;
    let end = memmem::find(rest, DIRECTIVE_END)?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

impl AnswerSwitches {
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("tokens" | "events", _) => self.tokens = Some(tokens(value)?),
            ("text", "unicode") => self.is_unicode = true,
            ("seed", _) => self.seed = value.parse().ok()?,
            ("thinking", _) => self.thinking = Some(tokens(value)?),
            ("tool", _) => self.tool = Some(value.to_owned()),
            ("tools", _) => self.tools = Some(value.parse().ok().filter(|count| *count <= 16)?),
            _ => return None,
        }
        Some(())
    }
}

impl UsageSwitches {
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("input", _) => self.input = Some(value.parse().ok()?),
            ("cached", _) => self.cached = value.parse().ok()?,
            ("write5m", _) => self.write_5m = value.parse().ok()?,
            ("write1h", _) => self.write_1h = value.parse().ok()?,
            ("usage", _) => self.report = report(value)?,
            ("hangup", "bill-all") => self.bills_all = true,
            _ => return None,
        }
        Some(())
    }
}

fn report(value: &str) -> Option<Report> {
    Some(match value {
        "missing" => Report::Missing,
        "no-final" => Report::NoFinal,
        "twice" => Report::Twice,
        "half" => Report::Half,
        "zero" => Report::Zero,
        "huge" => Report::Huge,
        "negative" => Report::Negative,
        "text" => Report::Text,
        "null" => Report::Null,
        _ => return None,
    })
}

impl TimeSwitches {
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("delay", _) => self.delay = duration(value)?,
            ("first", _) => self.first = duration(value)?,
            ("pace", _) => self.pace = duration(value)?,
            ("drip", _) => self.drip = duration(value)?,
            ("hang", "head") => self.hang = Some(Hang::Head),
            ("hang", _) => self.hang = Some(Hang::AfterTokens(tokens(value)?)),
            _ => return None,
        }
        Some(())
    }
}

impl ErrorSwitches {
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("status", _) => self.status = Some(value.parse().ok().filter(|code| (400..600).contains(code))?),
            ("retry-after", _) => self.retry_after = Some(value.parse().ok()?),
            ("message", _) => self.message = Some(value.to_owned()),
            ("error-at", _) => self.error_at = Some(tokens(value)?),
            ("error-between", _) => self.error_between = Some(tokens(value)?),
            ("redirect", "301" | "302" | "303" | "307" | "308") => self.redirect = value.parse().ok(),
            ("to", _) => self.to = Some(value.to_owned()),
            ("echo", "error") => self.echo = Some(Echo::Error),
            ("echo", "header") => self.echo = Some(Echo::Header),
            ("echo", "json") => self.echo = Some(Echo::Json),
            ("echo", "text") => self.echo = Some(Echo::Text),
            _ => return None,
        }
        Some(())
    }
}

impl ByteSwitches {
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, value) {
            ("chunk", "event") => self.chunk = Chunk::Event,
            ("chunk", "all") => self.chunk = Chunk::All,
            ("chunk", "odd") => self.chunk = Chunk::Odd,
            ("chunk", _) => self.chunk = Chunk::Bytes(value.parse().ok().filter(|size| *size > 0)?),
            ("sse", _) => self.sse = Some(sse(value)?),
            ("cut", _) => self.cut = Some(value.parse().ok()?),
            ("reset", "") => self.resets = true,
            ("body", "html") => self.body = Some(OddBody::Html),
            ("body", "empty") => self.body = Some(OddBody::Empty),
            ("body", "garbage") => self.body = Some(OddBody::Garbage),
            ("body", "gzip") => self.body = Some(OddBody::Gzip),
            ("body", "no-content") => self.body = Some(OddBody::NoContent),
            ("headers", "noisy") => self.headers = Some(OddHeaders::Noisy),
            ("headers", "endless") => self.headers = Some(OddHeaders::Endless),
            ("early", _) => self.early = value.parse().ok().filter(|count| *count <= 100_000)?,
            ("chunking", "invalid") => self.breaks_chunking = true,
            ("tail", "garbage") => self.has_tail = true,
            _ => return None,
        }
        Some(())
    }
}

fn sse(value: &str) -> Option<Sse> {
    Some(match value {
        "crlf" => Sse::CrLf,
        "cr" => Sse::Cr,
        "bom" => Sse::ByteOrderMark,
        "comments" => Sse::Comments,
        "garbage" => Sse::Garbage,
        "longline" => Sse::LongLine,
        "no-end" => Sse::NoEnd,
        _ => return None,
    })
}

fn tokens(value: &str) -> Option<u64> {
    value.parse().ok().filter(|count| *count <= MOST_TOKENS)
}

fn duration(value: &str) -> Option<Duration> {
    let duration = match value.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(millis.parse().ok()?),
        None => Duration::from_secs(value.strip_suffix('s')?.parse().ok()?),
    };
    Some(duration).filter(|duration| *duration <= LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_directive_counts_and_the_header_has_the_last_word() {
        let body = br#"{"a":"[[sandbox: tokens=1]]","b":"[[sandbox: tokens=2; pace=10ms]] x"}"#;

        let switches = Switches::read(Some("tokens=3;"), body).unwrap();

        assert_eq!(switches.answer.tokens, Some(3));
        assert_eq!(switches.time.pace, Duration::from_millis(10));
    }

    #[test]
    fn a_switch_that_is_not_known_is_refused() {
        for text in [
            "speed=1",
            "pace=10",
            "usage=maybe",
            "tokens=99999999",
            "cut",
            "status=200",
        ] {
            let refused = Switches::read(Some(text), b"").unwrap_err();
            assert_eq!(refused, UnknownSwitch(text.to_owned()));
        }
    }

    #[test]
    fn every_switch_of_the_description_is_understood() {
        let mut count = 0;
        for line in HELP
            .lines()
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        {
            let described = line.trim().split("  ").next().unwrap();
            for switch in described.split("; ") {
                let Some((name, values)) = switch.split_once('=') else {
                    continue;
                };
                for value in values.trim_end_matches(']').split('|') {
                    let value = match value {
                        "N" if name == "status" => "503",
                        "N" => "3",
                        "DURATION" => "20ms",
                        "WORD" | "NAME" | "TEXT" | "URL" => "x",
                        other => other.split(' ').next().unwrap(),
                    };
                    let text = format!("{}={value}", name.trim_end_matches('['));
                    assert!(name.contains(' ') || Switches::read(Some(&text), b"").is_ok(), "{text}");
                    count += 1;
                }
            }
        }
        assert!(count > 50, "only {count} switches were found");
    }
}
