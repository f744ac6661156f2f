//! What a client shows to prove who it is (RFC 6749, section 2.3.1), and whether it is true.

use std::net::IpAddr;

use aipassport_domain::{
    client::{Client, ClientAuthentication},
    ids::ClientId,
    secret::{Secret, SecretHash},
};
use aipassport_store::StoreError;
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;

use crate::{app::App, strangers::TooMany};

mod tries;

pub use tries::Tries;

/// A client's name, and the secret it showed, if any; nothing of it is believed yet.
pub(crate) struct Presented {
    pub(crate) client_id: ClientId,
    pub(crate) secret: Option<Secret>,
}

/// Why a client is not who it says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAuthentic {
    /// There is no such client, or what it shows is not its secret: nobody is told which.
    #[error("unknown client, or wrong secret")]
    Wrong,
    #[error("too many wrong secrets were shown from there")]
    TooMany(TooMany),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The client, if it is who it says: with its own secret, or, for a public client, with none. It
/// may have been disabled.
///
/// The same work is done for a client that does not exist, so that time does not tell which do
/// (`security.md` 43).
pub(crate) async fn authentic(app: &App, presented: &Presented, place: Option<IpAddr>) -> Result<Client, NotAuthentic> {
    let client = app.store.client(&app.tenant_id, &presented.client_id).await?;
    let expected = client.as_ref().map(|client| &client.authentication);
    let is_authentic = match &presented.secret {
        // Nothing is guessed.
        None => expected == Some(&ClientAuthentication::None),
        Some(secret) => {
            let shown = app.vault.hash(secret.expose());
            let nothing = SecretHash(Vec::new());
            let expected = match expected {
                Some(ClientAuthentication::Secret(expected)) => expected,
                Some(ClientAuthentication::None) | None => &nothing,
            };
            let is_right = || is_equal(Some(&shown), expected);
            app.client_secrets
                .count(&presented.client_id, place, app.clock.now(), is_right)
                .map_err(NotAuthentic::TooMany)?
        }
    };
    client.filter(|_| is_authentic).ok_or(NotAuthentic::Wrong)
}

/// In time that does not depend on where the two differ.
pub(crate) fn is_equal(shown: Option<&SecretHash>, expected: &SecretHash) -> bool {
    shown.is_some_and(|shown| shown.0.ct_eq(&expected.0).into())
}

/// Why an `Authorization` header says nothing about a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotBasic {
    Twice,
    /// Another scheme, or not to be read.
    Unreadable,
}

/// The client of an `Authorization: Basic` header; `None` where there is no such header.
pub(crate) fn basic(headers: &HeaderMap) -> Result<Option<Presented>, NotBasic> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(NotBasic::Twice),
        (Some(value), None) => read_basic(value.to_str().unwrap_or_default())
            .map(Some)
            .ok_or(NotBasic::Unreadable),
    }
}

/// Name and secret were each form-encoded before they were joined.
fn read_basic(value: &str) -> Option<Presented> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = BASE64_STANDARD
        .decode(encoded.trim())
        .ok()
        .map(zeroize::Zeroizing::new)?;
    let (name, secret) = std::str::from_utf8(&joined).ok()?.split_once(':')?;
    let decode = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8()
            .ok()
            .map(std::borrow::Cow::into_owned)
    };
    Some(Presented {
        client_id: ClientId::new(decode(name)?),
        secret: Some(Secret::new(decode(secret)?)),
    })
}
