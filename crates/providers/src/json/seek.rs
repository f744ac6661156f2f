//! One member of a large document, found while it passes: nothing else of it is kept.

use memchr::memchr2;

/// A longer value is not what is sought.
const LONGEST_VALUE: usize = 16 * 1024;
const LONGEST_NAME: usize = 64;

/// Looks for a member of the outermost object, in whatever pieces the document comes.
#[derive(Debug)]
pub(crate) struct Seeker {
    name: &'static str,
    /// How many brackets are open.
    depth: u32,
    /// Inside a string; `true` behind a backslash.
    string: Option<bool>,
    /// The name of the member that is passing, while it is a name.
    reading: Vec<u8>,
    place: Place,
    value: Vec<u8>,
    is_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Name,
    /// In a value that is sought.
    Sought,
    Other,
}

impl Seeker {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            depth: 0,
            string: None,
            reading: Vec::new(),
            place: Place::Other,
            value: Vec::new(),
            is_over: false,
        }
    }

    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            match self.string {
                Some(false) => {
                    let length = memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
                    let (passing, after) = bytes.split_at(length);
                    self.keep(passing);
                    bytes = after;
                    if let Some((end, after)) = after.split_first() {
                        self.keep(&[*end]);
                        self.string = (*end == b'\\').then_some(true);
                        bytes = after;
                    }
                }
                Some(true) => {
                    self.keep(&[*first]);
                    self.string = Some(false);
                    bytes = rest;
                }
                None => {
                    self.pass(*first);
                    bytes = rest;
                }
            }
        }
    }

    /// A document with the member alone, once the whole one has passed and had it.
    pub(crate) fn document(&self) -> Vec<u8> {
        if !self.is_over || self.value.is_empty() {
            return Vec::new();
        }
        let mut document = format!("{{\"{}\":", self.name).into_bytes();
        document.extend_from_slice(&self.value);
        document.push(b'}');
        document
    }

    /// One byte outside strings.
    fn pass(&mut self, byte: u8) {
        if self.depth == 1 {
            match byte {
                b':' if self.place == Place::Name => {
                    let is_sought = self.reading.strip_suffix(b"\"") == Some(self.name.as_bytes());
                    self.place = if is_sought { Place::Sought } else { Place::Other };
                    if is_sought {
                        self.value.clear();
                    }
                    return;
                }
                b',' => {
                    self.place = Place::Name;
                    return;
                }
                b'}' => self.place = Place::Other,
                b'"' if self.place == Place::Name => self.reading.clear(),
                _ => {}
            }
        }
        match byte {
            b'{' | b'[' => {
                if self.depth == 0 {
                    self.place = Place::Name;
                }
                self.depth += 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.is_over |= self.depth == 0;
            }
            b'"' => self.string = Some(false),
            _ => {}
        }
        if self.place == Place::Sought {
            self.keep(&[byte]);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let (kept, longest) = match self.place {
            Place::Name => (&mut self.reading, LONGEST_NAME),
            Place::Sought => (&mut self.value, LONGEST_VALUE),
            Place::Other => return,
        };
        let room = longest.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sought(document: &str) -> String {
        let mut whole = Seeker::new("usage");
        whole.feed(document.as_bytes());
        for cut in 0..=document.len() {
            let mut seeker = Seeker::new("usage");
            let (one, other) = document.as_bytes().split_at(cut);
            seeker.feed(one);
            seeker.feed(other);
            assert_eq!(seeker.document(), whole.document(), "cut at {cut}");
        }
        String::from_utf8(whole.document()).unwrap()
    }

    #[test]
    fn the_member_is_found_wherever_it_stands() {
        for document in [
            r#"{"usage":{"a":[1,{"b":"}"}]}}"#,
            r#" {"data":[{"usage":1,"x":"\"usage\":2,"}], "usage" : {"a":[1,{"b":"}"}]} , "z":"\\"}"#,
            r#"{"x":"usage","y":{"usage":{}},"usage":{"a":[1,{"b":"}"}]}}"#,
        ] {
            let found = sought(document);
            let found: serde_json::Value = serde_json::from_str(&found).unwrap();
            assert_eq!(
                found,
                serde_json::json!({"usage": {"a": [1, {"b": "}"}]}}),
                "{document}"
            );
        }
    }

    #[test]
    fn what_is_not_there_or_not_whole_is_not_found() {
        for document in [
            "",
            r#"{"data":[{"usage":1}]}"#,
            r#"{"usage":{"a":1}"#,
            r#"{"data":"\",\"usage\":1"}"#,
            r#"["usage",1]"#,
        ] {
            assert_eq!(sought(document), "", "{document}");
        }
        let long = format!("{{\"usage\":\"{}\"}}", "a".repeat(20_000));
        let mut seeker = Seeker::new("usage");
        seeker.feed(long.as_bytes());
        assert!(serde_json::from_slice::<serde_json::Value>(&seeker.document()).is_err());
    }
}
