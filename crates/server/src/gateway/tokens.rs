//! Access tokens that have been verified once. A signature costs hundreds of times what looking up
//! a digest does.

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
use crate::{app::App, signing::TokenError};

const MOST_TOKENS: usize = 20_000;

/// SHA-256 of a token: enough to know it again, not enough to use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; digest::SHA256_OUTPUT_LEN]);

/// What the hot path needs of a token whose signature and claims were checked.
#[derive(Debug)]
pub(super) struct VerifiedToken {
    pub(super) grant_id: GrantId,
    pub(super) client_id: ClientId,
    pub(super) audience: String,
    pub(super) jti: String,
    pub(super) expires_at: Timestamp,
}

#[derive(Default)]
pub(super) struct Tokens {
    verified: Mutex<HashMap<TokenDigest, Arc<VerifiedToken>>>,
}

impl Tokens {
    /// Checks a token, by its signature when it has not been seen before.
    pub(super) fn verify(
        &self,
        app: &App,
        token: &str,
        now: Timestamp,
    ) -> Result<(TokenDigest, Arc<VerifiedToken>), GatewayError> {
        let digest = TokenDigest::of(token);
        let known = self.lock().get(&digest).cloned();
        if let Some(known) = known {
            return if now < known.expires_at {
                Ok((digest, known))
            } else {
                self.forget(&digest);
                Err(GatewayError::Unauthenticated("the access token has expired"))
            };
        }

        let claims = app
            .signing
            .verify(token, now, &app.config.public_url)
            .map_err(refusal)?;
        let verified = Arc::new(VerifiedToken {
            grant_id: claims.grant_id,
            client_id: claims.client_id,
            audience: claims.aud,
            jti: claims.jti,
            expires_at: Timestamp::from_seconds(claims.exp),
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

fn refusal(error: TokenError) -> GatewayError {
    GatewayError::Unauthenticated(match error {
        TokenError::Expired => "the access token has expired",
        _ => "the credential is not an access token of this broker",
    })
}
