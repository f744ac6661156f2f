//! The signed-in browser: from its cookie to its user, and the proof that a form came from a page
//! of ours.
//!
//! The cookie is 256 random bits; the store knows only their keyed hash. Whoever changes state for
//! a browser calls [`SignedIn::check_form`], or, before there is a session, [`check_origin`].

use aipassport_domain::{
    secret::{Secret, SecretHash},
    time::Timestamp,
};
use aipassport_store::{BrowserSession, StoreError, User};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use subtle::ConstantTimeEq;

use crate::{app::App, config::Config, vault::Vault};

/// A session is touched at most so often, so that a page that polls does not write all the time.
const TOUCH_AFTER_SECONDS: i64 = 60;
/// Risky acts need a sign-in, or the password again, within this time (`security.md`, section 3).
const FRESH_SECONDS: i64 = 5 * 60;

/// A user at a browser.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: User,
    pub session: BrowserSession,
}

/// A request that changes state and was not made by a page of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    #[error("the form was not sent from a page of this broker")]
    Origin,
    #[error("the form belongs to another session")]
    Token,
}

/// The user whose browser sent `headers`, if the session has not ended.
pub async fn signed_in(app: &App, headers: &HeaderMap) -> Result<Option<SignedIn>, StoreError> {
    let now = app.clock.now();
    let Some(signed_in) = peek(app, headers).await? else {
        return Ok(None);
    };
    let SignedIn { session, .. } = &signed_in;
    if session.last_seen_at.plus_seconds(TOUCH_AFTER_SECONDS) <= now {
        app.store
            .touch_browser_session(&app.tenant_id, &session.hash, now)
            .await?;
    }
    Ok(Some(signed_in))
}

/// Like [`signed_in`], but does not count as being seen: a page left open and polling ends like one
/// that was closed.
pub async fn peek(app: &App, headers: &HeaderMap) -> Result<Option<SignedIn>, StoreError> {
    let Some(hash) = presented(app, headers) else {
        return Ok(None);
    };
    let found = app
        .store
        .browser_session(&app.tenant_id, &hash, app.clock.now())
        .await?;
    Ok(found.map(|(session, user)| SignedIn { user, session }))
}

/// The hash of the session that the browser presents, valid or not; sign-in replaces it.
pub fn presented(app: &App, headers: &HeaderMap) -> Option<SecretHash> {
    let name = cookie_name(&app.config);
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim_start().strip_prefix(name)?.strip_prefix('='));
    let only = values.next()?;
    // Two cookies of that name: one was planted from a sibling host or port, and which one is
    // unknown (`security.md` 72).
    values.next().is_none().then(|| app.vault.hash(only))
}

/// The cookie of a new session.
pub fn set_cookie(config: &Config, secret: &Secret) -> Option<HeaderValue> {
    let mut cookie = HeaderValue::from_str(&cookie(config, secret.expose(), BrowserSession::LONGEST_SECONDS)).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

/// Tells the browser to forget its session.
pub fn forget_cookie(config: &Config) -> Option<HeaderValue> {
    HeaderValue::from_str(&cookie(config, "", 0)).ok()
}

/// `__Host-` binds the cookie to this very host over HTTPS. Plain HTTP is allowed on loopback
/// alone, where browsers would not store such a cookie.
fn cookie_name(config: &Config) -> &'static str {
    if config.is_https() {
        "__Host-aip_session"
    } else {
        "aip_session"
    }
}

fn cookie(config: &Config, value: &str, max_age: i64) -> String {
    let secure = if config.is_https() { "; Secure" } else { "" };
    let name = cookie_name(config);
    format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
}

/// Checks that a browser sent this from a page of ours. Browsers name the origin of every form
/// they post; what does not say where it comes from is refused, too.
pub fn check_origin(config: &Config, headers: &HeaderMap) -> Result<(), Forged> {
    let fetch_site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let ours = url::Url::parse(&config.public_url).map(|url| url.origin().ascii_serialization());
    let is_ours = ours.is_ok_and(|ours| origin == Some(ours.as_bytes()));
    if is_ours && fetch_site.is_none_or(|site| site == b"same-origin") {
        Ok(())
    } else {
        Err(Forged::Origin)
    }
}

impl SignedIn {
    /// Goes into every form of this session.
    pub fn csrf_token(&self, vault: &Vault) -> String {
        self.ticket(vault, "csrf", "")
    }

    /// Proof that this session was shown `what`; `purpose` keeps tickets of different forms apart.
    pub fn ticket(&self, vault: &Vault, purpose: &str, what: &str) -> String {
        let session = BASE64_URL_SAFE_NO_PAD.encode(&self.session.hash.0);
        BASE64_URL_SAFE_NO_PAD.encode(vault.hash(&format!("ticket\n{purpose}\n{session}\n{what}")).0)
    }

    /// Checks that a form with this token came from a page of ours, shown to this very session.
    pub fn check_form(&self, app: &App, headers: &HeaderMap, csrf_token: &str) -> Result<(), Forged> {
        check_origin(&app.config, headers)?;
        let expected = self.csrf_token(&app.vault);
        if bool::from(expected.as_bytes().ct_eq(csrf_token.as_bytes())) {
            Ok(())
        } else {
            Err(Forged::Token)
        }
    }

    /// Whether a risky act needs the password again: the sign-in is a while ago, and there is one.
    pub fn asks_password(&self, now: Timestamp) -> bool {
        let is_fresh = now < self.session.started_at.plus_seconds(FRESH_SECONDS);
        self.user.password_hash.is_some() && !is_fresh
    }
}
