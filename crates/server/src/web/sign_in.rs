//! Signing in and out: the only pages for people we do not know yet.

use aipassport_domain::{
    audit::{Actor, AuditEvent, Happened},
    secret::Secret,
};
use aipassport_store::{BrowserSession, User};
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
    throttle,
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
    sign_in_page(frame, StatusCode::OK, None, return_to, String::new())
}

pub(super) async fn sign_in(State(app): State<App>, form: OpenForm) -> Result<Response, PageError> {
    let name = form.fields.text("name");
    let return_to = own_path(form.fields.raw("return_to"));
    let user = app.store.user_by_name(&app.tenant_id, name).await;
    // A name that cannot be stored is nobody's.
    let user = user.or_else(|error| match error {
        aipassport_store::StoreError::Unstorable => Ok(None),
        other => Err(other),
    })?;
    let peer = throttle::peer(&app, &form.headers, &form.extensions);
    let password = Secret::new(form.fields.raw("password"));

    let is_right = throttle::verify(&app, name, user.as_ref(), password, peer).await?;
    match user.filter(|_| is_right) {
        Some(user) => enter(&app, &user, &form.headers, return_to).await,
        None => sign_in_page(
            Frame::outside(&app),
            StatusCode::UNPROCESSABLE_ENTITY,
            Some(WRONG),
            return_to.to_owned(),
            name.to_owned(),
        ),
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
    response.headers_mut().extend(
        set_cookie(&app.config, &cookie).map(|cookie| (header::SET_COOKIE, cookie)),
    );
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
    response.headers_mut().extend(
        browser_session::forget_cookie(&app.config).map(|cookie| (header::SET_COOKIE, cookie)),
    );
    response
}

fn sign_in_page(
    frame: Frame,
    status: StatusCode,
    failure: Option<&'static str>,
    return_to: String,
    name: String,
) -> Result<Response, PageError> {
    let sign_in = SignInPage {
        frame,
        failure,
        return_to,
        name,
    };
    page(status, &sign_in.frame, &sign_in)
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
