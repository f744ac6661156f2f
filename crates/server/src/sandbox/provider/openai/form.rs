//! A form with files in it, taken apart. On purpose not with the broker's reader: where the two
//! disagree, one of them is wrong.

use http::{HeaderMap, header::CONTENT_TYPE};
use memchr::memmem;

use crate::sandbox::provider::protocol::Refusal;

/// The parts of a form by name, in the order in which they came.
pub(super) struct Form<'a>(Vec<(String, &'a [u8])>);

impl<'a> Form<'a> {
    pub(super) fn read(headers: &HeaderMap, body: &'a [u8]) -> Result<Self, Refusal> {
        let malformed = || Refusal::invalid("Could not parse multipart form", None);
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let boundary = kind
            .and_then(|kind| kind.split_once("boundary="))
            .map(|(_, boundary)| boundary.trim_matches('"'))
            .ok_or_else(malformed)?;
        let delimiter = format!("--{boundary}");
        let places: Vec<usize> = memmem::find_iter(body, delimiter.as_bytes()).collect();
        let mut parts = Vec::new();
        for pair in places.windows(2) {
            let [start, end] = pair else { continue };
            let part = body.get(start + delimiter.len()..*end).unwrap_or_default();
            let head_end = memmem::find(part, b"\r\n\r\n").ok_or_else(malformed)?;
            let head = String::from_utf8_lossy(part.get(..head_end).unwrap_or_default());
            let name = head
                .split_once(" name=\"")
                .and_then(|(_, rest)| rest.split('"').next())
                .ok_or_else(malformed)?;
            let content = part.get(head_end + 4..part.len().saturating_sub(2)).unwrap_or_default();
            parts.push((name.to_owned(), content));
        }
        let last = places.last().and_then(|last| body.get(last + delimiter.len()..));
        if last.is_some_and(|last| last.starts_with(b"--")) {
            Ok(Self(parts))
        } else {
            Err(malformed())
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let (_, content) = self.0.iter().rfind(|(part, _)| part == name)?;
        std::str::from_utf8(content).ok()
    }

    /// The files called so, with or without brackets.
    pub(super) fn files(&self, name: &str) -> Vec<&'a [u8]> {
        let is_called = |part: &str| part.split('[').next() == Some(name);
        let files = self.0.iter().filter(|(part, _)| is_called(part));
        files.map(|(_, content)| *content).collect()
    }
}
