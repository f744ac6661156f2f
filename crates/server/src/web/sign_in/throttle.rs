//! How often a password may be tried, for a name and from a place, whether the name is anybody's
//! or not (`security.md` 81, 183).

use std::net::IpAddr;

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    secret::Secret,
};
use aipassport_store::{StoreError, User};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::web::error::PageError;
use crate::{app::App, password::PasswordError};

const WINDOW_SECONDS: i64 = 15 * 60;
/// Of one name from one place: a user who mistypes is not locked out by strangers elsewhere.
const MOST_OF_NAME_AND_PEER: u64 = 10;
const MOST_OF_NAME: u64 = 100;
const MOST_OF_PEER: u64 = 60;

/// Checks a password within what may be tried; `user` is `None` for a name that nobody has.
///
/// Security invariant: the failures are counted by whoever holds a place, so that guesses sent all
/// at once are not all let through before the first of them has failed.
pub(in crate::web) async fn verify(
    app: &App,
    name: &str,
    user: Option<&User>,
    password: Secret,
    peer: Option<IpAddr>,
) -> Result<bool, PageError> {
    let broken = |error: PasswordError| PageError::Broken(error.into());
    let keys = keys(app, name, peer);
    let since = app.clock.now().plus_seconds(-WINDOW_SECONDS);

    let place = app.passwords.place().await.map_err(broken)?;
    for (key, most) in &keys {
        if app.store.sign_in_failures(&app.tenant_id, key, since).await? >= *most {
            return Err(PageError::TooManyTries);
        }
    }
    let stored = user
        .filter(|user| user.suspended_at.is_none())
        .and_then(|user| user.password_hash.as_deref());
    let is_right = place.verify(password, stored).await.map_err(broken)?;
    if is_right {
        // Not those of the place: whoever has an account could begin anew with it for ever.
        let [of_name_and_peer, of_name, _] = &keys;
        for (key, _) in [of_name_and_peer, of_name] {
            app.store.clear_sign_in_failures(&app.tenant_id, key).await?;
        }
    } else {
        record(app, user, &keys).await?;
    }
    Ok(is_right)
}

async fn record(app: &App, user: Option<&User>, keys: &[(String, u64)]) -> Result<(), StoreError> {
    let event = AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: app.clock.now(),
        actor: Actor::Nobody,
        user_id: user.map(|user| user.id.clone()),
        grant_id: None,
        // What was typed is written down only if it is a user's name: it may be a password.
        what: Happened::SignInFailed {
            name: user.map(|user| user.name.clone()).unwrap_or_default(),
        },
    };
    if let Some(((first, _), rest)) = keys.split_first() {
        app.store.record_sign_in_failure(first, &event).await?;
        for (key, _) in rest {
            app.store.count_sign_in_failure(&app.tenant_id, key, event.at).await?;
        }
    }
    Ok(())
}

/// What failures are counted under, hashed, and how many there may be.
fn keys(app: &App, name: &str, peer: Option<IpAddr>) -> [(String, u64); 3] {
    let key = |kind: &str, what: &str| {
        BASE64_URL_SAFE_NO_PAD.encode(app.vault.hash(&format!("sign-in failures\n{kind}\n{what}")).0)
    };
    let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
    [
        (key("name and peer", &format!("{peer}\n{name}")), MOST_OF_NAME_AND_PEER),
        (key("name", name), MOST_OF_NAME),
        (key("peer", &peer), MOST_OF_PEER),
    ]
}
