//! Pages: where a user signs in, consents, and watches and stops what apps do.
//!
//! Begin with `consent/`, the page that decides about money; `page.rs` is how any page is answered.
//! The authorization endpoint sends a browser to `/login?return_to=…` and to
//! `/consent/{request_id}`; once the request is decided, the browser is sent back to
//! [`ANSWER_PATH`], which is the authorization server's: approving has issued
//! [`crate::vault::Vault::authorization_code`], and only it is left to be sent. Pages hold no
//! secrets, and no script of theirs is needed to use them.

mod activity;
mod app_words;
mod apps;
mod assets;
mod charts;
mod consent;
mod error;
mod keys;
mod page;
mod parts;
mod register;
mod return_to;
#[cfg(test)]
mod samples;
mod settings;
mod sign_in;
mod words;

use axum::{Router, routing::get};

use crate::app::App;

/// Followed by the request's id: sends the answer to the client through the door it came by.
pub const ANSWER_PATH: &str = "/oauth/authorize/answer/";

pub fn routes() -> Router<App> {
    Router::new().route(assets::ROUTE, get(assets::serve))
}
