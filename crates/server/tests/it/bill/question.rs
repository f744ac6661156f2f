//! Calls drawn at random: the same seed and number draw the same call.

use aipassport::random::{Random, SeededRandom};

use super::operations::{Answers, OPERATIONS, Operation, Streams};

/// One call, and what becomes of it.
pub(super) struct Drawn {
    pub(super) operation: &'static Operation,
    /// As the provider calls it.
    pub(super) model: &'static str,
    pub(super) question: Question,
    /// What the provider is to do differently, for the reader of a failure; it stands in the prompt.
    pub(super) switches: String,
    pub(super) hang_up: Option<HangUp>,
    /// By a client that has next to no budget.
    pub(super) is_poor: bool,
}

/// What is asked, in no provider's words.
#[expect(clippy::struct_excessive_bools, reason = "drawn independently of each other")]
pub(super) struct Question {
    pub(super) model: String,
    pub(super) is_stream: bool,
    pub(super) prompt: String,
    pub(super) output_cap: Option<u64>,
    pub(super) asks_usage: bool,
    pub(super) offers_tool: bool,
    pub(super) choices: u64,
    pub(super) thinks: bool,
    /// How urgent it is, where that has a price.
    pub(super) service: Option<&'static str>,
    /// How long the prompt is to be kept for other calls.
    pub(super) cache_lifetime: Option<&'static str>,
    /// Texts, documents or pages.
    pub(super) pieces: u64,
}

impl Drawn {
    /// Whether the client may learn nothing, not even the call's id.
    pub(super) fn may_go_unheard(&self) -> bool {
        let breaks_off = ["cut=", "chunking=", "tail="];
        self.hang_up == Some(HangUp::AtOnce) || breaks_off.iter().any(|switch| self.switches.contains(switch))
    }
}

/// When the client stops listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HangUp {
    /// Before it has heard anything.
    AtOnce,
    /// After so many bytes of the answer.
    After(usize),
    /// When nothing more comes.
    AtSilence,
}

impl Question {
    /// The prompt as the last of so many texts.
    pub(super) fn texts(&self) -> Vec<&str> {
        let mut texts = vec!["Some other text."; usize::try_from(self.pieces - 1).unwrap()];
        texts.push(&self.prompt);
        texts
    }
}

/// Draws the call of this number.
pub(super) fn draw(seed: u64, number: u64) -> Drawn {
    let mut dice = Dice::of(seed, number);
    let operation = &OPERATIONS[dice.below(OPERATIONS.len())];
    let model = operation.models[dice.below(operation.models.len())];
    let is_stream = match operation.streams {
        Streams::Never => false,
        Streams::IfAsked => dice.comes_up(60),
        Streams::Always => true,
    };
    let mut question = Question {
        model: if operation.is_translated {
            format!("{}/{model}", operation.provider)
        } else {
            model.to_owned()
        },
        is_stream,
        prompt: "Say something. ".repeat(dice.length(operation.answers)),
        output_cap: dice.comes_up(70).then(|| 1 + dice.below(400) as u64),
        asks_usage: dice.comes_up(50),
        offers_tool: dice.comes_up(30),
        choices: 1,
        thinks: false,
        service: dice.service(operation, model),
        cache_lifetime: None,
        pieces: 1 + dice.below(6) as u64,
    };
    let mut switches = vec![format!("tag=call-{number}")];
    let hang_up = dice.hang_up(is_stream, &mut switches);
    match operation.answers {
        Answers::Text { choices, caches } => {
            dice.vary_text(model, &mut question, choices, &mut switches);
            let keeps = caches && operation.provider == "anthropic" && !operation.is_translated;
            dice.vary_input(&mut question, caches, keeps, &mut switches);
        }
        Answers::Vectors => dice.vary_input(&mut question, false, false, &mut switches),
        Answers::Pieces => question.thinks = dice.comes_up(50),
    }
    if hang_up.is_none() {
        dice.vary_delivery(operation, is_stream, &mut switches);
    }
    let switches = switches.join("; ");
    question.prompt = format!("{}[[sandbox: {switches}]]", question.prompt);
    Drawn {
        operation,
        model,
        question,
        switches,
        hang_up,
        is_poor: dice.comes_up(4),
    }
}

struct Dice(SeededRandom);

impl Dice {
    fn of(seed: u64, number: u64) -> Self {
        // Only half of the bits count.
        Self(SeededRandom::from_seed(
            (seed ^ number.wrapping_mul(0x9e37_79b9)) & 0xffff_ffff,
        ))
    }

    fn below(&mut self, count: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        usize::try_from(u32::from_le_bytes(bytes)).unwrap() % count
    }

