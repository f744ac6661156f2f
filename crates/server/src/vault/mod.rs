//! Sealing at rest: a key-encryption key outside the database wraps each tenant's data key, and
//! the data key seals credentials and keys the hashes of opaque ones.
//!
//! A sealed value is bound to the row it belongs to ([`Place`]): moved elsewhere, it does not open
//! (`security.md`, 6.10). Somebody with the database alone can open nothing and verify no token.

use std::path::Path;

use aipassport_domain::{
    ids::{AuthorizationRequestId, ClientId, CredentialId, TenantId, UserId, WebhookId},
    secret::{Sealed, Secret, SecretHash},
};
use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    hmac,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::random::Random;

mod key_file;

/// Scheme 1: AES-256-GCM-SIV, random nonce, keys by HKDF-SHA-256.
const SCHEME: u8 = 1;
const KEY_LEN: usize = 32;
/// Scheme byte and nonce.
const HEADER_LEN: usize = 1 + NONCE_LEN;

/// The key-encryption key. Opens data keys and nothing else.
pub struct KeyEncryptionKey(Zeroizing<[u8; KEY_LEN]>);

/// One tenant's data key at work.
pub struct Vault {
    tenant_id: TenantId,
    sealing: LessSafeKey,
    hashing: hmac::Key,
    pairwise: hmac::Key,
    codes: hmac::Key,
}

/// Where a sealed value belongs; part of what is authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub table: &'a str,
    pub column: &'a str,
    pub row: &'a str,
}

impl<'a> Place<'a> {
    pub fn of_credential(id: &'a CredentialId) -> Self {
        Self {
            table: "credentials",
            column: "sealed",
            row: id.as_str(),
        }
    }

    /// Of the secret that a webhook's messages are signed with.
    pub fn of_webhook(id: &'a WebhookId) -> Self {
        Self {
            table: "webhooks",
            column: "sealed",
            row: id.as_str(),
        }
    }

    /// Of the one that it replaced.
    pub fn of_former_webhook(id: &'a WebhookId) -> Self {
        Self {
            column: "former_sealed",
            ..Self::of_webhook(id)
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("a sealed value does not open: it was changed, moved, or sealed with another key")]
    DoesNotOpen,
    #[error("could not seal")]
    DoesNotSeal,
    #[error("{0}")]
    KeyFile(String),
}

impl KeyEncryptionKey {
    /// Reads the key file, or makes it (mode 0600) where there is none yet.
    pub fn from_file(path: &Path, random: &dyn Random) -> Result<Self, VaultError> {
        key_file::read_or_make(path, random).map(Self)
    }

    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new data key for `tenant_id`, wrapped for the store.
    pub fn wrap_new_data_key(&self, tenant_id: &TenantId, random: &dyn Random) -> Result<Sealed, VaultError> {
        let mut data_key = Zeroizing::new([0; KEY_LEN]);
        random.fill(data_key.as_mut());
        let key = derive(self.0.as_ref(), b"wrap data keys")?;
        seal(
            &aead_key(key.as_ref())?,
            &data_key_aad(tenant_id),
            data_key.as_ref(),
            random,
        )
    }

    /// Opens the tenant's data key and puts it to work.
    pub fn open_vault(&self, tenant_id: &TenantId, wrapped: &Sealed) -> Result<Vault, VaultError> {
        let key = derive(self.0.as_ref(), b"wrap data keys")?;
        let data_key = open(&aead_key(key.as_ref())?, &data_key_aad(tenant_id), wrapped)?;
        Ok(Vault {
            tenant_id: tenant_id.clone(),
            sealing: aead_key(derive(&data_key, b"seal")?.as_ref())?,
            hashing: hmac::Key::new(
                hmac::HMAC_SHA256,
                derive(&data_key, b"hash opaque credentials")?.as_ref(),
            ),
            pairwise: hmac::Key::new(hmac::HMAC_SHA256, derive(&data_key, b"pairwise subjects")?.as_ref()),
            codes: hmac::Key::new(hmac::HMAC_SHA256, derive(&data_key, b"authorization codes")?.as_ref()),
        })
    }
}

impl Vault {
    pub fn seal(&self, place: Place<'_>, secret: &Secret, random: &dyn Random) -> Result<Sealed, VaultError> {
        seal(&self.sealing, &self.aad(place), secret.expose().as_bytes(), random)
    }

