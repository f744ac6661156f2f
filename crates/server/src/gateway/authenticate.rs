//! Step 1: from the credential in a request to the grant it stands for.

use std::sync::Arc;

use aipassport_domain::{
    ids::{ClientId, GrantId, ProviderId},
    time::Timestamp,
};
use http::{HeaderMap, header, request};

use super::{
    error::GatewayError,
    grants::Snapshot,
    tokens::{TokenDigest, VerifiedToken},
};
use crate::{app::App, signing};

/// Where vendors' SDKs put their key.
const KEY_HEADERS: [&str; 3] = ["x-api-key", "x-goog-api-key", "api-key"];
/// Names under which a credential is sometimes put into a query, a form or a cookie.
const KEY_NAMES: [&str; 8] = [
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "authorization",
    "key",
    "token",
    "x-api-key",
];

/// Who calls: a verified access token or app key, and the grant behind it.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) token: Arc<VerifiedToken>,
    pub(super) digest: TokenDigest,
    pub(super) grant: Arc<Snapshot>,
}

/// Finds the caller of a request to `provider`; without one, of a request about the grant itself.
///
/// Whether the grant still holds is policy's question; here it must only exist, and nobody may have
/// cut its token, client or user off.
pub(super) async fn authenticate(
    app: &App,
    head: &request::Parts,
    provider: Option<&ProviderId>,
    now: Timestamp,
) -> Result<Caller, GatewayError> {
    let token = presented(head)?;
    let (digest, token) = app.gateway.tokens.verify(app, token, now).await?;
    if let Some(provider) = provider
        && !signing::is_for(&token.audience, &app.config.public_url, provider)
    {
        return Err(GatewayError::Unauthenticated("the access token is for another address"));
    }
    let mut grant = app.gateway.grants.get(app, &token.grant_id).await?;
    if grant.as_ref().is_some_and(|grant| grant.is_suspended()) {
        // A suspension ends, perhaps by another process; no ledger would tell, for none is asked.
        grant = app.gateway.grants.load(app, &token.grant_id).await?;
    }
    let grant = grant.ok_or(GatewayError::Unauthenticated("the access token has been revoked"))?;
    let caller = Caller { token, digest, grant };
    caller.check_not_cut_off()?;
    Ok(caller)
}

impl Caller {
    /// Its grant and client.
    pub(super) fn ids(&self) -> (&GrantId, &ClientId) {
        (&self.token.grant_id, &self.token.client_id)
    }

    fn check_not_cut_off(&self) -> Result<(), GatewayError> {
        if self.grant.is_cut_off(&self.token.jti) || self.grant.grant().client_id != self.token.client_id {
            return Err(GatewayError::Unauthenticated("the access token has been revoked"));
        }
        Ok(())
    }

    /// Checks that the user has a key at the provider: without one there is nothing to hold for.
    pub(super) fn check_has_key_for(&self, provider: &ProviderId) -> Result<(), GatewayError> {
        let destination = self.grant.destination(provider);
        destination.map(|_| ()).ok_or(GatewayError::NoCredential)
    }

    /// Whether the grant lets the provider keep what it makes.
    pub(super) fn has_stored_state(&self, provider: &ProviderId) -> bool {
        let access = self.grant.grant().access_to(provider);
        access.is_some_and(|access| access.features.stored_state)
    }

    /// The same caller by what the store says now, for answers that no ledger checks.
    pub(super) async fn refreshed(self, app: &App) -> Result<Self, GatewayError> {
        let grant = app.gateway.grants.load(app, &self.token.grant_id).await?;
        let grant = grant.ok_or(GatewayError::Unauthenticated("the access token has been revoked"))?;
        let caller = Self { grant, ..self };
        caller.check_not_cut_off()?;
        Ok(caller)
    }
}

/// The one credential of a request: in one of the headers where SDKs put it, and nowhere else.
///
/// Security invariant: two credentials in one request are refused, for another reader on the way
/// could go by the other one (`security.md`, 19); what stands in a URL ends up in logs.
pub(super) fn presented(head: &request::Parts) -> Result<&str, GatewayError> {
    let is_key = |name: &str| KEY_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known));
    let query = head.uri.query().unwrap_or_default();
    if query
        .split('&')
        .any(|pair| is_key(pair.split('=').next().unwrap_or_default()))
    {
        return Err(GatewayError::Malformed("a credential does not belong in the query"));
    }
    if has_credential_cookie(&head.headers, is_key) {
        return Err(GatewayError::Malformed("a credential does not belong in a cookie"));
    }

    let keys = KEY_HEADERS.iter().flat_map(|name| head.headers.get_all(*name));
    let mut keys = keys.map(|value| (value, false)).chain(
        head.headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .map(|value| (value, true)),
    );
    let Some((value, has_scheme)) = keys.next() else {
        return Err(without_credential(&head.headers));
    };
    if keys.next().is_some() {
        return Err(GatewayError::Malformed("send one credential, once"));
    }
    let malformed = GatewayError::Unauthenticated("the credential is not an access token");
    let Ok(value) = value.to_str() else {
        return Err(malformed);
    };
    if !has_scheme {
        return Ok(value);
    }
    // RFC 9110, section 11.1: the name of a scheme has no case.
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_start_matches(' ')),
        _ => Err(malformed),
    }
}

/// A form may carry one (RFC 6750, section 2.2); here it may not.
fn without_credential(headers: &HeaderMap) -> GatewayError {
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if is_form {
        GatewayError::Malformed("a credential does not belong in the body")
    } else {
        GatewayError::NoToken
    }
}

fn has_credential_cookie(headers: &HeaderMap, is_key: impl Fn(&str) -> bool) -> bool {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.split_once('='))
        .any(|(name, _)| is_key(name.trim()))
}
