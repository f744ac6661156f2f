//! Forms with files in them (`multipart/form-data`, RFC 7578), read strictly as they pass by.
//!
//! Begin with [`FormReader::feed`]. It keeps the few values that decide what a call may do and what
//! it costs, the head of the first file, and counts the rest; nothing is decoded, and the bytes go
//! upstream as they came. Security invariant: what two readers could understand in two ways is
//! refused, because the provider's reader is not ours.

mod boundary;
mod headers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderValue;

use self::{
    boundary::{Delimiter, Reach},
    headers::PartHead,
};
use crate::{request::ReadError, sound::SoundMeter};

/// Enough for the header of a sound file that says how long a second of it is.
pub const FILE_HEAD: usize = 64;
const MOST_PARTS: usize = 64;
const LONGEST_HEADERS: usize = 4 * 1024;
const LONGEST_VALUE: usize = 1024;
/// The length of a carriage return and a line feed.
const LINE_END: usize = 2;

/// Which parts of a form policy has to know.
#[derive(Debug, PartialEq, Eq)]
pub struct FormRules {
    /// Parts whose values decide: each at most once, no file, and without brackets. The model is
    /// the first.
    pub deciding: &'static [&'static str],
    /// Parts that decide by being there, with or without brackets.
    pub noted: &'static [&'static str],
    /// The files that go into the cost, with or without brackets.
    pub files: &'static [&'static str],
    pub most_files: u64,
    /// Whether the first of them is a sound, whose length is to be told.
    pub listens: bool,
}

/// What has been read of a form so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    values: BTreeMap<&'static str, String>,
    noted: BTreeSet<&'static str>,
    /// Files that the rules name.
    pub files: u64,
    /// Bytes of parts that are no files.
    pub text_bytes: u64,
    /// The first bytes of the first file.
    pub file_head: Vec<u8>,
    sound: SoundMeter,
    is_sound_whole: bool,
}

