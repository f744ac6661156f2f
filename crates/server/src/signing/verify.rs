//! What the header and the claims of an access token must say (RFC 9068, section 4; RFC 8725).

use aipassport_domain::{
    access_token::AccessTokenClaims,
    ids::{KeyId, ProviderId},
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::unique_json;

/// How far the clock of another instance may be ahead of ours.
const CLOCK_SKEW_SECONDS: i64 = 60;
/// More than anything we write.
const DEEPEST: u8 = 16;
/// The end of the year 9999; times beyond it are mistakes or attacks.
const LATEST: i64 = 253_402_300_799;

/// Why a token is refused. The bearer is told no more than "invalid", or that it has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("longer than any access token")]
    TooLong,
    #[error("not a compact JWS")]
    NotCompact,
    #[error("not the header of an access token")]
    Header,
    #[error("signed with a key that is unknown or not in force")]
    UnknownKey,
    #[error("the signature does not fit")]
    BadSignature,
    #[error("not the claims of an access token")]
    Claims,
    #[error("from another issuer, or for another audience")]
    Foreign,
    #[error("from the future")]
    NotYetValid,
    #[error("expired")]
    Expired,
}

pub(super) fn header(kid: &KeyId) -> String {
    json!({"typ": "at+jwt", "alg": "ES256", "kid": kid}).to_string()
}

/// Accepts the three members that we write and nothing else, and returns the `kid`.
///
/// RFC 7515 would have us ignore members we do not know; but whoever issued this token is us, so one
/// more member is an attempt: a key of its own (`jwk`, `jku`, `x5c`, `x5u`), an extension that we
/// must understand (`crit`), another payload encoding (`b64`).
pub(super) fn check_header(json: &[u8]) -> Result<KeyId, TokenError> {
    let Ok(Value::Object(members)) = unique_json::read(json, DEEPEST) else {
        return Err(TokenError::Header);
    };
    let text = |name| members.get(name).and_then(Value::as_str).ok_or(TokenError::Header);
    if members.len() != 3 || text("alg")? != "ES256" || !is_access_token_type(text("typ")?) {
        return Err(TokenError::Header);
    }
    text("kid").map(KeyId::new)
}

/// RFC 9068, section 4. Media types are compared without regard to case (RFC 2045, section 5.1).
fn is_access_token_type(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}

/// Reads claims whose signature has been checked.
///
/// A token is dead at its `exp` to the second: we set it ourselves, never past the end of the grant.
pub(super) fn check_claims(json: &[u8], now: Timestamp, issuer: &str) -> Result<AccessTokenClaims, TokenError> {
    let claims = unique_json::read(json, DEEPEST).map_err(|_| TokenError::Claims)?;
    let claims: AccessTokenClaims = serde_json::from_value(claims).map_err(|_| TokenError::Claims)?;

    let times = [Some(claims.iat), Some(claims.exp), claims.nbf];
    if !times.into_iter().flatten().all(|time| (0..=LATEST).contains(&time)) || claims.exp <= claims.iat {
        return Err(TokenError::Claims);
    }
    if claims.iss != issuer || !is_ours(&claims.aud, issuer) {
        return Err(TokenError::Foreign);
    }
    let latest_start = now.seconds().saturating_add(CLOCK_SKEW_SECONDS);
    if claims.iat > latest_start || claims.nbf.is_some_and(|start| start > latest_start) {
        return Err(TokenError::NotYetValid);
    }
    if now.seconds() >= claims.exp {
        return Err(TokenError::Expired);
    }
    Ok(claims)
}

/// The audience of tokens for one provider's path, or for all of them.
pub fn audience(issuer: &str, provider: Option<&ProviderId>) -> String {
    match provider {
        Some(provider) => format!("{issuer}/{provider}"),
        None => issuer.to_owned(),
    }
}

/// Whether a verified token with the audience `aud` may be shown on `provider`'s path: a token for
/// `/openai` is worth nothing at `/anthropic`.
pub fn is_for(aud: &str, issuer: &str, provider: &ProviderId) -> bool {
    let path = aud.strip_prefix(issuer);
    path.is_some_and(|path| path.is_empty() || path.strip_prefix('/') == Some(provider.as_str()))
}

fn is_ours(audience: &str, issuer: &str) -> bool {
    let is_provider = |path: &str| path.strip_prefix('/').is_some_and(ProviderId::is_well_formed);
    audience
        .strip_prefix(issuer)
        .is_some_and(|path| path.is_empty() || is_provider(path))
}
