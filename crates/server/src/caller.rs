//! Which user calls: at a browser, or through a program with a bearer for the API (`aip_…`, from
//! `aipassport user token`).
//!
//! A bearer is decisive where there is one: a wrong one is refused, and no cookie is looked at.
//! Access tokens of clients are no such bearers: what a user allowed an app is not the app's to
//! change (`security.md` 165).

use aipassport_store::{StoreError, User};
use http::{HeaderMap, HeaderValue, header};

use crate::{
    app::App,
    browser_session::{self, SignedIn},
};

/// Where scripts of our own pages put the token that forms have in a field.
pub const CSRF_HEADER: &str = "aipassport-csrf";

#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    #[error("sign in, or send a bearer made with `aipassport user token`")]
    NobodySignedIn,
    /// A browser sent this, but no page of ours made it do so.
    #[error("the request did not come from a page of this broker")]
    Forged,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CallerError {
    /// What the caller is told; a failure of the store is for our logs.
    pub fn told(&self) -> String {
        match self {
            Self::NobodySignedIn | Self::Forged => self.to_string(),
            Self::Store(_) => "This cannot be done right now".to_owned(),
        }
    }
}

/// The user who asks to see something.
pub async fn reading(app: &App, headers: &HeaderMap) -> Result<User, CallerError> {
    if headers.contains_key(header::AUTHORIZATION) {
        return by_bearer(app, headers).await;
    }
    at_browser(app, headers).await.map(|signed_in| signed_in.user)
}

/// The user who asks to change something. A browser has to prove that a page of ours asked it to,
/// because it sends its cookie along whoever asked.
pub async fn changing(app: &App, headers: &HeaderMap) -> Result<User, CallerError> {
    if headers.contains_key(header::AUTHORIZATION) {
        return by_bearer(app, headers).await;
    }
    let signed_in = at_browser(app, headers).await?;
    let csrf_token = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    signed_in
        .check_form(app, headers, csrf_token.unwrap_or_default())
        .map_err(|_| CallerError::Forged)?;
    Ok(signed_in.user)
}

/// Whether the caller has to sign in again before anything is allowed that was not before: a browser
/// that was left open, or a stolen cookie, must not raise a limit. (A bearer was made with care.)
pub async fn has_to_sign_in_again(app: &App, headers: &HeaderMap) -> Result<bool, CallerError> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok(false);
    }
    let signed_in = at_browser(app, headers).await?;
    Ok(signed_in.asks_password(app.clock.now()))
}

async fn at_browser(app: &App, headers: &HeaderMap) -> Result<SignedIn, CallerError> {
    browser_session::signed_in(app, headers)
        .await?
        .ok_or(CallerError::NobodySignedIn)
}

async fn by_bearer(app: &App, headers: &HeaderMap) -> Result<User, CallerError> {
    let token = bearer(headers).ok_or(CallerError::NobodySignedIn)?;
    app.store
        .user_by_api_token(&app.tenant_id, &app.vault.hash(token), app.clock.now())
        .await?
        .ok_or(CallerError::NobodySignedIn)
}

/// The only `Authorization` header's bearer token.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let only = values.next().filter(|_| values.next().is_none());
    let (scheme, token) = only
        .and_then(|value: &HeaderValue| value.to_str().ok())?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
