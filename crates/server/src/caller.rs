//! Who calls the JSON surfaces: the user behind an API bearer, or behind a browser session.

use aipassport_store::{StoreError, User};
use http::{HeaderMap, header};

use crate::{
    app::App,
    browser_session::{self, Forged, SignedIn},
};

/// The header in which a page's own script repeats the session's form token.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// A user, and how we know.
#[derive(Debug)]
pub enum Caller {
    Bearer(User),
    Browser(SignedIn),
}

impl Caller {
    pub fn user(&self) -> &User {
        match self {
            Self::Bearer(user) => user,
            Self::Browser(signed_in) => &signed_in.user,
        }
    }

    /// Checks that the caller itself wants a change. A bearer is never sent by a browser on its
    /// own; a cookie is, so the form token must come with it (`security.md` 64).
    pub fn check_may_change(&self, app: &App, headers: &HeaderMap) -> Result<(), Forged> {
        match self {
            Self::Bearer(_) => Ok(()),
            Self::Browser(signed_in) => {
                let token = headers.get(CSRF_HEADER).and_then(|token| token.to_str().ok());
                signed_in.check_form(app, headers, token.ok_or(Forged::Token)?)
            }
        }
    }
}

/// The user who calls, if there is one. A bearer that is shown counts alone, even if it is wrong.
pub async fn caller(app: &App, headers: &HeaderMap) -> Result<Option<Caller>, StoreError> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let Some(authorization) = shown.next() else {
        return Ok(browser_session::signed_in(app, headers).await?.map(Caller::Browser));
    };
    let is_only = shown.next().is_none();
    let bearer = authorization.to_str().ok().filter(|_| is_only).and_then(bearer);
    let Some(bearer) = bearer else { return Ok(None) };
    let hash = app.vault.hash(bearer);
    let user = app
        .store
        .user_by_api_token(&app.tenant_id, &hash, app.clock.now())
        .await?;
    Ok(user.map(Caller::Bearer))
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
