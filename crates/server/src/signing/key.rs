//! One signing key: made, sealed for the store, and read back.

use aipassport_domain::{
    ids::{KeyId, TenantId},
    secret::Secret,
    time::Timestamp,
};
use aipassport_store::{SigningKey as KeyRecord, SigningKeyState};
use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::json;

use super::{SigningError, compact::Compact};
use crate::{
    random::Random,
    vault::{Place, Vault},
};

/// The length of one coordinate of a point on P-256.
const COORDINATE_LEN: usize = 32;

pub(super) struct SigningKey {
    pub(super) kid: KeyId,
    pub(super) state: SigningKeyState,
    coordinates: Coordinates,
    pair: EcdsaKeyPair,
    verifier: Verifier,
}

/// The public part, parsed once.
pub(super) struct Verifier(ParsedPublicKey);

impl Verifier {
    /// The library takes no point that is off the curve.
    pub(super) fn of_point(point: &[u8]) -> Result<Self, SigningError> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .map(Self)
            .map_err(|_| SigningError::BadKey)
    }

    /// Whether the signature is this key's: `r` and `s`, 32 bytes each, and both in range.
    pub(super) fn accepts(&self, compact: &Compact<'_>) -> bool {
        self.0.verify_sig(compact.message, &compact.signature).is_ok()
    }
}

/// The public point, as `x` and `y` of a JWK (RFC 7518, section 6.2.1).
struct Coordinates {
    x: String,
    y: String,
}

/// A new key, active at once: for a broker that has none, there is no cache of our JWK Set that
/// could miss it.
///
/// The key itself is drawn from the cryptography library's own generator.
pub(super) fn make(
    vault: &Vault,
    random: &dyn Random,
    tenant_id: &TenantId,
    now: Timestamp,
) -> Result<KeyRecord, SigningError> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| SigningError::BadKey)?;
    let coordinates = Coordinates::of(&pair)?;
    let kid = coordinates.thumbprint();
    let document = pair.to_pkcs8v1().map_err(|_| SigningError::BadKey)?;
    let private = Secret::new(BASE64_STANDARD.encode(document.as_ref()));
    Ok(KeyRecord {
        tenant_id: tenant_id.clone(),
        public_jwk: coordinates.to_jwk(&kid).to_string(),
        sealed_private_key: vault.seal(place(&kid), &private, random)?,
        kid,
        state: SigningKeyState::Active,
        created_at: now,
    })
}

fn place(kid: &KeyId) -> Place<'_> {
    Place {
        table: "signing_keys",
        column: "private",
        row: kid.as_str(),
    }
}

impl SigningKey {
    /// Opens a key of the store.
    ///
    /// The public part is worked out from the sealed private one, never taken from its own column:
    /// otherwise whoever can write to the database could slip in a key of their own, and sign.
    pub(super) fn read(record: &KeyRecord, vault: &Vault) -> Result<Self, SigningError> {
        let private = vault.open(place(&record.kid), &record.sealed_private_key)?;
        let private = BASE64_STANDARD
            .decode(private.expose())
            .map(zeroize::Zeroizing::new)
            .map_err(|_| SigningError::BadKey)?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private).map_err(|_| SigningError::BadKey)?;
        let coordinates = Coordinates::of(&pair)?;
        if coordinates.thumbprint() != record.kid {
            return Err(SigningError::BadKey);
        }
        let verifier = Verifier::of_point(pair.public_key().as_ref())?;
        Ok(Self {
            kid: record.kid.clone(),
            state: record.state,
            coordinates,
            pair,
            verifier,
        })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        self.pair
            .sign(&SystemRandom::new(), message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| SigningError::BadKey)
    }

    pub(super) fn has_signed(&self, compact: &Compact<'_>) -> bool {
        self.verifier.accepts(compact)
    }

    /// As published.
    pub(super) fn to_jwk(&self) -> serde_json::Value {
        self.coordinates.to_jwk(&self.kid)
    }
}

impl Coordinates {
    fn of(pair: &EcdsaKeyPair) -> Result<Self, SigningError> {
        // An uncompressed point (SEC 1, section 2.3.3): 4, then both coordinates.
        let Some((4, point)) = pair.public_key().as_ref().split_first() else {
            return Err(SigningError::BadKey);
        };
        let (x, y) = point.split_at_checked(COORDINATE_LEN).ok_or(SigningError::BadKey)?;
        Ok(Self {
            x: BASE64_URL_SAFE_NO_PAD.encode(x),
            y: BASE64_URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// RFC 7638, section 3: the digest of the required members in their order.
    fn thumbprint(&self) -> KeyId {
        let Self { x, y } = self;
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let digest = digest::digest(&digest::SHA256, canonical.as_bytes());
        KeyId::new(BASE64_URL_SAFE_NO_PAD.encode(digest))
    }

    fn to_jwk(&self, kid: &KeyId) -> serde_json::Value {
        json!({"kty": "EC", "crv": "P-256", "x": self.x, "y": self.y, "use": "sig", "alg": "ES256", "kid": kid})
    }
}