/// Why a form is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("the content type must be multipart/form-data with one plain boundary")]
    Boundary,
    #[error("the form does not begin with its boundary")]
    Preamble,
    #[error("a boundary of the form is followed by something else than a part or the end")]
    BrokenBoundary,
    #[error("the boundary of the form stands inside of a part")]
    BoundaryInside,
    #[error("something follows the end of the form")]
    Epilogue,
    #[error("the form breaks off")]
    Unfinished,
    #[error("a header of a part {0}")]
    Header(&'static str),
    #[error("the headers of a part are too long")]
    LongHeaders,
    #[error("the form has too many parts")]
    ManyParts,
    #[error("a part is not as long as it says")]
    WrongLength,
    #[error("the part {0} stands twice")]
    Twice(&'static str),
    #[error("the part {0} must be plain ASCII text, and be called just that")]
    Disguised(&'static str),
    #[error("the form has too many files")]
    ManyFiles,
    #[error("the part {0} is too long")]
    LongValue(&'static str),
    #[error("the part {0} comes after a large file: put it before the file")]
    TooLate(&'static str),
}

/// Reads one form, in whatever pieces it comes.
#[derive(Debug)]
pub struct FormReader {
    delimiter: Delimiter,
    rules: &'static FormRules,
    state: State,
    /// Bytes that are not settled yet.
    kept: Vec<u8>,
    parts: usize,
    /// How many bytes are settled.
    passed: usize,
    /// Where the value of the first deciding part begins.
    model_at: Option<usize>,
    form: Form,
    is_decided: bool,
}

#[derive(Debug)]
enum State {
    /// Before the first boundary.
    Opening,
    /// Right behind a boundary.
    Behind,
    Headers,
    Content(Part),
    /// Behind the last boundary.
    Over,
}

#[derive(Debug)]
struct Part {
    /// Where the content is to be kept.
    deciding: Option<&'static str>,
    is_file: bool,
    /// One of the files that the rules name.
    is_counted: bool,
    /// As its headers say.
    length: Option<u64>,
    /// The line end before the content included.
    seen: u64,
}

impl Form {
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub fn has(&self, noted: &str) -> bool {
        self.noted.contains(noted)
    }

    pub(crate) fn count(&self, name: &'static str) -> Result<Option<u64>, ReadError> {
        const PROBLEM: &str = "must be a number";
        let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let read = |text| Some(text).filter(is_number)?.parse().ok();
        self.value(name)
            .map(|text| {
                read(text).ok_or(ReadError::Invalid {
                    member: name,
                    problem: PROBLEM,
                })
            })
            .transpose()
    }

    pub(crate) fn boolean(&self, name: &'static str) -> Result<Option<bool>, ReadError> {
        match self.value(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            // Some readers take `1`, `on` and `True` for it, and some do not.
            Some(_) => Err(ReadError::Invalid {
                member: name,
                problem: "must be true or false",
            }),
        }
    }

    /// How long the sound is, once all of it is here, if its bytes prove it.
    pub(crate) fn sound_milliseconds(&self) -> Option<u64> {
        self.sound.milliseconds().filter(|_| self.is_sound_whole)
    }
}

impl FormReader {
    pub fn new(content_type: &HeaderValue, rules: &'static FormRules) -> Result<Self, FormError> {
        Ok(Self {
            delimiter: Delimiter::of(content_type)?,
            rules,
            state: State::Opening,
            kept: Vec::new(),
            parts: 0,
            passed: 0,
            model_at: None,
            form: Form::default(),
            is_decided: false,
        })
    }

    pub fn form(&self) -> &Form {
        &self.form
    }

    /// After how many bytes the model's name begins, once it has.
    pub fn model_at(&self) -> Option<usize> {
        self.model_at
    }

    /// Whether the call can be decided although the form has not ended: the model is known, and
    /// what comes now is the only file there can be.
    pub fn is_decidable(&self) -> bool {
        let is_in_file = matches!(&self.state, State::Content(part) if part.is_counted);
        let has_model = self
            .rules
            .deciding
            .first()
            .is_some_and(|name| self.form.value(name).is_some());
        is_in_file && has_model && self.form.file_head.len() == FILE_HEAD && self.form.files == self.rules.most_files
    }

    /// Whether the last boundary has passed.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The call has been decided: from here on, no part can decide anything any more.
    pub fn decided(&mut self) {
        self.is_decided = true;
    }

    /// Looks at the next bytes. After an error none of them, and nothing more, may be passed on.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), FormError> {
        if self.kept.is_empty() {
            let settled = self.read(bytes)?;
            self.kept.extend_from_slice(bytes.get(settled..).unwrap_or_default());
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.kept);
        buffer.extend_from_slice(bytes);
        let settled = self.read(&buffer)?;
        buffer.drain(..settled);
        self.kept = buffer;
        Ok(())
    }

    /// Checks that the form has come to its end.
    pub fn end(&self) -> Result<(), FormError> {
        match self.state {
            State::Over if self.kept.is_empty() || self.kept == b"\r\n" => Ok(()),
            _ => Err(FormError::Unfinished),
        }
    }

    /// Reads as far as it can, and returns how far that is.
    fn read(&mut self, bytes: &[u8]) -> Result<usize, FormError> {
        let mut at = 0;
        while let Some(step) = self.step(bytes.get(at..).unwrap_or_default())? {
            at += step;
            self.passed += step;
        }
        Ok(at)
    }

    /// Reads one thing; `None` where it takes more bytes.
    fn step(&mut self, rest: &[u8]) -> Result<Option<usize>, FormError> {
        match &mut self.state {
            State::Opening => {
                let opening = self.delimiter.opening();
                let length = rest.len().min(opening.len());
                if rest.get(..length) != opening.get(..length) {
                    return Err(FormError::Preamble);
                }
                Ok((length == opening.len()).then(|| {
                    self.state = State::Behind;
                    length
                }))
            }
            State::Behind => {
                let Some(two) = rest.get(..2) else { return Ok(None) };
                self.state = match two {
                    b"\r\n" => State::Headers,
                    b"--" => State::Over,
                    _ => return Err(FormError::BrokenBoundary),
                };
                Ok(Some(2))
            }
            State::Headers => self.read_headers(rest),
            State::Content(_) => self.read_content(rest),
            State::Over if b"\r\n".starts_with(rest) => Ok(None),
            State::Over => Err(FormError::Epilogue),
        }
    }

    fn read_headers(&mut self, rest: &[u8]) -> Result<Option<usize>, FormError> {
        let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") else {
            return if rest.len() > LONGEST_HEADERS {
                Err(FormError::LongHeaders)
            } else {
                Ok(None)
            };
        };
        if end > LONGEST_HEADERS {
            return Err(FormError::LongHeaders);
        }
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(FormError::ManyParts);
        }
        let head = PartHead::read(rest.get(..end).unwrap_or_default())?;
        let part = self.begin(&head)?;
        self.state = State::Content(part);
        // The second line end is left to the content: where a delimiter follows at once, it may be a
        // part of that, and readers disagree on what the part is then.
        Ok(Some(end + LINE_END))
    }

    fn begin(&mut self, head: &PartHead) -> Result<Part, FormError> {
        // Some readers take `model[]` for `model`, and some do not tell `Model` from it.
        let base = head.name.split('[').next().unwrap_or_default();
        let named_in = |names: &[&'static str]| names.iter().find(|name| name.eq_ignore_ascii_case(base)).copied();
        let deciding = named_in(self.rules.deciding);
        if let Some(name) = deciding {
            if head.is_file || head.name != name {
                return Err(FormError::Disguised(name));
            }
            if self.form.values.insert(name, String::new()).is_some() {
                return Err(FormError::Twice(name));
            }
        }
        let noted = named_in(self.rules.noted);
        if let (true, Some(name)) = (self.is_decided, deciding.or(noted)) {
            return Err(FormError::TooLate(name));
        }
        self.form.noted.extend(noted);

        let is_counted = named_in(self.rules.files).is_some();
        self.form.files += u64::from(is_counted);
        if self.form.files > self.rules.most_files {
            return Err(FormError::ManyFiles);
        }
        Ok(Part {
            deciding,
            is_file: head.is_file || is_counted,
            is_counted,
            length: head.length,
            seen: 0,
        })
    }

    fn read_content(&mut self, rest: &[u8]) -> Result<Option<usize>, FormError> {
        let (length, has_ended) = match self.delimiter.reach(rest)? {
            Reach::EndsAt(end) => (end, true),
            Reach::AtLeast(length) => (length, false),
        };
        let content = rest.get(..length).unwrap_or_default();
        let State::Content(part) = &mut self.state else {
            return Ok(None);
        };
        let before = LINE_END.saturating_sub(usize::try_from(part.seen).unwrap_or(LINE_END));
        let value = content.get(before.min(length)..).unwrap_or_default();
        if part.deciding.is_some() && part.deciding == self.rules.deciding.first().copied() && !value.is_empty() {
            self.model_at.get_or_insert(self.passed + before);
        }
        part.seen += length as u64;
        if part.is_counted && self.form.files == 1 {
            let head = &mut self.form.file_head;
            let missing = FILE_HEAD.saturating_sub(head.len()).min(value.len());
            head.extend_from_slice(value.get(..missing).unwrap_or_default());
            if self.rules.listens {
                self.form.sound.feed(value);
            }
        } else if !part.is_file {
            self.form.text_bytes += value.len() as u64;
        }
        if let Some(name) = part.deciding {
            let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
            let kept = self.form.values.entry(name).or_default();
            kept.push_str(text.ok_or(FormError::Disguised(name))?);
            if kept.len() > LONGEST_VALUE {
                return Err(FormError::LongValue(name));
            }
        }
        if !has_ended {
            return Ok((length > 0).then_some(length));
        }
        let content_length = part
            .seen
            .checked_sub(LINE_END as u64)
            .ok_or(FormError::BrokenBoundary)?;
        if part.length.is_some_and(|length| length != content_length) {
            return Err(FormError::WrongLength);
        }
        self.form.is_sound_whole |= part.is_counted && self.rules.listens;
        self.state = State::Behind;
        Ok(Some(length + self.delimiter.bytes().len()))
    }
}
