//! Pages: where a user signs in, consents, and watches and stops what apps do.
//!
//! Begin with `consent/`, the page that decides about money; `page.rs` is how any page is answered.
//! The authorization endpoint sends a browser to `/login?return_to=…` and to
//! `/consent/{request_id}`; once the request is decided, the browser is sent back to
//! [`ANSWER_PATH`], which is the authorization server's: approving has issued
//! [`crate::vault::Vault::authorization_code`], and only it is left to be sent. Pages hold no
//! secrets, and no script of theirs is needed to use them.

mod activity;
mod alerts;
mod apps;
mod consent;
mod keys;
mod page;
mod prices;
mod register;
#[cfg(test)]
mod samples;
mod settings;
mod shared_limits;
mod sign_in;
mod tools;
mod webhooks;
mod words;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::map_response_with_state,
    routing::{get, post},
};

use self::{
    page::{assets, charts, error, form, parts},
    sign_in::{return_to, throttle},
    words::{app_words, limit_words, numbers, sentences},
};
use crate::{app::App, limits_view::LIMITS_PATH};

/// Followed by the request's id: sends the answer to the client through the door it came by.
const ANSWER_PATH: &str = "/oauth/authorize/answer/";
/// No form of ours is longer.
const LONGEST_FORM: usize = 256 * 1024;

/// Where the one stylesheet is, for pages outside this folder.
pub fn stylesheet() -> String {
    assets::address("app.css")
}

pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/", get(|| async { page::see_other(return_to::HOME) }))
        .route("/login", get(sign_in::show).post(sign_in::sign_in))
        .route("/login/demo", post(sign_in::one_click_sign_in))
        .route("/logout", post(sign_in::sign_out))
        .route("/consent/{request_id}", get(consent::show).post(consent::decide))
        .route("/apps", get(apps::show))
        .route("/apps/pause-all", post(apps::pause_all))
        .route("/apps/{grant_id}", get(apps::show_one))
        .route("/apps/{grant_id}/limits", get(apps::show_limits).post(apps::change))
        .route("/apps/{grant_id}/stop", post(apps::stop))
        .route("/apps/{grant_id}/pause", post(apps::pause))
        .route("/apps/{grant_id}/resume", post(apps::resume))
        .route(
            LIMITS_PATH,
            get(shared_limits::show_all).post(shared_limits::change_all),
        )
        .route(
            "/limits/{client_id}",
            get(shared_limits::show_app).post(shared_limits::change_app),
        )
        .route("/keys", get(keys::show).post(keys::add))
        .route("/keys/{id}/check", post(keys::check))
        .route("/keys/{id}/remove", post(keys::remove))
        .route("/prices", post(prices::set))
        .route("/prices/remove", post(prices::remove))
        .route("/apps/register", get(register::show).post(register::register))
        .route("/apps/keys/new", get(tools::show).post(tools::make))
        .route("/apps/{grant_id}/replace-key", post(tools::replace))
        .route("/alerts/seen", post(alerts::seen))
        .route("/activity", get(activity::show))
        .route("/activity/export", get(activity::export))
        .route("/settings", get(settings::show))
        .route("/settings/password", post(settings::set_password))
        .route("/settings/time-zone", post(settings::set_time_zone))
        .route("/settings/bearer", post(settings::make_bearer))
        .route("/settings/webhooks", post(webhooks::add))
        .route("/settings/webhooks/{id}/test", post(webhooks::test))
        .route("/settings/webhooks/{id}/replace-secret", post(webhooks::replace_secret))
        .route("/settings/webhooks/{id}/remove", post(webhooks::remove))
        .route("/settings/sign-out-everywhere", post(settings::sign_out_everywhere))
        .layer(map_response_with_state(app.clone(), error::draw))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .route(assets::ROUTE, get(assets::serve))
}
