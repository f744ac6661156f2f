//! The compact form of a JWS (RFC 7515, section 7.1), and nothing more lenient.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{SigningError, TokenError};

/// Longer than any access token we write; what is longer is not looked at.
pub(super) const LONGEST: usize = 8 * 1024;

/// A compact JWS taken apart; nothing of it is to be believed yet.
pub(super) struct Compact<'a> {
    /// What the signature is over.
    pub(super) message: &'a [u8],
    pub(super) header: Vec<u8>,
    pub(super) claims: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart: exactly three parts, none empty, each in base64url without padding,
    /// spaces, other alphabets or unused bits that are set. So every token has one spelling, and a
    /// cache or a revocation keyed by it cannot be sidestepped.
    pub(super) fn split(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::NotCompact)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::NotCompact)?;
        Ok(Self {
            message: message.as_bytes(),
            header: decode(header)?,
            claims: decode(claims)?,
            signature: decode(signature)?,
        })
    }
}

/// Refuses dots too, so that there are no more than three parts.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .ok()
        .filter(|bytes| !bytes.is_empty())
        .ok_or(TokenError::NotCompact)
}

pub(super) fn write(
    header: &str,
    claims: &[u8],
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, SigningError>,
) -> Result<String, SigningError> {
    let mut token = BASE64_URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    // We would refuse it ourselves.
    if token.len() > LONGEST {
        return Err(SigningError::BadClaims);
    }
    Ok(token)
}
