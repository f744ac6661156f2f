//! Settings: the clock of the limits, webhooks, password, bearer for scripts, and signing out everywhere.

use aipassport_domain::{audit::Happened, secret::Secret, time};
use askama::Template;
use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use http::StatusCode;

use super::{
    consent::Choosable,
    error::PageError,
    form::{Fields, SignedForm, Visitor},
    page::{Frame, Section, page, see_other},
    parts::FieldError,
    sign_in, throttle,
    webhooks::{self, NewSecret, WebhooksPart},
};
use crate::{
    app::App,
    browser_session::SignedIn,
    entries::{new_api_token, new_time_zone},
    password::PasswordError,
};

#[derive(Template)]
#[template(path = "settings.html")]
pub(super) struct SettingsPage {
    pub(super) frame: Frame,
    pub(super) errors: Vec<FieldError>,
    /// Shown this once.
    pub(super) new_bearer: Option<String>,
    pub(super) user_name: String,
    pub(super) time_zones: Vec<Choosable>,
    pub(super) webhooks: WebhooksPart,
    pub(super) has_password: bool,
    pub(super) asks_password: bool,
}

/// What there is to say above or in the page.
#[derive(Default)]
pub(super) struct Said {
    notice: Option<&'static str>,
    new_bearer: Option<String>,
    new_secret: Option<NewSecret>,
    /// Address and description of a webhook that was not added.
    webhook_entered: Option<(String, String)>,
    errors: Vec<FieldError>,
}

impl Said {
    pub(super) fn wrong(error: FieldError) -> Self {
        Self {
            errors: vec![error],
            ..Self::default()
        }
    }

    /// Of a webhook whose address and description are shown again.
    pub(super) fn wrong_webhook(error: FieldError, url: &str, description: &str) -> Self {
        Self {
            webhook_entered: Some((url.to_owned(), description.to_owned())),
            ..Self::wrong(error)
        }
    }

    pub(super) fn new_secret(secret: NewSecret) -> Self {
        Self {
            new_secret: Some(secret),
            ..Self::default()
        }
    }
}

pub(super) async fn show(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    Visitor(signed_in): Visitor,
) -> Result<Response, PageError> {
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    let notice = match query.text("done") {
        "password" => Some("Your password was changed."),
        "time-zone" => Some("Your limits follow that clock from the next call on."),
        "webhook-tested" => Some("The test message arrived."),
        "webhook-removed" => Some("The webhook was removed. Nothing is sent to it any more."),
        _ => None,
    };
    let said = Said {
        notice,
        ..Said::default()
    };
    settings_page(&app, &signed_in, said).await
}

pub(super) async fn set_password(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let user = &form.signed_in.user;
    let again = |error| settings_page(&app, &form.signed_in, Said::wrong(error));
    if user.password_hash.is_some() && !knows_password(&app, &form, "current").await? {
        return again(FieldError::new("current", "That is not your present password.")).await;
    }
    let new = Secret::new(form.fields.raw("new"));
    let hashed = match app.passwords.hash(new, app.random.clone()).await {
        Ok(hashed) => hashed,
        Err(PasswordError::Length) => {
            return again(FieldError::new("new", "A password has 10 to 512 characters.")).await;
        }
        Err(error) => return Err(PageError::Broken(error.into())),
    };
    let event = sign_in::event(&app, user, Happened::PasswordChanged);
    app.store.set_password(&user.id, &hashed, &event).await?;
    // Every session has ended; whoever changed the password stays, in a new one.
    sign_in::enter(&app, user, &form.headers, "/settings?done=password").await
}

pub(super) async fn set_time_zone(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let user = &form.signed_in.user;
    let Ok((time_zone, chosen)) = new_time_zone(form.fields.text("time_zone")) else {
        let error = FieldError::new("time-zone", "Choose a time zone from the list.");
        return settings_page(&app, &form.signed_in, Said::wrong(error)).await;
    };
    let event = sign_in::event(&app, user, chosen);
    app.store.set_time_zone(&user.id, &time_zone, &event).await?;
    Ok(see_other("/settings?done=time-zone"))
}

pub(super) async fn make_bearer(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let signed_in = &form.signed_in;
    if asks_password(&app, signed_in) && !knows_password(&app, &form, "password").await? {
        let error = FieldError::new("bearer-password", "That is not your password.");
        return settings_page(&app, signed_in, Said::wrong(error)).await;
    }
    let (bearer, token, issued) = new_api_token(app.making(), &signed_in.user.id);
    app.store
        .issue_api_token(&token, &sign_in::event(&app, &signed_in.user, issued))
        .await?;
    let said = Said {
        new_bearer: Some(bearer.expose().to_owned()),
        ..Said::default()
    };
    settings_page(&app, signed_in, said).await
}

pub(super) async fn sign_out_everywhere(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let user = &form.signed_in.user;
    app.store
        .end_browser_sessions(&user.id, &sign_in::event(&app, user, Happened::SignedOut))
        .await?;
    Ok(sign_in::left(&app, "/apps"))
}

/// Whether a risky act needs the password again: the sign-in is a while ago, and there is one.
pub(super) fn asks_password(app: &App, signed_in: &SignedIn) -> bool {
    signed_in.asks_password(app.clock.now())
}

/// Checks the user's own password, counted like a sign-in.
pub(super) async fn knows_password(app: &App, form: &SignedForm, field: &str) -> Result<bool, PageError> {
    let user = &form.signed_in.user;
    let password = Secret::new(form.fields.raw(field));
    throttle::verify(app, &user.name, Some(user), password, form.peer).await
}

/// Every zone, the user's own chosen, even if it is not one that people live in.
fn time_zones(present: &str) -> Vec<Choosable> {
    let mut names = time::zone_names();
    if !names.iter().any(|name| name == present) {
        names.push(present.to_owned());
    }
    let choosable = |name: String| Choosable {
        words: name.replace('_', " "),
        is_selected: name == present,
        value: name,
    };
    names.into_iter().map(choosable).collect()
}

pub(super) async fn settings_page(app: &App, signed_in: &SignedIn, said: Said) -> Result<Response, PageError> {
    let status = if said.errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let user = &signed_in.user;
    let mut webhooks = webhooks::part(app, signed_in).await?;
    webhooks.new_secret = said.new_secret;
    (webhooks.url, webhooks.description) = said.webhook_entered.unwrap_or_default();
    let settings = SettingsPage {
        frame: Frame::inside(app, signed_in, Section::Settings).with_notice(said.notice),
        errors: said.errors,
        new_bearer: said.new_bearer,
        user_name: super::app_words::clean(&user.name, 80),
        time_zones: time_zones(&user.time_zone),
        webhooks,
        has_password: user.password_hash.is_some(),
        asks_password: asks_password(app, signed_in),
    };
    page(status, &settings.frame, &settings)
}