    /// Opens what [`Vault::seal`] sealed for the same place.
    pub fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Secret, VaultError> {
        let bytes = open(&self.sealing, &self.aad(place), sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| VaultError::DoesNotOpen)?;
        Ok(Secret::new(text))
    }

    /// The only form in which an opaque credential is stored.
    pub fn hash(&self, opaque: &str) -> SecretHash {
        SecretHash(hmac::sign(&self.hashing, opaque.as_bytes()).as_ref().to_vec())
    }

    /// A user's `sub` as one client sees it: another client sees another one.
    pub fn pairwise_subject(&self, user_id: &UserId, client_id: &ClientId) -> String {
        let both = format!("{user_id}\n{client_id}");
        let tag = hmac::sign(&self.pairwise, both.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref())
    }

    /// The authorization code of a request. It is worked out, not drawn, so that the consent page
    /// can issue it and the authorization endpoint send it, and nobody has to keep it in clear.
    pub fn authorization_code(&self, request_id: &AuthorizationRequestId) -> Secret {
        let tag = hmac::sign(&self.codes, request_id.as_str().as_bytes());
        Secret::new(BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    fn aad(&self, place: Place<'_>) -> String {
        let Place { table, column, row } = place;
        format!("aipassport|{table}|{column}|{row}|{}|{SCHEME}", self.tenant_id)
    }
}

fn data_key_aad(tenant_id: &TenantId) -> String {
    format!("aipassport|data_keys|wrapped|{tenant_id}|{tenant_id}|{SCHEME}")
}

struct KeyLen;

impl KeyType for KeyLen {
    fn len(&self) -> usize {
        KEY_LEN
    }
}

fn derive(key: &[u8], purpose: &[u8]) -> Result<Zeroizing<[u8; KEY_LEN]>, VaultError> {
    let mut derived = Zeroizing::new([0; KEY_LEN]);
    Salt::new(HKDF_SHA256, b"aipassport")
        .extract(key)
        .expand(&[purpose], KeyLen)
        .and_then(|expanded| expanded.fill(derived.as_mut()))
        .map_err(|_| VaultError::DoesNotSeal)?;
    Ok(derived)
}

fn aead_key(key: &[u8]) -> Result<LessSafeKey, VaultError> {
    UnboundKey::new(&AES_256_GCM_SIV, key)
        .map(LessSafeKey::new)
        .map_err(|_| VaultError::DoesNotSeal)
}

fn seal(key: &LessSafeKey, aad: &str, plain: &[u8], random: &dyn Random) -> Result<Sealed, VaultError> {
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut nonce);
    let mut body = plain.to_vec();
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(aad.as_bytes()),
        &mut body,
    )
    .map_err(|_| VaultError::DoesNotSeal)?;
    Ok(Sealed([[SCHEME].as_slice(), &nonce, &body].concat()))
}

fn open(key: &LessSafeKey, aad: &str, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (header, body) = sealed.0.split_at_checked(HEADER_LEN).ok_or(VaultError::DoesNotOpen)?;
    let Some((&SCHEME, nonce)) = header.split_first() else {
        return Err(VaultError::DoesNotOpen);
    };
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::DoesNotOpen)?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = key
        .open_in_place(nonce, Aad::from(aad.as_bytes()), body.as_mut_slice())
        .map_err(|_| VaultError::DoesNotOpen)?
        .len();
    body.truncate(length);
    Ok(body)
}

#[cfg(test)]
mod tests;
