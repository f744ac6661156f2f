//! Keeps a provider credential out of the answer to the call it paid for.
//!
//! Security invariant: an upstream that echoes its request (an error text, a debug header, a hostile
//! base URL) would otherwise hand the user's key to the app. The key is looked for as it is, in
//! base64 at any offset, and percent-encoded; across pieces too, so the end of a piece is held back
//! while it could be the beginning of the key, and never otherwise.

use aipassport_domain::secret::Secret;
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use memchr::{memchr_iter, memmem};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use zeroize::Zeroizing;

const FILLER: u8 = b'*';
/// What is shorter is found in honest text, and no provider's key is.
const SHORTEST: usize = 8;
/// All but the characters that RFC 3986 leaves alone.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Watches one answer for one secret.
pub(super) struct Redactor {
    /// The spellings of the secret.
    spellings: Vec<Zeroizing<Vec<u8>>>,
    /// How long the shortest of them is.
    shortest: usize,
    /// Which bytes there are in any of them.
    alphabet: [bool; 256],
    held: BytesMut,
    has_found: bool,
}

impl Redactor {
    pub(super) fn new(secret: &Secret) -> Self {
        let mut spellings = Vec::with_capacity(5);
        let mut add = |spelling: Vec<u8>| {
            let spelling = Zeroizing::new(spelling);
            if spelling.len() >= SHORTEST && !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        };
        let secret = secret.expose().as_bytes();
        add(secret.to_vec());
        add(percent_encode(secret, RESERVED).to_string().into_bytes());
        for bytes_before in 0..3 {
            let core = base64_core(secret, bytes_before);
            let for_urls = core.iter().map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            });
            add(for_urls.collect());
            add(core);
        }
        let mut alphabet = [false; 256];
        for byte in spellings.iter().flat_map(|spelling| spelling.iter()) {
            if let Some(is_in) = alphabet.get_mut(usize::from(*byte)) {
                *is_in = true;
            }
        }
        Self {
            shortest: spellings
                .iter()
                .map(|spelling| spelling.len())
                .min()
                .unwrap_or(usize::MAX),
            spellings,
            alphabet,
            held: BytesMut::new(),
            has_found: false,
        }
    }

    /// Whether the secret has been seen.
    pub(super) fn has_found(&self) -> bool {
        self.has_found
    }

    /// Takes the next piece and returns what can go on, of the same length but for what is held back.
    pub(super) fn redact(&mut self, piece: Bytes) -> Bytes {
        if self.held.is_empty() && !self.is_in(&piece) && self.length_of_beginning_in(&piece) == 0 {
            return piece;
        }
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(&piece);
        self.overwrite(&mut bytes);
        let safe = bytes.len() - self.length_of_beginning_in(&bytes);
        self.held = bytes.split_off(safe);
        bytes.freeze()
    }

    /// What is held back, once nothing follows.
    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.held).freeze()
    }

    pub(super) fn redact_headers(&mut self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if !self.is_in(value.as_bytes()) {
                continue;
            }
            let mut bytes = value.as_bytes().to_vec();
            self.overwrite(&mut bytes);
            *value = HeaderValue::from_bytes(&bytes).unwrap_or(HeaderValue::from_static("*"));
        }
    }

    /// A spelling is a run of its alphabet longer than nearly any word of an answer, so that a look at
    /// a byte here and there is enough to see that there is none.
    fn is_in(&self, bytes: &[u8]) -> bool {
        let mut at = self.shortest - 1;
        while let Some((before, from)) = bytes.split_at_checked(at)
            && let Some(byte) = from.first()
        {
            if self.is_of_alphabet(*byte) {
                let is_other = |byte: &u8| !self.is_of_alphabet(*byte);
                let start = before.iter().rposition(is_other).map_or(0, |other| other + 1);
                let end = at + from.iter().position(is_other).unwrap_or(from.len());
                let run = bytes.get(start..end).unwrap_or_default();
                let is_spelling = |spelling: &Zeroizing<Vec<u8>>| memmem::find(run, spelling).is_some();
                if run.len() >= self.shortest && self.spellings.iter().any(is_spelling) {
                    return true;
                }
                at = end;
            }
            at += self.shortest;
        }
        false
    }

    fn is_of_alphabet(&self, byte: u8) -> bool {
        self.alphabet.get(usize::from(byte)).copied().unwrap_or_default()
    }

    fn overwrite(&mut self, bytes: &mut [u8]) {
        for spelling in &self.spellings {
            let mut rest = &mut *bytes;
            // Never looks at the same byte twice: a key may be made of what overwrites it.
            while let Some(start) = memmem::find(rest, spelling) {
                self.has_found = true;
                let (before_and_key, after) = rest.split_at_mut(start + spelling.len());
                before_and_key.iter_mut().skip(start).for_each(|byte| *byte = FILLER);
                rest = after;
            }
        }
    }

    /// How many of the last bytes could be the beginning of a spelling.
    fn length_of_beginning_in(&self, bytes: &[u8]) -> usize {
        if bytes.last().is_none_or(|last| !self.is_of_alphabet(*last)) {
            return 0;
        }
        let of_spelling = |spelling: &Zeroizing<Vec<u8>>| {
            let tail = bytes.get(bytes.len().saturating_sub(spelling.len() - 1)..)?;
            let start = memchr_iter(*spelling.first()?, tail)
                .find(|start| tail.get(*start..).is_some_and(|end| spelling.starts_with(end)))?;
            Some(tail.len() - start)
        };
        self.spellings.iter().filter_map(of_spelling).max().unwrap_or(0)
    }
}

