//! A strict JSON reader that goes over a body once and remembers where things stand.
//!
//! It exists because what we check must be what the provider reads. General parsers take the last
//! of two equal keys, or a comment, or half a surrogate pair; the provider's parser may not. So
//! whatever two readers could understand in two ways is refused, and the bytes are never written
//! anew: [`crate::request::UpstreamBody`] only puts ours between them. Of answers that may be too
//! large to keep, [`Seeker`] finds the one member that matters.

mod seek;
#[cfg(test)]
mod tests;
mod text;

use std::{borrow::Cow, ops::Range};

use memchr::memchr2;

pub(crate) use self::seek::Seeker;
use self::text::Text;
use crate::request::ReadError;

/// More nesting than any schema has, and less than a stack takes.
const DEEPEST: usize = 128;
/// An answer may repeat the deepest request inside itself.
const DEEPEST_IN_ANSWERS: usize = 2 * DEEPEST;
/// More members than any object that we look into has. Keeps the search for duplicates short.
const MOST_MEMBERS: usize = 128;

/// Reads one value after the other, from the front to the back.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The names of every object that is being read, outermost first.
    names: Vec<Cow<'a, str>>,
    is_strict: bool,
}

type Read<T> = Result<T, ReadError>;

impl<'a> Reader<'a> {
    /// For a client's request.
    pub(crate) fn strict(body: &'a [u8]) -> Read<Self> {
        Self::new(body, true)
    }

    /// For a provider's answer: it is not ours to refuse, so equal names and lone surrogates pass.
    pub(crate) fn lenient(body: &'a [u8]) -> Read<Self> {
        Self::new(body, false)
    }

    fn new(body: &'a [u8], is_strict: bool) -> Read<Self> {
        let text = std::str::from_utf8(body).map_err(|error| ReadError::NotPlainJson {
            problem: "it is not UTF-8",
            at: error.valid_up_to(),
        })?;
        Ok(Self {
            text,
            at: 0,
            depth: 0,
            names: Vec::new(),
            is_strict,
        })
    }

