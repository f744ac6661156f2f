//! The headers of one part: what it is called, and whether it is a file.

use std::{collections::BTreeSet, ops::ControlFlow};

use super::{FormError, boundary::is_token};

const LONGEST_NAME: usize = 128;

/// What the headers of a part say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartHead {
    pub(super) name: String,
    pub(super) is_file: bool,
    /// Of its content, where it says so; checked once it has passed.
    pub(super) length: Option<u64>,
    read: BTreeSet<String>,
}

impl PartHead {
    /// Reads the header lines without the empty one that ends them.
    pub(super) fn read(block: &[u8]) -> Result<Self, FormError> {
        let text = std::str::from_utf8(block).map_err(|_| FormError::Header("is not UTF-8"))?;
        let mut head = Self::default();
        for line in text.split("\r\n") {
            if line.bytes().any(|byte| byte.is_ascii_control()) {
                return Err(FormError::Header("has a control character in it"));
            }
            let (name, value) = line.split_once(':').ok_or(FormError::Header("has no colon"))?;
            head.read_line(name.to_ascii_lowercase(), value.trim_matches(' '))?;
        }
        if head.name.is_empty() {
            return Err(FormError::Header("does not say what the part is called"));
        }
        Ok(head)
    }

    fn read_line(&mut self, name: String, value: &str) -> Result<(), FormError> {
        match name.as_str() {
            "content-disposition" => self.read_disposition(value)?,
            // A form in a form has names of its own, which some readers lift out of it.
            "content-type" if value.to_ascii_lowercase().contains("multipart/") => {
                return Err(FormError::Header("nests forms"));
            }
            // Those that change nothing. A reader that undid another would read another value.
            "content-transfer-encoding" if !["binary", "8bit", "7bit"].contains(&value) => {
                return Err(FormError::Header("encodes the part"));
            }
            "content-type" | "content-transfer-encoding" => {}
            "content-length" => {
                let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let length = value.parse().ok().filter(|_| is_number);
                self.length = Some(length.ok_or(FormError::Header("has no length that can be"))?);
            }
            _ => return Err(FormError::Header("is none that a part of a form has")),
        }
        if self.read.insert(name) {
            Ok(())
        } else {
            Err(FormError::Header("stands twice"))
        }
    }

    fn read_disposition(&mut self, value: &str) -> Result<(), FormError> {
        const MALFORMED: FormError = FormError::Header("names the part in a way that can be read in two");
        // Where a backslash may or may not escape the quote after it, readers disagree on where the
        // value ends, and a file's name could bring a name for the part with it.
        if value.contains("\\\"") {
            return Err(MALFORMED);
        }
        let mut rest = value
            .get(..FORM_DATA.len())
            .filter(|kind| kind.eq_ignore_ascii_case(FORM_DATA))
            .and_then(|_| value.get(FORM_DATA.len()..))
            .ok_or(MALFORMED)?;
        let mut name = None;
        let mut has_filename = [false; 2];
        while let ControlFlow::Continue((parameter, value, after)) = next_parameter(rest)? {
            rest = after;
            let is_second = match parameter.to_ascii_lowercase().as_str() {
                "name" => name.replace(value).is_some(),
                "filename" => std::mem::replace(&mut has_filename[0], true),
                "filename*" => std::mem::replace(&mut has_filename[1], true),
                _ => return Err(MALFORMED),
            };
            if is_second {
                return Err(MALFORMED);
            }
        }
        let name = name.filter(|name| is_name(name)).ok_or(MALFORMED)?;
        name.clone_into(&mut self.name);
        self.is_file = has_filename.contains(&true);
        Ok(())
    }
}

const FORM_DATA: &str = "form-data";

/// Names as the SDKs write them: `image`, `image[]`, `svg[model]`. Nothing is decoded, so nothing
/// can hide.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(is_plain)
}

/// The parameter at the head of `rest`: its name, its value, and what follows it.
fn next_parameter(rest: &str) -> Result<ControlFlow<(), (&str, &str, &str)>, FormError> {
    const MALFORMED: FormError = FormError::Header("has a parameter that cannot be read");
    let rest = rest.trim_matches(' ');
    if rest.is_empty() {
        return Ok(ControlFlow::Break(()));
    }
    let rest = rest.strip_prefix(';').ok_or(MALFORMED)?.trim_start_matches(' ');
    let (name, rest) = rest.split_once('=').ok_or(MALFORMED)?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(MALFORMED);
    }
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or(MALFORMED)?,
        None => rest.split_at(rest.find([';', ' ']).unwrap_or(rest.len())),
    };
    Ok(ControlFlow::Continue((name, value, rest)))
}
