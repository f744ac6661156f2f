//! Where one part ends and the next begins, wherever the network has cut the body.

use http::HeaderValue;
use memchr::memmem::Finder;

use super::FormError;

/// RFC 2046, section 5.1.1.
const LONGEST_BOUNDARY: usize = 70;
const MEDIA_TYPE: &str = "multipart/form-data";

/// The bytes between two parts: a line end, two dashes and the boundary.
#[derive(Clone, Debug)]
pub(super) struct Delimiter {
    bytes: Vec<u8>,
    /// Finds it without its line end.
    finder: Finder<'static>,
}

/// How far a part reaches into the bytes at hand.
pub(super) enum Reach {
    /// The part ends here; the delimiter begins.
    EndsAt(usize),
    /// All before this is the part's; what follows may be the beginning of a delimiter.
    AtLeast(usize),
}

impl Delimiter {
    /// Reads the boundary from a `Content-Type`. Security invariant: one way to read it. With a
    /// second parameter, an encoded one or a padded one, the provider could cut the same bytes into
    /// other parts than those that were checked.
    pub(super) fn of(content_type: &HeaderValue) -> Result<Self, FormError> {
        const UNREADABLE: FormError = FormError::Boundary;
        let text = content_type.to_str().map_err(|_| UNREADABLE)?;
        let (kind, parameter) = text.split_once(';').ok_or(UNREADABLE)?;
        let (name, value) = parameter.trim().split_once('=').ok_or(UNREADABLE)?;
        if !kind.trim().eq_ignore_ascii_case(MEDIA_TYPE) || !name.eq_ignore_ascii_case("boundary") {
            return Err(UNREADABLE);
        }
        let boundary = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').ok_or(UNREADABLE)?,
            None if value.bytes().all(is_token) => value,
            None => return Err(UNREADABLE),
        };
        if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY || !boundary.bytes().all(is_boundary) {
            return Err(UNREADABLE);
        }
        let finder = Finder::new(&format!("--{boundary}")).into_owned();
        let bytes = format!("\r\n--{boundary}").into_bytes();
        Ok(Self { bytes, finder })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The delimiter of the first part, which no line end precedes.
    pub(super) fn opening(&self) -> &[u8] {
        self.finder.needle()
    }

    /// How far the part reaches that `bytes` are of. Security invariant: the boundary stands nowhere in
    /// it (RFC 2046, section 5.1.1). Behind half a line end, some readers would begin another part.
    pub(super) fn reach(&self, bytes: &[u8]) -> Result<Reach, FormError> {
        if let Some(dashes) = self.finder.find(bytes) {
            let before = bytes.get(..dashes).unwrap_or_default();
            return match before.strip_suffix(b"\r\n") {
                Some(content) => Ok(Reach::EndsAt(content.len())),
                None if before.is_empty() => Err(FormError::BoundaryInside),
                // What stands before it is looked at first, so that a form is refused for the same reason
                // wherever it is cut.
                None => Ok(Reach::AtLeast(dashes)),
            };
        }
        let longest = bytes.len().min(self.bytes.len() - 1);
        let cut = (1..=longest).rev().find(|length| {
            let tail = bytes.get(bytes.len() - length..).unwrap_or_default();
            self.bytes.starts_with(tail) || self.opening().starts_with(tail)
        });
        Ok(Reach::AtLeast(bytes.len() - cut.unwrap_or_default()))
    }
}

/// RFC 9110, section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 2046, section 5.1.1, without the space.
fn is_boundary(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte)
}
