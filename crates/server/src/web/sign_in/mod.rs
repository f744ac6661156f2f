//! Signing in and out: the only pages for people we do not know yet.

pub(super) mod return_to;
pub(super) mod throttle;

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    secret::Secret,
};
use aipassport_store::{BrowserSession, StoreError, User};
use askama::Template;
use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use http::{HeaderMap, StatusCode, header};

use super::{
    error::PageError,
    form::{Fields, OpenForm, SignedForm},
    page::{Frame, page, see_other},
    return_to::own_path,
};
use crate::{
    app::App,
    browser_session::{self, set_cookie},
};

/// The same for a wrong name and a wrong password (`security.md` 81).
const WRONG: &str = "That name and password do not belong together.";

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage {
    pub(super) frame: Frame,
    pub(super) failure: Option<&'static str>,
    pub(super) return_to: String,
    pub(super) name: String,
    /// Who is signed in by one click; the demo's user alone.
    pub(super) one_click: Option<String>,
}

#[derive(Template)]
#[template(path = "first_run.html")]
pub(super) struct FirstRunPage {
    pub(super) frame: Frame,
}

pub(super) async fn show(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    let return_to = own_path(query.raw("return_to")).to_owned();
    if browser_session::signed_in(&app, &headers).await?.is_some() {
        return Ok(see_other(&return_to));
    }
    let frame = Frame::outside(&app);
    if app.store.users(&app.tenant_id).await?.is_empty() {
        let first_run = FirstRunPage { frame };
        return page(StatusCode::OK, &first_run.frame, &first_run);
    }
    let sign_in = SignInPage {
        frame,
        failure: None,
        return_to,
        name: String::new(),
        one_click: one_click_user(&app).await?.map(|user| user.name),
    };
    page(StatusCode::OK, &sign_in.frame, &sign_in)
}

pub(super) async fn sign_in(State(app): State<App>, form: OpenForm) -> Result<Response, PageError> {
    let name = form.fields.text("name");
    let return_to = own_path(form.fields.raw("return_to"));
    let user = match app.store.user_by_name(&app.tenant_id, name).await {
        // A name that cannot be stored is nobody's.
        Err(StoreError::Unstorable) => None,
        found => found?,
    };
    let password = Secret::new(form.fields.raw("password"));

    let is_right = throttle::verify(&app, name, user.as_ref(), password, form.peer).await?;
    if let Some(user) = user.filter(|_| is_right) {
        return enter(&app, &user, &form.headers, return_to).await;
    }
    let again = SignInPage {
        frame: Frame::outside(&app),
        failure: Some(WRONG),
        return_to: return_to.to_owned(),
        name: name.to_owned(),
        one_click: None,
    };
    page(StatusCode::UNPROCESSABLE_ENTITY, &again.frame, &again)
}

/// The demo's way in.
pub(super) async fn one_click_sign_in(State(app): State<App>, form: OpenForm) -> Result<Response, PageError> {
    let user = one_click_user(&app).await?.ok_or(PageError::NotFound)?;
    enter(&app, &user, &form.headers, own_path(form.fields.raw("return_to"))).await
}

/// Nobody, unless the demo says who, and nobody but this machine can reach it.
async fn one_click_user(app: &App) -> Result<Option<User>, StoreError> {
    match &app.config.one_click_user {
        Some(id) if app.config.listen.ip().is_loopback() => app.store.user(&app.tenant_id, id).await,
        _ => Ok(None),
    }
}

/// Starts a session of its own, whatever the browser came with, and goes on.
pub(super) async fn enter(app: &App, user: &User, headers: &HeaderMap, return_to: &str) -> Result<Response, PageError> {
    let now = app.clock.now();
    let cookie = app.random.secret("");
    let session = BrowserSession {
        hash: app.vault.hash(cookie.expose()),
        tenant_id: app.tenant_id.clone(),
        user_id: user.id.clone(),
        started_at: now,
        last_seen_at: now,
    };
    // An identifier from before sign-in, planted or not, is worth nothing after it
    // (`security.md` 71).
    let replaced = browser_session::presented(app, headers);
    app.store
        .start_browser_session(&session, replaced.as_ref(), &event(app, user, Happened::SignedIn))
        .await?;
    let mut response = see_other(return_to);
    response
        .headers_mut()
        .extend(set_cookie(&app.config, &cookie).map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

pub(super) async fn sign_out(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let SignedForm { signed_in, fields, .. } = form;
    app.store
        .end_browser_session(
            &signed_in.session.hash,
            &event(&app, &signed_in.user, Happened::SignedOut),
        )
        .await?;
    Ok(left(&app, own_path(fields.raw("return_to"))))
}

/// To the sign-in page, without a session.
pub(super) fn left(app: &App, return_to: &str) -> Response {
    let query: String = form_urlencoded::byte_serialize(return_to.as_bytes()).collect();
    let mut response = see_other(&format!("/login?return_to={query}"));
    response
        .headers_mut()
        .extend(browser_session::forget_cookie(&app.config).map(|cookie| (header::SET_COOKIE, cookie)));
    response
}

/// Something that `user` did at a browser.
pub(super) fn event(app: &App, user: &User, what: Happened) -> AuditEvent {
    AuditEvent {
        tenant_id: app.tenant_id.clone(),
        at: app.clock.now(),
        actor: Actor::User(user.id.clone()),
        user_id: Some(user.id.clone()),
        grant_id: None,
        what,
    }
}