/// The characters that base64 of text with the secret in it has in any case, where so many bytes
/// (modulo three) come before it.
fn base64_core(secret: &[u8], bytes_before: usize) -> Vec<u8> {
    let padded = Zeroizing::new([vec![0; bytes_before].as_slice(), secret].concat());
    let encoded = Zeroizing::new(BASE64_STANDARD_NO_PAD.encode(padded.as_slice()));
    // A character that holds bits of what comes before or after is not the secret's own.
    let first = (bytes_before * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    encoded.as_bytes().get(first..last).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "sk-canary/+~0123456789abcdef";

    fn redacted(pieces: &[&[u8]]) -> Vec<u8> {
        let mut redactor = Redactor::new(&Secret::new(KEY));
        let mut out = Vec::new();
        for piece in pieces {
            out.extend_from_slice(&redactor.redact(Bytes::copy_from_slice(piece)));
        }
        out.extend_from_slice(&redactor.rest());
        out
    }

    #[test]
    fn threat_131_a_key_is_overwritten_in_every_spelling_and_the_length_stays() {
        let encoded = percent_encode(KEY.as_bytes(), RESERVED).to_string();
        for spelling in [KEY, encoded.as_str()] {
            let text = format!("bad key: {spelling}, sorry");

            let out = redacted(&[text.as_bytes()]);

            assert_eq!(out.len(), text.len());
            assert!(out.starts_with(b"bad key: ***") && out.ends_with(b"***, sorry"));
        }
        for before in ["", "B", "Be", "Bearer "] {
            for engine in [&BASE64_STANDARD, &BASE64_URL_SAFE] {
                let text = engine.encode(format!("{before}{KEY} and more"));

                let out = redacted(&[text.as_bytes()]);

                let stars = String::from_utf8_lossy(&out).matches('*').count();
                assert!(stars + 2 > KEY.len() * 4 / 3, "{}", String::from_utf8_lossy(&out));
            }
        }
    }

    #[test]
    fn threat_131_a_key_in_a_header_is_overwritten() {
        let mut headers = HeaderMap::new();
        headers.insert("x-debug", format!("Bearer {KEY}").parse().unwrap());
        headers.insert("x-other", "plain".parse().unwrap());
        let mut redactor = Redactor::new(&Secret::new(KEY));

        redactor.redact_headers(&mut headers);

        assert!(redactor.has_found());
        assert_eq!(headers["x-debug"], format!("Bearer {}", "*".repeat(KEY.len())));
        assert_eq!(headers["x-other"], "plain");
    }

    #[test]
    fn nothing_is_held_back_that_cannot_be_the_key() {
        let mut redactor = Redactor::new(&Secret::new(KEY));

        let out = redactor.redact(Bytes::from_static(b"data: {\"text\":\"sk-cans\"}\n\n"));

        assert_eq!(out, b"data: {\"text\":\"sk-cans\"}\n\n".as_slice());
        assert_eq!(redactor.redact(Bytes::from_static(b"ask-")), b"a".as_slice());
        assert_eq!(redactor.redact(Bytes::from_static(b"other")), b"sk-other".as_slice());
    }

    #[test]
    fn a_key_made_of_the_filler_does_no_harm() {
        let mut redactor = Redactor::new(&Secret::new("********"));

        let out = redactor.redact(Bytes::from_static(b"a **************** b"));

        assert_eq!(out, b"a **************** b".as_slice());
    }

    #[test]
    fn a_key_too_short_to_be_one_is_left_alone() {
        let mut redactor = Redactor::new(&Secret::new("none"));

        assert_eq!(redactor.redact(Bytes::from_static(b"none")), b"none".as_slice());
    }

    proptest! {
        #[test]
        fn threat_131_a_key_is_found_wherever_it_stands(before in "[a-z0-9+~ \n\"]{0,90}", after in "[a-z0-9+~ \n\"]{0,90}") {
            let text = format!("{before}{KEY}{after}");

            let out = redacted(&[text.as_bytes()]);

            let expected = format!("{before}{}{after}", "*".repeat(KEY.len()));
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }

        #[test]
        fn threat_131_a_key_split_anywhere_never_passes(
            first in 0..=KEY.len(),
            second in 0..=KEY.len(),
            before in "[a-z-]{0,8}",
            after in "[a-z-]{0,8}",
        ) {
            let (first, second) = (first.min(second), first.max(second));
            let (start, middle, end) = (&KEY[..first], &KEY[first..second], &KEY[second..]);
            let pieces = [format!("{before}{start}"), middle.to_owned(), format!("{end}{after}")];
            let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();

            let out = redacted(&pieces);

            let expected = format!("{before}{}{after}", "*".repeat(KEY.len()));
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