    fn comes_up(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// Mostly a few words, now and then a book: more than the first price is for.
    fn length(&mut self, answers: Answers) -> usize {
        match self.below(1_000) {
            _ if answers == Answers::Pieces => self.below(30),
            0..4 => 14_500,
            4..100 => self.below(600),
            _ => self.below(30),
        }
    }

    fn hang_up(&mut self, is_stream: bool, switches: &mut Vec<String>) -> Option<HangUp> {
        let hang_up = match self.below(100) {
            0..2 => HangUp::AtOnce,
            2..12 => HangUp::After(self.below(4_000)),
            12..14 if is_stream => HangUp::AtSilence,
            _ => return None,
        };
        match hang_up {
            HangUp::AtOnce => switches.push("delay=2ms".to_owned()),
            HangUp::After(_) if self.comes_up(50) => switches.push("pace=1ms".to_owned()),
            HangUp::After(_) => {}
            HangUp::AtSilence => switches.push(format!("hang={}", self.below(20))),
        }
        Some(hang_up)
    }

    /// Only the newest models are also to be had for less, and later.
    fn service(&mut self, operation: &Operation, model: &str) -> Option<&'static str> {
        let services = match model {
            _ if operation.is_translated || operation.provider != "openai" => return None,
            model if model.starts_with("gpt-5") => ["default", "auto", "priority", "flex"],
            _ => ["default", "auto", "priority", "priority"],
        };
        self.comes_up(40).then(|| self.one_of(&services))
    }

    fn vary_text(&mut self, model: &str, question: &mut Question, most_choices: u64, switches: &mut Vec<String>) {
        let may_think = ["gpt-5", "claude", "gemini-2.5-flash", "gemini-2.5-pro", "magistral"];
        let is_image = model.contains("-image");
        question.thinks = !is_image && may_think.iter().any(|name| model.starts_with(name)) && self.comes_up(40);
        question.choices = if self.comes_up(15) {
            1 + self.below(usize::try_from(most_choices).unwrap()) as u64
        } else {
            1
        };
        if question.thinks {
            switches.push(format!("thinking={}", self.below(60)));
        }
        if question.offers_tool && self.comes_up(70) {
            switches.push(format!("tool; tools={}", 1 + self.below(3)));
        }
        if self.comes_up(70) {
            switches.push(format!("tokens={}", self.below(120)));
        }
        if self.comes_up(10) {
            switches.push("text=unicode".to_owned());
        }
    }

    fn vary_input(&mut self, question: &mut Question, caches: bool, keeps: bool, switches: &mut Vec<String>) {
        let most = question.prompt.len().max(8);
        if most > 200_000 {
            switches.push(format!("input={}", 199_990 + self.below(20)));
        } else if self.comes_up(40) {
            switches.push(format!("input={}", self.below(most)));
        }
        if caches && self.comes_up(30) {
            switches.push(format!("cached={}", self.below(most)));
        }
        if keeps && self.comes_up(30) {
            let (lifetime, switch) = [("5m", "write5m"), ("1h", "write1h")][self.below(2)];
            question.cache_lifetime = Some(lifetime);
            switches.push(format!("{switch}={}", self.below(most)));
        }
    }

    /// How the answer comes, and whether it does.
    fn vary_delivery(&mut self, operation: &Operation, is_stream: bool, switches: &mut Vec<String>) {
        let is_sse = is_stream && operation.streams_events();
        let switch = match self.below(100) {
            0..5 => "usage=missing".to_owned(),
            5..8 => "usage=no-final".to_owned(),
            8..12 => "usage=twice".to_owned(),
            // Nothing read and nothing written, and said so.
            12..16 => "input=0; cached=0; tokens=0; thinking=0; write5m=0; write1h=0".to_owned(),
            16..21 => format!("status={}", self.one_of(&["400", "429", "500", "503", "529"])),
            21..24 if is_stream => format!("error-at={}", self.below(20)),
            24..26 if is_stream => format!("error-between={}", self.below(20)),
            26..31 => format!("cut={}", self.below(3_000)),
            31..33 => format!("cut={}; reset", self.below(3_000)),
            33..36 => format!(
                "body={}",
                self.one_of(&["html", "empty", "garbage", "gzip", "no-content"])
            ),
            36..44 => format!("chunk={}", self.one_of(&["all", "odd", "1", "7", "100"])),
            44..54 if is_sse => format!(
                "sse={}",
                self.one_of(&["crlf", "cr", "bom", "comments", "garbage", "no-end"])
            ),
            54..56 => "headers=noisy; early=2".to_owned(),
            56..57 => "chunking=invalid".to_owned(),
            57..58 => "tail=garbage".to_owned(),
            _ => return,
        };
        switches.push(switch);
    }
}
