//! Access tokens and app keys that have been verified once. A signature, or a question to the store,
//! costs hundreds of times what looking up a digest does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aipassport_domain::{
    ids::{ClientId, GrantId},
    time::Timestamp,
};
use aws_lc_rs::digest;

use super::error::GatewayError;
use crate::{app::App, entries::APP_KEY_PREFIX, signing::TokenError};

const MOST_TOKENS: usize = 20_000;
/// An app key lasts as long as its grant; after so long it is looked up again, for it takes a place.
const APP_KEY_SECONDS: i64 = 3600;

/// SHA-256 of a credential: enough to know it again, not enough to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; digest::SHA256_OUTPUT_LEN]);

/// What the hot path needs of a token whose signature and claims were checked, or of an app key that
/// the store knows.
#[derive(Debug)]
pub(super) struct VerifiedToken {
    pub(super) grant_id: GrantId,
    pub(super) client_id: ClientId,
    pub(super) audience: String,
    /// What it is revoked by: a token's own id, or the app key's.
    pub(super) jti: String,
    pub(super) expires_at: Timestamp,
}

#[derive(Default)]
pub(super) struct Tokens {
    verified: Mutex<HashMap<TokenDigest, Arc<VerifiedToken>>>,
}

impl Tokens {
    /// Checks a credential: a token by its signature, an app key by the store, either only when it has
    /// not been seen before.
    pub(super) async fn verify(
        &self,
        app: &App,
        credential: &str,
        now: Timestamp,
    ) -> Result<(TokenDigest, Arc<VerifiedToken>), GatewayError> {
        let digest = TokenDigest::of(credential);
        let is_app_key = credential.starts_with(APP_KEY_PREFIX);
        let known = self.lock().get(&digest).cloned();
        match known {
            Some(known) if now < known.expires_at => return Ok((digest, known)),
            Some(_) if !is_app_key => {
                self.forget(&digest);
                return Err(GatewayError::Unauthenticated("the access token has expired"));
            }
            _ => {}
        }
        let verified = Arc::new(if is_app_key {
            app_key(app, credential, now).await?
        } else {
            access_token(app, credential, now)?
        });
        self.remember(digest, Arc::clone(&verified), now);
        Ok((digest, verified))
    }

    pub(super) fn forget(&self, digest: &TokenDigest) {
        self.lock().remove(digest);
    }

    fn remember(&self, digest: TokenDigest, token: Arc<VerifiedToken>, now: Timestamp) {
        let mut verified = self.lock();
        if verified.len() >= MOST_TOKENS {
            verified.retain(|_, token| now < token.expires_at);
        }
        if verified.len() >= MOST_TOKENS {
            verified.clear();
        }
        verified.insert(digest, token);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenDigest, Arc<VerifiedToken>>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenDigest {
    fn of(token: &str) -> Self {
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

fn access_token(app: &App, token: &str, now: Timestamp) -> Result<VerifiedToken, GatewayError> {
    let claims = app
        .signing
        .verify(token, now, &app.config.public_url)
        .map_err(refusal)?;
    Ok(VerifiedToken {
        grant_id: claims.grant_id,
        client_id: claims.client_id,
        audience: claims.aud,
        jti: claims.jti,
        expires_at: Timestamp::from_seconds(claims.exp),
    })
}

async fn app_key(app: &App, key: &str, now: Timestamp) -> Result<VerifiedToken, GatewayError> {
    let found = app.store.app_key(&app.tenant_id, &app.vault.hash(key)).await?;
    let found = found.ok_or(GatewayError::Unauthenticated("there is no such app key"))?;
    Ok(VerifiedToken {
        grant_id: found.grant_id,
        client_id: found.client_id,
        audience: app.config.public_url.clone(),
        jti: found.id.to_string(),
        expires_at: now.plus_seconds(APP_KEY_SECONDS),
    })
}

fn refusal(error: TokenError) -> GatewayError {
    GatewayError::Unauthenticated(match error {
        TokenError::Expired => "the access token has expired",
        _ => "the credential is not an access token of this broker",
    })
}
