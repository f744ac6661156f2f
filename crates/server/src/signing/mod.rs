//! Signing keys and access tokens: ES256 only, keys kept in the store, one strict verification.
//!
//! [`SigningKeys`] signs and verifies. How a compact JWS is taken apart is in `compact.rs`, what its
//! header and claims must say in `verify.rs`, where keys come from in `key.rs`, and what an access
//! token of ours says in `access_token.rs`. Whether the grant behind a valid token still lives is
//! not known here.

use std::sync::{Arc, PoisonError, RwLock};

use aipassport_domain::{
    access_token::AccessTokenClaims,
    audit::{Actor, AuditEvent, Happened},
    ids::{KeyId, TenantId},
    time::Timestamp,
};
use aipassport_store::{SigningKeyState, Store, StoreError};

use self::{compact::Compact, key::SigningKey};
use crate::{
    random::Random,
    vault::{Vault, VaultError},
};

mod access_token;
mod compact;
mod key;
mod verify;

pub use self::{
    access_token::{AccessToken, issue_access_token},
    verify::{TokenError, audience, is_for},
};

/// The keys of one tenant: parsed once, and replaced as a whole by [`SigningKeys::reload`].
pub struct SigningKeys(RwLock<Arc<KeySet>>);

struct KeySet {
    /// Oldest first.
    keys: Vec<SigningKey>,
    /// The JWK Set as published, written once.
    published: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error("there is no active signing key")]
    NoActiveKey,
    #[error("a signing key cannot be made, read or used")]
    BadKey,
    #[error("claims that no verification of ours would accept")]
    BadClaims,
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SigningKeys {
    /// Reads the tenant's keys, and makes the first one where there is none.
    ///
    /// Two processes that start at the same time may make one each: both are published and verify,
    /// and the newer one signs.
    pub async fn load_or_create(
        store: &Store,
        vault: &Vault,
        random: &dyn Random,
        tenant_id: &TenantId,
        now: Timestamp,
    ) -> Result<Self, SigningError> {
        let mut keys = KeySet::load(store, vault, tenant_id).await?;
        if keys.newest_active().is_none() {
            let key = key::make(vault, random, tenant_id, now)?;
            let event = AuditEvent {
                tenant_id: tenant_id.clone(),
                at: now,
                actor: Actor::Broker,
                user_id: None,
                grant_id: None,
                what: Happened::SigningKeyCreated {
                    kid: key.kid.to_string(),
                },
            };
            store.add_signing_key(&key, &event).await?;
            keys = KeySet::load(store, vault, tenant_id).await?;
        }
        Ok(Self(RwLock::new(Arc::new(keys))))
    }

    /// Reads the tenant's keys; fails where one does not open or none can sign.
    pub async fn load(store: &Store, vault: &Vault, tenant_id: &TenantId) -> Result<Self, SigningError> {
        let keys = KeySet::load(store, vault, tenant_id).await?;
        keys.newest_active().ok_or(SigningError::NoActiveKey)?;
        Ok(Self(RwLock::new(Arc::new(keys))))
    }

    /// Takes over what the store says now: after a rotation, or a revocation in an emergency.
    pub async fn reload(&self, store: &Store, vault: &Vault, tenant_id: &TenantId) -> Result<(), SigningError> {
        let keys = Arc::new(KeySet::load(store, vault, tenant_id).await?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Signs an access token with the newest active key.
    pub fn issue(&self, claims: &AccessTokenClaims) -> Result<String, SigningError> {
        let keys = self.keys();
        let key = keys.newest_active().ok_or(SigningError::NoActiveKey)?;
        let claims = serde_json::to_vec(claims).map_err(|_| SigningError::BadClaims)?;
        compact::write(&verify::header(&key.kid), &claims, |message| key.sign(message))
    }

    /// Checks an access token as strictly as we write them, and reads its claims.
    ///
    /// `issuer` is our own public URL; the audience is that or one of its provider paths, which the
    /// caller compares with where the token was shown ([`is_for`]). Nothing but the keys in memory
    /// is asked, so that a made-up `kid` costs no look-up.
    pub fn verify(&self, token: &str, now: Timestamp, issuer: &str) -> Result<AccessTokenClaims, TokenError> {
        let compact = Compact::split(token)?;
        let kid = verify::check_header(&compact.header)?;
        let keys = self.keys();
        let key = keys.verifying(&kid).ok_or(TokenError::UnknownKey)?;
        if !key.has_signed(&compact) {
            return Err(TokenError::BadSignature);
        }
        verify::check_claims(&compact.claims, now, issuer)
    }

    /// The JWK Set (RFC 7517, section 5): the public part of every key that is not revoked.
    pub fn jwks(&self) -> String {
        self.keys().published.clone()
    }

    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl KeySet {
    async fn load(store: &Store, vault: &Vault, tenant_id: &TenantId) -> Result<Self, SigningError> {
        let records = store.signing_keys(tenant_id).await?;
        let keys = records.iter().map(|record| SigningKey::read(record, vault));
        Ok(Self::of(keys.collect::<Result<_, _>>()?))
    }

    fn of(keys: Vec<SigningKey>) -> Self {
        let published = keys.iter().filter(|key| key.state != SigningKeyState::Revoked);
        let published = serde_json::json!({ "keys": published.map(SigningKey::to_jwk).collect::<Vec<_>>() });
        Self {
            keys,
            published: published.to_string(),
        }
    }

    fn newest_active(&self) -> Option<&SigningKey> {
        self.keys.iter().rfind(|key| key.state == SigningKeyState::Active)
    }

    fn verifying(&self, kid: &KeyId) -> Option<&SigningKey> {
        self.keys
            .iter()
            .find(|key| &key.kid == kid)
            .filter(|key| matches!(key.state, SigningKeyState::Active | SigningKeyState::Retired))
    }
}

#[cfg(test)]
mod tests;
