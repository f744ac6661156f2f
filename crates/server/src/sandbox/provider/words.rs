//! The text the sandbox answers with: the same calm sentences, begun at a place the request picks.

use std::sync::Arc;

const PLAIN: &[&str] = &[
    "The notes describe one quiet week, and most of it went as planned.",
    "Three things were finished early: the garden plan, the letter to the council and the spare key.",
    "Two are still open, and neither is urgent.",
    "The longest entry is about the walk along the river, where the heron has come back.",
    "Money was spent on paint, bread and a second-hand lamp; nothing else was bought.",
    "Somebody should call the plumber before the frost.",
    "The recipe needs less salt and a little more patience.",
    "On Thursday the train was late, which left time to read.",
    "There is a reminder to water the plants on Sunday, written twice.",
    "In short, there is little to do today, and it can be done slowly.",
];

const UNICODE: &[&str] = &[
    "Grüße aus Köln: schöne Wörter, kurze Sätze, süße Äpfel.",
    "Привет из тихого города у реки.",
    "今日は 静かな 一日 でした。",
    "Η μέρα ήταν ήσυχη και φωτεινή.",
    "🦆 🌱 🕯️ et un café très serré, s’il vous plaît.",
    "السلام عليكم من الحديقة الصغيرة.",
];

/// The two texts there are to begin from.
pub(super) struct Passages {
    plain: Arc<Passage>,
    unicode: Arc<Passage>,
}

/// Words in their order, each with a space before it, and where sentences begin.
#[derive(Debug)]
struct Passage {
    words: Vec<String>,
    sentences: Vec<usize>,
}

impl Passages {
    pub(super) fn new() -> Self {
        Self {
            plain: Arc::new(Passage::of(PLAIN)),
            unicode: Arc::new(Passage::of(UNICODE)),
        }
    }

    /// The endless text that begins at the sentence `seed` picks.
    pub(super) fn text(&self, seed: u64, is_unicode: bool) -> Text {
        let passage = if is_unicode { &self.unicode } else { &self.plain };
        let count = u64::try_from(passage.sentences.len()).unwrap_or(1).max(1);
        let chosen = usize::try_from(seed % count).unwrap_or_default();
        Text {
            start: passage.sentences.get(chosen).copied().unwrap_or_default(),
            passage: passage.clone(),
        }
    }
}

impl Passage {
    fn of(sentences: &[&str]) -> Self {
        let mut passage = Self {
            words: Vec::new(),
            sentences: Vec::new(),
        };
        for sentence in sentences {
            passage.sentences.push(passage.words.len());
            passage.words.extend(sentence.split(' ').map(|word| format!(" {word}")));
        }
        passage
    }
}

/// An endless text. Each of its words is one token and needs no escaping in JSON.
#[derive(Clone, Debug)]
pub(super) struct Text {
    passage: Arc<Passage>,
    start: usize,
}

impl Text {
    /// The token at `place`, counted from zero.
    pub(super) fn token(&self, place: u64) -> &str {
        let words = &self.passage.words;
        let place_in_passage = usize::try_from(place).unwrap_or_default().wrapping_add(self.start);
        let word = place_in_passage
            .checked_rem(words.len())
            .and_then(|index| words.get(index))
            .map_or("", String::as_str);
        if place == 0 { word.trim_start() } else { word }
    }

    /// The first `count` tokens.
    pub(super) fn prefix(&self, count: u64) -> String {
        (0..count).map(|place| self.token(place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_needs_escaping_in_json() {
        for is_unicode in [false, true] {
            for place in 0..300 {
                let text = Passages::new().text(3, is_unicode);
                let token = text.token(place);
                assert_eq!(serde_json::to_string(token).unwrap(), format!("\"{token}\""));
                assert!(!token.trim().is_empty());
            }
        }
    }
}