    /// Checks that nothing but white space is left.
    pub(crate) fn end(mut self) -> Read<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.refuse("something follows the object"),
        }
    }

    /// The first byte of the next value, and where it stands.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.next_byte()
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// Reads an object. `member` is called after each name and reads exactly one value.
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, &str) -> Read<()>) -> Read<()> {
        self.open(b'{', "an object was expected")?;
        let first_name = self.names.len();
        if !self.take(b'}') {
            loop {
                let name = self.text()?.decode();
                self.check_name(first_name, name.clone())?;
                if !self.take(b':') {
                    return self.refuse("a colon was expected");
                }
                member(self, &name)?;
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return self.refuse("a comma or the end of the object was expected");
                }
            }
        }
        self.names.truncate(first_name);
        self.depth -= 1;
        Ok(())
    }

    /// Reads an array. `element` reads exactly one value.
    pub(crate) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.open(b'[', "an array was expected")?;
        if !self.take(b']') {
            loop {
                element(self)?;
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return self.refuse("a comma or the end of the array was expected");
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    pub(crate) fn text(&mut self) -> Read<Text<'a>> {
        if !self.take(b'"') {
            return self.refuse("a string was expected");
        }
        let start = self.at;
        let mut has_escapes = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let Some(length) = memchr2(b'"', b'\\', rest) else {
                return self.refuse("a string does not end");
            };
            let plain = rest.get(..length).unwrap_or_default();
            // The smallest of all, and no early way out: this compiles to wide instructions.
            if plain.iter().copied().min().is_some_and(|byte| byte < b' ') {
                return self.refuse("a string has a control character");
            }
            self.at += length;
            if rest.get(length) == Some(&b'"') {
                let raw = self.slice(start..self.at);
                self.at += 1;
                return Ok(Text::new(raw, has_escapes));
            }
            has_escapes = true;
            self.escape()?;
        }
    }

    /// Passes over one value of any kind, and says where it stands.
    pub(crate) fn skip(&mut self) -> Read<Range<usize>> {
        self.count_text(&mut 0)
    }

    /// Passes over one value, and adds up the bytes of its strings, names aside.
    pub(crate) fn count_text(&mut self, bytes: &mut u64) -> Read<Range<usize>> {
        let first = self.peek();
        let start = self.at;
        match first {
            Some(b'{') => self.skip_object(bytes)?,
            Some(b'[') => self.array(|reader| reader.count_text(bytes).map(|_| ()))?,
            Some(b'"') => *bytes += self.text()?.raw().len() as u64,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return self.refuse("a value was expected"),
        }
        Ok(start..self.at)
    }

    /// A string, or `None` for null.
    pub(crate) fn text_or_null(&mut self, member: &'static str) -> Read<Option<Cow<'a, str>>> {
        match self.peek() {
            Some(b'"') => Ok(Some(self.text()?.decode())),
            _ => self.null_or(member, "must be a string").map(|()| None),
        }
    }

    pub(crate) fn boolean_or_null(&mut self, member: &'static str) -> Read<Option<bool>> {
        let (word, value) = match self.peek() {
            Some(b't') => ("true", true),
            Some(b'f') => ("false", false),
            _ => return self.null_or(member, "must be true or false").map(|()| None),
        };
        self.word(word)?;
        Ok(Some(value))
    }

    /// A whole number that is not negative, written plainly, or `None` for null.
    pub(crate) fn count_or_null(&mut self, member: &'static str) -> Read<Option<u64>> {
        const PROBLEM: &str = "must be a whole number, written in plain digits";
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => {
                let range = self.skip()?;
                let count = self.slice(range).parse().ok();
                count.map(Some).ok_or(ReadError::Invalid {
                    member,
                    problem: PROBLEM,
                })
            }
            _ => self.null_or(member, PROBLEM).map(|()| None),
        }
    }

    /// A whole number, written plainly, or `None` for null.
    pub(crate) fn integer_or_null(&mut self, member: &'static str) -> Read<Option<i64>> {
        const PROBLEM: &str = "must be a whole number, written in plain digits";
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => {
                let range = self.skip()?;
                let integer = self.slice(range).parse().ok();
                integer.map(Some).ok_or(ReadError::Invalid {
                    member,
                    problem: PROBLEM,
                })
            }
            _ => self.null_or(member, PROBLEM).map(|()| None),
        }
    }

    /// Refuses a name that could be taken for another: some readers, Go's among them, do not tell
    /// upper case from lower, and the names that matter are all in lower case.
    pub(crate) fn check_case(&self, name: &str) -> Read<()> {
        if name.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
            return self.refuse("a name is not in lower case, so that some readers could take it for another");
        }
        Ok(())
    }

    /// Reads null, if that comes next.
    pub(crate) fn take_null(&mut self) -> Read<bool> {
        let is_null = self.peek() == Some(b'n');
        if is_null {
            self.word("null")?;
        }
        Ok(is_null)
    }

    /// Passes over one value, and says whether it was anything but null.
    pub(crate) fn skip_some(&mut self) -> Read<bool> {
        Ok(!self.take_null()? && self.skip().map(|_| true)?)
    }

    /// Refuses anything but null, or an empty list.
    pub(crate) fn only_null(&mut self, member: &'static str, reason: &'static str) -> Read<()> {
        let range = self.skip()?;
        match self.slice(range) {
            "null" | "[]" => Ok(()),
            _ => Err(ReadError::NotSupported { member, reason }),
        }
    }

    fn null_or(&mut self, member: &'static str, problem: &'static str) -> Read<()> {
        if self.peek() == Some(b'n') {
            self.word("null")
        } else {
            Err(ReadError::Invalid { member, problem })
        }
    }

    fn skip_object(&mut self, bytes: &mut u64) -> Read<()> {
        self.open(b'{', "an object was expected")?;
        if !self.take(b'}') {
            loop {
                self.text()?;
                if !self.take(b':') {
                    return self.refuse("a colon was expected");
                }
                self.count_text(bytes)?;
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return self.refuse("a comma or the end of the object was expected");
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Security invariant: in an object that we look into, no name stands twice. Else we would
    /// check the one and the provider obey the other.
    fn check_name(&mut self, first_name: usize, name: Cow<'a, str>) -> Read<()> {
        if !self.is_strict {
            return Ok(());
        }
        let before = self.names.get(first_name..).unwrap_or_default();
        if before.len() >= MOST_MEMBERS {
            return self.refuse("an object has too many members");
        }
        if before.contains(&name) {
            return self.refuse("a name stands twice in one object");
        }
        self.names.push(name);
        Ok(())
    }

    fn open(&mut self, bracket: u8, problem: &'static str) -> Read<()> {
        if !self.take(bracket) {
            return self.refuse(problem);
        }
        self.depth += 1;
        let deepest = if self.is_strict { DEEPEST } else { DEEPEST_IN_ANSWERS };
        if self.depth > deepest {
            return self.refuse("it is nested too deeply");
        }
        Ok(())
    }

    fn escape(&mut self) -> Read<()> {
        self.at += 1;
        match self.next_byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                match self.code_unit()? {
                    0xD800..=0xDBFF => self.low_surrogate(),
                    0xDC00..=0xDFFF if self.is_strict => self.refuse("half of a surrogate pair stands alone"),
                    _ => Ok(()),
                }
            }
            _ => self.refuse("an unknown escape"),
        }
    }

    fn low_surrogate(&mut self) -> Read<()> {
        let before = self.at;
        let follows = self.slice(self.at..self.at + 2) == "\\u";
        if follows {
            self.at += 2;
            if matches!(self.code_unit()?, 0xDC00..=0xDFFF) {
                return Ok(());
            }
        }
        if self.is_strict {
            return self.refuse("half of a surrogate pair stands alone");
        }
        self.at = before;
        Ok(())
    }

    fn code_unit(&mut self) -> Read<u16> {
        let digits = self.slice(self.at..self.at + 4);
        if digits.len() == 4
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            && let Ok(unit) = u16::from_str_radix(digits, 16)
        {
            self.at += 4;
            return Ok(unit);
        }
        self.refuse("an unknown escape")
    }

    fn number(&mut self) -> Read<()> {
        let start = self.at;
        self.at += usize::from(self.next_byte() == Some(b'-'));
        if self.next_byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.next_byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.next_byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.next_byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let number = self.slice(start..self.at);
        // Some readers make infinity of what does not fit, and others refuse it.
        if number.len() > 20 || number.contains(['e', 'E']) {
            let value: f64 = number.parse().unwrap_or(f64::INFINITY);
            if !value.is_finite() {
                return self.refuse("a number is too large");
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> Read<()> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += length;
        if length == 0 {
            return self.refuse("a digit was expected");
        }
        Ok(())
    }

    fn word(&mut self, word: &'static str) -> Read<()> {
        if self.slice(self.at..self.at + word.len()) != word {
            return self.refuse("a value was expected");
        }
        self.at += word.len();
        Ok(())
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.next_byte() {
            self.at += 1;
        }
    }

    fn next_byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn refuse<T>(&self, problem: &'static str) -> Read<T> {
        Err(ReadError::NotPlainJson { problem, at: self.at })
    }
}
